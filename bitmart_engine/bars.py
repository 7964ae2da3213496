"""The last klines of a channel: from memory, filled up from the exchange's history where memory has too few."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from .counters import Counters
from .exchange.client import ExchangeClient
from .exchange.errors import ExchangeError
from .model.errors import Unavailable
from .model.events import Kline
from .model.timeframes import Timeframe
from .streams.backfill import ReadBars
from .streams.history import History

__all__ = ["reader_of", "recent"]

LOOKS_BACK = ((1, 1), (4, 480), (9, 4800))
"""How far is looked back until there are enough: so many times as far as the bars asked for reach, or that many bars.

Where little is traded, many a minute has no bar.
"""


def reader_of(exchange: ExchangeClient, counters: Counters) -> ReadBars:
    """Reads bars at the exchange. What could not be read is counted, and is None."""

    async def read(
        symbol: str, timeframe: Timeframe, since_s: int, until_s: int
    ) -> list[Kline] | None:
        try:
            return await exchange.klines(symbol, timeframe, since_s, until_s)
        except ExchangeError as failure:
            counters.add("kline_history_read_failed", symbol=symbol, why=failure)
            return None

    return read


async def recent(
    history: History, read: ReadBars, symbol: str, timeframe: Timeframe, limit: int, now_s: int
) -> list[Kline]:
    """The last `limit` bars, the newest last; fewer where `LOOKS_BACK` ends. A checkpoint only if it asks.

    If history cannot be read, what is known is all there is. Raises Unavailable if that is nothing.
    """
    known = history.bars(symbol, timeframe, limit)
    if len(known) == limit and _is_unbroken(known, now_s):
        return known
    until_s = now_s
    found: list[Kline] = []
    for times, at_least in LOOKS_BACK:
        since_s = max(0, now_s - max(times * limit, at_least) * timeframe.seconds)
        if since_s >= until_s:
            break
        bars = await read(symbol, timeframe, since_s, until_s)
        known = history.bars(symbol, timeframe, limit)
        if bars is None:
            if not known and not found:
                raise Unavailable(f"the klines of {symbol} could not be read")
            break
        found += [
            evolve(bar, closed=bar.open_time_s + timeframe.seconds <= now_s, backfilled=True)
            for bar in bars
            if bar.open_time_s <= now_s
        ]
        if len(_merged(known, found)) >= limit:
            break
        until_s = since_s
    history.precede(symbol, timeframe, [bar for bar in found if bar.closed])
    return _merged(known, found)[-limit:]


def _is_unbroken(known: Sequence[Kline], now_s: int) -> bool:
    """Whether no bar is missing among these, nor after them."""
    length = known[0].timeframe.seconds
    opened = [bar.open_time_s for bar in known]
    steps = zip(opened, [*opened[1:], now_s], strict=True)
    return all(later - earlier <= length for earlier, later in steps)


def _merged(known: Sequence[Kline], found: Sequence[Kline]) -> list[Kline]:
    """What the stream told last counts for the running bar, and what history says for those that are over."""
    bars = {bar.open_time_s: bar for bar in [*known, *found]}
    newest_s = max(bars, default=0)
    if known and known[-1].open_time_s == newest_s:
        bars[newest_s] = known[-1]
    return [bar if at == newest_s else evolve(bar, closed=True) for at, bar in sorted(bars.items())]
