"""The application's receivers of order signals and of balance signals.

Both refuse with 401 what is not signed over this body within a minute, and with 400 what lacks a required field. An
order signal is taken once for each (`client_order_id`, `kind`): a second one is answered with 409 and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from .answers import Answer, answer, as_object
from .reading import Complaint, Reading, decimal_text, moment, one_of, text, whole
from .signed import why_not_ours

__all__ = ["Balance", "BalanceSignals", "OrderSignals", "Signal"]

ORDER_FIELDS = (
    "kind",
    "status",
    "client_order_id",
    "symbol",
    "side",
    "type",
    "price",
    "size",
    "submitted_at",
)
BALANCE_FIELDS = (
    "asset",
    "available_balance",
    "frozen_balance",
    "equity",
    "timestamp",
    "trace_id",
)
CLOSES = ("STOP_LOSS", "TAKE_PROFIT")
KINDS = ("ENTRY", *CLOSES)
STATUSES = ("SUBMITTED", "CANCELLED", "REJECTED", "FILLED", "PARTIALLY_FILLED")


@frozen
class Signal:
    """An order signal that was understood. `again` is whether it was answered with 409."""

    kind: str
    status: str
    client_order_id: str
    body: Mapping[str, Any]
    again: bool


@frozen
class Balance:
    """A balance signal that was understood."""

    body: Mapping[str, Any]


@define
class OrderSignals:
    """Takes order signals. `heard` has all that were understood, those answered with 409 too, in order of arrival."""

    secret: str
    heard: list[Signal] = field(factory=list)
    known: set[tuple[str, str]] = field(factory=set)
    """(`client_order_id`, `kind`) of what was taken."""
    traces: dict[str, tuple[Any, ...]] = field(factory=dict)
    """What each trace id was used for."""

    def take(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> Answer:
        said = _believed(self.secret, ORDER_FIELDS, headers, body, now_ms)
        if isinstance(said, Answer):
            return said
        key = str(said["client_order_id"]), str(said["kind"])
        again = key in self.known
        self.known.add(key)
        signal = Signal(key[1], str(said["status"]), key[0], said, again)
        self.heard.append(signal)
        complaints = tuple(self._complaints(said))
        if again:
            return answer(409, "Duplicate signal", heard=signal, complaints=complaints)
        return answer(202, heard=signal, complaints=complaints)

    def of(self, client_order_id: str) -> list[tuple[str, str]]:
        """(kind, status) of what came about an order, in order of arrival, without repetitions of the same words."""
        words = [(s.kind, s.status) for s in self.heard if s.client_order_id == client_order_id]
        return [each for place, each in enumerate(words) if each not in words[:place]]

    def _complaints(self, body: dict[str, Any]) -> list[Complaint]:
        said = f"{body['kind']} {body['status']} of {body['client_order_id']}"
        reading = Reading(f"order signal {said}", body)
        reading.need("kind", one_of(*KINDS))
        reading.need("status", one_of(*STATUSES))
        reading.need("client_order_id", text)
        reading.may("order_id", text, null=False)
        if body["kind"] in CLOSES:
            reading.need("parent_client_order_id", text)
        else:
            reading.may("parent_client_order_id", text, null=False)
        for name in ("symbol", "type"):
            reading.need(name, text)
        reading.need("side", one_of("1", "2", "3", "4"))
        for name in ("price", "size"):
            reading.need(name, decimal_text)
        reading.may("leverage", decimal_text, null=False)
        reading.need("submitted_at", moment)
        reading.need("payload_version", one_of("1.0"))
        reading.need("retry_count", whole)
        self._read_context(reading.inside("context"))
        position = reading.inside("position")
        position.need("symbol", text)
        position.need("side", one_of("LONG", "SHORT"))
        if "exchange_response" in body:
            exchange = reading.inside("exchange_response")
            for name in ("order", "raw"):
                exchange.need(name)
        self._read_trace(reading, body)
        return reading.complaints

    def _read_context(self, context: Reading) -> None:
        context.need("source", one_of("bitmart_ws_worker"))
        # What the exchange has not said yet is left out.
        for name in ("action", "state", "trigger_price", "executive_price"):
            context.may(name, text)
        for name in ("deal_size", "deal_avg_price"):
            context.may(name, decimal_text)

    def _read_trace(self, reading: Reading, body: dict[str, Any]) -> None:
        trace = reading.need("trace_id", text)
        context = body.get("context")
        filled = context.get("deal_size") if isinstance(context, dict) else None
        used_for = body["client_order_id"], body["kind"], body["status"], filled
        if trace is not None and self.traces.setdefault(str(trace), used_for) != used_for:
            reading.complain("trace_id", f"was that of {self.traces[str(trace)]}")


@define
class BalanceSignals:
    """Takes balance signals; an older application has no such route, and answers 404."""

    secret: str
    exists: bool = True
    heard: list[Balance] = field(factory=list)

    def take(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> Answer:
        if not self.exists:
            return answer(404, "No route found")
        said = _believed(self.secret, BALANCE_FIELDS, headers, body, now_ms)
        if isinstance(said, Answer):
            return said
        balance = Balance(said)
        self.heard.append(balance)
        reading = Reading("balance signal", said)
        reading.need("asset", one_of("USDT"))
        for name in ("available_balance", "frozen_balance", "equity"):
            reading.need(name, decimal_text)
        for name in ("unrealized_pnl", "position_deposit", "bonus"):
            reading.may(name, decimal_text)
        reading.need("timestamp", moment)
        reading.need("trace_id", text)
        reading.may("retry_count", whole)
        return answer(202, heard=balance, complaints=tuple(reading.complaints))


def _believed(
    secret: str, required: tuple[str, ...], headers: Mapping[str, str], body: bytes, now_ms: int
) -> dict[str, Any] | Answer:
    """The body if it is signed and has all that is required, or the refusal."""
    if why := why_not_ours(secret, headers, body, now_ms):
        return answer(401, why)
    try:
        said = as_object(body)
    except ValueError:
        return answer(400, "Invalid JSON")
    if said is None:
        return answer(400, "Invalid payload")
    for name in required:
        if said.get(name) is None:
            return answer(400, f"Missing required field: {name}")
    return said
