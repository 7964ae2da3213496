"""The user: places, changes, cancels, closes and monitors through the control API, repeats itself, and talks nonsense.

It is careful as `tests.support.app` is: it asks until it has an answer, and holds the engine to it. What each symbol is
for is said in `tests.support.wishes`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import trio
from attrs import define, field

from bitmart_engine.paper import Direction, PaperExchange
from tests.support.app import App
from tests.support.judge import Violation
from tests.support.stage import order_by_hand
from tests.support.wishes import (
    GUARDED_HERE,
    GUARDED_THERE,
    MONITORED,
    OF_ANOTHER_SCRIPT,
    UNGUARDED,
    digits,
    wish,
    with_levels,
)

from .chronicle import Chronicle
from .forms import as_the_application_sends
from .receiver import HOOK
from .trace import Trace

__all__ = ["User"]

TIMEOUTS = (5, 30, 60, 300, 300)
"""Seconds that an order may wait for its zone."""
NONSENSE: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/api/place-order", {"id": "x", "symbol": "NOSUCHUSDT", "side": "long"}),
    ("POST", "/api/place-order", {"stop_los": 1}),
    ("POST", "/api/place-order", []),
    ("POST", "/api/monitor-position", {"id": "x"}),
    ("PATCH", "/api/positions/nothing", {"stop_loss": "abc"}),
    ("DELETE", "/api/orders/nothing", None),
    ("GET", "/api/orders?limit=0", None),
    ("POST", "/api/positions/nothing/close", None),
    ("GET", "/nowhere", None),
)


@define(eq=False)
class User:
    """Several wishes may be under way at a time. `accepted` is told of every answer that promises something."""

    app: App
    paper: PaperExchange
    centre: dict[str, Decimal]
    chronicle: Chronicle
    rng: random.Random
    trace: Trace
    said: Callable[[str, str, dict[str, Any]], None]
    """Told of every 200: the method, the path and the body of the request."""
    broken: Callable[[Violation], None]
    several_there: bool
    """Whether there may be several orders on one side whose stops the exchange keeps too."""
    pause_s: float
    """How long on average between two wishes."""
    habits: random.Random | None = None
    """For what the user of the first world does not do: decides when he does it."""
    forms: random.Random | None = None
    """For what is sent in an application's words: decides when, and in which."""
    resting: bool = False
    asked: dict[str, dict[str, Any]] = field(factory=dict)
    busy: int = 0
    """How many wishes are not answered yet."""
    lives: int = 0
    """How often what was promised was forgotten, since the journal was another one from then on."""
    _nursery: trio.Nursery | None = None
    _orders: int = 0
    _there: set[str] = field(factory=set)
    _positions: int = 0

    async def run(self) -> None:
        """Wish for something every now and then, without waiting for what was wished for before."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            while True:
                await trio.sleep(self.rng.expovariate(1 / self.pause_s))
                if not self.resting:
                    for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
                        nursery.start_soon(self._one)

    def close_soon(self, id: str) -> None:
        """Have a position closed that was asked for. Does not block."""
        if id in self.app.placed and not self.resting and self._nursery is not None:
            self._nursery.start_soon(self._busy_with, self.app.close, id)

    def place_soon(self, symbol: str) -> None:
        """Have an order of this symbol placed. Does not block."""
        if not self.resting and self._nursery is not None:
            self._nursery.start_soon(self._busy_with, self._place, symbol)

    async def _busy_with(self, do: Callable[[str], Awaitable[None]], what: str) -> None:
        self.busy += 1
        try:
            await do(what)
        finally:
            self.busy -= 1

    def begin_again(self) -> None:
        """Nothing was ever asked for: the ids that were used are used again."""
        self.asked.clear()
        self._orders = self._positions = 0

    async def _one(self) -> None:
        self.busy += 1
        try:
            await self._wish_for(self.rng.choices(range(9), (45, 12, 10, 8, 6, 6, 4, 4, 5))[0])
        except AssertionError as failure:
            self.broken(Violation("answers are what they should be", "the user", str(failure)))
        finally:
            self.busy -= 1

    async def _wish_for(self, what: int) -> None:
        rng, app = self.rng, self.app
        ids = sorted(app.placed)[-20:] + sorted(app.monitored)[-3:]
        if what == 0 or not ids or not self.asked:
            await self._place()
        elif what == 1:
            await app.cancel(rng.choice(sorted(self.asked)[-10:]))
        elif what == 2:
            await self._move(rng.choice(ids))
        elif what == 3:
            await app.close(rng.choice(ids))
        elif what == 4:
            await self._monitor()
        elif what == 5:
            await self._again(rng.choice(sorted(self.asked)[-20:]))
        elif what == 6:
            method, path, body = rng.choice(NONSENSE)
            answer = await app.ask(method, path, body)
            assert 400 <= answer.status < 500, (method, path, answer)
        elif what == 7:
            await app.ask("GET", rng.choice(("/status", "/api/orders/status", "/api/positions")))
        else:
            await self._close_by_hand()

    def _has_habit(self, likely: float) -> bool:
        return self.habits is not None and self.habits.random() < likely

    def _new_id(self) -> str:
        self._orders += 1
        return f"o{self._orders:05}"

    async def _twin(self, body: dict[str, Any]) -> None:
        """The same again under another id: same side, zone, size, stop and target."""
        id = self._new_id()
        body = self.asked[id] = {**body, "id": id, "metadata": {"run": id}}
        if await self.app.place(body):
            self.said("POST", "/api/place-order", body)

    async def _place(self, symbol: str = "") -> None:
        id = self._new_id()
        body = self._wish(id, symbol)
        sent = self.asked[id] = self._formed(body)
        if self.several_there and body["symbol"] == GUARDED_THERE and self._has_habit(0.3):
            await self._twin(body)
        regretted = self.rng.random() < 0.15
        if await self.app.place(sent):
            self.app.placed[id] = body
            self.said("POST", "/api/place-order", body)
        if body["symbol"] == GUARDED_THERE:
            self._there.discard(body["side"])
        if regretted:
            await trio.sleep(self.rng.uniform(0, 3))
            await self.app.cancel(id)

    def _formed(self, body: dict[str, Any]) -> dict[str, Any]:
        """A body as it is sent."""
        if self.forms is None or self.forms.random() < 0.5:
            return body
        if self.forms.random() < 0.3:
            body["metadata"] = {}
        return as_the_application_sends(body, self.forms)

    async def _again(self, id: str) -> None:
        """The same request again, word for word; and with another body, which is a conflict."""
        body, lives = self.asked[id], self.lives
        known = self.app.placed.get(id) == body  # an older life's request may have come first
        answer = await self.app.ask("POST", "/api/place-order", body)
        if self.lives != lives:
            return
        if known:
            assert (answer.status, answer.body.get("duplicate")) == (200, True), answer
            answer = await self.app.ask("POST", "/api/place-order", {**body, "size": 77})
            assert answer.status == 409 or self.lives != lives, answer

    def _wish(self, id: str, symbol: str = "") -> dict[str, Any]:
        rng = self.rng
        wanted, symbol = symbol, rng.choice((GUARDED_HERE, GUARDED_HERE, GUARDED_THERE, UNGUARDED))
        if self._has_habit(0.06) and OF_ANOTHER_SCRIPT in self.centre:
            symbol = OF_ANOTHER_SCRIPT
        symbol = wanted or symbol
        side = rng.choice(("long", "short"))
        if symbol == GUARDED_THERE and not self.several_there:
            if side in self._there or self.chronicle.working(symbol, side):
                symbol = GUARDED_HERE
            else:
                self._there.add(side)
        last = self.paper.last_price(symbol)
        middle = last * (1 + Decimal(rng.uniform(-1, 1)) / rng.choice((100, 1000, 2000)))
        low, high = middle * Decimal("0.9993"), middle * Decimal("1.0007")
        body = wish(id, symbol, side, (low, high), TIMEOUTS, HOOK, rng)
        if self._has_habit(0.25):
            body["type"] = "market"
        if rng.random() < 0.2:
            body["leverage"] = rng.choice((5, 10, 10, 20))
        if symbol != UNGUARDED:
            far = Decimal(rng.uniform(3, 15)) / 1000
            which = rng.randrange(5)
            with_levels(body, low * (1 - far), high * (1 + far), stop=which != 1, target=which != 2)
        return body

    async def _move(self, id: str) -> None:
        asked = self.app.placed.get(id) or self.app.monitored[id]
        if "stop_loss" in asked:
            closer = 1 + Decimal(self.rng.uniform(-1, 1)) / 500
            stop_loss = digits(Decimal(asked["stop_loss"]) * closer)
            await self.app.move(id, {"stop_loss": stop_loss})

    async def _monitor(self) -> None:
        """Somebody opens a position elsewhere, and asks the engine to guard it."""
        side = self.rng.choice(("long", "short"))
        if self.chronicle.working(MONITORED, side):
            return
        self._positions += 1
        id = f"p{self._positions:04}"
        size = min(self.rng.randint(1, 8), self.paper.instruments[MONITORED].market_max_size)
        if not size:
            return  # the contract takes no market orders at present
        self.trace("user", "opens by hand:", MONITORED, side, size)
        await order_by_hand(self.paper, MONITORED, 1 if side == "long" else 4, size)
        while any(not each.client_order_id for each in self.paper.books.ledger.working(MONITORED)):
            await trio.sleep(1)
        last = self.paper.last_price(MONITORED)
        body = {"id": id, "symbol": MONITORED, "side": side, "callback_url": HOOK}
        below, above = last * Decimal("0.99"), last * Decimal("1.01")
        with_levels(body, below, above, stop=True, target=True)
        sent = self._formed(dict(body))
        sent.pop("leverage", None)
        if await self.app.monitor(sent):
            self.app.monitored[id] = body
            self.said("POST", "/api/monitor-position", body)
        elif self._held_elsewhere(side):
            self.trace("user", "closes what is not guarded:", MONITORED, side, size)
            self.paper.close_position_by_hand(MONITORED, side)  # type: ignore[arg-type]

    def _held_elsewhere(self, side: str) -> bool:
        """Whether something is held on a side of the monitored symbol that no engine promises anything for.

        A position is refused where the price has passed its stop or its target while nobody could be asked.
        """
        direction = Direction.LONG if side == "long" else Direction.SHORT
        held = self.paper.books.positions.get((MONITORED, direction))
        return held is not None and held.size > 0 and not self.chronicle.working(MONITORED, side)

    async def _close_by_hand(self) -> None:
        """Somebody closes a position elsewhere, all of it or a part."""
        held = [
            (symbol, direction, each.size)
            for (symbol, direction), each in self.paper.books.positions.items()
            if each.size and symbol in (GUARDED_HERE, MONITORED)
        ]
        if held and self.rng.random() < 0.5:
            symbol, direction, size = self.rng.choice(held)
            part = self.rng.choice((size, self.rng.randint(1, size)))
            self.trace("user", "closes by hand:", symbol, direction.name, part, "of", size)
            self.paper.close_position_by_hand(symbol, direction.name.lower(), part)
        await trio.lowlevel.checkpoint()
