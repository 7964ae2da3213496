"""Engines to be had: the harness's end of the process that forks them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

__all__ = ["ROOT", "EngineProcess", "Hatchery", "open_hatchery"]

ROOT = Path(__file__).parents[2]


@define(eq=False)
class EngineProcess:
    """One engine. `code` is None while it lives; then its exit code, or minus the number of the signal."""

    pid: int
    address_file: Path
    code: int | None = None
    ended: trio.Event = field(factory=trio.Event)

    @property
    def address(self) -> str | None:
        """Where its control API is, once it is."""
        if self.code is None and self.address_file.exists():
            return self.address_file.read_text()
        return None


@define(eq=False)
class Hatchery:
    """Starts engines, and kills them by the hand of their parent."""

    _process: trio.Process
    _alive: dict[int, EngineProcess] = field(factory=dict)
    _born: trio.MemorySendChannel[int] | None = None
    _starting: trio.Lock = field(factory=trio.Lock)
    _telling: trio.Lock = field(factory=trio.Lock)

    async def start(
        self, settings: dict[str, object], directory: Path, point: str, times: int
    ) -> EngineProcess:
        """An engine that keeps its log and its address in `directory`."""
        address_file = directory / "address"
        async with self._starting:
            address_file.unlink(missing_ok=True)
            self._born, born = trio.open_memory_channel[int](1)
            await self._tell(
                start=settings,
                point=point,
                times=times,
                log=str(directory / "engine.log"),
                address=str(address_file),
            )
            pid = await born.receive()
            engine = self._alive[pid]
            engine.address_file = address_file
            return engine

    async def kill(self, engine: EngineProcess) -> None:
        """SIGKILL. Returns when it is dead, whatever of."""
        if engine.code is None:
            await self._tell(kill=engine.pid)
            await engine.ended.wait()

    async def _tell(self, **command: Any) -> None:
        assert self._process.stdin is not None
        async with self._telling:
            await self._process.stdin.send_all(json.dumps(command).encode() + b"\n")

    async def _hear(self) -> None:
        assert self._process.stdout is not None
        heard = b""
        async for part in self._process.stdout:
            *lines, heard = (heard + part).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "code" in said:
                    engine = self._alive.pop(said["pid"])
                    engine.code = said["code"]
                    engine.ended.set()
                else:
                    assert self._born is not None
                    self._alive[said["pid"]] = EngineProcess(said["pid"], Path())
                    self._born.send_nowait(said["pid"])


@asynccontextmanager
async def open_hatchery() -> AsyncIterator[Hatchery]:
    """Engines as long as the block lasts; none outlives it."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.crash.engine_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        async with trio.open_nursery() as nursery:
            hatchery = Hatchery(process)
            nursery.start_soon(hatchery._hear)
            yield hatchery
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
