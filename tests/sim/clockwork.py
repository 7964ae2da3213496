"""Time and scheduling of a run: a clock that jumps, and a scheduler whose every choice comes from the seed.

The clock does what `trio.testing.MockClock` does with an autojump threshold of 0, but in one turn of Trio's loop where
that takes two: no thread and no socket is in a run, so that nothing can happen before the next deadline.

Trio shuffles the tasks that can run, so that nobody relies on their order. Here the shuffle is seeded, and the tasks
are put into the order in which they were made before it, so that neither hashes nor addresses have a say. What is
switched in Trio for it is what its own tests and Hypothesis switch; it is switched back at the end.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio
from trio._core import _run as trio_run

__all__ = ["START_MS", "now_ms", "run_seeded"]

START_MS = 1_785_726_000_000
"""Unix time at which every run begins."""

T = TypeVar("T")


class JumpingClock(trio.abc.Clock):
    """Stands still while anything can run, and is at the next deadline as soon as nothing can."""

    def __init__(self) -> None:
        self._now = 0.0

    def start_clock(self) -> None: ...

    def current_time(self) -> float:
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Trio asks when nothing can run. Without any deadline it is its own wakeup that it waits for."""
        if deadline == math.inf:
            return math.inf
        self._now = max(self._now, deadline)
        return 0


def now_ms() -> int:
    """The true time in a run. The exchange's clock shows it, the engine's own may be wrong."""
    return START_MS + round(trio.current_time() * 1000)


def run_seeded(seed: int, main: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run `main`, and everything in it in an order that depends on `seed` alone."""
    scheduler: Any = trio_run
    shuffle = scheduler._r
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, shuffle.getstate(), gc.isenabled()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    shuffle.seed(f"scheduler:{seed}")
    gc.freeze()  # what was there before is no garbage of the run's
    gc.disable()  # when it comes depends on what else the process has done; the run calls for it itself
    try:
        return trio.run(main, *args, clock=JumpingClock())
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before[0]
        shuffle.setstate(before[1])
        if before[2]:
            gc.enable()
        gc.unfreeze()
