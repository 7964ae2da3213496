"""From what BitMart pushes to the model's events.

Lenient in form (numbers as text, text as numbers, `-` and `""` for nothing, both kline shapes), strict in substance: a
price that is not a positive number is refused rather than guessed, because a stop would believe it. One malformed event
is counted with its reason, and never takes its neighbours with it. No number becomes a float on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from decimal import Decimal

import msgspec
from msgspec import Raw

from ..counters import Counters
from ..model.events import Event, Kline, Trade
from .account import balances, orders, positions
from .lenient import NOTHING, Malformed, decimal, identity, moment, price, text
from .times import unix_ms
from .topics import Kind, Topic

__all__ = ["events"]

MILLISECONDS_FROM = 100_000_000_000
"""A time above this is in milliseconds: in seconds it would be the year 5138."""


class KlineData(msgspec.Struct):
    """`data` of a kline push: with `items`, as the exchange sends it; the fields of one bar, as it documents it."""

    symbol: str | None = None
    items: list[Raw] | None = None


class Bar(msgspec.Struct):
    """One bar on the wire."""

    o: Raw
    h: Raw
    l: Raw  # noqa: E741 - the exchange's name
    c: Raw
    ts: Raw
    v: Raw = NOTHING


class TradeData(msgspec.Struct):
    """One public trade on the wire."""

    deal_price: Raw
    deal_vol: Raw = NOTHING
    trade_id: Raw = NOTHING
    symbol: Raw = NOTHING
    created_at: Raw = NOTHING
    create_time_mill: Raw = NOTHING
    create_time: Raw = NOTHING


READ_KLINES = msgspec.json.Decoder(KlineData)
READ_BAR = msgspec.json.Decoder(Bar)
READ_TRADE = msgspec.json.Decoder(TradeData)
READ_LIST = msgspec.json.Decoder(list[Raw])


def events(topic: Topic, data: bytes, counters: Counters) -> list[Event]:
    """The events in one push of `topic`, in order; `data` is its JSON. What is malformed is counted and left out."""
    made: list[Event] = []
    read = READERS.get(topic.kind)
    if read is None:
        counters.add("push_of_unknown_channel", topic=topic.name)
        return made
    for raw in _parts(topic, data, counters):
        try:
            made += read(topic, raw, counters)
        except (ValueError, ArithmeticError, msgspec.MsgspecError, RecursionError) as error:
            _malformed(counters, topic, raw, error)
    if topic.kind is Kind.TRADES:
        made.sort(key=_when_made)
    return made


def _parts(topic: Topic, data: bytes, counters: Counters) -> list[bytes]:
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
        _malformed(counters, topic, data, error)
        return []


def _malformed(counters: Counters, topic: Topic, raw: bytes, error: Exception) -> None:
    text = raw[:300].decode(errors="replace")
    counters.add("push_malformed", topic=topic.name, error=str(error), text=text)


def _same_symbol(topic: Topic, symbol: str | None) -> None:
    if symbol and symbol != topic.symbol:
        raise Malformed(f"speaks of {symbol[:50]}")


def _klines(topic: Topic, raw: bytes, counters: Counters) -> Iterator[Event]:
    bar = READ_BAR.decode(raw)
    assert topic.timeframe is not None
    yield Kline(
        topic.symbol,
        topic.timeframe,
        _open_time_s(moment(bar.ts)),
        price(bar.o),
        price(bar.h),
        price(bar.l),
        price(bar.c),
        decimal(bar.v) or Decimal(0),
    )


def _open_time_s(ts: int | None) -> int:
    """Seconds, on the minute: some years ago a bar's time was one second late, and documents differ on the unit."""
    if ts is None:
        raise Malformed("a bar without its time")
    seconds = ts // 1_000 if ts >= MILLISECONDS_FROM else ts
    return seconds // 60 * 60


def _trades(topic: Topic, raw: bytes, counters: Counters) -> Iterator[Event]:
    trade = READ_TRADE.decode(raw)
    _same_symbol(topic, text(trade.symbol))
    yield Trade(
        topic.symbol,
        identity(trade.trade_id) or 0,
        price(trade.deal_price),
        decimal(trade.deal_vol) or Decimal(0),
        _made_at_ms(trade),
    )


def _made_at_ms(trade: TradeData) -> int | None:
    """When a trade was made: as it is told now, or as older frames tell it; None where no form of it can be read."""
    for raw in (trade.created_at, trade.create_time_mill, trade.create_time):
        with suppress(ValueError, ArithmeticError, msgspec.MsgspecError):
            at_ms = unix_ms(text(raw))
            if at_ms is not None:
                return at_ms
    return None


def _when_made(event: Event) -> tuple[int, int]:
    """Trades of one push by their number and time: whether the newest comes first or last is documented nowhere."""
    assert isinstance(event, Trade)
    return event.trade_id, event.at_ms or 0


Reader = Callable[[Topic, bytes, Counters], Iterable[Event]]

READERS: dict[Kind, Reader] = {
    Kind.KLINES: _klines,
    Kind.TRADES: _trades,
    Kind.ORDERS: lambda topic, raw, counters: orders(raw, counters),
    Kind.POSITIONS: lambda topic, raw, counters: positions(raw),
    Kind.BALANCE: lambda topic, raw, counters: balances(raw),
}
