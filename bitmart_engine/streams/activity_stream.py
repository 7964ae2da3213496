"""A byte stream that notes when bytes last arrived, and that fails loudly where trio-websocket would wait in silence.

During the WebSocket handshake that library waits for an answer even after the peer has hung up. So until the handshake
is done, the end of this stream raises `HungUp`. It changes no byte.
"""

from __future__ import annotations

import trio

from ..causes import Cause

__all__ = ["ActivityStream", "HungUp"]


class HungUp(Exception):
    """The peer was gone before the WebSocket handshake was done."""

    cause = Cause.HUNG_UP


class ActivityStream(trio.abc.Stream):
    """Passes everything through. Closing it closes the stream beneath."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._sends = 0
        self.shaken = False
        """Set by the owner when the handshake is done."""
        self.last_received_at = trio.current_time()

    @property
    def sending(self) -> bool:
        """Whether a send is going on, or was cut off: then half a frame may be out."""
        return self._sends > 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As the stream beneath. Raises `HungUp` during the handshake."""
        self._sends += 1
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            self._raise_during_handshake(error)
            raise
        self._sends -= 1

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream beneath."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """As the stream beneath. Raises `HungUp` for its end during the handshake."""
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError as error:
            self._raise_during_handshake(error)
            raise
        if not data:
            self._raise_during_handshake(None)
        self.last_received_at = trio.current_time()
        return data

    async def aclose(self) -> None:
        """As the stream beneath."""
        await self._stream.aclose()

    def _raise_during_handshake(self, cause: Exception | None) -> None:
        if not self.shaken:
            raise HungUp("the exchange hung up during the handshake") from cause
