"""Time and scheduling of a replay: a clock that jumps to the next thing to do, and a seed for the order of tasks.

Nothing in a replay waits for a thread or a socket, so whenever no task can run, the next thing to happen is the next
deadline. The clock is there at once.

Trio shuffles the tasks that can run, so that nobody relies on their order. Here the shuffle is seeded, as Hypothesis
does it, so that the same replay gives the same answer. Both switches are inside Trio; where a version of it lacks them,
a replay runs as well, and only ties within one instant may come out another way.
"""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio
from trio._core import _run as scheduling

__all__ = ["JumpingClock", "WorldTime", "run_seeded"]

T = TypeVar("T")
SHUFFLE, ORDERED = "_r", "_ALLOW_DETERMINISTIC_SCHEDULING"


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


class WorldTime:
    """Unix time of a replay, in ms: Trio's clock, and what the world's has leapt ahead of it.

    A leap is what a suspended machine goes through: the world's time goes on, Trio's clock stands still.
    """

    def __init__(self, begins_ms: int) -> None:
        self._begins_ms = begins_ms
        self._leapt_ms = 0
        self._leapt = trio.Event()

    def now_ms(self) -> int:
        return self._begins_ms + self._leapt_ms + round(trio.current_time() * 1000)

    def boot(self) -> tuple[str, int]:
        """The machine's boot, and for how many ms it has been up, sleep included."""
        return "replay", self.now_ms() - self._begins_ms

    def at(self, ms: float) -> float:
        """When it will be `ms`, on Trio's clock, unless there is a leap."""
        return (ms - self._begins_ms - self._leapt_ms) / 1000

    def leap_to(self, ms: int) -> None:
        """Let it be `ms` at once."""
        self._leapt_ms += max(0, ms - self.now_ms())
        self._leapt.set()
        self._leapt = trio.Event()

    async def sleep_until(self, ms: float) -> None:
        """Wait until it is `ms`, however it comes to be."""
        while trio.current_time() < (due := self.at(ms)):
            with trio.move_on_at(due):
                await self._leapt.wait()


def run_seeded(seed: int, main: Callable[..., Awaitable[T]], *args: Any) -> T:
    """`trio.run` on a jumping clock, with everything in an order that depends on `seed` alone.

    Garbage is collected where the run asks for it only: when it comes depends on what else the process has done.
    """
    inside: Any = scheduling
    shuffle: Any = getattr(inside, SHUFFLE, None)
    collecting = gc.isenabled()
    seeded = isinstance(shuffle, random.Random) and hasattr(inside, ORDERED)
    before = (getattr(inside, ORDERED), shuffle.getstate()) if seeded else None
    if seeded:
        setattr(inside, ORDERED, True)
        shuffle.seed(f"replay:{seed}")
    gc.freeze()
    gc.disable()
    try:
        return trio.run(main, *args, clock=JumpingClock())
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is not None:
            raise KeyboardInterrupt from None
        raise
    finally:
        if before is not None:
            setattr(inside, ORDERED, before[0])
            shuffle.setstate(before[1])
        if collecting:
            gc.enable()
        gc.unfreeze()
