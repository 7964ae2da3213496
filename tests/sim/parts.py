"""Orders that fill in parts, the first of which the exchange's own stop or target closes while nothing is heard.

The exchange makes a stop and a target with each fill. Those of the first have acted when the rest fills, at the same
prices, and the owner may have bought as many meanwhile: then all is there that should be, as far as a list of positions
or a price of a stop tells.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import trio
from attrs import define, evolve

from bitmart_engine.paper import Order, PaperExchange
from tests.support.wishes import GUARDED_THERE

from .chronicle import Chronicle
from .lives import Lives
from .market import Market
from .network import Network
from .owner import Owner
from .trace import Trace
from .troubles import Kinds
from .user import User

__all__ = ["Parts"]

LOOK_EVERY_S = 0.5
ORDERS_EVERY_S = 20.0
PAUSE_S = 5.0
HEARD_S = 4.0
"""How long the engine has to hear of the first part."""
DEAF_S = (3.0, 40.0)
SLOW_S = 4.0
"""So slow that not everything can be compared with the exchange, and what is asked for a close is answered."""
PRICES = ("/contract/public/kline", "/contract/public/market-trade")
"""What tells afterwards that a price was there."""


@define(eq=False)
class Parts:
    """`rng` makes the generator of the kind."""

    paper: PaperExchange
    network: Network
    lives: Lives
    market: Market
    chronicle: Chronicle
    owner: Owner
    user: User
    rng: Callable[[str], random.Random]
    trace: Trace

    def kinds(self) -> Kinds:
        return {"parts unheard": self._parts_unheard}

    async def _parts_unheard(self) -> None:
        rng = self.rng("parts unheard")
        while True:
            await trio.sleep(LOOK_EVERY_S)
            if rng.random() < LOOK_EVERY_S / ORDERS_EVERY_S:
                self.user.place_soon(GUARDED_THERE)
            found = self._resting(rng)
            if found is not None:
                await self._fill_in_parts(*found, rng)
                await trio.sleep(rng.expovariate(1 / PAUSE_S))

    def _resting(self, rng: random.Random) -> tuple[Order, Decimal] | None:
        """An order of the engine's that rests, unfilled, and a price at which the exchange will close what it opens."""
        now = self.chronicle
        guards = {each.entry_id: each for each in now.alive.values()}
        found = []
        for order in self.paper.books.ledger.working(GUARDED_THERE):
            guard = guards.get(now.intended.get(order.client_order_id))
            if guard is None or order.price is None or order.deal_size or order.side.is_close:
                continue
            levels = [each for each in (order.stop_price, order.target_price) if each is not None]
            if order.size > 1 and levels:
                found.append((order, rng.choice(levels)))
        return rng.choice(found) if found else None

    async def _fill_in_parts(self, order: Order, level: Decimal, rng: random.Random) -> None:
        assert order.price is not None, "only what rests at a price is chosen"
        part, symbol = rng.randint(1, order.size - 1), order.symbol
        with self._liquidity(part):
            self.market.to(symbol, order.price)
        filled = self.paper.books.orders[order.order_id].deal_size
        self.trace.fault("fill in parts", order.client_order_id, filled, "of", order.size)
        if not 0 < filled < order.size:
            return
        await trio.sleep(rng.uniform(0, HEARD_S))
        deaf_s = rng.uniform(*DEAF_S)
        with self._unheard(rng):
            await trio.sleep(rng.uniform(0, 2))
            with self._liquidity(None):
                for _ in range(2):
                    self.market.to(symbol, level)
            if rng.random() < 0.7:
                await self.owner.buy(symbol, order.side.direction.name.lower(), filled)
            await trio.sleep(deaf_s / 2)
            with self._liquidity(None):
                self.market.to(symbol, order.price)
            self.market.centre[symbol] = order.price
            if rng.random() < 0.7:
                for path in PRICES:  # nor can it be read that the level was reached
                    self.paper.fail(path, status=502, times=rng.randint(5, 60))
            await trio.sleep(deaf_s / 2)
            if rng.random() < 0.5:
                self.network.now.slow_s = SLOW_S
        await trio.sleep(rng.uniform(2, 20))
        intended = self.chronicle.intended.get(order.client_order_id)
        if (
            rng.random() < 0.5 and intended is not None
        ):  # a journal that was restored may not know of it
            self.user.close_soon(intended)
        await trio.sleep(rng.uniform(5, 30))
        self.network.now.slow_s = 0.0

    @contextmanager
    def _liquidity(self, contracts: int | None) -> Iterator[None]:
        """How many contracts one trade fills."""
        books = self.paper.books
        before = books.config
        books.config = evolve(before, liquidity=contracts)
        try:
            yield
        finally:
            books.config = before

    @contextmanager
    def _unheard(self, rng: random.Random) -> Iterator[None]:
        """The engine is dead for a while, or cannot reach the exchange."""
        if rng.random() < 0.3 and self.lives.process is not None and not self.lives.spared:
            self.lives.process.kill("while its order fills in parts", tells=rng.random() < 0.7)
        self.network.stall_all()
        try:
            yield
        finally:
            self.network.now.unreachable = False
