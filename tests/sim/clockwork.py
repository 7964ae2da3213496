"""Time and scheduling of a run: Trio's mock clock, and a scheduler whose every choice comes from the seed.

Trio shuffles the tasks that can run, so that nobody relies on their order. Here the shuffle is seeded, and the tasks
are put into the order in which they were made before it, so that neither hashes nor addresses have a say. What is
switched in Trio for it is what its own tests and Hypothesis switch; it is switched back at the end.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio
from trio._core import _run as trio_run
from trio.testing import MockClock

__all__ = ["START_MS", "now_ms", "run_seeded"]

START_MS = 1_785_726_000_000
"""Unix time at which every run begins."""

T = TypeVar("T")


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
    gc.disable()  # when it comes depends on what else the process has done; the run calls for it itself
    try:
        return trio.run(main, *args, clock=MockClock(autojump_threshold=0))
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before[0]
        shuffle.setstate(before[1])
        if before[2]:
            gc.enable()
