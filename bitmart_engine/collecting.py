"""When the garbage collector of a process that is the engine's alone runs, so that it does not when a price comes.

A full collection looks at every object there is: with 100,000 finished orders in memory, 0.1 to 0.4 s, in which no
price is read. What a start made stays, so it is frozen: no later collection looks at it. The young are still collected
as they come, which takes milliseconds; the old only here, when nothing is near, or when it can wait no longer.

A program that embeds the engine has a collector of its own, which nothing here touches.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

from .logs import get_logger

__all__ = ["Collector", "owning_the_process"]

log = get_logger()

THRESHOLDS = (5_000, 10, 1_000_000)
"""Objects more than before; such collections; and full ones by themselves practically never."""
DUE_AFTER = 2
"""Collections of the middle generation after which a full one is due: some 100,000 objects were made that live."""
LOOK_EVERY_S = 5.0
AT_LATEST_S = 600.0
"""How long a full collection waits for a moment at which nothing is near."""
WORTH_FREEZING_S = 0.005
"""What takes a full collection longer is frozen, so that the next one does not look at it again."""
THAW_AFTER_S = 86_400.0
"""Something frozen may be garbage by now: once a day everything is looked at."""


class Collector:
    """The collector of the process. Made by `owning_the_process`."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """`now` tells monotonic seconds, of the machine."""
        self._now = now
        self._thawed_at = 0.0

    def started(self) -> None:
        """The start is over: what it made stays, and is frozen as it is, for stops are watched by now."""
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        gc.enable()
        log.info("collector_set", frozen=gc.get_freeze_count(), thresholds=list(THRESHOLDS))

    async def run(self, quiet: Callable[[], Awaitable[bool]]) -> None:
        """Collect everything now and then, while `quiet` says that nothing is near. Runs as a task."""
        last = self._thawed_at = trio.current_time()
        while True:
            await trio.sleep(LOOK_EVERY_S)
            waited_s = trio.current_time() - last
            if gc.get_count()[2] < DUE_AFTER and waited_s < AT_LATEST_S:
                continue
            if waited_s >= AT_LATEST_S or await quiet():
                self._collect()
                last = trio.current_time()

    def _collect(self) -> None:
        if trio.current_time() - self._thawed_at >= THAW_AFTER_S:
            self._thawed_at = trio.current_time()
            gc.unfreeze()
        began = self._now()
        gc.collect()
        if self._now() - began >= WORTH_FREEZING_S:
            gc.freeze()


@contextmanager
def owning_the_process() -> Iterator[Collector]:
    """Collect, then keep the collector off until `started` is called on what is given; as it was after the block."""
    enabled, thresholds = gc.isenabled(), gc.get_threshold()
    gc.collect()
    gc.disable()
    try:
        yield Collector()
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        if enabled:
            gc.enable()
