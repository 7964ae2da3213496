"""What happens to an engine during a run: a market that moves, people who trade, and an exchange with bad moments.

All of it is decided by seeded generators. What comes of it depends on real processes and real time, so the same seed
gives the same wishes, not the same interleaving. What each symbol is for is said in `tests.support.wishes`.
"""

from __future__ import annotations

import hmac
import json
import random
from decimal import Decimal
from typing import Any

import httpx
import trio
from attrs import define, field

from bitmart_engine.paper import PaperExchange
from tests.support.app import App
from tests.support.wishes import (
    GUARDED_HERE,
    GUARDED_THERE,
    MONITORED,
    UNGUARDED,
    digits,
    wish,
    with_levels,
)

__all__ = ["REFUSALS", "Market", "Traders", "Trouble", "have_guarded"]

SUBMIT = "/contract/private/submit-order"
FLAKY = (
    SUBMIT,
    SUBMIT,
    "/contract/private/cancel-order",
    "/contract/private/order",
    "/contract/private/get-open-orders",
    "/contract/private/order-history",
    "/contract/private/position-v2",
)
ORDERS_A_LIFE = 9
TIMEOUTS = (1.5, 3, 6, 300, 300)
"""Seconds that an order may wait for its zone."""
POSITIONS_A_LIFE = 1
REFUSALS = 100
"""How often a position may be refused for a price beyond its target."""


@define
class Market:
    """Prices that wander about where they began, and sometimes leap to where stops and targets are."""

    paper: PaperExchange
    rng: random.Random
    centre: dict[str, Decimal] = field(factory=dict)
    steady: bool = False
    """No more leaps."""

    def __attrs_post_init__(self) -> None:
        self.centre = {symbol: self.paper.last_price(symbol) for symbol in self.paper.instruments}

    async def run(self) -> None:
        while True:
            for symbol, centre in self.centre.items():
                spread = 20 if not self.steady and self.rng.random() < 0.04 else 0.6
                self.to(symbol, centre * (1 + Decimal(self.rng.uniform(-spread, spread)) / 1000))
            await trio.sleep(self.rng.uniform(0.02, 0.12))

    def to(self, symbol: str, price: Decimal) -> None:
        """A trade happens at `price`, or rather at the possible price nearest to it."""
        tick = self.paper.instruments[symbol].tick_size
        self.paper.set_price(symbol, (price / tick).to_integral_value() * tick)


@define
class Trouble:
    """The exchange's bad moments: lost answers, errors, delays and dropped connections."""

    paper: PaperExchange
    rng: random.Random

    async def run(self) -> None:
        while True:
            await trio.sleep(self.rng.uniform(0.2, 1.2))
            path = self.rng.choice(FLAKY)
            match self.rng.randrange(6):
                case 0 | 1:
                    self.paper.lose_replies(path)
                case 2:
                    self.paper.fail(path, status=self.rng.choice((500, 502, 503)))
                case 3:
                    self.paper.fail(path, after=True)
                case 4:
                    self.paper.delay(path, self.rng.uniform(0.05, 0.5), after=True)
                case 5:
                    self.paper.drop_connections(self.rng.choice(("public", "private")))


