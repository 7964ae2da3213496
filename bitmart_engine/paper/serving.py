"""Serves an ASGI app with Hypercorn on a port of ours, quietly, so that one connection can be hung up on purpose.

`hypercorn.trio.serve` hides its streams; a lost reply needs the stream, so the listeners are opened here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import trio
from attrs import frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from .fault_front import App, Scope

Peer = tuple[str, int]
KEEP_ALIVE_S = 75


class HttpServer:
    """HTTP over given listeners; `hang_up` closes the stream that a request came by."""

    def __init__(self, app: App) -> None:
        self._app = ASGIWrapper(app)
        self._config = Config()
        self._config.accesslog = None
        self._config.errorlog = None
        self._config.keep_alive_timeout = KEEP_ALIVE_S
        self._config.include_server_header = False
        self._streams: dict[Peer, trio.SocketStream] = {}

    async def run(self, listeners: list[trio.SocketListener]) -> None:
        """Serve until cancelled."""
        await trio.serve_listeners(self._serve, listeners)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            peer: Any = stream.socket.getpeername()
        except OSError:
            await trio.aclose_forcefully(stream)
            return
        self._streams[peer[:2]] = stream
        state = ConnectionState({})
        try:
            await TCPServer(self._app, self._config, WorkerContext(None), state, stream)  # type: ignore[arg-type]  # plain, not SSL
        finally:
            del self._streams[peer[:2]]

    def hang_up(self, scope: Scope) -> None:
        """Close the request's connection without a reply."""
        client = scope.get("client")
        stream = self._streams.get(tuple(client)) if client else None
        if stream is not None:
            stream.socket.close()


@frozen
class Port:
    """An open port: its listeners, and its number."""

    listeners: list[trio.SocketListener]
    number: int


@asynccontextmanager
async def listening(host: str, *numbers: int) -> AsyncIterator[list[Port]]:
    """Open ports (0: any free one) and close them on leaving; OSError names the one that cannot be had."""
    async with AsyncExitStack() as stack:
        ports: list[Port] = []
        for number in numbers:
            try:
                listeners = await trio.open_tcp_listeners(number, host=host)
            except OSError as error:
                raise OSError(error.errno, f"cannot listen on {host}:{number}: {error}") from error
            for listener in listeners:
                await stack.enter_async_context(listener)
            ports.append(Port(listeners, int(listeners[0].socket.getsockname()[1])))
        yield ports
