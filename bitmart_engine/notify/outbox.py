"""Notifications that are owed: sent in order, retried for a day, never forgotten and never in each other's way.

A *lane* is one order's notifications to one address. They go out one after the other, each only when the one before it
is settled, so that the application sees what happened in the order in which it happened. Lanes know nothing of each
other: one task for each lane that has something owed, which ends when the lane is empty. A receiver is spoken to by a
few lanes at a time at most, so that one which hangs cannot use up the connections of the others.

A notification is settled by success, by a final refusal, or by a day without success; the last two make it a dead
letter. Nothing is sent before `durable` says that the journal has it, and what is not settled when the outbox closes
stays owed: the journal has it, and the next start offers it again. The outbox itself stores nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from enum import Enum
from itertools import chain, repeat
from typing import final

import httpx
import trio
from attrs import frozen

from ..model.notifications import Notification
from ..settings import Settings
from ..tally import Tally
from ..world import World
from .delivery import Delivery, Outcome, Verdict
from .destinations import Resolve, receiver_of, resolve_name

__all__ = ["Notification", "Outbox", "OutboxStatistics", "Settlement", "open_outbox"]

PAUSES_S = (0, 5, 15, 45, 120)
"""Before the first attempt, the second, and so on; the last is repeated for a day. Source: mission 7.4."""
GIVE_UP_AFTER_S = 86_400
"""Counted from when the notification was made, across restarts. It is tried once in any case."""
CLOSING_S = 1.0
"""What an attempt that is under way gets when the outbox closes."""
LANES_AT_A_RECEIVER = 4
DEAD_LETTERS_KEPT = 1000

Durable = Callable[[], Awaitable[None]]


class Settlement(Enum):
    """How a notification ended."""

    DELIVERED = "delivered"
    DEAD = "dead"


Settled = Callable[[Notification, Settlement, str], None]
"""Told how a notification ended, and why if it was given up."""


@frozen
class OutboxStatistics:
    """Counts. `owed` includes what is in flight; `delivered` and `dead` are since the outbox opened."""

    owed: int
    in_flight: int
    delivered: int
    dead: int


@frozen
class _Owed:
    notification: Notification
    give_up_at: float
    """On Trio's clock."""


