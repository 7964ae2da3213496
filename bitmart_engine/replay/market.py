"""The market of a replay: candles, played as the trades of a market that moves continuously within each of them.

A candle goes from its open by way of its extremes to its close. A real market trades at every price in between; of
those only the ones count that somebody waits for. So the market trades at the open, at each level that lies on the way
(a zone's edge, a stop, a target, a resting order), at the extremes and at the close. A stop is filled at its price,
and not at the candle's low. From a close to the next open the price jumps: a stop in that gap is filled at the open.

The four parts of a candle are equally long. At each level on the way the market stops for a second of its own time, or
less where there are many, so that the engine has acted before the price goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Literal

import trio

from ..paper import Market
from ..paper.market import Floor
from .candles import Candle, interval_ms

__all__ = ["CandleMarket", "PathKind", "Wishes", "stations"]

PathKind = Literal["nearer", "worst"]
AT_A_LEVEL_S = 1.0


class Wishes:
    """What the account waits for, as the market may know of it. The base class waits for nothing."""

    def levels(self) -> Iterable[Decimal]:
        """The prices at which something is to happen."""
        return ()

    def side_at_risk(self) -> int:
        """1 where longs are held or waited for, -1 where shorts are, 0 where neither or both."""
        return 0


def stations(candle: Candle, low_first: bool) -> tuple[Decimal, Decimal, Decimal]:
    """Where the price of a candle goes from its open."""
    if low_first:
        return candle.low, candle.high, candle.close
    return candle.high, candle.low, candle.close


class CandleMarket(Market):
    """Plays candles of one symbol, once `begin` is called, and then leaves the price where it ended.

    `path` says which extreme is first: the nearer to the open (a tie is tossed for, by the seed), or the worst one for
    what is held and waited for.
    """

    def __init__(
        self, candles: Sequence[Candle], symbol: str, path: PathKind = "nearer", seed: int = 0
    ) -> None:
        self._candles = candles
        self._symbol = symbol
        self._path = path
        self._seed = seed
        self._every_ms = interval_ms(candles)
        self._begun = trio.Event()
        self._zero = 0.0
        self.wishes = Wishes()
        self.done = trio.Event()

    @property
    def first_ms(self) -> int:
        """When the first candle opens."""
        return self._candles[0].at_ms

    @property
    def end_ms(self) -> int:
        """When the last candle closes."""
        return self._candles[-1].at_ms + self._every_ms

    def begin(self, first_at: float) -> None:
        """Let the first candle open at `first_at` of Trio's clock."""
        self._zero = first_at
        self._begun.set()

    def opening_prices(self) -> dict[str, Decimal]:
        return {self._symbol: self._candles[0].open}

    async def run(self, floor: Floor) -> None:
        await self._begun.wait()
        player = _Player(self, floor, self._symbol, self._every_ms, self._zero)
        previous_ms = self.first_ms
        for candle in self._candles:
            await player.stand_still(previous_ms, candle.at_ms)
            await player.play(candle, self._low_first)
            previous_ms = candle.at_ms + self._every_ms
        await player.at(self.end_ms)
        self.done.set()

    def _low_first(self, candle: Candle) -> bool:
        down, up = candle.open - candle.low, candle.high - candle.open
        if self._path == "worst" and (side := self.wishes.side_at_risk()):
            return side > 0
        if down == up:
            return random.Random(f"{self._seed}:{candle.at_ms}").random() < 0.5
        return down < up


class _Player:
    """Makes the trades of one candle after the other."""

    def __init__(
        self, market: CandleMarket, floor: Floor, symbol: str, every_ms: int, zero: float
    ) -> None:
        self._market = market
        self._floor = floor
        self._symbol = symbol
        self._every_ms = every_ms
        self._zero = zero
        self._tick = floor.instruments[symbol].tick_size

    async def at(self, market_ms: float) -> None:
        await trio.sleep_until(self._at_s(market_ms))

    def _at_s(self, market_ms: float) -> float:
        return self._zero + (market_ms - self._market.first_ms) / 1000

    async def stand_still(self, from_ms: int, to_ms: int) -> None:
        """Candles are missing: the last price is repeated in place of each."""
        for missing_ms in range(from_ms, to_ms, self._every_ms):
            await self.at(missing_ms)
            self._trade(self._floor.last_price(self._symbol), 1)

    async def play(self, candle: Candle, low_first: Callable[[Candle], bool]) -> None:
        floor, symbol = self._floor, self._symbol
        size = max(1, int(candle.volume / floor.instruments[symbol].contract_size) // 4)
        await self.at(candle.at_ms)
        self._trade(candle.open, size)
        await trio.sleep(min(AT_A_LEVEL_S, self._every_ms / 16000))  # what it sets off is decided
        part_ms = self._every_ms / 4
        for number, station in enumerate(stations(candle, low_first(candle)), start=1):
            await self._walk(station, self._at_s(candle.at_ms + number * part_ms), size)

    async def _walk(self, to: Decimal, due: float, size: int) -> None:
        """Go to a price, by way of every level that somebody waits for."""
        while (level := self._next_level(to)) is not None:
            left_s = due - trio.current_time()
            await trio.sleep(min(AT_A_LEVEL_S, left_s / 4))
            self._trade(level, 1)
        await trio.sleep_until(due)
        self._trade(to, size)

    def _next_level(self, to: Decimal) -> Decimal | None:
        """The nearest level strictly between the last price and `to`."""
        here = self._floor.last_price(self._symbol)
        if here < to:
            return min((x for x in self._market.wishes.levels() if here < x < to), default=None)
        return max((x for x in self._market.wishes.levels() if to < x < here), default=None)

    def _trade(self, price: Decimal, size: int) -> None:
        buy = price >= self._floor.last_price(self._symbol)
        self._floor.market_trade(self._symbol, price, size, buy=buy)
