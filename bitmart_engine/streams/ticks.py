"""From klines, trades and REST prices to ticks, and a mailbox that a slow reader cannot overflow.

A tick's high and low are the extremes since the previous observation. A trade is one price. A kline repeats the
extremes of its whole bar, so only what is *new* in them counts:

- the first bar seen of a channel tells its close only: its extremes may be older than our interest in the symbol;
- the same bar again tells a high (low) only where it is beyond what this channel, or a finer one, has told of it;
- a newer bar opened after the channel's last push, so all of it is new, but for what a finer channel told meanwhile;
- an older bar tells nothing.

*Finer* channels are trades, and klines of shorter timeframes: their prices are part of the longer bar too. The other
way round nothing is subtracted, for a five-minute bar's extreme may lie outside the running minute. So every channel
that is subscribed adds to what is seen, none repeats for long what a finer one said, and no extreme is lost whichever
of them stops.

What was told of the last few bars is remembered: of a bar that history tells later, in full, it says what nobody has
heard.

Nothing here reads a clock; prices stay `Decimal`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import trio
from attrs import define, field, frozen

from ..counters import Counters
from ..model.events import Kline, Tick, Trade
from ..model.timeframes import Timeframe

__all__ = ["News", "Range", "TickMailbox", "TickMaker"]

ZERO = Decimal(0)
REMEMBERED = 10
"""Bars that ended, of a channel."""


@define
class Range:
    """Lowest and highest of the prices told, or nothing yet."""

    low: Decimal | None = None
    high: Decimal | None = None

    def widen(self, low: Decimal, high: Decimal) -> None:
        """Take in the prices from `low` to `high`."""
        if self.low is None or low < self.low:
            self.low = low
        if self.high is None or high > self.high:
            self.high = high

    def beyond(self, low: Decimal, high: Decimal) -> Range:
        """Of the prices from `low` to `high` the extremes that lie outside."""
        return Range(
            low if self.low is None or low < self.low else None,
            high if self.high is None or high > self.high else None,
        )


@define
class RunningBar:
    """What one kline channel has shown of its newest bar."""

    seconds: int
    open_time_s: int
    told: Range
    told_since: Range
    """By finer channels, after this channel's last push: part of the next bar if that is what comes next."""
    volume: Decimal = ZERO
    """The most that was told of it."""
    ended: deque[tuple[int, Range]] = field(factory=lambda: deque(maxlen=REMEMBERED))
    """What was told of the bars before, with the times when they opened."""

    def told_of(self, open_time_s: int) -> Range | None:
        """What was told of a bar; None if it is not known any more."""
        return self.told if open_time_s == self.open_time_s else dict(self.ended).get(open_time_s)


@frozen
class News:
    """What a push of a bar tells: its last price, and the extremes that were not told yet."""

    last: Decimal
    low: Decimal
    high: Decimal
    overtaken: bool
    """Whether a later push of the same bar came before: it had more volume."""


