"""The WebSocket server: `/api` for everybody, `/user` for who logs in. A thin shell around `WsSession` and `Hub`.

One task reads, one writes; either one's end, or an abort, ends the connection and closes its stream. Frames are text;
binary ones, whose content is raw deflate, are understood, and sent where `PaperConfig.frames` says so.
"""

from __future__ import annotations

import math
import zlib
from collections import deque

import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_server_stream,
)

from .config import PaperConfig
from .faults import Faults
from .hub import Connection, Hub
from .ws_session import WsSession

PATHS = {"/api": False, "/user": True}
HANDSHAKE_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 2
RAW_DEFLATE = -zlib.MAX_WBITS
LARGEST_CONTENT = 1 << 20


class WsServer:
    """Serves connected streams, wherever they come from."""

    def __init__(self, config: PaperConfig, hub: Hub, session: WsSession, faults: Faults) -> None:
        self._config = config
        self._hub = hub
        self._session = session
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
            elif len(self._hub.connections) >= self._config.max_connections:
                await request.reject(429)
            else:
                return await request.accept()
        except (HandshakeError, ConnectionClosed):
            pass
        return None

    async def _read(self, connection: Connection, socket: WebSocketConnection) -> None:
        """Hear the client out: until it leaves, is silent for too long, or has to go."""
        idle_s = self._config.idle_close_s or math.inf
        allowance = Allowance(self._config)
        while True:
            message = None
            with trio.move_on_at(min(trio.current_time() + idle_s, connection.expires_at)):
                try:
                    message = await socket.get_message()
                except ConnectionClosed:
                    return
            if message is None or not allowance.takes_message(trio.current_time()):
                connection.close_code = self._config.limit_close_code
                return
            if not self._session.hear(connection, text_of(message)):
                return
            if not allowance.takes(connection, self._hub):
                connection.close_code = self._config.limit_close_code
                return

    async def _write(self, connection: Connection, socket: WebSocketConnection) -> None:
        """Send what is queued; when the queue has ended, close the socket."""
        end = "\n" if self._config.frame_newline else ""
        deflate = self._config.frames == "deflate"
        try:
            async for frame in connection.outgoing:
                text = frame + end
                await socket.send_message(deflated(text) if deflate else text)
            await socket.aclose(connection.close_code)
        except ConnectionClosed:
            connection.abort()


class Allowance:
    """What one connection may do, where limits that nobody has established are set."""

    def __init__(self, config: PaperConfig) -> None:
        self._config = config
        self._heard: deque[float] = deque()

    def takes_message(self, now: float) -> bool:
        """Whether one more frame at this time, on Trio's clock, is not too many."""
        most = self._config.max_messages_10_s
        if most is None:
            return True
        while self._heard and self._heard[0] <= now - 10:
            self._heard.popleft()
        self._heard.append(now)
        return len(self._heard) <= most

    def takes(self, connection: Connection, hub: Hub) -> bool:
        """Whether the connection may be, with the topics that it has."""
        topics, private = self._config.max_topics, self._config.max_private_connections
        if topics is not None and len(connection.topics) > topics:
            return False
        if private is None or not connection.private:
            return True
        older = [one for one in hub.connections if one.private and one.number < connection.number]
        return len(older) < private


def deflated(text: str) -> bytes:
    """A frame's text as raw deflate, without a header."""
    packer = zlib.compressobj(wbits=RAW_DEFLATE)
    return packer.compress(text.encode()) + packer.flush()


def text_of(message: str | bytes) -> str:
    """What a client's frame says: binary ones are raw deflate, or the text itself."""
    if isinstance(message, str):
        return message
    unpacker = zlib.decompressobj(wbits=RAW_DEFLATE)
    try:
        content = unpacker.decompress(message, LARGEST_CONTENT)
    except zlib.error:
        content = message
    else:
        content = content if unpacker.eof else message
    return content.decode(errors="replace")


def path_of(target: str) -> str:
    return target.partition("?")[0]
