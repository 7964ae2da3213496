"""What the signals to the application have in common: the body, its statuses and moments, and what the exchange said.

Pure. Source: the application's contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

import msgspec
from attrs import frozen
from msgspec import Raw

from ...model.decimals import decimal_or_none, plain
from ...model.events import OrderState, plan_order_id
from ...model.futures_orders import OrderAction, name_of
from ...model.sides import OrderSide, PositionSide

__all__ = [
    "NOTHING_SAID",
    "PAYLOAD_VERSION",
    "SOURCE",
    "Said",
    "Signal",
    "Status",
    "moment",
    "signal_of",
    "status_of",
    "without_nothing",
]

Signal = dict[str, object]
"""The body of one, without its trace id, which is added where it gets an id of its own."""


SOURCE = "bitmart_ws_worker"
PAYLOAD_VERSION = "1.0"

_READ_EVENT = msgspec.json.Decoder(dict[str, Raw])


class Status(Enum):
    """How an order stands, in the application's words. What filled in part and was then cancelled is FILLED, with
    `context.partial`."""

    SUBMITTED = "SUBMITTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"

    @property
    def final(self) -> bool:
        """Whether the order has ended."""
        return self in (Status.FILLED, Status.CANCELLED, Status.REJECTED)


def status_of(*, ended: bool, filled: int) -> Status:
    """The status of an order that the exchange has, or had."""
    if ended:
        return Status.FILLED if filled else Status.CANCELLED
    return Status.PARTIALLY_FILLED if filled else Status.SUBMITTED


@frozen(kw_only=True)
class Said:
    """One order event of the exchange, as it came: an element of a push, or a row that was read over REST."""

    action: int | None = None
    state: int | None = None
    trigger_price: str | None = None
    executive_price: str | None = None
    plan_order_id: str = ""
    """The plan order that the exchange made the order of."""
    response: dict[str, object] | None = None
    """`order` as the exchange sent it, `action` (absent for what was read over REST), and the whole event as `raw`."""

    @classmethod
    def of(cls, raw: bytes) -> Said:
        """What `raw` says; nothing where it cannot be read."""
        try:
            event = _READ_EVENT.decode(raw)
            order = event.get("order", Raw(raw))
            fields = _READ_EVENT.decode(order)
            action = _whole(event.get("action"))
            return cls(
                action=action,
                state=_whole(fields.get("state")),
                trigger_price=_price(fields.get("trigger_price")),
                executive_price=_price(
                    fields.get("executive_price") or fields.get("execution_price")
                ),
                plan_order_id=plan_order_id(
                    _text(fields.get("plan_order_id")), _text(fields.get("client_order_id"))
                ),
                response=without_nothing({"order": order, "action": action, "raw": Raw(raw)}),
            )
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return NOTHING_SAID

    @property
    def action_name(self) -> str | None:
        """`MATCH_DEAL`, say; None where nothing, or nothing known, was said."""
        return name_of(OrderAction, self.action)

    @property
    def state_name(self) -> str | None:
        """`APPROVAL`, `CHECK` or `FINISH`."""
        return name_of(OrderState, self.state)


NOTHING_SAID = Said()


def moment(at_ms: int) -> str:
    """ISO 8601 with its offset and with milliseconds: `2026-11-30T16:00:00.000+00:00`."""
    seconds, rest = divmod(at_ms, 1000)
    return (
        datetime.fromtimestamp(seconds, UTC)
        .replace(microsecond=rest * 1000)
        .isoformat(timespec="milliseconds")
    )


def without_nothing(body: Mapping[str, object]) -> dict[str, object]:
    """`body` without the keys that have no value: None, and text that is empty."""
    return {key: value for key, value in body.items() if value is not None and value != ""}


def _text(raw: Raw | None) -> str:
    """Text, or a number as it was written; empty for anything else."""
    token = b"" if raw is None else bytes(raw).strip()
    if token.startswith(b'"'):
        return str(msgspec.json.decode(token)).strip()
    return token.decode() if token[:1] in b"-0123456789" else ""


def _whole(raw: Raw | None) -> int | None:
    text = _text(raw)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _price(raw: Raw | None) -> str | None:
    """A price as plain text, or the word that stands for one (`market`); None where there is none."""
    text = _text(raw)
    number = decimal_or_none(text)
    if number is not None:
        return plain(number) if number else None
    return text if text.isalpha() else None


def signal_of(
    *,
    kind: str,
    status: Status,
    order_id: str,
    client_order_id: str,
    symbol: str,
    side: OrderSide,
    type: str,
    price: str,
    size: int,
    leverage: str | None,
    submitted_ms: int,
    said: Said,
    filled: int,
    average: Decimal | None,
    metadata: Mapping[str, object],
    ours: Signal,
    parent: str = "",
) -> Signal:
    """One body: the contract's keys, with what is the engine's own in `context`."""
    position_side = side.position_side
    context: Signal = {
        "source": SOURCE,
        "action": said.action_name,
        "state": said.state_name,
        "deal_size": str(filled),
        "deal_avg_price": plain(average) if average is not None and filled else "0",
        "trigger_price": said.trigger_price,
        "executive_price": said.executive_price,
        **ours,
        "metadata": dict(metadata) or None,
    }
    return without_nothing(
        {
            "kind": kind,
            "status": status.value,
            "order_id": order_id,
            "client_order_id": client_order_id,
            "parent_client_order_id": parent,
            "symbol": symbol,
            "side": str(int(side)),
            "type": type,
            "price": price,
            "size": str(size),
            "leverage": leverage,
            "submitted_at": moment(submitted_ms),
            "context": without_nothing(context),
            "plan": metadata.get("plan"),
            "position": {
                "symbol": symbol,
                "side": "LONG" if position_side is PositionSide.LONG else "SHORT",
            },
            "exchange_response": said.response,
            "retry_count": 0,
            "payload_version": PAYLOAD_VERSION,
        }
    )
