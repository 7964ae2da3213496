"""What entry orders wait for: a price in their zone, a level that makes them worthless, or the end of their time.

It follows the records, as the protection index does: an order that waits is watched and its symbol priced, one that the
exchange may have is known to be there, and nobody names a zone to arm or disarm it. It decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio
from attrs import frozen

from ...exchange.client import ExchangeClient
from ...model.events import Tick
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder, EntryRequest
from ...store import Store
from ...store.records import (
    EntryAccepted,
    EntryForgotten,
    EntryIntended,
    EntryMoved,
    EntryObserved,
    Record,
)
from ..account.working import WorkingOrders
from ..market.prices import Prices
from ..timers import Timers
from .entering import PassedLevels
from .zones import Zone, ZoneBook

__all__ = ["Deadlines", "Touched", "WaitingIndex", "rests_until_ms"]

LONGEST_NAP_S = 30.0
"""Deadlines are wall-clock times, and a wall clock may be set: look again this often."""


@frozen
class Touched:
    """What a tick touches, none of it watched any more."""

    passed: list[tuple[str, str]]
    """Orders whose stop was passed or whose target was reached, and what was."""
    entered: list[str]
    """Orders whose zone it enters, in order of price."""


class WaitingIndex:
    """The orders that wait, by what they wait for. `overdue` is told of each whose time is up."""

    def __init__(
        self,
        *,
        exchange: ExchangeClient,
        prices: Prices,
        store: Store,
        working: WorkingOrders,
        now_ms: Callable[[], int],
        overdue: Callable[[str, int], None],
    ) -> None:
        self._exchange = exchange
        self._prices = prices
        self._store = store
        self._working = working
        self._now_ms = now_ms
        self._zones = ZoneBook()
        self._levels = PassedLevels()
        self._resting: Counter[str] = Counter()
        self._symbols: dict[str, str] = {}
        """Of the orders that have not ended."""
        self.deadlines = Deadlines(now_ms, overdue)
        store.observe(self._follow)

    def __len__(self) -> int:
        """How many zones are watched."""
        return len(self._zones)

    def symbols(self) -> list[str]:
        """The symbols that have a zone watched."""
        return self._zones.symbols()

    # What the market says

    def touched(self, tick: Tick) -> Touched:
        """What `tick` touches. It is not watched any more, until `watch_again`."""
        entered = self._zones.entered(tick)
        return Touched(self._levels.passed(tick), entered)

    def watch_again(self, id: str) -> None:
        """Watch an order that was touched and waits still: the next price decides."""
        order = self._store.state.orders[id]
        if order.state is EntryState.WAITING:
            self._watch(order)

    @contextmanager
    def resting(self, id: str) -> Iterator[None]:
        """Inside the block the order is not watched though it waits; afterwards it is, if it does still."""
        self._resting[id] += 1
        try:
            yield
        finally:
            self._resting[id] -= 1
            if not self._resting[id]:
                del self._resting[id]
            order = self._store.state.orders.get(id)
            if order is not None and order.state is EntryState.WAITING:
                self._arm(order)

    # Bookkeeping

    def resume(self, order: EntryOrder) -> None:
        """Follow an order of the journal. While it was not looked for at the exchange it has all the time it needs."""
        self._keep(order)
        if order.state is EntryState.WAITING:
            self._watch(order)
        else:
            self._let_rest(order)

    def _follow(self, record: Record) -> None:
        """Watch what waits, and know until when what goes out may rest at the exchange."""
        match record:
            case EntryAccepted(order=EntryOrder(request=EntryRequest(id=id))):
                pass
            case EntryIntended(id=id) | EntryMoved(id=id) | EntryObserved(id=id):
                pass
            case EntryForgotten(id=id):
                self._forget(id)
                return
            case _:
                return
        order = self._store.state.orders[id]
        self._keep(order)
        if order.state is EntryState.WAITING:
            self._arm(order)
        if isinstance(record, EntryIntended):
            self._let_rest(order)

    def _keep(self, order: EntryOrder) -> None:
        """Have its symbol priced while it may need a price, and know whether it may fill at the exchange."""
        id, symbol = order.id, order.symbol
        there = self._working.ours.setdefault((symbol, order.request.side), set())
        if order.state.at_exchange:
            there.add(id)
        else:
            there.discard(id)
        if order.state is not EntryState.WAITING:
            self._zones.disarm(id)
            self._levels.rest(id)
        if order.state.final:
            self._levels.forget(id)
            self._symbols.pop(id, None)
            self.deadlines.drop(id)
            self._prices.unneed(symbol, ("entry", id))
        else:
            self._symbols[id] = symbol
            self._prices.need(symbol, ("entry", id))

    def _forget(self, id: str) -> None:
        """The promise of this order was not given: it was not watched yet."""
        symbol = self._symbols.pop(id, None)
        if symbol is not None:
            self._prices.unneed(symbol, ("entry", id))

    def _arm(self, order: EntryOrder) -> None:
        """Watch an order from now on, beginning with the last price, until its time is up."""
        if order.id not in self._resting:
            self._watch(order)
            self.deadlines.waits_until(order.id, order.deadline_ms)
            self._prices.recheck(order.symbol)

    def _watch(self, order: EntryOrder) -> None:
        request, since_ms = order.request, self._counts_from(order)
        self._levels.watch(request)
        self._zones.arm(
            Zone(order.id, request.symbol, request.zone_min, request.zone_max, since_ms)
        )

    def _counts_from(self, order: EntryOrder) -> int | None:
        """Since when the order is taken, by the exchange's clock: no price from before enters its zone."""
        if self._exchange.clock_offset_ms is None:
            return None
        return self._exchange.now_ms() - (self._now_ms() - order.accepted_ms)

    def _let_rest(self, order: EntryOrder) -> None:
        """An order is at the exchange, and may not rest there for ever."""
        until_ms = rests_until_ms(order)
        if until_ms is not None and order.state.at_exchange:
            self.deadlines.rests_until(order.id, until_ms)


