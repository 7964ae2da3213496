"""What connects an engine to the paper exchange in one process: streams in memory, and requests that stay here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import httpx
import trio

from ..paper import PaperExchange
from ..world import Dial

__all__ = ["HOST", "Requests", "dialler", "in_line", "stream_pair"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
HOST = "exchange"
"""The only host there is."""


class _Pipe:
    """One direction of a connection, of any size."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False
        self._waiting = trio.lowlevel.ParkingLot()

    def put(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data
        self._waiting.unpark()

    def end(self) -> None:
        self.ended = True
        self._waiting.unpark_all()

    async def take(self, most: int | None) -> bytes:
        if not self.data and not self.ended:
            await self._waiting.park()
        else:
            await trio.lowlevel.checkpoint()
        taken = bytes(self.data) if most is None else bytes(self.data[:most])
        del self.data[: len(taken)]
        return taken


class _End(trio.abc.Stream):
    """One end of a connection."""

    def __init__(self, out: _Pipe, into: _Pipe) -> None:
        self._out = out
        self._into = into
        self._closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        if self._out.ended:
            raise trio.BrokenResourceError("the other end is closed")
        self._out.put(data)
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        data = await self._into.take(max_bytes)
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        return data

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._out.end()
            self._into.end()
        await trio.lowlevel.checkpoint()


def stream_pair() -> tuple[trio.abc.Stream, trio.abc.Stream]:
    """Two connected streams."""
    up, down = _Pipe(), _Pipe()
    return _End(up, down), _End(down, up)


def dialler(exchange: PaperExchange, servers: trio.Nursery) -> Dial:
    """Opens WebSocket connections to the exchange, which serves them in `servers`."""

    async def dial(host: str, port: int, tls: bool) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = stream_pair()
        servers.start_soon(exchange.serve_ws_stream, theirs)
        return ours

    return dial


class Requests(httpx.AsyncBaseTransport):
    """What the engine asks over HTTP: of the exchange, which answers. What is for others is taken and goes nowhere."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange.rest_transport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == HOST:
            return await self._exchange.handle_async_request(request)
        await request.aread()
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))


async def in_line(sync_fn: Callable[[*Ts], T], *args: *Ts) -> T:
    """What would block runs here: while a thread worked, the clock would jump."""
    await trio.lowlevel.checkpoint()
    return sync_fn(*args)
