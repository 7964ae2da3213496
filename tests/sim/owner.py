"""What the account's owner, and other programs of his, do beside the engine: orders, stops, amendments and settings.

None of it goes through the engine, and nothing of it is the engine's to close, to cancel or to undo.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import trio
from attrs import define, field

from bitmart_engine.paper import Order, PaperExchange
from bitmart_engine.paper.codes import Refusal
from bitmart_engine.paper.orders import OrderRequest, Side
from tests.support.stage import ask_by_hand
from tests.support.wishes import GUARDED_HERE, GUARDED_THERE

from .chronicle import Chronicle
from .holdings import Holdings
from .trace import Trace
from .troubles import Kinds

__all__ = ["Owner"]

SUBMIT = "/contract/private/submit-order"
LEVERAGE = "/contract/private/submit-leverage"
MOST_OWN = 20
"""Contracts that he holds at most on one side."""
MOST_AMENDED = 40
FAR = Decimal("0.2")
"""Where orders wait that nobody shall fill, as a part of the price."""
MANY = (120, 300)
SIDES = {"long": 1, "short": 4}


@define(eq=False)
class Owner:
    """`rng` makes the generator of a habit."""

    paper: PaperExchange
    chronicle: Chronicle
    holdings: Holdings
    rng: Callable[[str], random.Random]
    trace: Trace
    amended: dict[str, set[int]] = field(factory=dict)
    """By client order id, the sizes that he has given orders of the engine."""
    _asked: int = 0

    @property
    def others(self) -> frozenset[str]:
        """The client order ids of his other program."""
        return frozenset(f"other{number}" for number in range(1, self._asked + 1))

    def kinds(self) -> Kinds:
        return {
            "own contracts": self._own_contracts,
            "another program": self._another_program,
            "amends": self._amends,
            "cancels": self._cancels,
            "takes stops away": self._takes_stops_away,
            "levers": self._levers,
            "many orders": self._many_orders,
        }

    # Contracts of his own

    async def _own_contracts(self) -> None:
        """He buys beside the engine, on the side on which it has something."""
        rng = self.rng("own contracts")
        while True:
            await trio.sleep(rng.expovariate(1 / 30))
            for symbol, side in self._sides(rng):
                await self.buy(symbol, side, rng.randint(1, 8))

    async def buy(self, symbol: str, side: str, size: int) -> None:
        """He buys, unless it would be too much."""
        if self.holdings.own((symbol, side)) + size <= MOST_OWN:
            self.trace.fault("own contracts", symbol, side, size)
            await self._ask(
                SUBMIT, {"symbol": symbol, "side": SIDES[side], "size": size, "type": "market"}
            )

    async def _another_program(self) -> None:
        """Another program opens with a stop of its own at the exchange, often just like an order of the engine's."""
        rng = self.rng("another program")
        while True:
            await trio.sleep(rng.expovariate(1 / 30))
            for symbol, side in self._sides(rng, GUARDED_THERE):
                if self.holdings.own((symbol, side)) >= MOST_OWN:
                    continue
                size, stop = self._like_the_engines(symbol, side, rng)
                self._asked += 1
                self.trace.fault("another program", symbol, side, size, stop)
                await self._ask(
                    SUBMIT,
                    {
                        "symbol": symbol,
                        "side": SIDES[side],
                        "size": size,
                        "type": "market",
                        "client_order_id": f"other{self._asked}",
                        "preset_stop_loss_price": stop,
                        "preset_stop_loss_price_type": 1,
                    },
                )

    def _like_the_engines(self, symbol: str, side: str, rng: random.Random) -> tuple[int, str]:
        """A size and a stop: of an order of the engine's, or others."""
        alike = [
            order
            for order in self._engines(symbol)
            if order.side.direction.name.lower() == side and order.stop_price is not None
        ]
        if alike and rng.random() < 0.7:
            one = rng.choice(alike)
            return min(one.size, MOST_OWN), str(one.stop_price)
        tick = self.paper.instruments[symbol].tick_size
        part = 1 + Decimal(rng.uniform(2, 8)) / (-1000 if side == "long" else 1000)
        stop = (self.paper.last_price(symbol) * part / tick).to_integral_value() * tick
        return rng.randint(1, 8), format(stop, "f")

    def _sides(self, rng: random.Random, *symbols: str) -> list[tuple[str, str]]:
        """Sides on which the engine has something; one of them, if there are any."""
        found = sorted(
            {
                (each.symbol, each.side)
                for each in self.chronicle.alive.values()
                if each.symbol in (symbols or (GUARDED_HERE, GUARDED_THERE))
            }
        )
        return [rng.choice(found)] if found else []

    # Orders of the engine's

    def _engines(self, *symbols: str) -> list[Order]:
        """The orders that an engine has opened something with, or is about to."""
        intended = self.chronicle.intended
        return [
            each
            for each in self.paper.books.orders.values()
            if each.client_order_id in intended
            and not each.side.is_close
            and (not symbols or each.symbol in symbols)
        ]

    async def _amends(self) -> None:
        """He gives an entry order of the engine another size, or another price."""
        rng = self.rng("amends")
        while True:
            await trio.sleep(rng.expovariate(1 / 6))
            working = [
                each for each in self._engines() if each.is_working and each.price is not None
            ]
            if not working:
                continue
            order = rng.choice(working)
            size = price = None
            if rng.random() < 0.7:
                size = min(order.size + rng.choice((-3, -1, 1, 5, 15)), MOST_AMENDED)
                size = max(size, order.deal_size + 1)
            elif order.price is not None:
                tick = self.paper.instruments[order.symbol].tick_size
                price = order.price + tick * rng.randint(-30, 30)
            self.trace.fault("amended by hand", order.client_order_id, size, price)
            try:
                self.paper.amend_by_hand(order.client_order_id, price=price, size=size)
            except ValueError as refused:
                self.trace("owner", "is refused:", refused)
                continue
            if size is not None:
                self.amended.setdefault(order.client_order_id, set()).add(size)

    async def _cancels(self) -> None:
        """He cancels what the engine has placed: entries, and closes that still work."""
        rng = self.rng("cancels")
        while True:
            await trio.sleep(rng.expovariate(1 / 10))
            intended = self.chronicle.intended
            working = [
                each
                for each in self.paper.books.ledger.working()
                if each.client_order_id in intended
            ]
            if working:
                client_id = rng.choice(working).client_order_id
                self.trace.fault("cancelled by hand", client_id)
                self.paper.cancel_by_hand(client_id)

    async def _takes_stops_away(self) -> None:
        """He cancels a stop or a target that the exchange keeps for an order of the engine's."""
        rng = self.rng("takes stops away")
        while True:
            await trio.sleep(rng.expovariate(1 / 25))
            plans = self.paper.books.plans
            waiting = plans.waiting(GUARDED_THERE)
            if waiting:
                plan = rng.choice(waiting)
                self.trace.fault("stop taken away by hand", plan.plan_id, plan.kind)
                plans.cancel(plan.plan_id)

    async def _levers(self) -> None:
        """He changes the leverage."""
        rng = self.rng("levers")
        while True:
            await trio.sleep(rng.expovariate(1 / 30))
            symbol, leverage = (
                rng.choice((GUARDED_HERE, GUARDED_THERE)),
                rng.choice((5, 10, 20, 50)),
            )
            self.trace.fault("leverage by hand", symbol, leverage)
            body = {"symbol": symbol, "leverage": str(leverage), "open_type": "isolated"}
            await self._ask(LEVERAGE, body)

    async def _many_orders(self) -> None:
        """Hundreds of orders of his rest far from the price for a few minutes."""
        rng = self.rng("many orders")
        symbol, count = rng.choice((GUARDED_HERE, GUARDED_THERE)), rng.randint(*MANY)
        tick = self.paper.instruments[symbol].tick_size
        price = (self.paper.last_price(symbol) * FAR / tick).to_integral_value() * tick
        request = OrderRequest(symbol=symbol, side=Side(1), size=1, type="limit", price=price)
        taken = []
        try:
            for _ in range(count):
                try:
                    taken.append(self.paper.books.submit(request, self.paper.now_ms()).order_id)
                except Refusal as refused:
                    self.trace("owner", "is refused:", refused)
                    break
            self.trace.fault("many orders", symbol, len(taken))
            self.paper._broadcast.settle(None)
            for _ in range(rng.randint(1, 3)):
                await trio.sleep(rng.uniform(20, 60))
                self.paper.drop_connections("private")
            await trio.sleep(rng.uniform(20, 60))
        finally:
            for order_id in taken:
                if self.paper.books.orders[order_id].is_working:
                    self.paper.books.cancel(order_id, self.paper.now_ms())
            self.paper._broadcast.settle(None)
        await trio.sleep_forever()

    async def _ask(self, path: str, body: dict[str, Any]) -> None:
        answer = await ask_by_hand(self.paper, path, body)
        if answer["code"] != 1000:
            self.trace("owner", "is refused:", answer)
