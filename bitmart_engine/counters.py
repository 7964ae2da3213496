"""What was dropped, merged, retried or given up: counted by event, never silent, and never a flood of lines.

The first, tenth, hundredth and thousandth time are logged; what goes on is logged again once an hour.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

import trio

from .causes import telling_why
from .logs import get_logger

__all__ = ["LOGGED_AGAIN_S", "MILESTONES", "Counters"]

log = get_logger()

MILESTONES = (1, 10, 100, 1000)
"""A count that reaches one of these is logged, however soon after the last line."""
LOGGED_AGAIN_S = 3600.0
"""So long after its last line an event that happens again is logged again."""


class Counters:
    """Counts by event, a `snake_case` id of the catalogue in `log_events`. For one thread at a time."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        """`now` tells monotonic seconds; if not given, it is Trio's clock, or the machine's outside of Trio."""
        self._now = now
        self._counts: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    def add(self, event: str, times: int = 1, /, **fields: object) -> None:
        """Count one more (or `times` more) of `event`, and log it if it is time to, with `fields` and the `count`.

        An exception as `why` is logged as its text, with the `cause` of a failure of the network.
        """
        before = self._counts[event]
        self._counts[event] = count = before + times
        now = self._current_time()
        reached = any(before < milestone <= count for milestone in MILESTONES)
        if reached or now - self._logged_at.get(event, now) >= LOGGED_AGAIN_S:
            self._logged_at[event] = now
            log.bind(**telling_why(fields), count=count).warning(event)

    def count(self, event: str, times: int = 1, /) -> None:
        """Only count: for what the caller logs each time."""
        self._counts[event] += times

    def counts(self) -> Mapping[str, int]:
        """How often each event was counted."""
        return dict(self._counts)

    def _current_time(self) -> float:
        if self._now is None:
            self._now = _clock()
        return self._now()


def _clock() -> Callable[[], float]:
    """The clock of the Trio run that this is in; it can be read from any thread."""
    try:
        return trio.lowlevel.current_clock().current_time
    except RuntimeError:
        return time.monotonic
