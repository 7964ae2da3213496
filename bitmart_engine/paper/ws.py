"""The WebSocket server: `/api` for everybody, `/user` for who logs in. A thin shell around `Dialogue` and `Hub`.

One task reads, one writes; either one's end, or an abort, ends the connection and closes its stream.
"""

from __future__ import annotations

import math

import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_server_stream,
)

from .dialogue import Dialogue
from .faults import Faults
from .hub import Connection, Hub
from .instruments import PaperConfig

PATHS = {"/api": False, "/user": True}
HANDSHAKE_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 2


class WsServer:
    """Serves connected streams, wherever they come from."""

    def __init__(self, config: PaperConfig, hub: Hub, dialogue: Dialogue, faults: Faults) -> None:
        self._config = config
        self._hub = hub
        self._dialogue = dialogue
        self._faults = faults

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Be the server end of one stream until either side closes it; the stream is closed on return."""
        try:
            if not self._faults.hanging_up_dials:
                async with trio.open_nursery() as nursery:
                    await self._converse(nursery, stream)
                    nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)

    async def _converse(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> None:
        socket = None
        with trio.move_on_after(HANDSHAKE_TIMEOUT_S):
            socket = await self._shake_hands(nursery, stream)
        if socket is None:
            return
        connection = self._hub.open(
            PATHS[path_of(socket.path or "")], self._config.send_queue_frames, nursery.cancel_scope
        )
        async with trio.open_nursery() as talk:
            talk.start_soon(self._write, connection, socket)
            try:
                await self._read(connection, socket)
            finally:
                self._hub.close(connection)
                connection.finish()
            talk.cancel_scope.deadline = trio.current_time() + CLOSE_TIMEOUT_S

    async def _shake_hands(
        self, nursery: trio.Nursery, stream: trio.abc.Stream
    ) -> WebSocketConnection | None:
        try:
            request = await wrap_server_stream(
                nursery, stream, max_message_size=self._config.max_frame_bytes
            )
            if self._faults.refusing_dials:
                await request.reject(503)
            elif path_of(request.path) not in PATHS:
                await request.reject(404)
            else:
                return await request.accept()
        except (HandshakeError, ConnectionClosed):
            pass
        return None

    async def _read(self, connection: Connection, socket: WebSocketConnection) -> None:
        """Hear the client out: until it leaves, is silent for too long, or has to go."""
        idle_s = self._config.idle_close_s or math.inf
        while True:
            message = None
            with trio.move_on_after(idle_s):
                try:
                    message = await socket.get_message()
                except ConnectionClosed:
                    return
            if message is None:
                return
            text = message if isinstance(message, str) else message.decode(errors="replace")
            if not self._dialogue.hear(connection, text):
                return

    async def _write(self, connection: Connection, socket: WebSocketConnection) -> None:
        """Send what is queued; when the queue has ended, close the socket."""
        try:
            async for frame in connection.outgoing:
                await socket.send_message(frame)
            await socket.aclose()
        except ConnectionClosed:
            connection.abort()


def path_of(target: str) -> str:
    return target.partition("?")[0]
