"""Orders of which the stream says nothing: asked about over REST until they have ended, or the stream speaks of them.

An order is tracked from the moment the exchange is known to have it. With no push within 1.5 s it is read, and again
after 0.25, 0.5, 1 and 2 s, then every 5 s, until it has ended or a push arrives. An order that is still working after
two minutes is read once in any case: about then applications give up on theirs, and what became of it only the exchange
can say. Where several are due at once, after a start say, one list of the working orders tells of those that it shows.

An order that ended of late with contracts unfilled is read too when its side grows: it may have ended otherwise than it
was said.

An order that works on a side of which more is held than before is suspected of having filled: unless the stream speaks
of it within a second it is read, and a few times more, for its own channel may be dead while others are not.

What waits here is data, timers by the look that is due, not a task for each order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import evolve, frozen

from ...model.events import OrderUpdate
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...model.sides import PositionSide
from ...store import Store
from ...store.records import EntryObserved, Record
from ..account.working import WorkingOrders
from ..in_flight import InFlight
from ..timers import Timers

__all__ = ["Tracking"]

FIRST_PUSH_WITHIN_S = 1.5
POLL_AFTER_S = (0.25, 0.5, 1.0, 2.0)
POLL_EVERY_S = 5.0
PENDING_AFTER_S = 120.0
ENDED_OF_LATE_S = 60.0
"""How long after its end an order is read once more if its side grows."""
ENDED_KEPT = 20
"""Of one side."""
LISTED_FROM = 3
"""From so many orders at once the working orders are listed, in place of a request for each."""
TOGETHER_WITHIN_S = 0.1
SPOKEN_OF_WITHIN_S = 1.0
"""How long the stream has to tell of an order after it told of a position that has grown."""


@frozen
class _Look:
    """A look at an order that is due some time. `step` counts the polls; None is the look at a pending order."""

    id: str
    client_order_id: str
    step: int | None
    suspected_at: float | None = None
    """When it was suspected of having filled, if that is why."""


class Tracking:
    """The looks that are planned, by time."""

    def __init__(
        self,
        *,
        in_flight: InFlight,
        store: Store,
        working: WorkingOrders,
        now_ms: Callable[[], int],
        read: Callable[[str], Awaitable[object]],
        read_listed: Callable[[list[str]], Awaitable[object]],
    ) -> None:
        """`read` reads one order, `read_listed` several with as few requests as it takes."""
        self._in_flight = in_flight
        self._store = store
        self._working = working
        self._now_ms = now_ms
        self._read = read
        self._read_listed = read_listed
        self._looks: Timers[_Look] = Timers()
        self._tracked: dict[str, str] = {}
        self._unheard: set[str] = set()
        self._suspected: dict[str, float] = {}
        self._ended: dict[tuple[str, PositionSide], dict[str, float]] = {}
        """By side, the orders that ended of late with contracts unfilled, and when."""
        self._planned = trio.Event()
        store.observe(self._on_record)

    def begin(self, order: EntryOrder) -> None:
        """Track an order that the exchange has. Tracking it twice is tracking it once."""
        if not order.state.at_exchange or not order.exchange_order_id:
            return
        if self._tracked.get(order.id) == order.client_order_id:
            return
        self._tracked[order.id] = order.client_order_id
        self._unheard.add(order.client_order_id)
        now = trio.current_time()
        age_s = (self._now_ms() - (order.submitted_ms or 0)) / 1000
        self._plan(now + FIRST_PUSH_WITHIN_S, _Look(order.id, order.client_order_id, 0))
        self._plan(
            now + max(0.0, PENDING_AFTER_S - age_s), _Look(order.id, order.client_order_id, None)
        )

    def heard(self, update: OrderUpdate) -> None:
        """The stream spoke of an order: it can be relied on for this one."""
        self._unheard.discard(update.client_order_id)
        self._suspected.pop(update.client_order_id, None)

    def grown(self, symbol: str, side: PositionSide) -> None:
        """More is held of a side than before: whatever of ours works there may have filled."""
        now = trio.current_time()
        for id in sorted(self._working.ours.get((symbol, side), ())):
            order = self._store.state.orders[id]
            if order.exchange_order_id and order.client_order_id not in self._suspected:
                self._suspected[order.client_order_id] = now
                self._plan(now + SPOKEN_OF_WITHIN_S, _Look(id, order.client_order_id, 0, now))
        for id, ended_at in self._ended.pop((symbol, side), {}).items():
            if now - ended_at <= ENDED_OF_LATE_S and id in self._store.state.orders:
                self._in_flight.start(self._read, id)

    async def run(self) -> None:
        """Look at what is due, for ever. Runs as a task."""
        while True:
            self._look_at_due(trio.current_time())
            self._planned = trio.Event()
            with trio.CancelScope(deadline=self._looks.next_at):
                await self._planned.wait()

    def _look_at_due(self, now: float) -> None:
        """Look at what is due; of many at once one list tells, then also of those that would be due just after."""
        asked = self._due(now, now)
        if len(asked) >= LISTED_FROM:
            asked += self._due(now + TOGETHER_WITHIN_S, now)
            self._in_flight.start(self._read_listed, list(dict.fromkeys(asked)))
            return
        for id in asked:
            self._in_flight.start(self._read, id)

    def _due(self, until: float, now: float) -> list[str]:
        """Take out the looks that are due until then, and plan the next. Returns the orders to be read."""
        return [look.id for look in self._looks.due(until) if self._look(look, now)]

    def _look(self, look: _Look, now: float) -> bool:
        """Whether the order is to be read now."""
        order = self._store.state.orders.get(look.id)
        if (
            order is None
            or not order.state.at_exchange
            or order.client_order_id != look.client_order_id
        ):
            self._unheard.discard(look.client_order_id)
            self._suspected.pop(look.client_order_id, None)
            if self._tracked.get(look.id) == look.client_order_id:
                del self._tracked[look.id]
            return False
        if look.step is None:
            return True
        if look.suspected_at is not None:
            self._look_at_suspect(look, look.step, now)
        elif look.client_order_id in self._unheard:
            pause = POLL_AFTER_S[look.step] if look.step < len(POLL_AFTER_S) else POLL_EVERY_S
            self._plan(now + pause, _Look(look.id, look.client_order_id, look.step + 1))
            return True
        return False

    def _look_at_suspect(self, look: _Look, step: int, now: float) -> None:
        if self._suspected.get(look.client_order_id) != look.suspected_at:
            return
        self._in_flight.start(self._read, look.id)
        if step < len(POLL_AFTER_S):
            self._plan(now + POLL_AFTER_S[step], evolve(look, step=step + 1))
        else:
            del self._suspected[look.client_order_id]

    def _plan(self, at: float, look: _Look) -> None:
        self._looks.schedule(look, at)
        self._planned.set()

    def _on_record(self, record: Record) -> None:
        if isinstance(record, EntryObserved):
            order = self._store.state.orders[record.id]
            self.begin(order)
            if order.state is EntryState.CANCELLED:
                ended = self._ended.setdefault((order.symbol, order.request.side), {})
                ended[order.id] = trio.current_time()
                if len(ended) > ENDED_KEPT:
                    del ended[next(iter(ended))]
