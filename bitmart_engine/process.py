"""A process around something that runs: its signals, its last words and its exit code.

The first SIGINT or SIGTERM asks for the end, a second one does not wait for it. Exit codes: 0 for an asked end, 1 for
a crash or an address that is taken, 2 for what cannot even be started.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import NoReturn

import structlog
import trio
from attrs import define

from .store import JournalError

__all__ = ["CannotStart", "End", "fail", "run", "say"]

log = structlog.get_logger()


class CannotStart(Exception):
    """Nothing is broken, but it cannot run like this: one line that says what to do. `code` is what it exits with."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@define
class End:
    """How to ask for the end: by cancelling everything, or, once an engine runs, by stopping that."""

    ask: Callable[[], None]


Job = Callable[[End], Awaitable[None]]


EXPECTED = (CannotStart, JournalError)
"""What says in one line what is wrong, and is no crash."""


def run(job: Job) -> None:
    """Run `job` until it returns; if it raises, the process exits."""
    try:
        trio.run(_supervise, job)
    except Exception as crash:
        causes = list(_causes(crash))
        if len(causes) == 1 and isinstance(causes[0], EXPECTED):
            fail(str(causes[0]), getattr(causes[0], "code", 1))
        log.critical("crashed", exc_info=crash)
        fail("crashed: " + "; ".join(repr(each) for each in causes), 1)


async def _supervise(job: Job) -> None:
    async with trio.open_nursery() as nursery:
        end = End(nursery.cancel_scope.cancel)
        await nursery.start(_watch_signals, end)
        await job(end)
        nursery.cancel_scope.cancel()


async def _watch_signals(end: End, *, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        asked = False
        async for number in signals:
            if asked:
                os._exit(128 + number)
            asked = True
            log.info("asked to stop", signal=signal.Signals(number).name)
            end.ask()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The errors at the bottom of nested groups."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    else:
        yield error


def say(lines: Iterable[str]) -> None:
    """Lines on stdout, at once. Where nobody reads them any more, they and all later ones are lost."""
    try:
        print("\n".join(lines), flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(why: str, code: int) -> NoReturn:
    """One line on stderr, and the exit."""
    with suppress(OSError):
        print(f"bitmart-engine: {why}", file=sys.stderr, flush=True)
    sys.exit(code)
