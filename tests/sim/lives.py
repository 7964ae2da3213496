"""Engines that come and go on one directory: each lives until it is killed, stops, or the run is over."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from attrs import define, field

from bitmart_engine import Settings
from bitmart_engine.paper import PaperExchange
from bitmart_engine.store import JournalUnavailable
from tests.support.app import App
from tests.support.judge import Violation
from tests.support.points import POINTS

from .clockwork import now_ms
from .disk import Disk
from .network import Network
from .process import Doom, Process
from .receiver import SECRET
from .trace import Trace

__all__ = ["OVER", "Lives"]

OVER = "the run is over"
INTRUDES_S = 5.0
SKEWS_MS = (0, 0, 700, -700, 20_000, -20_000)
"""How wrong the machine's clock is when the run begins."""

RECOVERS_S = 200.0
"""How long after a storm something of it may be felt."""
READY_WITHIN_S = 60.0


@define(eq=False)
class Lives:
    """`process` is the engine that is there now, or was last."""

    seed: int
    directory: Path
    paper: PaperExchange
    network: Network
    disk: Disk
    trace: Trace
    app: App
    rng: random.Random
    killing: Callable[[], bool]
    """Whether processes are being killed now."""
    looked: Callable[[], None]
    """Called when an engine has come up, and when one has gone."""
    broken: Callable[[Violation], None]
    ended: Callable[[str], None]
    """Told how each engine ended."""
    between: Callable[[], None] = lambda: None
    """Called while no engine runs, just before the next is started."""
    wrongly: Callable[[], Awaitable[None]] | None = None
    """Tries starts that cannot be meant, before the next that is."""
    process: Process | None = None
    ready_since: float | None = None
    """Since when the engine has said of itself that it is ready."""
    mild_since: Callable[[], float | None] = lambda: None
    """Since when nothing is wrong that would keep an engine from being ready; None while something does."""
    skew_ms: int = field(init=False)
    """How far the machine's clock is ahead of the true time."""
    signals_to: str = ""
    """The application's address, where it is signalled too."""
    restored: bool = False
    """Whether the journal was put there by hand: its owner says so when he starts the next engine."""
    spared: bool = False
    """Whether nobody dies for a while, for something has to be seen through: who is killed while the only copy of the
    journal is an open file has nothing left, whatever was promised."""

    stopping: bool = False
    """Whether the engine was asked to stop."""
    _down_s: float = 0.0
    """When no engine was seen to be up last."""

    def __attrs_post_init__(self) -> None:
        self.skew_ms = self.rng.choice(SKEWS_MS)

    @property
    def up(self) -> bool:
        return self.process is not None and self.process.up

    def now_ms(self) -> int:
        """What the machine's clock shows."""
        return now_ms() + self.skew_ms

    async def run(self) -> None:
        """Engines, one after the other, until the run is over."""
        number = 0
        while True:
            number += 1
            self.process = process = Process(
                f"engine-{number}",
                self.settings(),
                self.network,
                self.disk,
                self.trace,
                random.Random(f"{number}:{self.seed}"),
                self.now_ms,
                self.looked,
                lambda: self.spared,
            )
            self.restored = False
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._doom, process)
                nursery.start_soon(self._await_ready, process)
                await process.run()
                nursery.cancel_scope.cancel()
            self.ready_since = None
            self.stopping = False
            self.looked()
            if process.died_of == OVER:
                return
            self.ended(process.died_of)
            if process.failure is not None and not _disk_was_full_to_the_end(process.failure):
                detail = _explained(process.failure)
                self.broken(Violation("only a kill ends it", process.name, detail))
            if process.died_of != "stopped":
                self.trace.faults["killed"] += 1
            await trio.sleep(self.rng.choice((0.1, 0.5, 2, 2, 5, 15, self.rng.uniform(0, 60))))
            self.between()
            if self.wrongly is not None:
                await self.wrongly()

    async def intrude(self) -> None:
        """Start another engine on the same directory, beside the one that runs: it may not come up."""
        first = self.process
        intruder = Process(
            "intruder", self.settings(), self.network, self.disk, self.trace,
            random.Random(f"intruder:{self.seed}"), self.now_ms, lambda: None,
        )  # fmt: skip
        came_up = False
        with trio.move_on_after(INTRUDES_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(intruder.run)
                while intruder.alive and not intruder.up:
                    await trio.sleep(0.1)
                came_up = intruder.up  # it is not up any more once it has ended
                nursery.cancel_scope.cancel()
        if came_up and first is not None and first.alive:
            detail = f"it came up on the directory of {first.name}"
            self.broken(Violation("one engine on one journal", intruder.name, detail))
        intruder.kill(OVER)

    def end(self) -> None:
        """No more engines."""
        if self.process is not None:
            self.process.kill(OVER)

    async def _doom(self, process: Process) -> None:
        """Have the process die, or stop, some time in a storm."""
        while True:
            await trio.sleep(self.rng.expovariate(1 / 120))
            if self.killing() and not self.spared:
                break
        if self.rng.random() < 0.12 and process.up:
            self.trace("process", process.name, "is asked to stop")
            self.stopping = True
            await self.app.ask("POST", "/stop")
            return
        if self.rng.random() < 0.6:
            process.meet(
                Doom(self.rng.choice(POINTS), self.rng.randint(1, 4), self.rng.random() < 0.7)
            )
        else:
            process.meet(Doom("", self.rng.randint(1, 400), self.rng.random() < 0.7))

    async def _await_ready(self, process: Process) -> None:
        was_ready_at = trio.current_time()
        while True:
            await trio.sleep(5)
            now, mild_since = trio.current_time(), self.mild_since()
            if process.ready or not process.up or mild_since is None:
                was_ready_at = now
            elif now - max(was_ready_at, mild_since + RECOVERS_S) > READY_WITHIN_S:
                detail = f"nothing is wrong, and it has not been for {now - was_ready_at:.0f} s"
                self.broken(Violation("an engine is ready", process.name, detail))
            if not process.ready:
                self.ready_since = None
            elif self.ready_since is None:
                self.ready_since = trio.current_time()

    def up_and(self, since: float | None) -> float | None:
        """Since when both that has been so and an engine has been up; None while one of them is not so."""
        process = self.process
        if process is None or not process.up:
            self._down_s = trio.current_time()
            return None
        return None if since is None else max(since, self._down_s)

    def settings(self, room: str = "state") -> Settings:
        """Those of an engine with its state in `room`."""
        config = self.paper.config
        return Settings(
            public_ws_uri="ws://exchange/api?protocol=1.1",
            private_ws_uri="ws://exchange/user?protocol=1.1",
            rest_uri="http://exchange",
            api_key=config.api_key,
            api_secret=config.api_secret,
            api_memo=config.api_memo,
            mode="paper",
            state_dir=str(self.directory / room),
            accept_older_journal=self.restored,
            trading_app_base_uri=self.signals_to,
            trading_app_shared_secret=SECRET if self.signals_to else "",
        )


def _disk_was_full_to_the_end(failure: BaseException) -> bool:
    """Whether all that an engine ends with is that it could not write what it had not promised."""
    if isinstance(failure, BaseExceptionGroup):
        return all(map(_disk_was_full_to_the_end, failure.exceptions))
    return isinstance(failure, JournalUnavailable)


def _explained(failure: BaseException) -> str:
    if isinstance(failure, BaseExceptionGroup):
        return "; ".join(_explained(each) for each in failure.exceptions)
    return f"{type(failure).__name__}: {failure}"[:500]
