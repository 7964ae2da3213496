"""Serves the control API with Hypercorn, for as long as the engine runs.

The connections are opened here and not by `hypercorn.trio.serve`, for the sake of the end: Hypercorn shields what it
sends, and a reader that has stopped reading would hold up the end of the engine for as long as it likes.
"""

from __future__ import annotations

import logging

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    ConnectionState,
    Scope,
)

from ..engine import Engine
from .app import make_app

__all__ = ["AddressUnavailable", "serve_control"]

log = structlog.get_logger()

GRACE_S = 0.5
"""What a request that is being answered gets when the engine stops."""
IDLE_S = 75
"""How long a connection may stay open without a request: longer than clients keep theirs, or they would send a request
into one that is just being closed."""


class AddressUnavailable(OSError):
    """Nothing can listen at `CTRL_ADDR`. One line that says what to do."""


async def serve_control(
    engine: Engine, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until the engine is asked to stop; reports where it listens, `http://HOST:PORT`, as its start value.

    Every connection is closed on return, at most half a second after the engine was asked to stop.
    Raises AddressUnavailable.
    """
    server = _Server(engine)
    listeners = await _listen(*engine.settings.control_host_port)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.hang_up_at_the_end)
        async with trio.open_nursery() as connections:
            await connections.start(server.accept, listeners, connections)
            task_status.started(_address(listeners[0]))
            await engine.wait_stopping()
            await server.context.terminated.set()
            server.accepting.cancel()
            nursery.cancel_scope.deadline = trio.current_time() + GRACE_S
        nursery.cancel_scope.cancel()


class _Server:
    """The connections of one app."""

    def __init__(self, engine: Engine) -> None:
        self.context = WorkerContext(None)
        self.accepting = trio.CancelScope()
        self._app = ASGIWrapper(_ending_undisturbed(make_app(engine)))
        self._config = Config()
        self._config.accesslog = None
        self._config.errorlog = logging.getLogger("bitmart_engine.control")
        self._config.include_server_header = False
        self._config.keep_alive_timeout = IDLE_S
        self._streams: set[trio.SocketStream] = set()

    async def accept(
        self,
        listeners: list[trio.SocketListener],
        connections: trio.Nursery,
        *,
        task_status: trio.TaskStatus[object],
    ) -> None:
        """Accept until `accepting` is cancelled, and close the listeners then.

        Each connection is a task in `connections`.
        """
        with self.accepting:
            await trio.serve_listeners(
                self._talk, listeners, handler_nursery=connections, task_status=task_status
            )

    async def _talk(self, stream: trio.SocketStream) -> None:
        """One connection, from its first byte to its last. What goes wrong with it concerns nobody else."""
        self._streams.add(stream)
        try:
            # A TCPServer takes a plain stream too, and says so with an isinstance check of its own.
            await TCPServer(
                self._app,
                self._config,
                self.context,
                ConnectionState({}),
                stream,  # type: ignore[arg-type]
            )
        except* Exception as crash:
            log.error("control connection crashed", exc_info=crash)
        finally:
            self._streams.discard(stream)

    async def hang_up_at_the_end(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Close every socket as soon as this task is cancelled: that ends what is sent under a shield, too."""
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            for stream in self._streams:
                stream.socket.close()


def _ending_undisturbed(app: ASGIFramework) -> ASGIFramework:
    """`app`, not told of the end of a request that it is just ending itself.

    With the last piece of an answer Hypercorn says that the request is over, then looks after the connection: closes
    it, or gives it time for another request. Quart-Trio takes the former as a peer that has gone, and cancels what it
    is in the middle of. A connection left like that would stay open for ever.
    """

    async def undisturbed(
        scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        ending = False

        async def send_noting_the_end(message: ASGISendEvent) -> None:
            nonlocal ending
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                ending = True
            await send(message)

        async def receive_until_the_end() -> ASGIReceiveEvent:
            message = await receive()
            if ending and message["type"] == "http.disconnect":
                await trio.sleep_forever()  # it is cancelled once the answer is out
            return message

        await app(scope, receive_until_the_end, send_noting_the_end)

    return undisturbed


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as failure:
        raise AddressUnavailable(
            f"the control API cannot listen at {host}:{port} ({failure.strerror or failure});"
            " stop what is there, or set CTRL_ADDR to another address such as 127.0.0.1:8091"
        ) from failure


def _address(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
