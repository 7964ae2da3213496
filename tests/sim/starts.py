"""Starts that cannot be meant: a mistyped name, a missing secret, half of the credentials. Each is refused, harmlessly.

The command line is run as it is, up to where a process would begin; what reads the journal runs as an engine does.
"""

from __future__ import annotations

import io
import logging
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout

import structlog
import trio
from attrs import define, evolve, field

from bitmart_engine.cli import main
from bitmart_engine.guarding import Unguarded
from tests.support.judge import ENDED, Violation

from .chronicle import Chronicle
from .lives import Lives
from .process import Process
from .trace import Trace

__all__ = ["Starts"]

LIKELY = 0.35
"""How likely it is that a start is tried with a configuration that is wrong, before one that is right."""
COMES_UP_WITHIN_S = 5.0
HALF = ("api_key", "api_secret", "api_memo")
REFUSED = 2
"""The exit code of what cannot even be started."""
PROMISE = "a start that cannot be meant is refused, and harms nothing"


@define(eq=False)
class Starts:
    """Told when no engine runs, before the next one does."""

    lives: Lives
    chronicle: Chronicle
    rng: random.Random
    trace: Trace
    broken: Callable[[Violation], None]
    secrets: Callable[[str, str], None]
    """Told of everything that is said."""
    _tried: int = field(default=0)

    async def between(self) -> None:
        """Try a wrong start now and then."""
        if self.rng.random() >= LIKELY:
            return
        self._tried += 1
        before = self._last_record()
        if self.rng.random() < 0.5:
            what = self._mistaken()
        else:
            what = await self._without_all_credentials()
        after = self._last_record()
        if after != before:
            self.broken(Violation(PROMISE, what, f"record {before} was the last, {after} is"))

    def _last_record(self) -> int:
        """The last record but of deliveries: what is owed may be delivered by an engine that has nothing to guard."""
        if not self.chronicle.path.exists():
            return 0
        with closing(sqlite3.connect(f"file:{self.chronicle.path}?mode=ro", uri=True)) as file:
            try:
                (last,) = file.execute(
                    "SELECT coalesce(max(seq), 0) FROM journal WHERE kind != 'NotificationSettled'"
                ).fetchone()
            except sqlite3.OperationalError:  # it was never opened to its end
                return 0
        return int(last)

    def _mistaken(self) -> str:
        """Whether what is set wrongly ends the process with code 2, before anything else."""
        settings = self.lives.settings()
        lines = {
            "BITMART_API_KEY": settings.api_key,
            "BITMART_API_SECRET": settings.api_secret,
            "BITMART_API_MEMO": settings.api_memo,
            "STATE_DIR": settings.state_dir,
            "CTRL_ADDR": "127.0.0.1:0",
        }
        name, value = self.rng.choice(
            (
                ("BITMART_API_SECRETT", settings.api_secret),
                ("BITMART_MEMO", settings.api_memo),
                ("CALLBACK_TIMEOUT", "5"),
                ("TRADING_APP_BASE_URI", "http://127.0.0.1:9"),
                ("STALE_AFTER_S", "ten"),
                ("CTRL_ADDR", "nowhere"),
                ("TRADING_APP_REQUEST_TIMEOUT", "0"),
            )
        )
        self.trace.fault("wrong start: mistaken", name)
        file = self.lives.directory / "wrong.env"
        file.write_text(
            "".join(f"{each}={text}\n" for each, text in (lines | {name: value}).items())
        )
        code, said = _served("--env-file", str(file))
        self.secrets(f"start with {name}", said)
        if code != REFUSED:
            self.broken(Violation(PROMISE, name, f"exit code {code}, and not 2: {said[:300]}"))
        return name

    async def _without_all_credentials(self) -> str:
        """Whether an engine that could not keep what the journal promises does not come up."""
        missing = self.rng.choice(HALF)
        promised = bool(self.chronicle.alive) or any(
            state not in ENDED for state in self.chronicle.state.values()
        )
        self.trace.fault("wrong start: without", missing, "though" * promised)
        lives = self.lives
        process = Process(
            f"wrong-start-{self._tried}", evolve(lives.settings(), **{missing: ""}), lives.network,
            lives.disk, self.trace, random.Random(f"wrong start:{self._tried}:{lives.seed}"),
            lives.now_ms, lambda: None,
        )  # fmt: skip
        came_up = False
        with trio.move_on_after(COMES_UP_WITHIN_S) as within:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(process.run)
                while process.alive and not process.up:
                    await trio.sleep(0.1)
                came_up = process.up  # it is not up any more once it has ended
                process.kill("tried")
                nursery.cancel_scope.cancel()
        process.kill("tried")
        if not promised or within.cancelled_caught:
            return missing
        if came_up:
            detail = "an engine came up that cannot keep what its journal promises"
            self.broken(Violation(PROMISE, missing, detail))
        failures = list(_causes(process.failure)) if process.failure is not None else []
        if not came_up and not all(isinstance(each, Unguarded) for each in failures):
            self.broken(Violation(PROMISE, missing, "; ".join(map(repr, failures))[:300]))
        for each in failures:
            self.secrets(f"start without {missing}", str(each))
        return missing


def _served(*arguments: str) -> tuple[int, str]:
    """The exit code of `bitmart-engine serve`, and all that it says."""
    said, code = io.StringIO(), 0
    with _logs_as_they_are(), redirect_stderr(said), redirect_stdout(said):
        try:
            main.main(["serve", *arguments], prog_name="bitmart-engine")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code, said.getvalue()


@contextmanager
def _logs_as_they_are() -> Iterator[None]:
    """What runs inside may configure logs; it is undone."""
    structured, handlers, level = (
        structlog.get_config(),
        logging.root.handlers[:],
        logging.root.level,
    )
    try:
        yield
    finally:
        structlog.configure(**structured)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)


def _causes(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for each in failure.exceptions:
            yield from _causes(each)
    else:
        yield failure
