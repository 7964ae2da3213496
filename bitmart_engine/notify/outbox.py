"""Notifications that are owed: sent in order, retried for a day, never forgotten and never in each other's way.

A *lane* is one order's notifications to one address. They go out one after the other, each only when the one before it
is settled, so that the application sees what happened in the order in which it happened. Lanes know nothing of each
other; which may be sent next is decided by `turns`. A lane that waits is data: there is a task for each attempt under
way, and what is owed costs no more than its place in memory, at the start and at the end.

A notification is settled by success, by a final refusal, or by a day without success; the last two make it a dead
letter. Nothing is sent before `durable` says that the journal has it, and what is not settled when the outbox closes
stays owed: the journal has it, and the next start offers it again. The outbox itself stores nothing.

Backoff and ages are measured by Trio's clock. The wall clock says only how old a notification is when it is offered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from itertools import islice
from traceback import extract_tb
from typing import final

import trio
from attrs import define, frozen

from ..causes import Cause
from ..counters import Counters
from ..model.notifications import Notification
from ..settings import Settings
from ..world import World
from .delivery import Delivery, Outcome, Verdict
from .destinations import Resolve, receiver_of
from .names import Names
from .posting import Posting
from .turns import Turn, Turns

__all__ = [
    "Ending",
    "Notification",
    "Outbox",
    "OutboxStatistics",
    "Settlement",
    "Waiting",
    "open_outbox",
]

PAUSES_S = (0, 5, 15, 45, 120)
"""Before the first attempt, the second, and so on; the last is repeated for a day. Source: mission 7.4."""
GIVE_UP_AFTER_S = 86_400
"""Counted from when the notification was made, across restarts. It is tried once in any case."""
CLOSING_S = 1.0
"""What an attempt that is under way gets when the outbox closes."""
PAGE = 25
"""Notifications taken in between two checkpoints: a fraction of a millisecond."""
DEAD_LETTERS_KEPT = 1000

Durable = Callable[[], Awaitable[None]]
Lane = tuple[str, str]
"""Whom it is about, and where it goes."""


class Settlement(Enum):
    """How a notification ended."""

    DELIVERED = "delivered"
    DEAD = "dead"


@frozen
class Ending:
    """How a notification ended, and after how many attempts since the outbox opened."""

    settlement: Settlement
    attempts: int
    why: str = ""
    """Why it was given up; empty if it was not."""
    answer: str = ""
    """What its receiver said last, `HTTP 200` say; empty if it said nothing."""


Settled = Callable[[Notification, Ending], None]
"""Told how a notification ended."""


@frozen
class OutboxStatistics:
    """Counts. `owed` includes what is in flight; `delivered` and `dead` are since the outbox opened."""

    owed: int
    in_flight: int
    delivered: int
    dead: int


@frozen
class Waiting:
    """Why a notification is still owed. `attempts` are those since the outbox opened."""

    attempts: int
    why: str
    """The latest failure, or what it waits for."""
    next_attempt_ms: int | None
    """Unix ms of the earliest next attempt; None where another thing has to happen first."""


@define(eq=False)
class _Owed:
    notification: Notification
    give_up_at: float
    """On Trio's clock, as `next_at` is."""
    next_at: float
    attempts: int = 0
    failure: str = ""
    sending: bool = False


