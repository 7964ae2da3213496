"""Tasks that the engine can do without for a while: one that crashes is told of, and begins again after a pause.

What protects money never runs by this: where that crashes, the engine ends, loudly. Everything else must never take the
stops down with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from .counters import Counters
from .logs import get_logger

__all__ = ["FIRST_PAUSE_S", "LONGEST_PAUSE_S", "supervised"]

log = get_logger()

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
LIVED_S = 120.0
"""A task that ran for so long begins with the shortest pause again."""


async def supervised(task: Callable[[], Awaitable[None]], name: str, counters: Counters) -> None:
    """Run `task` until it returns; each time that it crashes, count and log it, wait, and call it again.

    Only an Exception is a crash (or a group of them): a cancellation and whatever ends the process pass through.
    """
    pause_s = FIRST_PAUSE_S
    while True:
        began = trio.current_time()
        try:
            await task()
            return
        except Exception as failure:  # whatever it is: the stops go on
            if trio.current_time() - began >= LIVED_S:
                pause_s = FIRST_PAUSE_S
            counters.count("task_crashed")
            log.error("task_crashed", task=name, again_in_s=pause_s, exc_info=failure)
        await trio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
