"""The market of a replay: candles, played as the trades of a market that moves continuously within each of them.

A candle goes from its open by way of its extremes to its close. A real market trades at every price in between; of
those only the ones count that somebody waits for. So the market trades at the open, at each level that lies on the way
(a zone's edge, a stop, a target, a resting order), at the extremes and at the close. A stop is filled at its price,
and not at the candle's low. From a close to the next open the price jumps: a stop in that gap is filled at the open.

The parts of a candle are equally long. At each level on the way the market stops for a second of its own time, or less
where there are many, so that the engine has acted before the price goes on. Candles in which nothing can happen are
passed over (`leaping`).
"""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal
from typing import Literal

import trio
from attrs import evolve

from ..model.decimals import to_grid
from ..paper import Market
from ..paper.market import Floor
from .candles import Candle, interval_ms
from .clock import WorldTime
from .leaping import BEFORE_DEADLINE_MS, Band, Calm, next_to_play

__all__ = ["CandleMarket", "PathKind", "Wishes", "stations"]

PathKind = Literal["nearer", "worst"]
AT_A_LEVEL_S = 1.0
CANDLES_A_COLLECTION = 500
"""After how many played candles garbage is collected, which in a replay happens at no other time (`clock`)."""
LONGEST_SILENCE_S = 900.0
"""In a long candle the market trades at least so often: a stream that is silent for an hour is stale."""
TRADES = 4
"""Of a candle: open, both extremes, close."""
AWAKE_BEFORE_MS = 5_000
"""How long before the next candle a leap ends: the engine notices within a second that time has passed."""


class Wishes:
    """What the account waits for, as the market may know of it. The base class waits for nothing."""

    def levels(self) -> Iterable[Decimal]:
        """The prices at which something is to happen."""
        return ()

    def side_at_risk(self) -> int:
        """1 where longs are held or waited for, -1 where shorts are, 0 where neither or both."""
        return 0

    def bands(self) -> Iterable[Band]:
        """The same prices, for a candle that has none of them."""
        return ()

    def state(self) -> Hashable:
        """How everything stands; None while something is under way."""
        return None

    def until_ms(self) -> float:
        """When something is to happen whatever the price is."""
        return math.inf


def stations(candle: Candle, low_first: bool) -> tuple[Decimal, Decimal, Decimal]:
    """Where the price of a candle goes from its open."""
    if low_first:
        return candle.low, candle.high, candle.close
    return candle.high, candle.low, candle.close


def _on_grid(candle: Candle, tick_size: Decimal) -> Candle:
    """The candle at prices that there can be."""
    return evolve(
        candle,
        open=to_grid(candle.open, tick_size),
        high=to_grid(candle.high, tick_size),
        low=to_grid(candle.low, tick_size),
        close=to_grid(candle.close, tick_size),
    )


