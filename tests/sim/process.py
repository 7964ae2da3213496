"""An engine as a process that can die at any moment: the real engine, and what separates it from everything else.

When it dies, all that leads out of it is cut at that very instant: what it sends, dials, asks for or commits does
nothing any more, and never returns. What was committed is in its directory; its memory is gone. Its tasks are then
swept away, the shielded ones too, so that the next process finds the directory as a dead process leaves it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from bitmart_engine import Engine, Settings, World, open_engine
from bitmart_engine.control import make_app
from bitmart_engine.paper.memory import answer_of

from .disk import Died, Disk
from .network import Network
from .trace import Trace

__all__ = ["Doom", "Process"]

PATIENCE_S = 60
"""How long an answer of the control API is waited for."""
SWEEPS = 1000
"""How often at most the tasks of a dead process are told to end."""


@frozen
class Doom:
    """How a process dies: at a named point the `times`-th time from now on, or (without one) `times` task steps on."""

    point: str
    times: int
    tells: bool = True
    """Whether the exchange learns that its connections are gone."""


class _Steps(trio.abc.Instrument):
    """Calls `then` before a certain task step from now on."""

    def __init__(self, steps: int, then: Callable[[], None], spared: Callable[[], bool]) -> None:
        self._left = steps
        self._then = then
        self._spared = spared

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._spared():
            return
        self._left -= 1
        if self._left == 0:
            self._then()


@define(eq=False)
class Process:
    """One engine, from its start to its end. `run` is its life."""

    name: str
    settings: Settings
    network: Network
    disk: Disk
    trace: Trace
    rng: random.Random
    now_ms: Callable[[], int]
    came_up: Callable[[], None]
    spared: Callable[[], bool] = lambda: False
    """Whether it does not die of its doom now: for so long that is put off."""
    alive: bool = True
    forgotten: bool = False
    """Whether its promises are: then what it sent and has not arrived yet never does."""
    died_of: str = ""
    failure: BaseException | None = None
    """What ended it, if it was neither killed nor stopped."""
    up: bool = False
    """Whether the engine runs, and can be asked."""
    nursery: trio.Nursery = field(init=False)
    _app: Any = field(init=False, default=None)
    _engine: Engine | None = field(init=False, default=None)
    _doom: Doom | None = field(init=False, default=None)
    _times: int = field(init=False, default=0)
    _steps: _Steps | None = field(init=False, default=None)
    _over: trio.Event = field(init=False, factory=trio.Event)
    _gone: bool = field(init=False, default=False)
    """Whether none of its tasks is left."""

    async def run(self) -> None:
        """Live until it is killed, stops, or fails."""
        async with trio.open_nursery() as outside:
            outside.start_soon(self._watch)
            try:
                async with trio.open_nursery() as self.nursery:
                    self.nursery.start_soon(self._live)
            except BaseExceptionGroup as failures:
                if self.alive:
                    self.failure = failures
            finally:
                self._gone = True
                if self.alive:
                    self._cut("failed" if self.failure else "stopped", told=True)
                if self._steps is not None:
                    trio.lowlevel.remove_instrument(self._steps)
            outside.cancel_scope.cancel()

    async def _live(self) -> None:
        world = World(
            wall_ms=self.now_ms,
            dial=self._dial,
            http_transport=lambda: self.network.transport(self),
            random=self.rng,
            run_blocking=self._run_blocking,
            reached=self._reached,
            boot=self._boot,
        )
        async with open_engine(self.settings, world=world) as engine:
            self._app, self._engine = make_app(engine), engine
            self.up = True
            self.trace("process", self.name, "is up")
            self.came_up()
            await engine.wait_stopping()
        self.nursery.cancel_scope.cancel()

    def _boot(self) -> tuple[str, int]:
        """The machine is the same all the time, whatever its clock shows."""
        return "boot", round(trio.current_time() * 1000)

    async def _dial(self, host: str, port: int, tls: bool) -> trio.abc.Stream:
        return await self.network.dial(self, host, port, tls)

    async def _run_blocking(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.disk.run(self, function, *arguments)

    @property
    def ready(self) -> bool:
        """Whether it says of itself that it can be trusted with an order."""
        return self.up and self._engine is not None and not self._engine.not_ready()

    # The end

    def meet(self, doom: Doom) -> None:
        """Die that way, as soon as it comes to it."""
        if not self.alive:
            return
        if doom.point:
            self._doom, self._times = doom, doom.times
        else:
            self._steps = _Steps(
                doom.times, lambda: self.kill("at random", tells=doom.tells), self.spared
            )
            trio.lowlevel.add_instrument(self._steps)

    def _reached(self, point: str) -> None:
        """Called by the engine at each of its named points; those of a commit are within it."""
        doom = self._doom
        if self.alive and doom is not None and point == doom.point and not self.spared():
            self._times -= 1
            if self._times == 0:
                self.kill(point, tells=doom.tells)
        if not self.alive and point == "before commit":
            raise Died

    def kill(self, why: str, *, tells: bool = True) -> None:
        """The end, now."""
        if self.alive:
            self.trace("process", self.name, "is killed:", why)
            self._cut(why, told=tells)

    def _cut(self, why: str, *, told: bool) -> None:
        self.died_of = why
        self.alive = self.up = False
        self.network.lose(self, told=told)
        self._over.set()

    async def _watch(self) -> None:
        """Sweep away what is left once it is dead, or everything is over."""
        try:
            await self._over.wait()
        finally:
            with trio.CancelScope(shield=True):
                await self._sweep()

    async def _sweep(self) -> None:
        for _ in range(SWEEPS):
            if self._gone:
                return
            self.nursery.cancel_scope.cancel()
            for shield in _shields(self.nursery):
                shield.shield = False
            await trio.lowlevel.checkpoint()
        raise AssertionError(f"{self.name} does not end")

    # What it is asked

    async def ask(self, request: httpx.Request) -> httpx.Response:
        """Have its control API answer. Raises httpx.TransportError when it dies before the answer is out."""
        body = await request.aread()
        if not self.up:
            raise httpx.ConnectError("no engine listens", request=request)
        answer, answered = trio.open_memory_channel[httpx.Response](1)
        self.nursery.start_soon(self._answer, request, body, answer)
        with trio.move_on_after(PATIENCE_S), suppress(trio.EndOfChannel):
            return await answered.receive()
        if self.alive:
            raise httpx.ReadTimeout(f"no answer within {PATIENCE_S} s", request=request)
        raise httpx.ReadError("the engine died", request=request)

    async def _answer(
        self, request: httpx.Request, body: bytes, answer: trio.MemorySendChannel[httpx.Response]
    ) -> None:
        with answer:
            answered = await answer_of(self._app, request, body, ("127.0.0.1", 50000))
            if self.alive:
                answer.send_nowait(answered)


def _shields(nursery: trio.Nursery) -> Iterator[trio.CancelScope]:
    """The shielded scopes that the tasks in a nursery are in."""
    outermost = nursery.cancel_scope
    for task in nursery.child_tasks:
        status: Any = task._cancel_status
        while status is not None and status._scope is not outermost:
            if status._scope.shield:
                yield status._scope
            status = status._parent
        for inner in task.child_nurseries:
            yield from _shields(inner)
