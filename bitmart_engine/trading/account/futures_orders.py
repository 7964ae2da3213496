"""The application's book of exchange orders: fed with whatever the exchange says of any order of the account.

It only keeps, and says what is news of orders that are not the engine's (`foreign_signals`); no monitor looks into it,
and nothing is traded by what it says. What was taken in already is no news, and is not journalled again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio
from attrs import evolve

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import CutShort, ExchangeError, Meaning, Refused
from ...model.events import OrderUpdate
from ...model.futures_orders import FuturesOrder, upsert
from ...model.identifiers import LONGEST_SYMBOL, is_identifier
from ...store import Store
from ...streams.order_events import order_event
from ..event_errors import EventErrors
from ..signals.foreign_signals import ForeignSignals

__all__ = ["FuturesOrders"]

FIRST_LOOK_AFTER_S = 10.0
LOOK_EVERY_S = 60.0
ASKED_AT_ONCE = 10
"""Orders that are asked about in one look: the exchange answers 50 such questions in 2 s, and others ask too."""


class FuturesOrders:
    """The way into `State.futures_orders`. It hears every order that any query of the engine reads."""

    def __init__(
        self,
        *,
        counters: Counters,
        errors: EventErrors,
        exchange: ExchangeClient,
        store: Store,
        signals: ForeignSignals,
        now_ms: Callable[[], int],
    ) -> None:
        self._counters = counters
        self._errors = errors
        self._exchange = exchange
        self._store = store
        self._now_ms = now_ms
        self._asked_at: dict[str, float] = {}
        self._signals = signals
        exchange.observe_orders(self.take)

    def take(self, update: OrderUpdate) -> None:
        """Take in what was pushed, or read over REST. What cannot be read is counted, and changes nothing."""
        with self._errors.surviving("order of the book"):
            self._take(update)

    def _take(self, update: OrderUpdate) -> None:
        if not update.raw:
            return
        try:
            event = order_event(update.raw)
            known = self._store.state.futures_orders.get(event.order_id)
            news = upsert(known, event)
        except ValueError as failure:
            self._counters.add("futures_order_event_invalid", why=failure)
            return
        if news is not None:
            order = evolve(news, seen_ms=self._now_ms())
            self._store.record(*self._signals.news(known, order, update))

    async def run(self) -> None:
        """Now and then ask what became of orders that ended while nobody listened, and tell what was held back.

        Runs as a task.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._signals.run)
            nursery.start_soon(self._look_now_and_then)

    async def _look_now_and_then(self) -> None:
        await trio.sleep(FIRST_LOOK_AFTER_S)
        while True:
            await self._look()
            await trio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        """Ask about orders that work as far as the book knows, and that the exchange lists no longer.

        A few at a time, those that were not asked about for longest first. A listing that failed proves nothing.
        """
        alive = self._store.state.futures_orders.alive()
        self._asked_at = {each.id: self._asked_at.get(each.id, 0.0) for each in alive}
        if not alive:
            return
        try:
            working = {each.order_id for each in await self._listed()}
            gone = [each for each in alive if each.id not in working and _askable(each)]
            gone.sort(key=lambda each: self._asked_at[each.id])
            for order in gone[:ASKED_AT_ONCE]:
                self._asked_at[order.id] = trio.current_time()
                await self._ask(order.symbol, order.order_id)
        except ExchangeError as failure:
            self._counters.add("futures_orders_read_failed", why=failure)

    async def _listed(self) -> Iterable[OrderUpdate]:
        """The working orders, as far as they are listed: those that are not are asked about one by one."""
        try:
            return await self._exchange.open_orders()
        except CutShort as cut:
            return cut.found

    async def _ask(self, symbol: str, order_id: str) -> None:
        """Read one order; what is read is heard. One that the exchange knows no more stays as it was."""
        try:
            await self._exchange.order(symbol, order_id)
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
            self._counters.add("futures_order_not_found")


def _askable(order: FuturesOrder) -> bool:
    """Whether its id and symbol can be asked for: a journal of an earlier version may hold longer ones."""
    return is_identifier(order.order_id) and is_identifier(order.symbol, LONGEST_SYMBOL)
