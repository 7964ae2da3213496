"""From what BitMart pushes to the model's events.

Lenient in form (numbers as text, text as numbers, `-` and `""` for nothing, both kline shapes), strict in substance: a
price that is not a positive number is refused rather than guessed, because a stop would believe it. One malformed event
is counted with its reason, and never takes its neighbours with it. No number becomes a float on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec
from msgspec import Raw

from ..model.decimals import decimal_or_none, to_contracts
from ..model.events import (
    Event,
    Fill,
    Kline,
    OrderState,
    OrderUpdate,
    PositionUpdate,
    Trade,
)
from ..model.sides import OrderSide, PositionSide
from ..model.timeframes import Timeframe
from ..tally import Tally
from .topics import Kind, Topic

__all__ = ["Malformed", "events"]

MILLISECONDS_FROM = 100_000_000_000
"""A time above this is in milliseconds: in seconds it would be the year 5138."""

POSITION_MODES = {"1": "hedge_mode", "2": "one_way_mode"}
OPEN_TYPES = {"1": "isolated", "2": "cross"}

NOTHING = Raw(b"null")


class Malformed(ValueError):
    """An event that cannot be read. The text says what is wrong with it."""


class KlineData(msgspec.Struct):
    """`data` of a kline push: with `items`, as the exchange sends it; the fields of one bar, as it documents it."""

    symbol: str | None = None
    items: list[Raw] | None = None


class Bar(msgspec.Struct):
    """One bar on the wire."""

    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 - the exchange's name
    c: Decimal
    ts: int
    v: Decimal = Decimal(0)


class TradeData(msgspec.Struct):
    """One public trade on the wire."""

    deal_price: Decimal
    deal_vol: Decimal = Decimal(0)
    trade_id: int = 0
    symbol: str | None = None


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


class LastTrade(
    msgspec.Struct, rename={"trade_id": "lastTradeID", "price": "fillPrice", "size": "fillQty"}
):
    """The fill that an order push was sent for."""

    trade_id: Raw
    price: Raw
    size: Raw


class PositionData(msgspec.Struct):
    """A position on the wire."""

    symbol: Raw
    hold_volume: Raw
    position_type: Raw = NOTHING
    position_mode: Raw = NOTHING
    hold_avg_price: Raw = NOTHING
    open_avg_price: Raw = NOTHING
    liquidate_price: Raw = NOTHING
    update_time: Raw = NOTHING


READ_KLINES = msgspec.json.Decoder(KlineData)
READ_BAR = msgspec.json.Decoder(Bar, strict=False)
READ_TRADE = msgspec.json.Decoder(TradeData, strict=False)
READ_ORDER_EVENT = msgspec.json.Decoder(OrderEvent)
READ_ORDER = msgspec.json.Decoder(OrderData)
READ_LAST_TRADE = msgspec.json.Decoder(LastTrade)
READ_POSITION = msgspec.json.Decoder(PositionData)
READ_LIST = msgspec.json.Decoder(list[Raw])
READ_TEXT = msgspec.json.Decoder(str)


def events(topic: Topic, data: bytes, tally: Tally) -> list[Event]:
    """The events in one push of `topic`, in order; `data` is its JSON. What is malformed is counted and left out."""
    made: list[Event] = []
    read = READERS.get(topic.kind)
    if read is None:
        tally.add("push of a channel that nobody reads", topic=topic.name)
        return made
    for raw in _parts(topic, data, tally):
        try:
            made += read(topic, raw, tally)
        except (ValueError, ArithmeticError, msgspec.MsgspecError, RecursionError) as error:
            _malformed(tally, topic, raw, error)
    if topic.kind is Kind.TRADES:
        made.sort(key=_trade_id)
    return made


def _parts(topic: Topic, data: bytes, tally: Tally) -> list[bytes]:
    """The elements of `data`, whether it is an array of them, one of them, or null."""
    try:
        if data.startswith(b"["):
            return [bytes(raw) for raw in READ_LIST.decode(data)]
        if data.startswith(b"{") and topic.kind is Kind.KLINES:
            push = READ_KLINES.decode(data)
            _same_symbol(topic, push.symbol)
            return [data] if push.items is None else [bytes(raw) for raw in push.items]
        return [] if data in (b"", b"null") else [data]
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        _malformed(tally, topic, data, error)
        return []


def _malformed(tally: Tally, topic: Topic, raw: bytes, error: Exception) -> None:
    text = raw[:300].decode(errors="replace")
    tally.add(
        f"malformed push of {topic.kind.value}", topic=topic.name, error=str(error), text=text
    )


def _same_symbol(topic: Topic, symbol: str | None) -> None:
    if symbol and symbol != topic.symbol:
        raise Malformed(f"speaks of {symbol}")


def _klines(topic: Topic, raw: bytes, tally: Tally) -> Iterator[Event]:
    bar = READ_BAR.decode(raw)
    for price in (bar.o, bar.h, bar.l, bar.c):
        _positive(price)
    if not bar.v.is_finite():
        raise Malformed(f"a volume of {bar.v}")
    assert isinstance(topic.timeframe, Timeframe)
    yield Kline(
        topic.symbol, topic.timeframe, _open_time_s(bar.ts), bar.o, bar.h, bar.l, bar.c, bar.v
    )


def _open_time_s(ts: int) -> int:
    """Seconds, on the minute: some years ago a bar's time was one second late, and documents differ on the unit."""
    seconds = ts // 1_000 if ts >= MILLISECONDS_FROM else ts
    return seconds // 60 * 60


