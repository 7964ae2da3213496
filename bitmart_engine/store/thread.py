"""The journal's own thread: it is there before a commit is due, so that no commit waits for one to be found or made.

`trio.to_thread` would do, but takes two passes of the scheduler more on the way there and twice as long, and every
order waits for it. As there, what has started is never abandoned: who is cancelled meanwhile learns of it afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, TypeVarTuple

import outcome
import trio

from ..world import Run

__all__ = ["in_a_thread"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Job = Callable[[], Any]


@contextmanager
def in_a_thread(name: str = "journal") -> Iterator[Run]:
    """Runs what blocks in one thread, which ends with the block: one thing after the other, in the order asked."""
    jobs: SimpleQueue[tuple[Job, trio.lowlevel.Task] | None] = SimpleQueue()
    thread = Thread(
        target=_work, args=(jobs, trio.lowlevel.current_trio_token()), name=name, daemon=True
    )
    thread.start()

    async def run(sync_fn: Callable[[*Ts], T], *args: *Ts) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        jobs.put((lambda: sync_fn(*args), trio.lowlevel.current_task()))
        done: T = await trio.lowlevel.wait_task_rescheduled(_not_now)
        return done

    try:
        yield run
    finally:
        jobs.put(None)
        thread.join()


def _work(
    jobs: SimpleQueue[tuple[Job, trio.lowlevel.Task] | None], token: trio.lowlevel.TrioToken
) -> None:
    while (asked := jobs.get()) is not None:
        job, task = asked
        result = outcome.capture(job)
        with suppress(trio.RunFinishedError):  # then nobody is left to hear of it
            token.run_sync_soon(trio.lowlevel.reschedule, task, result)


def _not_now(raise_cancel: object) -> trio.lowlevel.Abort:
    """A commit that is under way is waited for."""
    return trio.lowlevel.Abort.FAILED
