"""Order, position and balance pushes: what the exchange says of our own account.

Every field but an order's id and symbol may be missing, and then the update says so; nothing is guessed that would end
an order. Values are read leniently, by `said`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec import Raw

from ..counters import Counters
from ..model.events import (
    BalanceUpdate,
    Fill,
    OrderState,
    OrderUpdate,
    PositionUpdate,
    plan_order_id,
)
from ..model.sides import OrderSide, PositionSide
from .lenient import (
    LONGEST_ROW,
    NOTHING,
    Malformed,
    contracts,
    count,
    decimal,
    identity,
    integer,
    moment,
    named,
    number_text,
    symbol,
    text,
)

__all__ = ["balances", "orders", "positions"]

POSITION_MODES = {"1": "hedge_mode", "2": "one_way_mode"}
OPEN_TYPES = {"1": "isolated", "2": "cross"}


class OrderEvent(msgspec.Struct):
    """One element of an order push."""

    order: Raw
    action: Raw = NOTHING


class OrderData(msgspec.Struct):
    """An order on the wire. Every field is raw: BitMart mixes text and numbers."""

    order_id: Raw
    symbol: Raw
    client_order_id: Raw = NOTHING
    state: Raw = NOTHING
    side: Raw = NOTHING
    type: Raw = NOTHING
    price: Raw = NOTHING
    size: Raw = NOTHING
    deal_size: Raw = NOTHING
    deal_avg_price: Raw = NOTHING
    leverage: Raw = NOTHING
    open_type: Raw = NOTHING
    position_mode: Raw = NOTHING
    create_time: Raw = NOTHING
    update_time: Raw = NOTHING
    last_trade: Raw = NOTHING
    plan_order_id: Raw = NOTHING
    trigger_price: Raw = NOTHING


class LastTrade(
    msgspec.Struct,
    rename={
        "trade_id": "lastTradeID",
        "price": "fillPrice",
        "size": "fillQty",
        "fee_currency": "feeCcy",
    },
):
    """The fill that an order push was sent for."""

    trade_id: Raw
    price: Raw
    size: Raw
    fee: Raw = NOTHING
    fee_currency: Raw = NOTHING


class PositionData(msgspec.Struct):
    """A position on the wire."""

    symbol: Raw
    hold_volume: Raw
    position_type: Raw = NOTHING
    position_mode: Raw = NOTHING
    hold_avg_price: Raw = NOTHING
    open_avg_price: Raw = NOTHING
    liquidate_price: Raw = NOTHING
    create_time: Raw = NOTHING
    update_time: Raw = NOTHING


class BalanceData(msgspec.Struct):
    """The account in one currency on the wire."""

    currency: Raw
    available_balance: Raw
    frozen_balance: Raw = NOTHING
    position_deposit: Raw = NOTHING


READ_ORDER_EVENT = msgspec.json.Decoder(OrderEvent)
READ_ORDER = msgspec.json.Decoder(OrderData)
READ_LAST_TRADE = msgspec.json.Decoder(LastTrade)
READ_POSITION = msgspec.json.Decoder(PositionData)
READ_BALANCE = msgspec.json.Decoder(BalanceData)


def orders(raw: bytes, counters: Counters) -> Iterator[OrderUpdate]:
    """The update in one element of an order push; its `raw` is that element. Raises ValueError if there is none."""
    if len(raw) > LONGEST_ROW:
        raise Malformed(f"an order event of {len(raw)} bytes")
    event = READ_ORDER_EVENT.decode(raw)
    order = READ_ORDER.decode(event.order)
    order_id, of = text(order.order_id), symbol(order.symbol)
    if not order_id or not of:
        raise Malformed("an order without its id or symbol")
    client_order_id = text(order.client_order_id)
    deal_size = count(order.deal_size)
    yield OrderUpdate(
        order_id=order_id,
        symbol=of,
        state=_state(order.state, counters, order_id),
        client_order_id=client_order_id,
        side=_side(order.side, counters, order_id),
        type=text(order.type).lower() or None,
        action=integer(event.action),
        price=decimal(order.price),
        size=count(order.size),
        deal_size=deal_size or 0,
        deal_size_known=deal_size is not None,
        deal_avg_price=decimal(order.deal_avg_price),
        leverage=number_text(order.leverage),
        open_type=named(order.open_type, OPEN_TYPES),
        position_mode=named(order.position_mode, POSITION_MODES),
        create_time_ms=moment(order.create_time),
        update_time_ms=moment(order.update_time),
        last_fill=_fill(order.last_trade, counters, order_id),
        plan_order_id=plan_order_id(text(order.plan_order_id), client_order_id),
        trigger_price=decimal(order.trigger_price),
        raw=raw,
    )


def _state(raw: Raw, counters: Counters, order_id: str) -> OrderState:
    """The order's state; a missing or unknown one counts as working, which claims no end."""
    number = integer(raw)
    try:
        return OrderState(number or 0)
    except ValueError:
        counters.add("order_event_state_unknown", state=number, order_id=order_id)
        return OrderState.CHECK


