"""One POST over one connection, which ends with it; and no receiver can make it cost more than that.

A receiver is somebody else's program: it may never read, never end, or answer with more than was asked for. What is
read of an answer's head is bounded in bytes, and its interim responses (`100 Continue`) in number; a piece is read at a
time, and others run between two of them. How long it all may take is the caller's to bound: cancelling is safe at any
point and closes the connection at once. No redirect is followed, no connection is kept, no proxy is used.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import final

import h11
import httpx
import trio

__all__ = ["Misbehaved", "Posting"]

HEAD_BYTES = 16_384
PIECE_BYTES = 4096
INTERIM_RESPONSES = 10
BODY_BYTES = 65_536
"""Of the answer's body as it comes over the wire; whoever reads it may stop before."""


class Misbehaved(httpx.RemoteProtocolError):
    """The receiver does not speak HTTP as it should. The message is ours, and names nothing that it sent."""


@final
class Posting(httpx.AsyncBaseTransport):
    """A transport for requests whose URL has an address in place of the host."""

    def __init__(self) -> None:
        self._tls = httpx.create_ssl_context()
        self._tls.set_alpn_protocols(["http/1.1"])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it and return the answer once its head is there; its stream closes the connection.

        The `connect` timeout and `sni_hostname` of the request's extensions are heeded. Raises httpx.TransportError.
        """
        stream = await self._connect(request)
        try:
            wire = _Wire(stream)
            await wire.send(request)
            head = await wire.receive_head()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return httpx.Response(head.status_code, headers=list(head.headers), stream=_Body(wire))

    async def _connect(self, request: httpx.Request) -> trio.abc.Stream:
        url = request.url
        secure = url.scheme == "https"
        port = url.port or (443 if secure else 80)
        try:
            with trio.fail_after(request.extensions.get("timeout", {}).get("connect", 60)):
                stream: trio.abc.Stream = await trio.open_tcp_stream(url.host, port)
                if secure:
                    name = request.extensions.get("sni_hostname", url.host)
                    stream = await _secured(stream, self._tls, name)
                return stream
        except trio.TooSlowError:
            raise httpx.ConnectTimeout("not connected in time", request=request) from None
        except (OSError, trio.BrokenResourceError, ValueError) as failure:  # a ValueError: no name
            raise httpx.ConnectError("not connected", request=request) from failure


async def _secured(stream: trio.abc.Stream, tls: ssl.SSLContext, name: str) -> trio.abc.Stream:
    secure = trio.SSLStream(stream, tls, server_hostname=name, https_compatible=True)
    try:
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secure


class _Wire:
    """HTTP/1.1 over a stream, one request and its answer."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.read = 0
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)

    async def send(self, request: httpx.Request) -> None:
        try:
            head = h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            )
        except h11.LocalProtocolError as failure:
            raise httpx.LocalProtocolError("it cannot be said in HTTP") from failure
        parts = (head, h11.Data(data=request.content), h11.EndOfMessage())
        wire = b"".join(self._http.send(part) or b"" for part in parts)
        with suppress(trio.BrokenResourceError):  # it may have answered before it read all of it
            await self.stream.send_all(wire)

    async def receive_head(self) -> h11.Response:
        for _ in range(INTERIM_RESPONSES + 1):
            event = await self.next_event(HEAD_BYTES)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                raise Misbehaved("it does not answer as HTTP does")
        raise Misbehaved("too many interim responses")

    async def next_event(self, most: int) -> object:
        """The next event, of no more than about `most` bytes that were read in all. Raises httpx.TransportError."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                if self.read >= most:
                    raise Misbehaved("its answer is too long")
                piece = await self.stream.receive_some(PIECE_BYTES)
                self.read += len(piece)
                self._http.receive_data(bytes(piece))
        except h11.RemoteProtocolError:
            raise Misbehaved("it does not answer as HTTP does") from None
        except trio.BrokenResourceError as failure:
            raise httpx.ReadError("the connection was lost") from failure
        return event


class _Body(httpx.AsyncByteStream):
    """What comes after the head. Ends without a word where it is not read on; closing it closes the connection."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    async def __aiter__(self) -> AsyncIterator[bytes]:
        most = self._wire.read + BODY_BYTES
        while isinstance(event := await self._wire.next_event(most), h11.Data):
            yield bytes(event.data)

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._wire.stream)
