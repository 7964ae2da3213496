"""Which lane may be sent next: at most so many at a receiver, at most so many in all, and none in another's way.

Pure: it takes the time as an argument, and starts nothing. What waits is data in heaps, not a task.

A receiver that gives no answer holds a connection for as long as an attempt may take. So receivers have a standing: the
`PROVEN` have answered before, the `FAILING` have not answered lately, the rest are `NEW`. Each may hold only a part of
the connections, so that hundreds of dead receivers do not delay one that answers, nor busy ones a new one.

A receiver that fails again and again, whatever it says, is tried by one lane at a time with a rest in between, until
it takes something: a backlog of many thousands is not sent to it over and over.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Generic, TypeVar, final

from attrs import Factory, define, field, frozen

__all__ = ["AT_A_RECEIVER", "AT_ONCE", "Standing", "Turn", "Turns"]

AT_ONCE = 64
"""Attempts under way: so many sockets at most."""
AT_A_RECEIVER = 4
PROVEN_AT_ONCE = 56
NOT_PROVEN_AT_ONCE = 48
FAILING_AT_ONCE = 16
SILENT_UNTIL_FAILING = 3
"""Attempts in a row without an answer. A receiver that never answered fails with the first."""
FAILURES_UNTIL_REST = 8
FIRST_REST_S = 0.5
LONGEST_REST_S = 5.0
RECEIVERS_REMEMBERED = 1000
"""Of those to which nothing is owed."""

K = TypeVar("K")


class Standing(Enum):
    """What is known of a receiver, in the order in which they are served."""

    PROVEN = "proven"
    NEW = "new"
    FAILING = "failing"


@define(eq=False)
class _Receiver(Generic[K]):
    name: str
    waiting: list[tuple[float, int, K]] = field(factory=list)
    """A heap: from when on a lane may be sent, a number for the order among equals, the lane."""
    under_way: int = 0
    standing: Standing = Standing.NEW
    silent: int = 0
    failures: int = 0
    rests_until: float = -inf
    placed_at: float = inf
    """From when on it is due, as it stands in the queues; inf if it does not."""
    place: int = 0
    """Entries in the queues with another number are outdated."""

    @property
    def room(self) -> int:
        most = 1 if self.failures >= FAILURES_UNTIL_REST else AT_A_RECEIVER
        return most - self.under_way


@final
@frozen(eq=False)
class Turn(Generic[K]):
    """A lane that may be sent now, until `Turns.end` is called for it."""

    lane: K
    receiver: str
    standing: Standing


@final
@define(eq=False)
class Turns(Generic[K]):
    """Lanes that wait, by their receivers."""

    _receivers: dict[str, _Receiver[K]] = field(factory=dict)
    _under_way: dict[Standing, int] = field(factory=lambda: dict.fromkeys(Standing, 0))
    _ready: dict[Standing, deque[tuple[int, _Receiver[K]]]] = field(
        factory=lambda: {each: deque() for each in Standing}
    )
    _later: list[tuple[float, int, int, _Receiver[K]]] = field(factory=list)
    _idle: dict[str, None] = field(factory=dict)
    _numbers: count[int] = Factory(count)

    def wait(self, lane: K, receiver: str, at: float) -> None:
        """Have `lane` sent from `at` on."""
        known = self._receivers.get(receiver)
        if known is None:
            known = self._receivers[receiver] = _Receiver(receiver)
        self._idle.pop(receiver, None)
        heappush(known.waiting, (at, next(self._numbers), lane))
        self._place(known, only_earlier=True)

    def take(self, now: float) -> Turn[K] | None:
        """The next lane that may be sent at `now`, or None. It costs the same however many wait."""
        while self._later and self._later[0][0] <= now:
            _, _, place, known = heappop(self._later)
            if place == known.place:
                self._ready[known.standing].append((place, known))
        for standing in Standing:
            queue = self._ready[standing]
            while queue and queue[0][0] != queue[0][1].place:
                queue.popleft()
            if queue and self._has_room(standing):
                return self._start(queue.popleft()[1], standing)
        return None

    def next_at(self) -> float:
        """When `take` has something that it has not now, though nothing ends; inf for never."""
        while self._later and self._later[0][2] != self._later[0][3].place:
            heappop(self._later)
        return self._later[0][0] if self._later else inf

    def end(
        self, turn: Turn[K], now: float, *, answered: bool, failed: bool, rest_s: float = 0
    ) -> None:
        """An attempt is over: whether the receiver said anything, and whether what was sent is still owed.

        `rest_s` is how long the receiver asks to be left alone.
        """
        self._under_way[turn.standing] -= 1
        known = self._receivers[turn.receiver]
        known.under_way -= 1
        known.silent = 0 if answered else known.silent + 1
        known.failures = known.failures + 1 if failed else 0
        if answered:
            known.standing = Standing.PROVEN
        elif known.standing is Standing.NEW or known.silent >= SILENT_UNTIL_FAILING:
            known.standing = Standing.FAILING
        if known.failures >= FAILURES_UNTIL_REST:
            doublings = min(10, known.failures - FAILURES_UNTIL_REST)
            rest_s = max(rest_s, min(LONGEST_REST_S, FIRST_REST_S * 2**doublings))
        if failed:
            known.rests_until = max(known.rests_until, now + rest_s)
        self._place(known)
        if not known.waiting and not known.under_way:
            self._idle[turn.receiver] = None
            if len(self._idle) > RECEIVERS_REMEMBERED:
                forgotten = next(iter(self._idle))
                del self._idle[forgotten], self._receivers[forgotten]

    def _start(self, known: _Receiver[K], standing: Standing) -> Turn[K]:
        _, _, lane = heappop(known.waiting)
        known.under_way += 1
        self._under_way[standing] += 1
        self._place(known)
        return Turn(lane, known.name, standing)

    def _place(self, known: _Receiver[K], *, only_earlier: bool = False) -> None:
        """Put a receiver where it belongs in the queues, behind those that were there before it."""
        due = inf
        if known.waiting and known.room > 0:
            due = max(known.waiting[0][0], known.rests_until)
        if only_earlier and due >= known.placed_at:
            return
        known.place += 1
        known.placed_at = due
        if due < inf:
            heappush(self._later, (due, next(self._numbers), known.place, known))

    def _has_room(self, standing: Standing) -> bool:
        failing = self._under_way[Standing.FAILING]
        unproven = failing + self._under_way[Standing.NEW]
        proven = self._under_way[Standing.PROVEN]
        if proven + unproven >= AT_ONCE:
            return False
        if standing is Standing.PROVEN:
            return proven < PROVEN_AT_ONCE
        if standing is Standing.FAILING and failing >= FAILING_AT_ONCE:
            return False
        return unproven < NOT_PROVEN_AT_ONCE