@final
class Outbox:
    """Delivers what it is offered, in its own tasks. Made by `open_outbox`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        delivery: Delivery,
        *,
        timeout_s: float,
        wall_ms: Callable[[], int],
        tally: Tally,
        durable: Durable,
        settled: Settled,
    ) -> None:
        self._nursery = nursery
        self._delivery = delivery
        self._timeout_s = timeout_s
        self._wall_ms = wall_ms
        self._tally = tally
        self._durable = durable
        self._settled = settled
        self._lanes: dict[tuple[str, str], deque[_Owed]] = {}
        self._owed: set[str] = set()
        self._in_flight: set[trio.CancelScope] = set()
        self._receivers: dict[str, trio.CapacityLimiter] = {}
        self._delivered = 0
        self._dead = 0
        self._dead_letters: deque[tuple[Notification, str]] = deque(maxlen=DEAD_LETTERS_KEPT)
        self._closing = False
        self._idle = trio.lowlevel.ParkingLot()

    def offer(self, notification: Notification) -> None:
        """Owe `notification`, after all that its lane owes already. One that is owed (by its id) is not owed twice.

        Does not block and does not fail: where it may go is found out when it is sent. While the outbox is closing
        nothing is sent any more; it is for the journal to offer it again.
        """
        if notification.id in self._owed:
            self._tally.add("notification offered twice", id=notification.id)
            return
        self._owed.add(notification.id)
        age_s = max(0, self._wall_ms() - notification.created_ms) / 1000
        owed = _Owed(notification, trio.current_time() + max(0, GIVE_UP_AFTER_S - age_s))
        name = (notification.lane, notification.url)
        lane = self._lanes.get(name)
        if lane is not None:
            lane.append(owed)
            return
        self._lanes[name] = lane = deque([owed])
        if not self._closing:
            self._nursery.start_soon(self._work_off, name, lane)

    def statistics(self) -> OutboxStatistics:
        """How much is owed, under way, delivered and dead."""
        return OutboxStatistics(
            owed=len(self._owed),
            in_flight=len(self._in_flight),
            delivered=self._delivered,
            dead=self._dead,
        )

    def dead_letters(self) -> list[tuple[Notification, str]]:
        """The latest 1,000 notifications that were given up, oldest first, and why."""
        return list(self._dead_letters)

    async def wait_idle(self) -> None:
        """Wait until nothing is owed. With a receiver that is down that may take a day: bound it from outside."""
        await trio.lowlevel.checkpoint()
        while self._owed:
            await self._idle.park()

    def _close(self) -> None:
        """Start nothing more, and give what is under way one second."""
        self._closing = True
        for scope in self._in_flight:
            scope.deadline = min(scope.deadline, trio.current_time() + CLOSING_S)

    async def _work_off(self, name: tuple[str, str], lane: deque[_Owed]) -> None:
        while lane:
            await self._durable()
            await self._settle(lane[0])
            lane.popleft()
        del self._lanes[name]

    async def _settle(self, owed: _Owed) -> None:
        """Send until there is nothing more to be done about it."""
        pauses = _pauses()
        pause = next(pauses)
        while True:
            await trio.sleep(pause)
            outcome = await self._attempt(owed.notification)
            if outcome.verdict is Verdict.DELIVERED:
                self._delivered += 1
                self._end(owed.notification, Settlement.DELIVERED, "")
                return
            if outcome.verdict is Verdict.REFUSED:
                self._bury(owed.notification, outcome.why)
                return
            await trio.lowlevel.checkpoint_if_cancelled()  # cut short by closing, it stays owed
            pause = next(pauses)
            if trio.current_time() + pause > owed.give_up_at:
                self._bury(owed.notification, f"not delivered within a day: {outcome.why}")
                return
            self._count("notification to be sent again", owed.notification, outcome.why)

    async def _attempt(self, notification: Notification) -> Outcome:
        """One attempt, when its receiver has room for it."""
        receiver = receiver_of(notification.url)
        limiter = self._receivers.setdefault(receiver, trio.CapacityLimiter(LANES_AT_A_RECEIVER))
        try:
            async with limiter:
                return await self._attempt_now(notification)
        finally:
            statistics = limiter.statistics()
            if not statistics.borrowed_tokens and not statistics.tasks_waiting:
                self._receivers.pop(receiver, None)

    async def _attempt_now(self, notification: Notification) -> Outcome:
        # Shielded: what was begun is either finished or cut by its own deadline, which closing brings forward.
        # Cut in the middle by any cancellation, a success would more often be sent twice.
        with trio.move_on_after(self._timeout_s, shield=True) as scope:
            self._in_flight.add(scope)
            try:
                return await self._delivery.attempt(notification)
            finally:
                self._in_flight.discard(scope)
        return Outcome(Verdict.AGAIN, f"no answer within {self._timeout_s:g} s")

    def _bury(self, notification: Notification, why: str) -> None:
        self._dead += 1
        self._dead_letters.append((notification, why))
        self._count("notification given up", notification, why)
        self._end(notification, Settlement.DEAD, why)

    def _end(self, notification: Notification, settlement: Settlement, why: str) -> None:
        self._owed.discard(notification.id)
        self._settled(notification, settlement, why)
        if not self._owed:
            self._idle.unpark_all()

    def _count(self, reason: str, notification: Notification, why: str) -> None:
        self._tally.add(
            reason,
            id=notification.id,
            kind=notification.kind,
            receiver=receiver_of(notification.url),
            why=why,
        )


def _pauses() -> Iterator[float]:
    return chain(PAUSES_S, repeat(PAUSES_S[-1]))


@asynccontextmanager
async def open_outbox(
    settings: Settings,
    world: World,
    tally: Tally,
    *,
    durable: Durable,
    settled: Settled,
    resolve: Resolve = resolve_name,
) -> AsyncIterator[Outbox]:
    """An outbox, for as long as the block lasts.

    `durable()` is awaited before each notification is sent for the first time, and returns when everything journaled
    so far is on disk. `settled` is called, synchronously, once for each notification that ends. An error of either
    is not survived: it leaves through the block. On the way out, what is under way gets one second, and what is not
    settled then stays owed.
    """
    make = world.http_transport or httpx.AsyncHTTPTransport
    async with make() as transport, trio.open_nursery() as nursery:
        outbox = Outbox(
            nursery,
            Delivery(settings, world.machine_ms, transport, resolve),
            timeout_s=settings.trading_app_request_timeout,
            wall_ms=world.wall_ms,
            tally=tally,
            durable=durable,
            settled=settled,
        )
        try:
            yield outbox
        finally:
            outbox._close()
            nursery.cancel_scope.cancel()
