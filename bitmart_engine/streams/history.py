"""The memory of klines: the newest bars of every streamed channel, and what of them has to be told to whom listens.

A bar is closed when a later one of its channel starts. This object takes in what the stream pushes and what the
exchange's history says, and answers with the events that follow. It is synchronous, and knows no clock and no network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from attrs import evolve

from ..model.events import Kline
from ..model.timeframes import Timeframe

__all__ = ["MOST_BARS", "History"]

MOST_BARS = 1000
"""That are kept of one channel."""

Channel = tuple[str, Timeframe]


class History:
    """The newest bars by channel, oldest first. Only the newest bar of a channel may not be closed."""

    def __init__(self, most: int = MOST_BARS) -> None:
        self._most = most
        self._channels: dict[Channel, deque[Kline]] = {}

    def __len__(self) -> int:
        """How many channels have bars."""
        return len(self._channels)

    def newest(self, symbol: str, timeframe: Timeframe) -> Kline | None:
        """The bar that started last."""
        bars = self._channels.get((symbol, timeframe))
        return bars[-1] if bars else None

    def bars(self, symbol: str, timeframe: Timeframe, limit: int = MOST_BARS) -> list[Kline]:
        """The last `limit` bars that are known, the newest last."""
        return list(self._channels.get((symbol, timeframe), ()))[-limit:]

    def take(self, kline: Kline) -> list[Kline]:
        """Take in a push. Returns what it tells, in order: the bar that it ends, if it starts a new one, and itself."""
        channel = (kline.symbol, kline.timeframe)
        bars = self._channels.get(channel)
        if bars is None:
            self._channels[channel] = deque((kline,), maxlen=self._most)
            return [kline]
        newest = bars[-1]
        if kline.open_time_s == newest.open_time_s:
            if newest.closed:  # history knew its end before the stream told of it
                kline = evolve(kline, closed=True)
            bars[-1] = kline
            return [kline]
        if kline.open_time_s < newest.open_time_s:
            kline = evolve(kline, closed=True)
            self._put(channel, [kline])
            return [kline]
        if newest.closed:
            bars.append(kline)
            return [kline]
        bars[-1] = closed = evolve(newest, closed=True)
        bars.append(kline)
        return [closed, kline]

    def fill(self, bars: Iterable[Kline]) -> list[Kline]:
        """Take in bars of one channel that are over, as the exchange's history has them. Returns the news, in order.

        News is a bar that the stream never told, or told otherwise, or did not tell the end of. A channel of which
        nothing is known missed nothing.
        """
        found = {bar.open_time_s: bar for bar in bars}
        known = next((self._channels.get((b.symbol, b.timeframe)) for b in found.values()), None)
        if known is None:
            return []
        told = {bar.open_time_s: bar for bar in known}
        running = known[-1]
        if not running.closed and max(found) > running.open_time_s:
            found.setdefault(running.open_time_s, running)
        news = [
            evolve(bar, closed=True, backfilled=bar is not running)
            for at, bar in sorted(found.items())
            if at >= known[0].open_time_s
            and (at not in told or not told[at].closed or _values(told[at]) != _values(bar))
        ]
        if news:
            self._put((news[0].symbol, news[0].timeframe), news)
        return news

    def precede(self, symbol: str, timeframe: Timeframe, bars: Iterable[Kline]) -> None:
        """Remember bars from before the oldest one that is known of a channel. Nobody is told of them."""
        known = self._channels.get((symbol, timeframe))
        if known is not None:
            oldest = known[0].open_time_s
            older = [bar for bar in bars if bar.open_time_s < oldest]
            self._put(
                (symbol, timeframe), [evolve(bar, closed=True, backfilled=True) for bar in older]
            )

    def forget(self, symbol: str, timeframe: Timeframe) -> None:
        """Nobody holds this channel any more."""
        self._channels.pop((symbol, timeframe), None)

    def _put(self, channel: Channel, bars: Iterable[Kline]) -> None:
        by_time = {each.open_time_s: each for each in self._channels[channel]}
        by_time.update((each.open_time_s, each) for each in bars)
        ordered = sorted(by_time.values(), key=lambda each: each.open_time_s)
        self._channels[channel] = deque(ordered, maxlen=self._most)


def _values(bar: Kline) -> tuple[object, ...]:
    return (bar.open, bar.high, bar.low, bar.close, bar.volume)