def _side(raw: Raw, counters: Counters, order_id: str) -> OrderSide | None:
    number = integer(raw)
    try:
        return None if number is None else OrderSide(number)
    except ValueError:
        counters.add("order_event_side_unknown", side=number, order_id=order_id)
        return None


def _fill(raw: Raw, counters: Counters, order_id: str) -> Fill | None:
    """The last fill; a malformed one is left out, for `deal_size` says the same more surely."""
    if bytes(raw) in (b"null", b"{}", b'""'):
        return None
    try:
        trade = READ_LAST_TRADE.decode(raw)
        trade_id, price, size = identity(trade.trade_id), decimal(trade.price), count(trade.size)
    except (ValueError, ArithmeticError, msgspec.MsgspecError, RecursionError):
        trade_id = price = size = None
    if trade_id is None or price is None or size is None:
        counters.add("order_last_trade_malformed", order_id=order_id)
        return None
    return Fill(trade_id, price, size, *_fee(trade, counters, order_id))


def _fee(trade: LastTrade, counters: Counters, order_id: str) -> tuple[Decimal | None, str | None]:
    """What a fill cost, and in which currency; a malformed one is left out, and the fill stays."""
    try:
        return decimal(trade.fee), text(trade.fee_currency).upper() or None
    except (ValueError, ArithmeticError, msgspec.MsgspecError, RecursionError):
        counters.add("order_fee_malformed", order_id=order_id)
        return None, None


def positions(raw: bytes) -> Iterator[PositionUpdate]:
    """The updates in one element of a position push. Raises ValueError if there is none.

    In one-way mode the other side is flat by definition, and that is said too.
    """
    position = READ_POSITION.decode(raw)
    of, volume = symbol(position.symbol), contracts(position.hold_volume)
    if not of or volume is None:
        raise Malformed("a position without its symbol or volume")
    one_way = named(position.position_mode, POSITION_MODES) == "one_way_mode"
    side = _position_side(integer(position.position_type), volume, one_way)
    at = moment(position.update_time)
    yield PositionUpdate(
        symbol=of,
        side=side,
        size=abs(volume),
        entry_price=decimal(position.hold_avg_price) or decimal(position.open_avg_price) or None,
        liquidation_price=decimal(position.liquidate_price) or None,
        update_time_ms=at,
        open_time_ms=(integer(position.create_time) or None) if volume else None,
    )
    if one_way and (volume or integer(position.position_type) is None):
        other = PositionSide.SHORT if side is PositionSide.LONG else PositionSide.LONG
        yield PositionUpdate(symbol=of, side=other, size=0, update_time_ms=at)


def balances(raw: bytes) -> Iterator[BalanceUpdate]:
    """The update in a balance push. Raises ValueError if there is none."""
    balance = READ_BALANCE.decode(raw)
    currency, available = text(balance.currency).upper(), decimal(balance.available_balance)
    if not currency or available is None:
        raise Malformed("a balance without its currency or what is available")
    yield BalanceUpdate(
        currency=currency,
        available=available,
        frozen=decimal(balance.frozen_balance),
        position_deposit=decimal(balance.position_deposit),
    )


def _position_side(position_type: int | None, volume: int, one_way: bool) -> PositionSide:
    if volume < 0 or position_type == 2:
        return PositionSide.SHORT
    if position_type == 1 or (position_type is None and one_way):
        return PositionSide.LONG
    raise Malformed(f"a position of type {position_type}")
