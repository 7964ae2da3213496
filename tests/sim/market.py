"""The market: prices that wander, leap, spike for a single trade, and fall silent for a while.

Each symbol has its own walk about a centre that drifts. A busy minute has many trades in a second; a quiet one none.
"""

from __future__ import annotations

import csv
import itertools
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import trio
from attrs import define, field

from bitmart_engine.paper import PaperExchange

from .pushes import Pushes
from .trace import Trace

__all__ = ["Market", "real_month"]

REAL_MONTH = Path(__file__).parents[3] / "shared" / "market" / "btc-perp-1m-2022-01.csv"
"""A month of real one-minute bars, where there is one."""
UNWATCHED_S = 20.0
"""How often something is traded that nobody looks at: it costs time, and tells nothing."""
REAL_SYMBOL = "BTCUSDT"


@define(eq=False)
class Market:
    """Makes trades at the exchange. `traded` is told of each."""

    paper: PaperExchange
    rng: random.Random
    trace: Trace
    pushes: Pushes
    traded: Callable[[str, Decimal, bool], None]
    real: Iterator[Decimal] | None = None
    """Prices that happened, for one symbol; the others are made up."""
    still: bool = False
    """No trades at all."""
    steady: bool = False
    """No leaps, spikes or silences any more."""
    centre: dict[str, Decimal] = field(init=False)
    extremes: dict[str, tuple[Decimal, Decimal]] = field(init=False)
    """The lowest and the highest price that there ever was."""

    def __attrs_post_init__(self) -> None:
        if self.real is not None:  # nobody shall trade at another level before the first bar
            self.paper.set_price(REAL_SYMBOL, next(self.real))
        self.centre = {symbol: self.paper.last_price(symbol) for symbol in self.paper.instruments}
        self.extremes = {symbol: (price, price) for symbol, price in self.centre.items()}

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for symbol in self.centre:
                rng = random.Random(f"{symbol}:{self.rng.random()}")
                real = self.real if symbol == REAL_SYMBOL else None
                nursery.start_soon(self._walk, symbol, rng, real)

    def to(self, symbol: str, price: Decimal) -> None:
        """A trade happens at the possible price nearest to `price`."""
        tick = self.paper.instruments[symbol].tick_size
        price = max(tick, (price / tick).to_integral_value() * tick)
        lowest, highest = self.extremes[symbol]
        self.extremes[symbol] = (min(lowest, price), max(highest, price))
        self.trace("market", symbol, price)
        self.paper.set_price(symbol, price)
        self.traded(symbol, price, not self.pushes.gathering)

    async def _walk(self, symbol: str, rng: random.Random, real: Iterator[Decimal] | None) -> None:
        while True:
            await trio.sleep(rng.uniform(2, 9) if self._matters(symbol) else UNWATCHED_S)
            if self.still:
                continue
            if real is not None and not self.steady:
                price = next(real, None)
                if price is not None:
                    self.centre[symbol] = price
                    self.to(symbol, price)
                    continue
            await self._move(symbol, rng)

    def _matters(self, symbol: str) -> bool:
        """Whether anybody looks, or anything of the account waits for a price."""
        return (
            self.paper.hub.is_wanted(f"futures/trade:{symbol}")
            or self.paper.books.ledger.has_working(symbol)
            or any(key[0] == symbol for key in self.paper.books.positions)
        )

    async def _move(self, symbol: str, rng: random.Random) -> None:
        centre = self.centre[symbol]
        chance = 1.0 if self.steady else rng.random()
        if chance < 0.02:  # somewhere else, and not back
            self.centre[symbol] = centre * (1 + Decimal(rng.uniform(-12, 12)) / 1000)
            self.to(symbol, self.centre[symbol])
        elif chance < 0.05:  # there and back before anybody has looked
            self.pushes.gathering = rng.random() < 0.5
            self.to(symbol, self._near(symbol, rng, 0.6))
            self.to(symbol, self._near(symbol, rng, 18))
            self.pushes.gathering = False
            self.to(symbol, self._near(symbol, rng, 0.6))
        elif chance < 0.06:
            await trio.sleep(rng.uniform(10, 90))
        elif chance < 0.08:
            for _ in range(rng.randint(3, 15)):
                self.to(symbol, self._near(symbol, rng, 4))
                await trio.sleep(rng.uniform(0, 0.3))
        else:
            self.to(symbol, self._near(symbol, rng, 0.8))

    def _near(self, symbol: str, rng: random.Random, thousandths: float) -> Decimal:
        return self.centre[symbol] * (1 + Decimal(rng.uniform(-thousandths, thousandths)) / 1000)


def real_month(start: int) -> Iterator[Decimal]:
    """Prices of the real month from the `start`-th bar on: open, low, high and close of each bar."""
    with REAL_MONTH.open() as file:
        for bar in itertools.islice(csv.DictReader(file), start, None):
            for name in ("open", "low", "high", "close"):
                yield Decimal(bar[name])
