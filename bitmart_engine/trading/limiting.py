"""Applies the limits: when an order is accepted, and again when it is about to go out.

At the acceptance everything counts that has not ended, also what waits for its zone. When a price enters the zone, what
is held and what is at the exchange counts: an order that would break a limit then waits on, until there is room or its
time is up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import trio

from ..counters import Counters
from ..model.errors import Conflict, Unavailable
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import EntryOrder, EntryRequest
from ..store import Store
from ..store.records import EntryAccepted, EntryIntended, Record
from .limits import Breach, Limits, Stake, broken, of_order, of_protection, of_request, used
from .market.instruments import Instruments
from .market.prices import Prices

__all__ = ["Limiting"]

MINUTE_S = 60.0


class Limiting:
    """Knows the limits and what is used of them. Orders of before the start do not count for a minute's orders."""

    def __init__(
        self,
        *,
        limits: Limits,
        counters: Counters,
        instruments: Instruments,
        prices: Prices,
        store: Store,
        current_time: Callable[[], float] = trio.current_time,
    ) -> None:
        self.limits = limits
        self._counters = counters
        self._instruments = instruments
        self._prices = prices
        self._store = store
        self._current_time = current_time
        self._accepted: deque[float] = deque()
        self._sent: deque[float] = deque()
        self._held_back: set[str] = set()
        if limits.any:
            store.observe(self._follow)

    def check(self, request: EntryRequest) -> None:
        """Raises Conflict for an order that would break a limit, and Unavailable while that is not known."""
        if not self.limits.any:
            return
        now = self._used(waiting=True, times=self._accepted)
        if now is None:
            raise Unavailable("it is not known yet what is at stake: a contract was not read")
        breach = broken(self.limits, now, of_request(request) + Stake(orders_per_minute=1))
        if breach is not None:
            self._counters.add("order_over_limit", id=request.id, why=breach)
            raise Conflict(str(breach), "$.risk" if breach.name == "MAX_RISK" else None)

    def holds_back(self, order: EntryOrder) -> bool:
        """Whether an order whose zone was entered has to wait on."""
        if not self.limits.any:
            return False
        why = self._why_not(order)
        if why is None:
            self._held_back.discard(order.id)
            return False
        if order.id not in self._held_back:
            self._held_back.add(order.id)
            self._counters.add("order_held_back_by_limit", id=order.id, why=why)
        return True

    def used(self) -> Stake | None:
        """What counts at the acceptance of an order now; None while that is not known."""
        return self._used(waiting=True, times=self._accepted)

    def _why_not(self, order: EntryOrder) -> Breach | str | None:
        now = self._used(waiting=False, times=self._sent)
        if now is None:
            return "it is not known yet what is at stake"
        return broken(self.limits, now, of_order(order, covered=False) + Stake(orders_per_minute=1))

    def _used(self, *, waiting: bool, times: deque[float]) -> Stake | None:
        while times and times[0] <= self._current_time() - MINUTE_S:
            times.popleft()
        stakes = list(self._stakes(waiting=waiting))
        if any(each is None for each in stakes):
            return None
        total = used(each for each in stakes if each is not None)
        return total + Stake(orders_per_minute=len(times))

    def _stakes(self, *, waiting: bool) -> Iterator[Stake | None]:
        """What each thing that has not ended puts at stake; None where its contract is not known yet."""
        state = self._store.state
        covered = set()
        last = self._prices.statistics()
        for protection in state.protections.alive():
            if protection.state not in (ProtectionState.ARMED, ProtectionState.CLOSING):
                continue
            covered.add(protection.entry_id)
            instrument = self._instruments.known(protection.symbol)
            if instrument is None:
                yield None
                continue
            level = protection.stop_loss or protection.take_profit
            price = last[protection.symbol][0].last if protection.symbol in last else level
            if price is not None:
                yield of_protection(protection, price, instrument.contract_size)
        for order in state.orders.alive():
            if waiting or order.state is not EntryState.WAITING:
                yield of_order(order, covered=order.id in covered)

    def _follow(self, record: Record) -> None:
        match record:
            case EntryAccepted():
                self._accepted.append(self._current_time())
            case EntryIntended(id=id):
                self._sent.append(self._current_time())
                self._held_back.discard(id)
