"""Where prices come from. A market moves prices by making trades; it never sees the account.

`ManualMarket` waits to be told, `RandomWalk` makes prices up. The replay of a file is in `replay.py`.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Protocol

import trio

from .instruments import PaperInstrument


class Floor(Protocol):
    """What a market may do at the exchange."""

    @property
    def instruments(self) -> dict[str, PaperInstrument]: ...

    def last_price(self, symbol: str) -> Decimal: ...

    def is_held(self, symbol: str) -> bool: ...

    def market_trade(self, symbol: str, price: Decimal, size: int, *, buy: bool) -> None: ...

    def past_trade(self, symbol: str, price: Decimal, size: int, at_ms: int) -> None: ...


class Market:
    """A source of trades. The base class makes none: prices move only by `set_price`."""

    def opening_prices(self) -> dict[str, Decimal]:
        """Prices to open with, where they differ from the instruments' own."""
        return {}

    def market_ms(self, now_ms: int) -> int:
        """The time that candles and trades carry: the wall clock, unless the market has a past of its own."""
        return now_ms

    async def run(self, floor: Floor) -> None:
        """Make trades until cancelled."""


class ManualMarket(Market):
    """Nothing moves but by `set_price`."""


class RandomWalk(Market):
    """Every symbol steps a few ticks up or down, every `fastest_s` to `slowest_s` seconds.

    After `set_price` the walk goes on from the new price; `hold` keeps it from moving a symbol at all.
    `reach` is the largest step, as a fraction of the price.
    """

    def __init__(
        self,
        rng: random.Random | None = None,
        *,
        seed: int = 0,
        fastest_s: float = 0.2,
        slowest_s: float = 0.5,
        reach: Decimal = Decimal("0.0002"),
    ) -> None:
        self._rng = rng or random.Random(f"walk:{seed}")
        self._fastest_s = fastest_s
        self._slowest_s = slowest_s
        self._reach = reach

    async def run(self, floor: Floor) -> None:
        async with trio.open_nursery() as nursery:
            for instrument in floor.instruments.values():
                rng = random.Random(self._rng.random())
                nursery.start_soon(self._walk, floor, instrument, rng)

    async def _walk(self, floor: Floor, instrument: PaperInstrument, rng: random.Random) -> None:
        symbol, tick = instrument.symbol, instrument.tick_size
        while True:
            await trio.sleep(rng.uniform(self._fastest_s, self._slowest_s))
            if floor.is_held(symbol):
                continue
            last = floor.last_price(symbol)
            reach = max(1, int(last * self._reach / tick))
            ticks = rng.randint(-reach, reach)
            price = max(tick, last + ticks * tick)
            buy = ticks > 0 or (ticks == 0 and rng.random() < 0.5)
            floor.market_trade(symbol, price, rng.randint(1, 400), buy=buy)
