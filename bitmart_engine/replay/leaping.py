"""Which candles can be passed over, for nothing happens in them: no price of theirs is one that anything waits for.

The engine sleeps through such candles as on a machine that was suspended: the world's time goes on, and the engine's
with it as soon as it looks, while nothing that it does every second or minute is done. The next candle is played whole.
Nothing is passed over while anything is under way, within two candles of the last thing that happened, or shortly
before a deadline.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from .candles import Candle

__all__ = ["BEFORE_DEADLINE_MS", "Band", "Calm", "next_to_play"]

CALM_CANDLES = 2
"""How many candles are played after something happened."""
CALM_MS = 120_000
"""And for how long at least."""
BEFORE_DEADLINE_MS = 60_000
"""How long before a deadline the engine is awake: it looks for deadlines every 30 s."""
LOWEST, HIGHEST = Decimal("-Infinity"), Decimal("Infinity")


class Band(NamedTuple):
    """Prices that something waits for, both ends included."""

    low: Decimal
    high: Decimal


def next_to_play(
    candles: Sequence[Candle],
    first: int,
    price: Decimal,
    bands: Iterable[Band],
    until_ms: float,
    every_ms: int,
) -> int | None:
    """The index of the next candle, from `first` on, that has to be played: the first with a price in a band.

    A candle that ends within a minute of `until_ms` has to be played, too. None if `price`, the last one before them,
    is in a band itself: then nothing can be passed over.
    """
    below, above = LOWEST, HIGHEST
    for low, high in bands:
        if low <= price <= high:
            return None
        if high < price:
            below = max(below, high)
        else:
            above = min(above, low)
    latest_ms = until_ms - BEFORE_DEADLINE_MS - every_ms
    for number in range(first, len(candles)):
        candle = candles[number]
        if candle.low <= below or candle.high >= above or candle.at_ms > latest_ms:
            return number
    return len(candles)


class Calm:
    """Knows how long nothing has happened: it is shown how things stand after each candle."""

    def __init__(self) -> None:
        self._seen: Hashable = None
        self._candles = 0
        self._since_ms = 0

    def has_come(self, state: Hashable, now_ms: int) -> bool:
        """Whether things stand as they did two candles and two minutes ago; None is how things under way stand."""
        if state is None or state != self._seen:
            self._seen, self._candles, self._since_ms = state, 0, now_ms
            return False
        self._candles += 1
        return self._candles >= CALM_CANDLES and now_ms - self._since_ms >= CALM_MS
