"""The bodies of callbacks: from an event of an order or a protection, and its facts, to what its `callback_url` gets.

Pure: nothing is sent, read or measured here. An application that was written for the old worker tells callbacks
apart by `status` and reads a few fields of each; it finds them here under the same names, with the same types, and
never null where it needs a value. What is ours is beside them: `event` (the same word), prices once more as text.

Source: the old worker's documents (`placed`, `failed`, `timeout`, `closed`, `close_failed`); the other words are new.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from ...model.decimals import plain
from ...model.orders import EntryRequest
from ...model.positions import CloseReason, Protection
from ...model.sides import PositionSide

__all__ = [
    "close_price",
    "entry_price",
    "order_callback",
    "protection_callback",
    "quantity_as_sent",
]

Facts = Mapping[str, object]
"""By name: prices and quantities as Decimal (or None), a close's reason as CloseReason, the rest as JSON takes it."""
Body = dict[str, object]

PRICES = frozenset({"entry_price", "close_price", "quantity", "average_price", "stop_loss"})
"""Each is a JSON number with all its digits, and the same as text under its name with `_text` behind it."""

NEEDED: Mapping[str, Mapping[str, str]] = {
    "placed": {"exchange_order_id": ""},
    "failed": {"reason": "unknown", "error": "no reason is known"},
    "timeout": {"reason": "timeout"},
    "closed": {"reason": CloseReason.CLOSED_ELSEWHERE.value, "close_order_id": ""},
    "close_failed": {"reason": "unknown", "error": "no reason is known"},
}
"""By event: texts that its receiver reads, and what stands there where nothing is known."""

TOLD_AS = {
    CloseReason.EXCHANGE_STOP_LOSS: CloseReason.STOP_LOSS,
    CloseReason.EXCHANGE_TAKE_PROFIT: CloseReason.TAKE_PROFIT,
}
"""A stop is a stop, whoever kept it; `closed_by` says who did."""
CLOSED_BY = {
    CloseReason.STOP_LOSS: "engine",
    CloseReason.TAKE_PROFIT: "engine",
    CloseReason.MANUAL: "engine",
    CloseReason.EXCHANGE_STOP_LOSS: "exchange",
    CloseReason.EXCHANGE_TAKE_PROFIT: "exchange",
    CloseReason.LIQUIDATION: "exchange",
    CloseReason.ADL: "exchange",
}
"""Of what was closed elsewhere it is not known who did."""


def order_callback(request: EntryRequest, event: str, facts: Facts, at_ms: int) -> Body:
    """What is told of an entry order. `at_ms` is the engine's time, Unix ms."""
    return {
        "event": event,
        "status": event,
        "order_id": request.id,
        "symbol": request.symbol,
        "side": request.side.value,
        **_told(event, facts),
        "metadata": request.metadata,
        "at_ms": at_ms,
    }


def protection_callback(protection: Protection, event: str, facts: Facts, at_ms: int) -> Body:
    """What is told of a protection. `order_id` is that of its entry order, or what was named with the position."""
    asked = protection.request
    return {
        "event": event,
        "status": event,
        "position_id": protection.id,
        "order_id": protection.entry_id or (None if asked is None else asked.order_id),
        "symbol": protection.symbol,
        "side": protection.side.value,
        **_told(event, facts),
        "metadata": protection.metadata,
        "at_ms": at_ms,
    }


def quantity_as_sent(request: EntryRequest) -> Decimal:
    """The quantity as the application gave it, in the unit it was given in; in the base currency where it gave a size
    in place of a quantity."""
    if request.quantity_unit == "contracts":
        return Decimal(request.size)
    return request.quantity if request.asked_quantity is None else request.asked_quantity


def entry_price(
    request: EntryRequest, price: Decimal | None, average: Decimal | None, last: Decimal | None
) -> Facts:
    """At which price an order was placed: its limit, or what it filled at.

    A market order that has not filled yet has neither: then it is the last price of its symbol, or the far end of its
    zone, and said to be an estimate.
    """
    known = price or average
    if known:  # an order that filled nothing has 0
        return {"entry_price": known}
    worst = request.zone_max if request.side is PositionSide.LONG else request.zone_min
    return {"entry_price": worst if last is None else last, "entry_price_estimated": True}


def close_price(
    protection: Protection, reason: CloseReason, price: Decimal | None, last: Decimal | None
) -> Facts:
    """At which price a position was closed.

    Where no order tells: the level of the exchange's stop or target that closed it, else the last price of its symbol,
    and said to be an estimate. None only where no price of the symbol is known at all.
    """
    if price:  # an order that filled nothing has 0
        return {"close_price": price}
    match reason:
        case CloseReason.EXCHANGE_STOP_LOSS:
            level = protection.exchange_stop_loss or protection.stop_loss
        case CloseReason.EXCHANGE_TAKE_PROFIT:
            level = protection.exchange_take_profit or protection.take_profit
        case _:
            level = None
    known = last if level is None else level
    if known is None:
        return {"close_price": None}
    return {"close_price": known, "close_price_estimated": True}


def _told(event: str, facts: Facts) -> Body:
    body: Body = {}
    for name, value in facts.items():
        if isinstance(value, CloseReason):
            body[name] = TOLD_AS.get(value, value).value
            if event == "closed" and value in CLOSED_BY:
                body["closed_by"] = CLOSED_BY[value]
        elif name in PRICES:
            assert value is None or isinstance(value, Decimal), "a price is exact"
            text = None if value is None else plain(value)
            body[name] = None if text is None else msgspec.Raw(text.encode())
            body[f"{name}_text"] = text
        else:
            body[name] = value
    for name, unknown in NEEDED.get(event, {}).items():
        body[name] = body.get(name) or unknown
    return body
