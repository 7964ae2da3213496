"""The application's callback receiver: it tells what a callback is by `status`, and reads the fields of that word.

It answers 200 to whatever parses, also to words it does not know, 400 to what does not parse, and 500 when it crashes
itself. It knows no idempotency key: a callback that comes twice is taken twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field, frozen

from .answers import Answer, answer, as_object
from .reading import Complaint, Reading, number, string, text

__all__ = ["WORDS", "Callback", "Callbacks"]

WORDS = ("placed", "failed", "timeout", "closed", "close_failed")
"""Those that the application was written for."""
OWN_CLOSES = ("stop_loss", "take_profit")


@frozen
class Callback:
    """One callback that was taken. `known` is whether the application does anything with it."""

    status: str
    id: str
    """The application's order or position."""
    body: Mapping[str, Any]
    known: bool


def _does_nothing(callback: Callback) -> None:
    """The application has nothing to do."""


@define
class Callbacks:
    """Takes callbacks. `use` is the application's own work with one; what it raises is answered with 500.

    `quantities` are those that were sent with orders, by id: `placed` has to bring back the same.
    """

    quantities: Mapping[str, float] = field(factory=dict)
    use: Callable[[Callback], None] = _does_nothing
    taken: list[Callback] = field(factory=list)

    def take(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> Answer:
        try:
            said = as_object(body)
        except ValueError:
            return answer(400, "Invalid JSON")
        if said is None:
            return answer(200, complaints=(Complaint("callback", "$", "is no object"),))
        callback, complaints = self._understood(said)
        try:
            self.use(callback)
        except Exception as crash:
            return answer(500, f"{type(crash).__name__}: {crash}", complaints=complaints)
        self.taken.append(callback)
        return answer(200, heard=callback, complaints=complaints)

    def of(self, id: str) -> list[str]:
        """The words that came about an order or a position, in order of arrival."""
        return [each.status for each in self.taken if each.id == id]

    def latest(self, id: str, status: str) -> Mapping[str, Any]:
        """The body of the latest callback of that word. Raises LookupError where there is none."""
        for each in reversed(self.taken):
            if (each.id, each.status) == (id, status):
                return each.body
        raise LookupError(f"no callback {status!r} about {id!r}, only {self.of(id)}")

    def _understood(self, body: dict[str, Any]) -> tuple[Callback, tuple[Complaint, ...]]:
        status = body.get("status")
        reading = Reading(f"callback {status}", body)
        if not isinstance(status, str):
            reading.need("status", text)
            status = ""
        id = body.get("order_id")
        if status == "placed":
            reading.need("order_id", text)
            reading.need("exchange_order_id", text)
            reading.need("entry_price", number)
            self._read_quantity(reading, body)
        elif status == "failed":
            reading.need("order_id", text)
            reading.need("error", text)
        elif status == "timeout":
            reading.need("order_id", text)
            reading.need("reason", text)
        elif status == "closed":
            id = reading.need("position_id", text)
            own = reading.need("reason", text) in OWN_CLOSES
            # The old worker told of its own closes only. Of others the engine may not know the order and the price.
            read = reading.need if own else reading.may
            read("close_order_id", string)
            read("close_price", number)
        elif status == "close_failed":
            id = reading.need("position_id", text)
            reading.need("reason", text)
            reading.need("error", text)
        elif isinstance(body.get("position_id"), str):
            id = body["position_id"]
        return Callback(status, str(id), body, status in WORDS), tuple(reading.complaints)

    def _read_quantity(self, reading: Reading, body: dict[str, Any]) -> None:
        quantity = reading.need("quantity", number)
        sent = self.quantities.get(str(body.get("order_id")))
        if sent is not None and quantity is not None and quantity != sent:
            reading.complain("quantity", f"is {quantity!r}, and {sent!r} was sent")
