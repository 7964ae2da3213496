"""An order event in the normalized flat form, from what the exchange sent: an element of a push, or a row over REST.

`account` reads the same events for the monitors, which compute with them; this is for the application's book, which
keeps every value as it was sent.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from ..model.futures_orders import OrderEvent
from .account import OPEN_TYPES, READ_ORDER, READ_ORDER_EVENT
from .lenient import LONGEST_ROW, Malformed, decimal, integer, moment, named, symbol, text

__all__ = ["order_event"]

LARGEST = 2**53
"""No size, time or code is larger, and JSON readers of the application agree on whole numbers up to here."""

POSITION_MODES = {"hedge_mode": "1", "one_way_mode": "2"}


def order_event(raw: bytes) -> OrderEvent:
    """The event in one element of an order push, or in one row of an answer. Raises ValueError if there is none."""
    try:
        return _order_event(raw)
    except (ArithmeticError, msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(str(error)) from None


def _order_event(raw: bytes) -> OrderEvent:
    if len(raw) > LONGEST_ROW:
        raise Malformed(f"an order event of {len(raw)} bytes")
    try:
        event = READ_ORDER_EVENT.decode(raw)
        order, action = READ_ORDER.decode(event.order), integer(event.action)
    except msgspec.ValidationError:
        order, action = READ_ORDER.decode(raw), None
    order_id, of = text(order.order_id), text(order.symbol)
    if not order_id or not symbol(order.symbol):
        raise Malformed("an order without its id or symbol")
    return OrderEvent(
        order_id=order_id,
        symbol=of,
        action=action,
        client_order_id=text(order.client_order_id),
        side=integer(order.side),
        type=text(order.type) or None,
        state=integer(order.state),
        price=_number(order.price),
        size=_number(order.size, LARGEST),
        deal_avg_price=_number(order.deal_avg_price),
        deal_size=_number(order.deal_size, LARGEST),
        leverage=_number(order.leverage, LARGEST),
        open_type=named(order.open_type, OPEN_TYPES),
        position_mode=_position_mode(order.position_mode),
        update_time_ms=moment(order.update_time),
        raw_data=raw.decode(),
    )


def _number(raw: Raw, largest: int | None = None) -> str | None:
    """A number as it was sent; None where none was. Raises Malformed for one that is out of all bounds."""
    number = decimal(raw)
    if number is None:
        return None
    if largest is not None and abs(number) > largest:
        raise Malformed(f"a number such as {number}")
    return text(raw)


def _position_mode(raw: Raw) -> int | None:
    """1 for hedge mode, 2 for one-way mode, whether it came as a number or as a name; None for anything else."""
    said = named(raw, POSITION_MODES)
    return int(said) if said in ("1", "2") else None