@define
class Traders:
    """People who place, cancel, monitor, move and close, through the control API."""

    app: App
    paper: PaperExchange
    market: Market
    rng: random.Random
    hook: str
    asked: list[str] = field(factory=list)
    """The ids of all entry orders that were asked for."""
    stop: bool = False
    """No new wishes; what was begun is asked for until it is answered."""
    by_hand: trio.Lock = field(factory=trio.Lock)
    """Held while somebody opens a position: of two at once nobody could tell whose order the exchange has."""
    _orders_left: int = 0
    _positions: int = 0
    _positions_left: int = 0

    def wish_for_more(self) -> None:
        """A life begins: there is something left to ask of it."""
        self._orders_left += ORDERS_A_LIFE
        self._positions_left += POSITIONS_A_LIFE

    async def run(self) -> None:
        """One of them."""
        while not self.stop:
            match self.rng.choices(range(5), (50, 15, 10, 10, 15))[0]:
                case 0 if self._orders_left:
                    self._orders_left -= 1
                    await self._place()
                case 1 if self.asked:
                    await self.app.cancel(self.rng.choice(self.asked))
                case 2 if self.app.placed:
                    await self._move(self.rng.choice(sorted(self.app.placed)))
                case 3 if self.app.placed or self.app.monitored:
                    ids = sorted(self.app.placed) + sorted(self.app.monitored)
                    await self.app.close(self.rng.choice(ids))
                case 4 if self._positions_left:
                    self._positions_left -= 1
                    self._positions += 1
                    await self._monitor(f"position-{self._positions}")
            await trio.sleep(self.rng.uniform(0.0, 0.3))

    async def _place(self) -> None:
        id = f"order-{len(self.asked) + 1}"
        self.asked.append(id)
        regretted = self.rng.random() < 0.3
        moment = self.rng.uniform(0.02, 0.3)
        await self.app.place(self._wish(id))
        if regretted:
            await trio.sleep(moment)
            await self.app.cancel(id)

    def _wish(self, id: str) -> dict[str, Any]:
        rng = self.rng
        symbol = rng.choice((GUARDED_HERE, GUARDED_THERE, GUARDED_THERE, UNGUARDED))
        side = rng.choice(("long", "short"))
        last = self.paper.last_price(symbol)
        far = rng.random() < 0.2
        middle = last * (Decimal("0.9") if far else 1 + Decimal(rng.uniform(-1, 1)) / 2000)
        low, high = middle * Decimal("0.9990"), middle * Decimal("1.0010")
        body = wish(id, symbol, side, (low, high), TIMEOUTS, self.hook, rng)
        if symbol != UNGUARDED:
            below, above = low * Decimal("0.99"), high * Decimal("1.01")
            which = rng.randrange(4)
            with_levels(body, below, above, stop=which != 1, target=which != 2)
        return body

    async def _move(self, id: str) -> None:
        asked = self.app.placed[id]
        if "stop_loss" not in asked:
            return
        closer = Decimal(self.rng.choice(("0.9993", "1.0007")))
        await self.app.move(id, {"stop_loss": digits(Decimal(asked["stop_loss"]) * closer)})

    async def _monitor(self, id: str) -> None:
        """Somebody opens a position elsewhere, and asks the engine to guard it."""
        side = self.rng.choice(("long", "short"))
        async with self.by_hand:
            await self._open_by_hand(MONITORED, 1 if side == "long" else 4, self.rng.randint(1, 8))
        centre = self.market.centre[MONITORED]
        body = {"id": id, "symbol": MONITORED, "side": side, "callback_url": self.hook}
        below, above = centre * Decimal("0.99"), centre * Decimal("1.01")
        with_levels(body, below, above, stop=True, target=True)
        await have_guarded(self.app, body)

    async def _open_by_hand(self, symbol: str, side: int, size: int) -> None:
        """A market order that the engine knows nothing of, as another program would send it."""
        body = json.dumps({"symbol": symbol, "side": side, "size": size, "type": "market"})
        timestamp = str(self.paper.now_ms())
        config = self.paper.config
        signed = f"{timestamp}#{config.api_memo}#{body}".encode()
        headers = {
            "X-BM-KEY": config.api_key,
            "X-BM-TIMESTAMP": timestamp,
            "X-BM-SIGN": hmac.new(config.api_secret.encode(), signed, "sha256").hexdigest(),
        }
        books = self.paper.books
        before = len(books.orders)
        while len(books.orders) == before or _no_order_by_hand(books, before):
            try:
                answer = await self.app.client.post(
                    self.paper.rest_uri + SUBMIT, content=body, headers=headers
                )
                if answer.status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await trio.sleep(0.02)


async def have_guarded(app: App, body: dict[str, Any]) -> None:
    """Ask until somebody guards a position: it is refused while the price leaps beyond its target, for a moment."""
    for _ in range(REFUSALS):
        if await app.monitor(body):
            return
        await trio.sleep(0.1)
    raise AssertionError(f"nobody guards {body['id']}: it was refused {REFUSALS} times")


def _no_order_by_hand(books: Any, before: int) -> bool:
    """Whether all orders since are somebody else's: an answer that was lost is not asked for twice."""
    return all(each.client_order_id for each in list(books.orders.values())[before:])