def _trades(topic: Topic, raw: bytes, tally: Tally) -> Iterator[Event]:
    trade = READ_TRADE.decode(raw)
    _same_symbol(topic, trade.symbol)
    yield Trade(topic.symbol, trade.trade_id, _positive(trade.deal_price), trade.deal_vol)


def _trade_id(event: Event) -> int:
    """Trades of one push by their number: whether the newest comes first or last is documented nowhere."""
    return event.trade_id if isinstance(event, Trade) else 0


def _positive(price: Decimal) -> Decimal:
    if not (price.is_finite() and price > 0):
        raise Malformed(f"a price of {price}")
    return price


def _orders(topic: Topic, raw: bytes, tally: Tally) -> Iterator[Event]:
    event = READ_ORDER_EVENT.decode(raw)
    order = READ_ORDER.decode(event.order)
    order_id, symbol = _text(order.order_id), _text(order.symbol).upper()
    if not order_id or not symbol:
        raise Malformed("an order without its id or symbol")
    yield OrderUpdate(
        order_id=order_id,
        symbol=symbol,
        state=_state(order.state, tally, order_id),
        client_order_id=_text(order.client_order_id),
        side=_side(order.side, tally, order_id),
        type=_text(order.type).lower() or None,
        action=_int(event.action),
        price=_decimal(order.price),
        size=_contracts(order.size),
        deal_size=_contracts(order.deal_size) or 0,
        deal_avg_price=_decimal(order.deal_avg_price),
        leverage=_text(order.leverage) or None,
        open_type=_named(order.open_type, OPEN_TYPES),
        position_mode=_named(order.position_mode, POSITION_MODES),
        create_time_ms=_int(order.create_time),
        update_time_ms=_int(order.update_time),
        last_fill=_fill(order.last_trade, tally, order_id),
        raw=raw,
    )


def _state(raw: Raw, tally: Tally, order_id: str) -> OrderState:
    """The order's state; a missing or unknown one counts as working, which claims no end."""
    number = _int(raw)
    try:
        return OrderState(number or 0)
    except ValueError:
        tally.add("order event without a known state", state=number, order_id=order_id)
        return OrderState.CHECK


def _side(raw: Raw, tally: Tally, order_id: str) -> OrderSide | None:
    number = _int(raw)
    try:
        return None if number is None else OrderSide(number)
    except ValueError:
        tally.add("order event of an unknown side", side=number, order_id=order_id)
        return None


def _fill(raw: Raw, tally: Tally, order_id: str) -> Fill | None:
    """The last fill; a malformed one is left out, for `deal_size` says the same more surely."""
    if bytes(raw) in (b"null", b"{}", b'""'):
        return None
    try:
        trade = READ_LAST_TRADE.decode(raw)
        trade_id, price, size = _int(trade.trade_id), _decimal(trade.price), _contracts(trade.size)
    except (ValueError, ArithmeticError, msgspec.MsgspecError):
        trade_id = price = size = None
    if trade_id is None or price is None or size is None:
        tally.add("malformed last trade of an order", order_id=order_id)
        return None
    return Fill(trade_id, price, size)


def _positions(topic: Topic, raw: bytes, tally: Tally) -> Iterator[Event]:
    """One side's position. In one-way mode the other side is flat by definition, and that is said too."""
    position = READ_POSITION.decode(raw)
    symbol, volume = _text(position.symbol).upper(), _contracts(position.hold_volume)
    if not symbol or volume is None:
        raise Malformed("a position without its symbol or volume")
    one_way = _named(position.position_mode, POSITION_MODES) == "one_way_mode"
    side = _position_side(_int(position.position_type), volume, one_way)
    at = _int(position.update_time)
    yield PositionUpdate(
        symbol=symbol,
        side=side,
        size=abs(volume),
        entry_price=_decimal(position.hold_avg_price) or _decimal(position.open_avg_price) or None,
        liquidation_price=_decimal(position.liquidate_price) or None,
        update_time_ms=at,
    )
    if one_way and (volume or _int(position.position_type) is None):
        other = PositionSide.SHORT if side is PositionSide.LONG else PositionSide.LONG
        yield PositionUpdate(symbol=symbol, side=other, size=0, update_time_ms=at)


def _position_side(position_type: int | None, volume: int, one_way: bool) -> PositionSide:
    if volume < 0 or position_type == 2:
        return PositionSide.SHORT
    if position_type == 1 or (position_type is None and one_way):
        return PositionSide.LONG
    raise Malformed(f"a position of type {position_type}")


Reader = Callable[[Topic, bytes, Tally], Iterator[Event]]

READERS: dict[Kind, Reader] = {
    Kind.KLINES: _klines,
    Kind.TRADES: _trades,
    Kind.ORDERS: _orders,
    Kind.POSITIONS: _positions,
}


def _text(raw: Raw) -> str:
    """What a JSON scalar says, as text; `""` for null, `"-"` and `""`."""
    token = bytes(raw)
    if token == b"null":
        return ""
    if token[:1] == b'"':
        said = READ_TEXT.decode(raw).strip()
        return "" if said == "-" else said
    if token[:1] in (b"{", b"["):
        raise Malformed(f"a list or object in the place of a value: {token[:50]!r}")
    return token.decode()


def _decimal(raw: Raw) -> Decimal | None:
    return decimal_or_none(_text(raw))


def _int(raw: Raw) -> int | None:
    number = _decimal(raw)
    return None if number is None else int(number)


def _contracts(raw: Raw) -> int | None:
    number = _decimal(raw)
    return None if number is None else to_contracts(number)


def _named(raw: Raw, names: dict[str, str]) -> str | None:
    said = _text(raw).lower()
    return names.get(said, said) or None
