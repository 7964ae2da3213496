"""Serves the control API with Hypercorn, for as long as the engine runs.

The connections are let in here (`gate`) and not by `hypercorn.trio.serve`: for the sake of the exchange, whose sockets
come first, and for the sake of the end. Hypercorn shields what it sends, and a reader that has stopped reading would
hold up the end of the engine for as long as it likes.
"""

from __future__ import annotations

import logging

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from ..engine import Engine
from ..health_watch import HealthWatch
from ..housekeeping import supervised
from ..settings import Settings
from .access import AccessRule
from .app import make_app
from .asgi import guarded
from .connection import MAX_HEAD_BYTES, READER_BYTES, Connection
from .gate import Gate

__all__ = ["AddressUnavailable", "listen", "serve_control"]

GRACE_S = 0.5
"""What a request that is being answered gets when the engine stops."""
IDLE_S = 15
"""How long a connection may stay open without a request: longer than clients keep theirs, or they would send a request
into one that is just being closed."""
EVERY_ADDRESS = "::"
SAME_PORT_TRIES = 10


class AddressUnavailable(OSError):
    """Nothing can listen at `CTRL_ADDR`. One line that says what to do."""


async def listen(settings: Settings) -> list[trio.SocketListener]:
    """Take the address of the control API, before anything else is done. Raises AddressUnavailable."""
    host, port = settings.control_host_port
    if host == EVERY_ADDRESS:
        return await _listen_to_both_families(port)
    return await _listen(host, port)


async def serve_control(
    engine: Engine,
    listeners: list[trio.SocketListener] | None = None,
    *,
    watch: HealthWatch | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until the engine is asked to stop; reports where it listens, `http://HOST:PORT`, as its start value.

    `listeners` are those of `listen`, where they were opened before the engine was; `watch` is what looks at the
    engine's health for others too, and is run here. Every connection is closed on
    return, at most half a second after the engine was asked to stop. Raises AddressUnavailable.
    """
    if listeners is None:
        listeners = await listen(engine.settings)
    watch = watch or HealthWatch(engine)
    server = _Server(engine, watch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervised, watch.run, "health", engine.counters)
        await nursery.start(server.hang_up_at_the_end)
        async with trio.open_nursery() as connections:
            accepting = trio.CancelScope()
            await connections.start(server.accept, listeners, connections, accepting)
            task_status.started(_address(listeners[0]))
            await engine.wait_stopping()
            await server.context.terminated.set()
            accepting.cancel()
            nursery.cancel_scope.deadline = trio.current_time() + GRACE_S
        nursery.cancel_scope.cancel()


class _Server:
    """The connections of one app."""

    def __init__(self, engine: Engine, watch: HealthWatch) -> None:
        self.context = WorkerContext(None)
        self._count = engine.count
        rule = AccessRule.of(engine.settings)
        self._gate = Gate(rule.stranger, self._count)
        self._app = ASGIWrapper(guarded(make_app(engine, watch), self._count))
        self._config = Config()
        self._config.accesslog = None
        self._config.errorlog = logging.getLogger("bitmart_engine.control")
        self._config.include_server_header = False
        self._config.keep_alive_timeout = IDLE_S
        self._config.h11_max_incomplete_size = MAX_HEAD_BYTES
        self._config.websocket_max_message_size = READER_BYTES

    async def accept(
        self,
        listeners: list[trio.SocketListener],
        connections: trio.Nursery,
        accepting: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """Accept until `accepting` is cancelled, and close the listeners then.

        Each connection is a task in `connections`.
        """
        try:
            with accepting:
                async with trio.open_nursery() as nursery:
                    for listener in listeners:
                        nursery.start_soon(self._gate.accept, listener, self._talk, connections)
                    task_status.started()
        finally:
            for listener in listeners:
                listener.socket.close()

    async def _talk(self, connection: Connection) -> None:
        """One connection, from its first byte to its last. What goes wrong with it concerns nobody else."""
        try:
            # A TCPServer takes whatever reads and writes like a plain stream.
            await TCPServer(
                self._app,
                self._config,
                self.context,
                ConnectionState({"connection": connection, "gate": self._gate}),
                connection,  # type: ignore[arg-type]
            )
        except* Exception as crash:
            # The app's own errors are answered in the app: what comes to here is what the peer sent.
            self._count("control_connection_broken", why=_names(crash))

    async def hang_up_at_the_end(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Close every socket as soon as this task is cancelled: that ends what is sent under a shield, too."""
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self._gate.hang_up()


def _names(crash: BaseExceptionGroup[Exception]) -> str:
    names = set()
    for each in crash.exceptions:
        names.add(_names(each) if isinstance(each, BaseExceptionGroup) else type(each).__name__)
    return ", ".join(sorted(names))


async def _listen_to_both_families(port: int) -> list[trio.SocketListener]:
    """`[::]` is every address, those of IPv4 too; Trio's IPv6 sockets take none of them."""
    for _ in range(SAME_PORT_TRIES - 1):
        listeners = await _listen(EVERY_ADDRESS, port)
        same = listeners[0].socket.getsockname()[1]
        try:
            return [*listeners, *await _listen("0.0.0.0", same)]
        except AddressUnavailable:
            for each in listeners:
                await each.aclose()
            if port:
                raise
    raise AddressUnavailable("the control API finds no port that is free in IPv4 and IPv6")


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
