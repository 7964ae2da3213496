"""REST without sockets: an httpx transport that hands requests to the exchange in the same process.

A request, once sent, is the exchange's: it runs in the exchange's nursery, so that a client that gives up waiting
does not un-take its order. Read timeouts and lost replies look to the client as they do over a socket.
"""

from __future__ import annotations

import math

import httpx
import trio

from .fault_front import App, LostReply, Message, Scope, only

Result = httpx.Response | httpx.TransportError


class MemoryTransport(httpx.AsyncBaseTransport):
    """For `httpx.AsyncClient(transport=...)`."""

    def __init__(self, app: App, nursery: trio.Nursery) -> None:
        self._app = app
        self._nursery = nursery

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request; raises httpx's ConnectError, ReadError and ReadTimeout."""
        body = await request.aread()
        if self._nursery.cancel_scope.cancel_called:
            raise httpx.ConnectError("the paper exchange is closed", request=request)
        send, receive = trio.open_memory_channel[Result](1)
        self._nursery.start_soon(self._run, request, body, send)
        timeout_s = request.extensions.get("timeout", {}).get("read")
        with trio.move_on_after(math.inf if timeout_s is None else timeout_s):
            try:
                result = await receive.receive()
            except trio.EndOfChannel:
                result = httpx.ReadError("the paper exchange closed", request=request)
            if isinstance(result, httpx.TransportError):
                raise result
            return result
        raise httpx.ReadTimeout("no reply in time", request=request)

    async def _run(
        self, request: httpx.Request, body: bytes, send: trio.MemorySendChannel[Result]
    ) -> None:
        with send:
            try:
                send.send_nowait(await answer_of(self._app, request, body))
            except LostReply as lost:
                send.send_nowait(httpx.ReadError(str(lost), request=request))


async def answer_of(
    app: App, request: httpx.Request, body: bytes, client: tuple[str, int] | None = None
) -> httpx.Response:
    """What an ASGI app answers to a request that comes from `client`. Raises what the app does."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope_of(request, client), only(body), keep)
    start, *rest = messages
    content = b"".join(message.get("body", b"") for message in rest)
    return httpx.Response(start["status"], headers=start["headers"], content=content)


def scope_of(request: httpx.Request, client: tuple[str, int] | None) -> Scope:
    """The ASGI scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": client,
        "root_path": "",
    }