class CandleMarket(Market):
    """Plays candles of one symbol, once `begin` is called, and then leaves the price where it ended.

    `path` says which extreme is first: the nearer to the open (a tie is tossed for, by the seed), or the worst one for
    what is held and waited for.
    """

    def __init__(
        self,
        candles: Sequence[Candle],
        symbol: str,
        tick_size: Decimal,
        time: WorldTime,
        path: PathKind = "nearer",
        seed: int = 0,
        *,
        leaps: bool = True,
    ) -> None:
        self._candles = [_on_grid(each, tick_size) for each in candles]
        self._symbol = symbol
        self._time = time
        self._path = path
        self._leaps = leaps
        self._seed = seed
        self._every_ms = interval_ms(candles)
        self._begun = trio.Event()
        self._shown = trio.Event()
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

    def begin(self) -> None:
        """Let the first candle come, when its time comes."""
        self._begun.set()

    def show_price(self) -> None:
        """Trade where the price is, soon: whoever begins to listen to a real market hears it within a second."""
        self._shown.set()

    def opening_prices(self) -> dict[str, Decimal]:
        return {self._symbol: self._candles[0].open}

    async def run(self, floor: Floor) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._show_prices, floor)
            await self._play(floor)
            nursery.cancel_scope.cancel()
        self.done.set()

    async def _show_prices(self, floor: Floor) -> None:
        while True:
            await self._shown.wait()
            self._shown = trio.Event()
            await trio.sleep(AT_A_LEVEL_S)
            price = floor.last_price(self._symbol)
            floor.market_trade(self._symbol, price, 1, buy=True)

    async def _play(self, floor: Floor) -> None:
        await self._begun.wait()
        player = _Player(self.wishes, floor, self._symbol, self._time, self._every_ms)
        calm, number, played, count = Calm(), 0, 0, len(self._candles)
        while number < count:
            if self._leaps and calm.has_come(self.wishes.state(), self._time.now_ms()):
                number = self._leap(floor, number)
            if number < count:
                if number:
                    before_ms = self._candles[number - 1].at_ms + self._every_ms
                    await player.stand_still(before_ms, self._candles[number].at_ms)
                await player.play(self._candles[number], self._low_first)
                number, played = number + 1, played + 1
                if played % CANDLES_A_COLLECTION == 0:
                    gc.collect()
        await self._time.sleep_until(self.end_ms)

    def _leap(self, floor: Floor, first: int) -> int:
        """Pass over the candles from `first` on in which nothing can happen. Returns the next one to play.

        What is missing before that one is passed over, too, but nothing that something is to happen in.
        """
        price, until_ms = floor.last_price(self._symbol), self.wishes.until_ms()
        next = next_to_play(
            self._candles, first, price, self.wishes.bands(), until_ms, self._every_ms
        )
        if next is None:
            return first
        for candle in self._candles[first:next]:
            for price in (candle.low, candle.high, candle.close):
                floor.past_trade(self._symbol, price, 1, candle.at_ms)
        upto_ms = self._candles[next].at_ms if next < len(self._candles) else self.end_ms
        self._time.leap_to(int(min(upto_ms - AWAKE_BEFORE_MS, until_ms - BEFORE_DEADLINE_MS)))
        return next

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
        self, wishes: Wishes, floor: Floor, symbol: str, time: WorldTime, every_ms: int
    ) -> None:
        self._wishes = wishes
        self._floor = floor
        self._symbol = symbol
        self._time = time
        self._every_ms = every_ms
        self._contract_size = floor.instruments[symbol].contract_size

    async def stand_still(self, from_ms: int, to_ms: int) -> None:
        """Candles are missing: the last price is repeated in place of each."""
        for missing_ms in range(from_ms, to_ms, self._every_ms):
            if missing_ms > self._time.now_ms():
                await self._time.sleep_until(missing_ms)
                self._trade(self._floor.last_price(self._symbol), 1)

    async def play(self, candle: Candle, low_first: Callable[[Candle], bool]) -> None:
        """Go from the candle's open to its close."""
        size = max(1, int(candle.volume / self._contract_size) // TRADES)
        await self._time.sleep_until(candle.at_ms)
        self._trade(candle.open, size)
        part_ms = self._every_ms / TRADES
        await trio.sleep(min(AT_A_LEVEL_S, part_ms / 4000))  # what the open sets off is decided
        for number, station in enumerate(stations(candle, low_first(candle)), start=1):
            await self._walk(station, self._time.at(candle.at_ms + number * part_ms), size)

    async def _walk(self, to: Decimal, due: float, size: int) -> None:
        """Go to a price, by way of every level that somebody waits for."""
        while (level := self._next_level(to)) is not None:
            await trio.sleep(min(AT_A_LEVEL_S, (due - trio.current_time()) / 4))
            self._trade(level, 1)
        while due - trio.current_time() > LONGEST_SILENCE_S:
            await trio.sleep(LONGEST_SILENCE_S)
            self._trade(self._floor.last_price(self._symbol), 1)
        await trio.sleep_until(due)
        self._trade(to, size)

    def _next_level(self, to: Decimal) -> Decimal | None:
        """The nearest level strictly between the last price and `to`."""
        here = self._floor.last_price(self._symbol)
        if here < to:
            return min((x for x in self._wishes.levels() if here < x < to), default=None)
        return max((x for x in self._wishes.levels() if to < x < here), default=None)

    def _trade(self, price: Decimal, size: int) -> None:
        buy = price >= self._floor.last_price(self._symbol)
        self._floor.market_trade(self._symbol, price, size, buy=buy)
