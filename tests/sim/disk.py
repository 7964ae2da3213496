"""The disk under an engine's journal: commits that take their time, and a disk that is full or read-only for a while.

What it runs is the journal's real SQLite code on a real file, in line instead of in a thread. When a process dies in
the middle of something, what was committed by then is in the file, and nothing else.
"""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Callable
from typing import Literal, TypeVar, TypeVarTuple

import trio
from attrs import define, field

from .network import Sender
from .trace import Trace

__all__ = ["Died", "Disk", "Mood"]

Mood = Literal["well", "slow", "full", "read-only", "doubtful"]
"""How the disk is. A doubtful one says that it failed after it has done what it was told."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

READS = ("_open", "close")
"""What is not refused by a disk that cannot be written."""


class Died(BaseException):
    """Ends what a process was doing synchronously when it died."""


def _failure(mood: Mood) -> sqlite3.OperationalError:
    code, text = {
        "full": (sqlite3.SQLITE_FULL, "database or disk is full"),
        "read-only": (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
        "doubtful": (sqlite3.SQLITE_IOERR, "disk I/O error"),
    }[mood]
    failure = sqlite3.OperationalError(text)
    failure.sqlite_errorcode = code
    return failure


@define(eq=False)
class Disk:
    """Runs what blocks. `written` is called after everything that may have written."""

    rng: random.Random
    trace: Trace
    written: Callable[[Sender], None]
    mood: Mood = field(default="well")
    refused_at: float = -math.inf
    """When it last refused something, or was slow."""

    async def run(self, process: Sender, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Run something that blocks, for a process."""
        mood = self.mood
        slow_s = self.rng.uniform(0.05, 2) if mood == "slow" else self.rng.uniform(0, 0.002)
        before_s = self.rng.random() * slow_s
        await trio.sleep(before_s)
        if not process.alive:
            await trio.sleep_forever()
        name = getattr(function, "__name__", "")
        if mood != "well":
            self.refused_at = trio.current_time()
        refuses = mood in ("full", "read-only", "doubtful") and name not in READS
        if refuses and mood != "doubtful":
            self.trace.fault(f"disk {mood}", name)
            raise _failure(mood)
        if mood == "slow":
            self.trace.fault("disk slow", name)
        try:
            result = function(*arguments)
        except Died:
            self.written(process)
            await trio.sleep_forever()
        self.written(process)
        if refuses and self.rng.random() < 0.5:
            self.trace.fault("disk doubtful", name)
            raise _failure(mood)
        await trio.sleep(slow_s - before_s)
        if not process.alive:
            await trio.sleep_forever()
        return result
