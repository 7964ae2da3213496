"""Who goes next: every request to the exchange waits here until its endpoint has room for it.

The most urgent first, and among equals whoever came first. Nothing is ever sent by a task of this module: whoever
waits goes by itself when its turn comes, so a request whose task is cancelled has simply left the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from math import inf
from types import TracebackType
from typing import final

import trio
from attrs import frozen
from sortedcontainers import SortedDict

from ..counters import Counters
from ..logs import get_logger
from .budget import EndpointBudget, Urgency
from .errors import Meaning, NotSent, Refused
from .limits import KEPT_FOR_CLOSES, LIMITS, UNLISTED, reported

__all__ = ["EndpointStatistics", "HeldBack", "Place", "Turns"]

log = get_logger()

TOO_MANY = 429
SHUT_OUT = 418
SHUT_OUT_CODE = 30017
TOLD_FROM_S = 0.5
"""A close that waits for longer is told of."""
LONG_S = 3.0


@frozen(kw_only=True)
class EndpointStatistics:
    """How an endpoint stands: requests that count in its window of `window_s` seconds, and those that wait."""

    used: int
    limit: int
    window_s: float
    waiting: int
    delayed: int
    """Requests that had to wait, ever."""
    pauses: int
    """Answers that said that we ask too often, ever."""
    paused_for_s: float
    held_back: str
    """Why a close would have to wait now for longer than 3 s, though we did not ask too often ourselves; or empty."""
    counted_by: str | None
    """What the exchange counts by (`IP`, `KEY`), where it says so."""


@frozen(kw_only=True)
class HeldBack:
    """A close that waits for its turn, and why: because the exchange says, or its headers do, that we ask too often."""

    path: str
    why: str


class Turns:
    """The lines at all endpoints."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._lines: dict[str, _Line] = {}
        self._observers: list[Callable[[HeldBack], None]] = []

    def observe(self, observer: Callable[[HeldBack], None]) -> None:
        """Have `observer` called, synchronously, with every close that is held back for more than a moment."""
        self._observers.append(observer)

    async def enter(self, path: str, urgency: Urgency) -> Place:
        """Wait for a turn at `path`; to be used at once as `with await turns.enter(...) as place`.

        Returns without a checkpoint when there is room, but for `OPEN`, which lets everybody run once: a stop that the
        same tick set off goes first. Cancelled, it has taken nothing.
        """
        line = self._lines.get(path)
        if line is None:
            line = self._lines[path] = _Line(path, self._counters, self._observers)
        if urgency is Urgency.OPEN:
            await trio.lowlevel.checkpoint()
        now = trio.current_time()
        if line.waiting or not line.budget.admit(now, urgency):
            now = await line.wait_turn(urgency)
        return Place(line, now)

    def statistics(self) -> Mapping[str, EndpointStatistics]:
        """Every endpoint that was ever asked, by path."""
        now = trio.current_time()
        return {path: line.statistics(now) for path, line in self._lines.items()}


@final
class Place:
    """One request's place in its endpoint's window, taken when it is made and told about its end."""

    __slots__ = ("_left_before", "_line", "_sent_at", "_status")

    def __init__(self, line: _Line, now: float) -> None:
        self._line = line
        self._sent_at = now
        self._left_before = line.budget.left
        self._status = 0

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the answer is there."""
        self._status = status
        self._line.learn(headers, self._left_before)

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        line, now = self._line, trio.current_time()
        if isinstance(failure, NotSent):
            line.budget.unsent()
        else:
            line.budget.end(now)
        code, meaning = (
            (failure.code, failure.meaning) if isinstance(failure, Refused) else (None, None)
        )
        if self._status in (TOO_MANY, SHUT_OUT) or meaning is Meaning.RATE:
            banned = self._status == SHUT_OUT or code == SHUT_OUT_CODE
            line.pause(now, self._sent_at, banned=banned)
        elif self._status:
            line.budget.accept(self._sent_at)
        line.wake_first()


@final
class _Line:
    """Those who wait for one endpoint, the most urgent first."""

    def __init__(
        self, path: str, counters: Counters, observers: Iterable[Callable[[HeldBack], None]]
    ) -> None:
        self._observers = observers
        self.budget = EndpointBudget(
            LIMITS.get(path, UNLISTED), keeps_for_closes=path in KEPT_FOR_CLOSES
        )
        self.waiting: SortedDict[tuple[Urgency, int], trio.Event] = SortedDict()
        self._path = path
        self._counters = counters
        self._numbers = count()
        self._delayed = 0
        self._pauses = 0

    async def wait_turn(self, urgency: Urgency) -> float:
        """Wait until a request of this urgency is admitted; the time at which it was."""
        me, since = (urgency, next(self._numbers)), trio.current_time()
        self.waiting[me] = trio.Event()
        delayed, told = 0, False
        try:
            while True:
                now, first = trio.current_time(), self.waiting.keys()[0] == me
                if first and self.budget.admit(now, urgency, since):
                    return now
                next_at = self.budget.next_at(urgency, since) if first else inf
                if first and urgency is Urgency.CLOSE and not told and next_at - now > TOLD_FROM_S:
                    told = self._tell(now)
                delayed = 1
                wake = self.waiting[me] = trio.Event()
                with trio.move_on_at(next_at):
                    await wake.wait()
        finally:
            self._delayed += delayed
            del self.waiting[me]
            self.wake_first()

    def _tell(self, now: float) -> bool:
        """Say that a close waits, unless it does for what we sent ourselves."""
        why = self.budget.held_back(now)
        if why:
            self._counters.add("close_held_back", path=self._path, why=why)
            for observer in self._observers:
                observer(HeldBack(path=self._path, why=why))
        return bool(why)

    def wake_first(self) -> None:
        """Something changed: let whoever is first look again. Does not block."""
        if self.waiting:
            self.waiting.values()[0].set()

    def learn(self, headers: Mapping[str, str], left_before: int) -> None:
        """Correct what is known of the endpoint by what its answer says."""
        budget, said = self.budget, reported(headers)
        before = budget.limit, budget.window_s
        budget.learn(trio.current_time(), said, left_before)
        if before != (budget.limit, budget.window_s):
            log.info(
                "rate_limit_learned",
                path=self._path,
                limit=budget.limit,
                window_s=budget.window_s,
            )

    def pause(self, now: float, sent_at: float, *, banned: bool) -> None:
        """The exchange says that we ask too often."""
        self._pauses += 1
        self.budget.refuse(now, sent_at, banned=banned)
        self._counters.add(
            "rate_ban_paused" if banned else "rate_limit_paused",
            path=self._path,
            pause_s=round(self.budget.paused_for_s(now), 1),
        )

    def statistics(self, now: float) -> EndpointStatistics:
        """How this endpoint stands."""
        budget = self.budget
        held_back = budget.held_back(now)
        if budget.next_at(Urgency.CLOSE) <= now + LONG_S:
            held_back = ""
        return EndpointStatistics(
            held_back=held_back,
            used=budget.used(now),
            limit=budget.limit,
            window_s=budget.window_s,
            waiting=len(self.waiting),
            delayed=self._delayed,
            pauses=self._pauses,
            paused_for_s=budget.paused_for_s(now),
            counted_by=budget.counted_by,
        )
