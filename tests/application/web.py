"""The receivers over sockets: a Quart-Trio app on a loopback port, which can be dead for a while and come back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
from attrs import define, field
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, request
from quart_trio import QuartTrio

from .receivers import Application

__all__ = ["Site", "make_app", "open_site"]


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def make_app(application: Application, now_ms: Callable[[], int] = wall_ms) -> QuartTrio:
    """The app: every POST is the application's to answer."""
    app = QuartTrio(__name__, static_folder=None)

    @app.post("/<path:path>")
    async def receive(path: str) -> Response:
        body = await request.get_data(cache=False, as_text=False)
        assert isinstance(body, bytes)
        given = application.take(f"/{path}", dict(request.headers), body, now_ms())
        if given is None:
            return Response(b"", 502)
        await trio.sleep(application.slow_s)
        return Response(
            given.body, given.status, dict(given.headers), content_type="application/json"
        )

    return app


@define(eq=False)
class Site:
    """Where the application listens. Made by `open_site`."""

    nursery: trio.Nursery
    app: QuartTrio
    address: str = ""
    _serving: trio.CancelScope = field(factory=trio.CancelScope)
    _ended: trio.Event = field(factory=trio.Event)

    async def start(self) -> None:
        """Listen: on any free port at first, then on the same one again."""
        self._serving, self._ended = trio.CancelScope(), trio.Event()
        config = Config()
        config.bind = [self.address.removeprefix("http://") or "127.0.0.1:0"]
        config.accesslog = config.errorlog = None
        config.include_server_header = False
        self.address = await self.nursery.start(self._serve, config)

    async def stop(self) -> None:
        """Nobody listens there any more once this returns."""
        self._serving.cancel()
        await self._ended.wait()

    async def _serve(self, config: Config, *, task_status: trio.TaskStatus[str]) -> None:
        with self._serving:
            async with trio.open_nursery() as serving:
                binds = await serving.start(serve, self.app, config)
                task_status.started(binds[0])
        self._ended.set()


@asynccontextmanager
async def open_site(application: Application) -> AsyncIterator[Site]:
    """The application's site, for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        site = Site(nursery, make_app(application))
        await site.start()
        yield site
        nursery.cancel_scope.cancel()
