"""Between Hypercorn and the app: tells a connection how far its request is, and answers what the app would choke on.

What a peer sent and nobody can read is a 400, and counted; it makes no traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.handshake import server_extensions_handshake
from wsproto.utilities import split_comma_header

from ..logs import get_logger
from .connection import Connection

__all__ = ["guarded"]

log = get_logger()

LAST_PIECES = ("http.response.body", "websocket.http.response.body", "websocket.close")
UNREADABLE = b'{"ok":false,"error":"the request cannot be read"}\n'


def guarded(app: ASGIFramework, count: Callable[[str], None]) -> ASGIFramework:
    """`app`, with its connections told how far they are, and not told of the end of a request that it is just ending.

    With the last piece of an answer Hypercorn says that the request is over, then looks after the connection: closes
    it, or gives it time for another request. Quart-Trio takes the former as a peer that has gone, and cancels what it
    is in the middle of. A connection left like that would stay open for ever.
    """

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        connection: Connection = cast(Any, scope)["state"]["connection"]
        started = ending = False

        async def send_noting_the_end(message: ASGISendEvent) -> None:
            nonlocal started, ending
            started = True
            if (
                message["type"] in LAST_PIECES
                and not message.get("more_body", False)
                and not ending
            ):
                ending = True
                connection.ending()
            await send(message)

        async def receive_until_the_end() -> ASGIReceiveEvent:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                connection.received()
            if ending and message["type"] == "http.disconnect":
                await trio.sleep_forever()  # it is cancelled once the answer is out
            return message

        connection.begin(websocket=scope["type"] == "websocket")
        try:
            _check_handshake(scope)
            await app(scope, receive_until_the_end, send_noting_the_end)
        except* Exception as crash:
            if started:
                log.error("control_answer_broke_off", exc_info=crash)
            else:  # before the app has made a request of it: its own errors it answers itself
                count("control request unreadable")
                await _refuse(scope, send_noting_the_end)
        finally:
            if not ending:
                connection.ending()
            connection.ended()

    return answer


def _check_handshake(scope: Scope) -> None:
    """Raise for what accepting a WebSocket would stumble over, after the app has said yes."""
    if scope["type"] != "websocket":
        return
    for name, value in scope["headers"]:
        if name.lower() == b"sec-websocket-extensions":
            server_extensions_handshake(split_comma_header(value), [PerMessageDeflate()])


async def _refuse(scope: Scope, send: ASGISendCallable) -> None:
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(UNREADABLE)).encode()),
    ]
    start = {"type": f"{kind}.start", "status": 400, "headers": headers}
    await send(cast(ASGISendEvent, start))
    body = {"type": f"{kind}.body", "body": UNREADABLE, "more_body": False}
    await send(cast(ASGISendEvent, body))
