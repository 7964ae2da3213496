"""A process around something that runs: its signals, its last words and its exit code.

The first SIGINT, SIGTERM or SIGHUP asks for the end, a second one does not wait for it; where SIGHUP is ignored at the
start (`nohup`), it stays so. An end that takes longer than promised is cut short: what was promised is in the journal.
Exit codes: 0 for an asked end, 1 for a crash or an address that is taken, 2 for what cannot even be started.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import NoReturn

import trio
from attrs import define

from .logs import get_logger
from .store import JournalError

__all__ = ["CannotStart", "End", "fail", "run", "say"]

log = get_logger()


class CannotStart(Exception):
    """Nothing is broken, but it cannot run like this: one line that says what to do. `code` is what it exits with."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


ENDS_WITHIN_S = 4.8
"""From being asked to the last resort; with the interpreter's own end, five seconds."""


@define
class End:
    """How to ask for the end: by cancelling everything, or, once an engine runs, by stopping that."""

    ask: Callable[[], None]
    _last_resort: threading.Timer | None = None

    def begin(self) -> None:
        """From here on the process has `ENDS_WITHIN_S`, whatever holds it up: a thread that blocks, too."""
        if self._last_resort is None:
            self._last_resort = threading.Timer(ENDS_WITHIN_S, _cut_short)
            self._last_resort.daemon = True
            self._last_resort.start()

    def done(self) -> None:
        """The end is over."""
        if self._last_resort is not None:
            self._last_resort.cancel()


def _cut_short() -> None:
    log.critical("shutdown_cut_short", after_s=ENDS_WITHIN_S)
    os._exit(0)


Job = Callable[[End], Awaitable[None]]


EXPECTED = (CannotStart, JournalError)
"""What says in one line what is wrong, and is no crash."""


def run(job: Job, last_words: Callable[[str], object] = lambda why: None) -> None:
    """Run `job` until it returns; if it raises, the process says why in `last_words`, and exits."""
    raise_descriptor_limit()
    try:
        trio.run(_supervise, job)
    except Exception as crash:
        causes = list(_causes(crash))
        if len(causes) == 1 and isinstance(causes[0], EXPECTED):
            last_words(str(causes[0]))
            fail(str(causes[0]), getattr(causes[0], "code", 1))
        log.critical("engine_crashed", exc_info=crash)
        why = "crashed: " + "; ".join(repr(each) for each in causes)
        last_words(why)
        fail(why, 1)


async def _supervise(job: Job) -> None:
    async with trio.open_nursery() as nursery:
        end = End(nursery.cancel_scope.cancel)
        await nursery.start(_watch_signals, end)
        try:
            await job(end)
        finally:
            end.done()
        nursery.cancel_scope.cancel()


async def _watch_signals(end: End, *, task_status: trio.TaskStatus[None]) -> None:
    asking = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asking.append(signal.SIGHUP)
    with trio.open_signal_receiver(*asking) as signals:
        task_status.started()
        asked = False
        async for number in signals:
            if asked:
                os._exit(128 + number)
            asked = True
            log.info("stop_requested", signal=signal.Signals(number).name)
            end.begin()
            end.ask()


def raise_descriptor_limit() -> None:
    """As many descriptors as the process may have: the usual 1,024 are few for streams, callbacks and readers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError) as failure:
        log.warning("descriptor_limit_not_raised", why=failure)


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
