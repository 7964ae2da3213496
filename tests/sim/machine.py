"""What happens to the machine that the engine runs on: clocks that jump, and files that somebody deletes."""

from __future__ import annotations

import random
from collections.abc import Callable

import trio
from attrs import define

from bitmart_engine.paper import PaperExchange
from tests.support.judge import Violation

from .chronicle import Chronicle
from .disk import Disk
from .lives import Lives
from .trace import Trace
from .troubles import Kinds

__all__ = ["Machine"]

JUMPS_MS = (120_000, -120_000, 3_600_000, -3_600_000, 4_000, -4_000)
EXCHANGE_SKEWS_MS = (900, -900, 15_000, -15_000, 120_000, -120_000)
NOTICED_WITHIN_S = 20.0
"""How soon a journal that was deleted has to be on disk again, under an engine that runs and whose disk is well."""


@define(eq=False)
class Machine:
    """`rng` makes the generator of a kind."""

    paper: PaperExchange
    lives: Lives
    chronicle: Chronicle
    disk: Disk
    rng: Callable[[str], random.Random]
    trace: Trace
    broken: Callable[[Violation], None]
    jumped: bool = False
    """Whether a clock has jumped in this run: then what engines say of times is not what it was."""

    def kinds(self) -> Kinds:
        return {
            "clock jumps": self._clock_jumps,
            "exchange's clock": self._exchanges_clock,
            "journal deleted": self._journal_deleted,
            "lock deleted": self._lock_deleted,
        }

    async def _clock_jumps(self) -> None:
        """The machine's clock is set, by minutes or by an hour."""
        rng = self.rng("clock jumps")
        while True:
            await trio.sleep(rng.expovariate(1 / 90))
            self.jumped = True
            ms = rng.choice(JUMPS_MS)
            self.lives.skew_ms += ms
            self.trace.fault("clock jumps", ms, "to", self.lives.skew_ms)
            if rng.random() < 0.5:
                self.paper.drop_connections("private")

    async def _exchanges_clock(self) -> None:
        """The exchange's own clock is wrong for a while."""
        rng = self.rng("exchange's clock")
        while True:
            await trio.sleep(rng.expovariate(1 / 60))
            self.jumped = True
            ms = rng.choice(EXCHANGE_SKEWS_MS)
            self.trace.fault("exchange's clock wrong", ms)
            self.paper.set_clock_skew(ms)
            if rng.random() < 0.5:
                self.paper.drop_connections("private")
            await trio.sleep(rng.uniform(20, 200))
            self.paper.set_clock_skew(0)

    async def _journal_deleted(self) -> None:
        """Somebody deletes the journal under an engine that runs; all of it has to be on disk again soon."""
        rng = self.rng("journal deleted")
        while True:
            await trio.sleep(rng.expovariate(1 / 120))
            process = self.lives.process
            if not self.lives.up or process is None or not self.chronicle.exists:
                continue
            if self.lives.stopping and self.disk.mood not in ("well", "slow"):
                continue  # it ends, and what it has in the open file can be written nowhere: nobody could keep that
            self.trace.fault("journal deleted")
            self.lives.spared = True
            try:
                for name in ("engine.sqlite3", "engine.sqlite3-wal", "engine.sqlite3-shm"):
                    (self.chronicle.path.parent / name).unlink(missing_ok=True)
                well_s = 0.0
                while not self.chronicle.path.exists() and process.alive:
                    await trio.sleep(0.5)
                    well_s = well_s + 0.5 if self.disk.mood == "well" else 0.0
                    if well_s > NOTICED_WITHIN_S:
                        detail = f"{well_s:g} s after it was deleted there is none"
                        self.broken(Violation("a lost journal is noticed", process.name, detail))
                        return
                await trio.sleep(5)
            finally:
                self.lives.spared = False

    async def _lock_deleted(self) -> None:
        """Somebody deletes the lock file; another engine on the same directory is kept out all the same."""
        rng = self.rng("lock deleted")
        while True:
            await trio.sleep(rng.expovariate(1 / 120))
            if self.lives.up:
                self.trace.fault("lock deleted")
                (self.chronicle.path.parent / "engine.lock").unlink(missing_ok=True)
                await self.lives.intrude()
