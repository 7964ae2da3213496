"""The first two steps to a connection: a byte stream to the exchange, and the WebSocket handshake over it.

Each takes ten seconds at most, and says why it failed. Nothing here closes a stream: it belongs to the caller as soon
as it is there.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from ..causes import Cause, because, cause_of
from ..world import World
from .activity_stream import ActivityStream
from .wire import MAX_MESSAGE_BYTES

__all__ = ["CONNECT_TIMEOUT", "CannotConnect", "dial", "shake_hands"]

CONNECT_TIMEOUT = 10.0


class CannotConnect(Exception):
    """There is no connection. The text says at which step, and why."""

    def __init__(self, why: str, cause: Cause | None) -> None:
        super().__init__(why)
        self.cause = cause


async def dial(uri: str, world: World) -> ActivityStream:
    """A byte stream to where `uri` points. Raises `CannotConnect`."""
    parts = urlsplit(uri)
    tls = parts.scheme == "wss"
    try:
        with trio.fail_after(CONNECT_TIMEOUT):
            stream = await world.dial(parts.hostname or "", parts.port or (443 if tls else 80), tls)
    except trio.TooSlowError:
        why = f"dial timed out after {CONNECT_TIMEOUT:g} s"
        raise CannotConnect(why, Cause.CONNECT_TIMEOUT) from None
    except OSError as error:
        cause = cause_of(error)
        why = f"dial failed: {because(error) if cause else error}"
        raise CannotConnect(why, cause) from error
    return ActivityStream(stream)


async def shake_hands(
    library: trio.Nursery, stream: ActivityStream, uri: str
) -> WebSocketConnection:
    """The WebSocket over `stream`; its reader runs in the nursery `library`. Raises `CannotConnect` if that takes long.

    A handshake that is refused or breaks off is raised by the reader, into the nursery.
    """
    parts = urlsplit(uri)
    try:
        with trio.fail_after(CONNECT_TIMEOUT):
            websocket = await wrap_client_stream(
                library,
                stream,  # type: ignore[arg-type]  # it takes any stream
                parts.netloc.rpartition("@")[2],
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                extra_headers=[(b"User-Agent", USER_AGENT)],
                max_message_size=MAX_MESSAGE_BYTES,
            )
    except trio.TooSlowError:
        why = f"handshake timed out after {CONNECT_TIMEOUT:g} s"
        raise CannotConnect(why, Cause.READ_TIMEOUT) from None
    stream.shaken = True
    return websocket


def _user_agent() -> bytes:
    try:
        return f"bitmart-engine/{version('bitmart-engine')}".encode()
    except PackageNotFoundError:
        return b"bitmart-engine/0"


USER_AGENT = _user_agent()
"""Our own: Cloudflare, which stands before BitMart, refuses the default agents of some libraries."""
