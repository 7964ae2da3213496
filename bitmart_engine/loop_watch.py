"""How long the event loop is held: by one pass over the tasks, by the garbage collector, by a thread with the GIL.

While something holds the loop, no price is read and no order sent. Nothing of ours should hold it for over 5 ms.

It is measured where Trio waits for the sockets, by an instrument, so that it costs no task and no timer: a pass lasts
from the end of one wait to the beginning of the next, and a wait that ends after its timeout is late by the rest. A
thread looks now and then what a long pass is at. Time is the machine's monotonic clock, also under a mock clock.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

import trio
from attrs import frozen

from .counters import Counters

__all__ = ["BOUNDS_MS", "HELD_S", "LoopStatistics", "LoopWatch"]

HELD_S = 0.05
"""A pass that takes longer is counted as `event_loop_held`, and logged with what it was at."""
LOOKED_EVERY_S = 0.025
BOUNDS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 1000)
WORST_OF_S = 60.0
TIMER_S = 0.002
"""A wait for the sockets ends up to a millisecond after its timeout, on a machine with nothing to do."""
FRAMES = 8
"""Of the stack, the innermost."""


@frozen
class LoopStatistics:
    """How long the loop was held since the start."""

    passes: int
    longer_than_ms: Mapping[int, int]
    """By a bound in ms, how many passes took longer."""
    longest_ms: float
    longest_lately_ms: float
    """Of the last minute or two."""
    collections: tuple[int, int, int]
    """Of the garbage collector, by generation."""
    longest_collection_ms: float


class LoopWatch(trio.abc.Instrument):
    """Measures the loop of one Trio run, in which `watching` is entered. It changes nothing."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """`now` tells monotonic seconds, of the machine."""
        self._now = now
        self._passes = 0
        self._by_bound = [0] * (len(BOUNDS_MS) + 1)
        self._longest_s = 0.0
        self._lately_s = 0.0
        self._before_s = 0.0
        self._turned_at = now()
        self._began: float | None = None
        self._due = 0.0
        self._sampled: tuple[float, str] = (0.0, "")
        self._collecting_since = 0.0
        self._collected_s = 0.0
        self._collections = [0, 0, 0]
        self._longest_collection_s = 0.0
        self._counters = Counters()

    @contextmanager
    def watching(self, counters: Counters) -> Iterator[None]:
        """Measure the loop of the present Trio run for as long as the block lasts, and count in `counters`."""
        self._counters = counters
        over = threading.Event()
        sampler = threading.Thread(
            target=self._look, args=(over, threading.get_ident()), name="loop watch", daemon=True
        )
        gc.callbacks.append(self._on_collection)
        trio.lowlevel.add_instrument(self)
        sampler.start()
        try:
            yield
        finally:
            over.set()
            trio.lowlevel.remove_instrument(self)
            gc.callbacks.remove(self._on_collection)
            sampler.join()

    def statistics(self) -> LoopStatistics:
        """What was measured so far."""
        self._turn()
        longer, above = {}, self._passes
        for bound, count in zip(BOUNDS_MS, self._by_bound, strict=False):
            above -= count
            longer[bound] = above
        return LoopStatistics(
            passes=self._passes,
            longer_than_ms=longer,
            longest_ms=self._longest_s * 1000,
            longest_lately_ms=max(self._lately_s, self._before_s) * 1000,
            collections=(self._collections[0], self._collections[1], self._collections[2]),
            longest_collection_ms=self._longest_collection_s * 1000,
        )

    # What Trio tells

    def before_io_wait(self, timeout: float) -> None:
        """A pass is over."""
        now = self._now()
        self._due = now + timeout
        if self._began is not None:
            began, self._began = self._began, None
            self._took(now - began, began)

    def after_io_wait(self, timeout: float) -> None:
        """A pass begins; it should have begun when the timeout was over."""
        now = self._now()
        late = timeout > 0 and now - self._due > TIMER_S
        self._collected_s = 0.0
        self._began = self._due if late else now

    def _took(self, held_s: float, began: float) -> None:
        self._passes += 1
        if held_s < 0.001:
            self._by_bound[0] += 1
            return
        self._by_bound[bisect_right(BOUNDS_MS, held_s * 1000)] += 1
        self._turn()
        self._lately_s = max(self._lately_s, held_s)
        self._longest_s = max(self._longest_s, held_s)
        if held_s >= HELD_S:
            self._tell(held_s, began)

    def _turn(self) -> None:
        now = self._now()
        since_s = now - self._turned_at
        if since_s > WORST_OF_S:
            self._before_s = self._lately_s if since_s < 2 * WORST_OF_S else 0.0
            self._lately_s, self._turned_at = 0.0, now

    def _tell(self, held_s: float, began: float) -> None:
        sampled, stack = self._sampled
        self._counters.add(
            "event_loop_held",
            held_ms=round(held_s * 1000),
            collecting_ms=round(self._collected_s * 1000),
            stack=stack if sampled == began else None,
        )

    # What else is seen

    def _on_collection(self, phase: str, info: Mapping[str, int]) -> None:
        """The garbage collector begins or ends, in whichever thread: it keeps the GIL meanwhile."""
        if phase == "start":
            self._collecting_since = self._now()
            return
        took_s = self._now() - self._collecting_since
        self._collections[info["generation"]] += 1
        self._collected_s += took_s
        self._longest_collection_s = max(self._longest_collection_s, took_s)

    def _look(self, over: threading.Event, loop: int) -> None:
        """Look what a pass is at that takes long already, once for each. Runs in a thread."""
        while not over.wait(LOOKED_EVERY_S):
            began = self._began
            if began is None or began == self._sampled[0] or self._now() - began < HELD_S * 0.8:
                continue
            stack = _stack(sys._current_frames().get(loop))
            self._sampled = (began, stack)


def _stack(frame: FrameType | None) -> str:
    """The innermost frames, outermost last: `module.function:line`."""
    found: list[str] = []
    while frame is not None and len(found) < FRAMES:
        module = frame.f_globals.get("__name__", "?")
        if module.startswith("trio._core"):
            break
        found.append(f"{module}.{frame.f_code.co_qualname}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(found)
