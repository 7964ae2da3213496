"""Candles: bars built from trades, and a seeded past so that history can be asked for from the first moment.

Times are seconds. Every bar opens on a multiple of its length since the epoch (weeks therefore begin on Thursdays:
where the real exchange begins them is not established). A bar without trades does not exist.
"""

from __future__ import annotations

import random
from collections import deque
from decimal import Decimal

from attrs import define

from .instruments import PaperInstrument

STEPS = (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440, 4320, 10080)
"""The minutes of every bar that REST knows."""

CHANNELS = {
    "klineBin1m": 1,
    "klineBin5m": 5,
    "klineBin15m": 15,
    "klineBin30m": 30,
    "klineBin1H": 60,
    "klineBin2H": 120,
    "klineBin4H": 240,
    "klineBin1D": 1440,
    "klineBin1W": 10080,
}
"""The bars that the WebSocket knows, by channel name."""

PAST_BARS = 520
KEPT_BARS = 2000


@define
class Bar:
    """One candle. `ts` is its open time in seconds, `volume` is in contracts."""

    ts: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int = 0

    def add(self, price: Decimal, size: int) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += size

    def merge(self, later: Bar) -> None:
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume


class Candles:
    """All bars of one symbol. `started_s` is the market time at which the exchange opened."""

    def __init__(
        self, instrument: PaperInstrument, price: Decimal, started_s: int, seed: int
    ) -> None:
        self._instrument = instrument
        self._price = price
        self._started_s = started_s
        self._seed = seed
        self._past: dict[int, list[Bar]] = {}
        self._live: dict[int, deque[Bar]] = {step: deque(maxlen=KEPT_BARS) for step in STEPS}
        for step in STEPS:
            opening = Bar(floor(started_s, step), price, price, price, price)
            self._live[step].append(opening)

    def add(self, price: Decimal, size: int, at_s: int) -> None:
        """A trade happened."""
        for step, bars in self._live.items():
            ts = floor(at_s, step)
            if ts <= bars[-1].ts:
                bars[-1].add(price, size)
            else:
                bars.append(Bar(ts, price, price, price, price, size))

    def running(self, step: int) -> Bar:
        """The newest bar."""
        return self._live[step][-1]

    def latest(self, step: int, count: int) -> list[Bar]:
        """The newest bars, oldest first, the running one last."""
        return list(self._live[step])[-count:]

    def day(self) -> Bar:
        """The last 24 hours as one bar."""
        hours = list(self._live[60])[-24:]
        total = Bar(hours[0].ts, hours[0].open, hours[0].high, hours[0].low, hours[0].close)
        for bar in hours:
            total.merge(bar)
        return total

    def between(self, step: int, start_s: int, end_s: int, limit: int = 500) -> list[Bar]:
        """Bars that open within [start_s, end_s], oldest first, the running one too; the newest `limit` of them."""
        bars = list(self._live[step])
        if start_s < bars[0].ts:
            bars = self._history(step) + bars
        return [bar for bar in bars if start_s <= bar.ts <= end_s][-limit:]

    # -- the past before the exchange opened ----------------------------------------------------

    def _history(self, step: int) -> list[Bar]:
        """Made on first use. Coarse bars are made of the finer ones, as far as those go back."""
        if step not in self._past:
            finer = max((s for s in STEPS if s < step and step % s == 0), default=None)
            bars = self._merged(self._history(finer), step) if finer else []
            self._past[step] = self._extended(bars, step)
        return self._past[step]

    def _merged(self, finer: list[Bar], step: int) -> list[Bar]:
        """Whole bars of `step` minutes out of finer ones; the bar in which the exchange opened is not among them."""
        opened = floor(self._started_s, step)
        merged: list[Bar] = []
        for bar in finer:
            ts = floor(bar.ts, step)
            if ts >= opened:
                break
            if merged and merged[-1].ts == ts:
                merged[-1].merge(bar)
            elif merged or bar.ts == ts:
                merged.append(Bar(ts, bar.open, bar.high, bar.low, bar.close, bar.volume))
        return merged

    def _extended(self, bars: list[Bar], step: int) -> list[Bar]:
        """Bars before the given ones, walking backwards from their first open, until there are enough."""
        rng = random.Random(f"{self._seed}:{self._instrument.symbol}:{step}")
        tick = self._instrument.tick_size
        close = int((bars[0].open if bars else self._price) / tick)
        ts = bars[0].ts if bars else floor(self._started_s, step)
        older: list[Bar] = []
        for _ in range(PAST_BARS - len(bars)):
            ts -= step * 60
            reach = max(2, int(close * 0.0005 * min(step, 60) ** 0.5))
            open_ = max(1, close + rng.randint(-reach, reach))
            high = max(open_, close) + rng.randint(0, reach // 2)
            low = max(1, min(open_, close) - rng.randint(0, reach // 2))
            volume = rng.randint(1, 200) * step
            older.append(Bar(ts, open_ * tick, high * tick, low * tick, close * tick, volume))
            close = open_
        return older[::-1] + bars


def floor(at_s: int, step: int) -> int:
    """The open time of the bar of `step` minutes that holds the second `at_s`."""
    return at_s - at_s % (step * 60)