class TickMaker:
    """Makes ticks of what was observed. Times are Trio's, in seconds."""

    def __init__(self) -> None:
        self._bars: dict[str, dict[Timeframe, RunningBar]] = {}

    def kline(self, kline: Kline, now: float) -> Tick | None:
        """The tick in a push of a bar; None for a bar older than one seen before on this channel."""
        news = self.news(kline)
        if news is None:
            return None
        self.tell(kline, news.low, news.high)
        return Tick(kline.symbol, news.last, news.high, news.low, now)

    def news(self, kline: Kline) -> News | None:
        """What a push of a bar tells; None for a bar older than one seen before on this channel.

        What follows is for `tell`: until then nothing of it counts as told.
        """
        bars = self._bars.setdefault(kline.symbol, {})
        bar = bars.get(kline.timeframe)
        low = high = kline.close
        overtaken = False
        if bar is None:
            bar = bars[kline.timeframe] = RunningBar(
                kline.timeframe.seconds, kline.open_time_s, Range(), Range()
            )
            bar.told.widen(min(kline.low, low), max(kline.high, high))
        elif kline.open_time_s < bar.open_time_s:
            return None
        else:
            if kline.open_time_s > bar.open_time_s:
                bar.ended.append((bar.open_time_s, bar.told))
                bar.open_time_s, bar.told, bar.volume = kline.open_time_s, bar.told_since, ZERO
                bar.told_since = Range()
            overtaken = kline.volume < bar.volume
            low, high = _with_news(kline, bar.told)
        bar.volume = max(bar.volume, kline.volume)
        return News(kline.close, low, high, overtaken)

    def tell(self, kline: Kline, low: Decimal, high: Decimal) -> None:
        """The prices from `low` to `high` of a push were told."""
        bars = self._bars[kline.symbol]
        bar = bars[kline.timeframe]
        bar.told.widen(low, high)
        bar.told_since = Range()
        _tell(bars, low, high, finer_than=bar.seconds)

    def trade(self, trade: Trade, now: float) -> Tick:
        """The tick of one trade."""
        tick = self.observe(trade.symbol, trade.price, now)
        self.tell_all(trade.symbol, tick.low, tick.high)
        return tick

    def tell_all(self, symbol: str, low: Decimal, high: Decimal) -> None:
        """The prices from `low` to `high` were told, and are part of every bar that runs."""
        _tell(self._bars.get(symbol, {}), low, high, finer_than=0)

    def observe(self, symbol: str, price: Decimal, now: float) -> Tick:
        """The tick of a price read elsewhere, over REST say."""
        return Tick(symbol, price, price, price, now)

    def untold(self, kline: Kline) -> Range:
        """The extremes of a bar that history tells, as far as nothing so low, or high, was told while it ran."""
        bar = self._bars.get(kline.symbol, {}).get(kline.timeframe)
        told = None if bar is None else bar.told_of(kline.open_time_s)
        return Range() if told is None else told.beyond(kline.low, kline.high)

    def forget(self, symbol: str, timeframe: Timeframe) -> None:
        """Nobody watches this channel any more. Seen again, it starts afresh: its old extremes are nobody's news."""
        bars = self._bars.get(symbol, {})
        bars.pop(timeframe, None)
        if not bars:
            self._bars.pop(symbol, None)

    def start_afresh(self, symbol: str) -> None:
        """Somebody watches this symbol only from now on: the next push of each of its klines tells its close only."""
        self._bars.pop(symbol, None)


def _tell(
    bars: Mapping[Timeframe, RunningBar], low: Decimal, high: Decimal, finer_than: int
) -> None:
    """A channel that is so fine told of these prices: they are part of the longer bars too."""
    for bar in bars.values():
        if bar.seconds > finer_than:
            bar.told.widen(low, high)
            bar.told_since.widen(low, high)


def _with_news(kline: Kline, told: Range) -> tuple[Decimal, Decimal]:
    """Low and high of the tick in a push: its last price, and those extremes of the bar that were not told yet."""
    new = told.beyond(kline.low, kline.high)
    return (
        kline.close if new.low is None else min(kline.close, new.low),
        kline.close if new.high is None else max(kline.close, new.high),
    )


class TickMailbox:
    """One slot for each symbol. A tick that finds its slot taken is merged into it, so that no extreme is lost."""

    def __init__(self, counters: Counters | None = None) -> None:
        self._slots: dict[str, Tick] = {}
        self._readers = trio.lowlevel.ParkingLot()
        self._counters = counters
        self.merged = 0
        """How many ticks were merged into one that was not read yet."""
        self.taken = 0
        """How many were received: while some wait and it stands still, nobody watches prices."""

    def __len__(self) -> int:
        return len(self._slots)

    def put_nowait(self, tick: Tick) -> None:
        """Leave a tick. Never blocks, never fails."""
        waiting = self._slots.get(tick.symbol)
        if waiting is None:
            self._slots[tick.symbol] = tick
            self._readers.unpark()
            return
        self._slots[tick.symbol] = waiting.merge(tick)
        self.merged += 1
        if self._counters is not None:
            self._counters.add("ticks_merged", symbol=tick.symbol)

    async def receive(self) -> Tick:
        """The tick of the symbol that waits longest. A checkpoint; cancelled, it takes nothing."""
        await trio.lowlevel.checkpoint()
        while not self._slots:
            await self._readers.park()
        self.taken += 1
        return self._slots.pop(next(iter(self._slots)))

    def take_nowait(self, symbol: str) -> Tick | None:
        """The tick that waits for a symbol, if there is one."""
        return self._slots.pop(symbol, None)