@final
class Outbox:
    """Delivers what it is offered, in its own tasks. Made by `open_outbox`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        delivery: Delivery,
        *,
        wall_ms: Callable[[], int],
        counters: Counters,
        durable: Durable,
        settled: Settled,
    ) -> None:
        self._nursery = nursery
        self._delivery = delivery
        self._wall_ms = wall_ms
        self._counters = counters
        self._durable = durable
        self._settled = settled
        self._owed: dict[str, _Owed | None] = {}
        """All that is owed; None for what is offered and not taken in yet."""
        self._offered: deque[Notification] = deque()
        self._offers = trio.lowlevel.ParkingLot()
        self._lanes: dict[Lane, deque[_Owed]] = {}
        self._turns: Turns[Lane] = Turns()
        self._alarm = trio.CancelScope()
        self._in_flight: set[trio.CancelScope] = set()
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
            self._counters.add("notification_offered_twice", id=notification.id)
            return
        self._owed[notification.id] = None
        self._offered.append(notification)
        self._offers.unpark()

    def statistics(self) -> OutboxStatistics:
        """How much is owed, under way, delivered and dead."""
        return OutboxStatistics(
            owed=len(self._owed),
            in_flight=len(self._in_flight),
            delivered=self._delivered,
            dead=self._dead,
        )

    def waiting(self, id: str) -> Waiting | None:
        """Why the notification of that id is still owed; None if it is not."""
        if id not in self._owed:
            return None
        owed = self._owed[id]
        if owed is None:
            return Waiting(0, "it is not on disk yet", None)
        first = self._lanes[_lane_of(owed)][0]
        if first is not owed:
            return Waiting(0, f"{first.notification.id} comes before it", None)
        if owed.sending:
            return Waiting(owed.attempts, owed.failure or "it is being sent", None)
        after_s = max(0, owed.next_at - trio.current_time())
        why = owed.failure or f"others are being sent to {receiver_of(owed.notification.url)}"
        return Waiting(owed.attempts, why, self._wall_ms() + round(after_s * 1000))

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

    async def _take_in(self) -> None:
        """Have what is offered sent once it is durable, a page at a time. Runs as a task."""
        while True:
            while not self._offered:
                await self._offers.park()
            page = list(islice(self._offered, PAGE))
            await self._durable()
            for notification in page:
                self._offered.popleft()
                self._file(notification)
            self._send_due()
            await trio.lowlevel.checkpoint()

    def _file(self, notification: Notification) -> None:
        """Put it at the end of its lane."""
        now = trio.current_time()
        age_s = max(0, self._wall_ms() - notification.created_ms) / 1000
        owed = _Owed(notification, now + max(0, GIVE_UP_AFTER_S - age_s), now)
        self._owed[notification.id] = owed
        name = _lane_of(owed)
        lane = self._lanes.get(name)
        if lane is not None:
            lane.append(owed)
            return
        self._lanes[name] = deque([owed])
        self._turns.wait(name, receiver_of(notification.url), now)

    def _send_due(self) -> None:
        """Start every attempt that may be made now, and set the alarm for the next."""
        now = trio.current_time()
        while not self._closing and (turn := self._turns.take(now)) is not None:
            self._nursery.start_soon(self._send, turn)
        self._alarm.deadline = self._turns.next_at()

    async def _watch_the_clock(self) -> None:
        """Send what becomes due. Runs as a task."""
        while True:
            with trio.CancelScope(deadline=self._turns.next_at()) as self._alarm:
                await trio.sleep_forever()
            self._send_due()

    async def _send(self, turn: Turn[Lane]) -> None:
        """One attempt to send what is first in a lane, and what follows from it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        lane = self._lanes[turn.lane]
        owed = lane[0]
        owed.sending = True
        outcome = await self._attempt(owed)
        owed.sending = False
        owed.attempts += 1
        owed.failure = outcome.why
        now = trio.current_time()
        again = outcome.verdict is Verdict.AGAIN
        if self._closing and again:
            return  # cut short by closing, it stays owed
        if self._is_settled(owed, outcome, now):
            lane.popleft()
        if lane:
            lane[0].next_at = max(lane[0].next_at, now)
            self._turns.wait(turn.lane, turn.receiver, lane[0].next_at)
        else:
            del self._lanes[turn.lane]
        self._turns.end(turn, now, answered=outcome.answered, failed=again, rest_s=outcome.rest_s)
        self._send_due()

    def _is_settled(self, owed: _Owed, outcome: Outcome, now: float) -> bool:
        """Whether there is nothing more to be done about it; if there is, when."""
        if outcome.verdict is Verdict.DELIVERED:
            self._delivered += 1
            self._end(owed, Settlement.DELIVERED, outcome)
            return True
        if outcome.verdict is Verdict.REFUSED:
            self._bury(owed, outcome, outcome.why)
            return True
        pause_s = PAUSES_S[min(owed.attempts, len(PAUSES_S) - 1)]
        owed.next_at = now + max(pause_s, outcome.not_before_s)
        if owed.next_at > owed.give_up_at:
            self._bury(owed, outcome, f"not delivered within a day: {outcome.why}")
            return True
        self._count("notification_retried", owed.notification, outcome.why, outcome.cause)
        return False

    async def _attempt(self, owed: _Owed) -> Outcome:
        notification = owed.notification
        # Shielded: what was begun is either finished or cut by its own deadline, which closing brings forward.
        # Cut in the middle by any cancellation, a success would more often be sent twice.
        timeout_s = self._delivery.timeout_s(notification)
        with trio.move_on_after(timeout_s, shield=True) as scope:
            self._in_flight.add(scope)
            try:
                return await self._delivery.attempt(notification, owed.attempts)
            except Exception as failure:
                # A fault of ours, which must not take the engine down. Its message may hold a URL, its place does not.
                place = extract_tb(failure.__traceback__)[-1]
                why = f"unexpected {type(failure).__name__}"
                self._counters.add(
                    "delivery_crashed",
                    id=notification.id,
                    why=why,
                    at=f"{place.filename}:{place.lineno}",
                )
                return Outcome(Verdict.AGAIN, why)
            finally:
                self._in_flight.discard(scope)
        return Outcome(Verdict.AGAIN, f"no answer within {timeout_s:g} s", cause=Cause.READ_TIMEOUT)

    def _bury(self, owed: _Owed, outcome: Outcome, why: str) -> None:
        self._dead += 1
        self._dead_letters.append((owed.notification, why))
        self._count("notification_given_up", owed.notification, why, outcome.cause)
        self._end(owed, Settlement.DEAD, outcome, why)

    def _end(self, owed: _Owed, settlement: Settlement, outcome: Outcome, why: str = "") -> None:
        del self._owed[owed.notification.id]
        answer = outcome.why if outcome.answered else ""
        self._settled(owed.notification, Ending(settlement, owed.attempts, why, answer))
        if not self._owed:
            self._idle.unpark_all()

    def _count(self, event: str, notification: Notification, why: str, cause: Cause | None) -> None:
        known = {} if cause is None else {"cause": cause.value}
        self._counters.add(
            event,
            id=notification.id,
            kind=notification.kind,
            receiver=receiver_of(notification.url),
            why=why,
            **known,
        )


def _lane_of(owed: _Owed) -> Lane:
    return owed.notification.lane, owed.notification.url


@asynccontextmanager
async def open_outbox(
    settings: Settings,
    world: World,
    counters: Counters,
    *,
    durable: Durable,
    settled: Settled,
    resolve: Resolve | None = None,
) -> AsyncIterator[Outbox]:
    """An outbox, for as long as the block lasts.

    `durable()` is awaited before each notification is sent for the first time, and returns when everything journaled
    so far is on disk. `settled` is called, synchronously, once for each notification that ends. An error of either
    is not survived: it leaves through the block. On the way out, what is under way gets one second, and what is not
    settled then stays owed. `resolve` looks names up in place of the system.
    """
    make = world.http_transport or Posting
    async with make() as transport, trio.open_nursery() as nursery:
        outbox = Outbox(
            nursery,
            Delivery(settings, world.machine_ms, transport, resolve or Names(nursery).resolve),
            wall_ms=world.wall_ms,
            counters=counters,
            durable=durable,
            settled=settled,
        )
        nursery.start_soon(outbox._take_in)
        nursery.start_soon(outbox._watch_the_clock)
        try:
            yield outbox
        finally:
            outbox._close()
            nursery.cancel_scope.cancel()
