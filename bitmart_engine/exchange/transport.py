"""HTTP to the exchange over connections that are kept open, made for one thing: an order leaves at once, in one piece.

An httpx transport like any other, and so replaceable by a fake, but with nothing between a request and its socket. Head
and body leave in one send; h11, which reads the answer, is told of them once they are out, for asking it first would
take longer than all the rest. A request is sent once, on one connection: nothing here retries, follows a redirect or
heeds a proxy. A connection carries one request at a time, and is used again once its answer was read to the end.

Deadlines are the caller's, but for the one on connecting. Whether a request may have left is told as httpcore tells it,
through the request's `trace` extension.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, final

import h11
import httpx
import trio

from ..causes import Cause
from ..world import Dial
from .signing import Headers

__all__ = ["KEPT_S", "KeptConnections", "encoded", "request_of"]

KEPT_S = 60.0
"""How long an idle connection may be used again: an order must not wait for a TLS handshake."""
READ_BYTES = 65_536
LONGEST_HEAD = 102_400
PORTS = {"http": 80, "https": 443}

Place = tuple[str, int, bool]
"""Host, port, and whether TLS is spoken there."""


class HungUp(httpx.RemoteProtocolError):
    """The exchange closed the connection before it answered."""

    cause = Cause.HUNG_UP


@final
class KeptConnections(httpx.AsyncBaseTransport):
    """A transport with as many connections as requests are under way at a time. Safe to use from many tasks at once."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._idle: dict[Place, list[_Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and read the head of its answer, whose body has to be read or closed by the caller.

        Raises httpx.ConnectError and ConnectTimeout: nothing was sent. What else it raises, RemoteProtocolError or the
        errors of Trio's streams, says nothing of what became of the request. Cancelled, it closes the connection.
        """
        message = encoded(request)
        trace = request.extensions.get("trace", _nobody_asks)
        url = request.url
        place = url.host, url.port or PORTS[url.scheme], url.scheme == "https"
        connection = await self._take(place)
        if connection is None:
            await trace("connection.connect_tcp.started", {})
            connection = await self._connect(place, request)
        try:
            await trace("http11.send_request_headers.started", {})
            await connection.send(request, message)
            head = await connection.head()
        except BaseException:
            await trio.aclose_forcefully(connection.stream)
            raise
        return httpx.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=_Body(self, connection),
            request=request,
        )

    async def aclose(self) -> None:
        """Close what is idle; what carries a request is closed with that."""
        for connections in self._idle.values():
            while connections:
                await trio.aclose_forcefully(connections.pop().stream)

    def give_back(self, connection: _Connection) -> None:
        """Keep a connection whose answer was read to the end."""
        connection.idle_since = trio.current_time()
        self._idle.setdefault(connection.place, []).append(connection)

    async def _take(self, place: Place) -> _Connection | None:
        """The connection that was used last, if one can be used again. Only closing one that cannot is a checkpoint."""
        idle = self._idle.get(place, [])
        while idle:
            connection = idle.pop()
            if connection.is_good:
                return connection
            await trio.aclose_forcefully(connection.stream)
        return None

    async def _connect(self, place: Place, request: httpx.Request) -> _Connection:
        try:
            with trio.fail_after(request.extensions["timeout"]["connect"]):
                return _Connection(place, await self._dial(*place))
        except trio.TooSlowError:
            raise httpx.ConnectTimeout("no connection in time", request=request) from None
        except OSError as failure:
            raise httpx.ConnectError(str(failure), request=request) from failure


@final
class _Connection:
    """One connection, and what h11 knows of it."""

    def __init__(self, place: Place, stream: trio.abc.Stream) -> None:
        self.place = place
        self.stream = stream
        self.idle_since = trio.current_time()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)

    @property
    def is_good(self) -> bool:
        """Whether an idle connection can carry a request: an idle peer has nothing to say but that it hung up."""
        stream = self.stream
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        hung_up = isinstance(stream, trio.SocketStream) and stream.socket.is_readable()
        return not hung_up and trio.current_time() < self.idle_since + KEPT_S

    async def send(self, request: httpx.Request, message: bytes) -> None:
        """Send the `message` that is `request`, and then tell h11 of it."""
        await self.stream.send_all(message)
        self._http.send(
            h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            )
        )
        if request.content:
            self._http.send(h11.Data(data=request.content))
        self._http.send(h11.EndOfMessage())

    async def head(self) -> h11.Response:
        """The head of the answer; what comes before it (100 Continue) is passed over."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event

    async def body(self) -> AsyncIterator[bytes]:
        """The parts of the answer's body."""
        while isinstance(event := await self._next_event(), h11.Data):
            yield bytes(event.data)

    def start_again(self) -> bool:
        """Be ready for the next request. False if that is not possible: this connection has to be closed."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    async def _next_event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await self.stream.receive_some(READ_BYTES)
                if not data and self._http.their_state is h11.SEND_RESPONSE:
                    raise HungUp("hung up without an answer")
                self._http.receive_data(bytes(data))
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        return event


@final
class _Body(httpx.AsyncByteStream):
    """The body of an answer. Closing it gives the connection back, or closes it if there was more to read."""

    def __init__(self, kept: KeptConnections, connection: _Connection) -> None:
        self._kept = kept
        self._connection = connection
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._connection.body():
            yield part

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._connection.start_again():
            self._kept.give_back(self._connection)
        else:
            await trio.aclose_forcefully(self._connection.stream)


def encoded(request: httpx.Request) -> bytes:
    """The bytes of a request whose content is known. Raises httpx.LocalProtocolError for a line break in a header."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1:
        raise httpx.LocalProtocolError("a header with a line break in it", request=request)
    return b"%b\r\n\r\n%b" % (head, request.content)


def request_of(
    method: str, url: httpx.URL, headers: Headers, body: bytes | None, extensions: Mapping[str, Any]
) -> httpx.Request:
    """The request that `httpx.Request(..., content=body)` makes, in less time: nothing has to be found out about it.

    `method` is in capitals, `headers` name neither host nor length. Its content is read.
    """
    length = [] if body is None else [(b"Content-Length", b"%d" % len(body))]
    request = httpx.Request(
        method,
        url,
        headers=[(b"Host", url.netloc), *headers, *length],
        stream=httpx.ByteStream(body or b""),
        extensions=dict(extensions),
    )
    request.read()
    return request


async def _nobody_asks(event: str, info: object) -> None:
    """Who sends the request does not want to know how far it is."""