def rests_until_ms(order: EntryOrder) -> int | None:
    """Until when the order may rest at the exchange; None: as long as it takes, or it is not there."""
    resting_s = order.request.resting_timeout_seconds
    if resting_s is None or order.submitted_ms is None:
        return None
    return order.submitted_ms + int(resting_s * 1000)


class Deadlines:
    """Tells of each deadline once it has come: whether its order waits or rests still is for the owner to know."""

    def __init__(self, now_ms: Callable[[], int], overdue: Callable[[str, int], None]) -> None:
        self._now_ms = now_ms
        self._overdue = overdue
        self._timers: Timers[tuple[str, bool]] = Timers()
        """By order, and whether it is at the exchange: how long it may rest there does not shorten its wait."""
        self._added = trio.Event()

    def waits_until(self, id: str, deadline_ms: int) -> None:
        """Tell of `id` at Unix time `deadline_ms`, until when it may wait."""
        self._timers.schedule((id, False), deadline_ms)
        self._added.set()

    def rests_until(self, id: str, until_ms: int) -> None:
        """Tell of `id` at Unix time `until_ms`, until when it may rest at the exchange."""
        self._timers.schedule((id, True), until_ms)
        self._added.set()

    def drop(self, id: str) -> None:
        """Tell nothing more of `id`: it has ended, and may be forgotten before its deadlines come."""
        self._timers.cancel((id, False))
        self._timers.cancel((id, True))

    async def run(self) -> None:
        """Tell of what has come, for ever. Runs as a task."""
        while True:
            now_ms = self._now_ms()
            for id, _ in self._timers.due(now_ms):
                self._overdue(id, now_ms)
            self._added = trio.Event()
            with trio.move_on_after(min(LONGEST_NAP_S, (self._timers.next_at - now_ms) / 1000)):
                await self._added.wait()
