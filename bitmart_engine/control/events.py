"""GET /events: what happens, as it happens, as Server-Sent Events or over a WebSocket.

A reader never slows the engine: what waits for it is bounded, and where it was too slow it is told how much it missed.
An event is `{"id", "type", "at_ms", "symbol", "data"}`, a gap `{"type": "lagged", "missed"}`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from decimal import Decimal
from enum import Enum, IntEnum
from types import TracebackType
from typing import Annotated, Any

import attrs
import trio
from attrs import frozen
from quart import Blueprint, Response, request, websocket
from quart.wrappers.base import BaseRequestWebsocket
from quart.wrappers.response import ResponseBody

from ..engine import Engine
from ..feed import FeedReader, Gap, Happening, Told
from ..feed import Trading as TradingKept
from ..feed import Withdrawn as WithdrawnKept
from ..model.decimals import plain
from ..model.errors import BadRequest
from ..model.fills import AccountFill
from ..model.halting import HaltLevel
from ..model.orders import EntryOrder
from ..model.positions import Protection
from .bodies import unknown
from .fills import fill_view
from .pieces import encoded
from .queries import check_parameters, list_asked
from .views import order_view, protection_view
from .wire import Count, UnixMs, always, named

__all__ = [
    "LEFT_OUT",
    "Lagged",
    "Message",
    "Trading",
    "Withdrawn",
    "endpoints",
    "event_view",
    "shown",
]

PARAMETERS = ("types", "symbol", "last_event_id")
AT_ONCE = 100
"""Events in one write, at most."""
HEARTBEAT_S = 5
HEARTBEAT = b":\n\n"
RETRY = b"retry: 2000\n\n"
"""A browser that lost the stream comes back after so many ms."""
LONGEST_SYMBOL = 50
LEFT_OUT = ("raw",)
"""Of the fields of normalized events."""


@frozen(kw_only=True, slots=False)
class Message:
    """An event; `data` is of its type."""

    id: Count
    type: Happening
    at_ms: UnixMs
    symbol: str | None
    data: Any


@frozen(kw_only=True, slots=False)
class Lagged:
    """So many events were dropped here; null: nobody can know how many."""

    type: Annotated[str, always("lagged")] = "lagged"
    missed: Count | None


@frozen(kw_only=True, slots=False)
class Withdrawn:
    """It could not be kept safe: there is no such order, or protection, after all."""

    id: str
    state: Annotated[str, always("withdrawn")] = "withdrawn"


@frozen(kw_only=True, slots=False)
class Trading:
    """Whether entries go out. `since_ms` is when the kill switch was used first."""

    state: Annotated[str, named("TradingState")]
    level: HaltLevel | None
    since_ms: UnixMs | None
    at_ms: UnixMs


@frozen
class Asked:
    """Filters of a reader, and the last event that it has seen."""

    types: tuple[Happening, ...]
    symbol: str | None
    after: int | None

    @classmethod
    def of(cls, asked: BaseRequestWebsocket) -> Asked:
        """Filters of a request, or of the handshake of a WebSocket. Raises BadRequest naming the parameter."""
        check_parameters(asked.args, PARAMETERS, lists="types")
        header = asked.headers.get("Last-Event-ID", "")
        return cls(
            _types(list_asked(asked.args, "types")),
            _symbol(asked.args.get("symbol")),
            _after(asked.args.get("last_event_id", header)),
        )


def endpoints(engine: Engine) -> Blueprint:
    """GET /events, both ways."""
    routes = Blueprint("events", __name__)

    def reader(of: BaseRequestWebsocket) -> FeedReader:
        asked = Asked.of(of)
        _check_room(of)
        return engine.feed.read(asked.types, asked.symbol, asked.after)

    @routes.get("/events")
    async def stream() -> Response:
        events = reader(request)
        response = Response(
            b"" if request.method == "HEAD" else _Stream(events),
            content_type="text/event-stream; charset=utf-8",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        response.timeout = None
        return response

    @routes.websocket("/events")
    async def socket() -> None:
        with reader(websocket) as events:
            await websocket.accept()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_ignore_what_is_said)
                while some := await events.some(AT_ONCE):
                    for each in some:
                        await websocket.send(_encoded(each).decode())
                nursery.cancel_scope.cancel()
            await websocket.close(1001, "the engine is stopping")

    return routes


def _check_room(asked: BaseRequestWebsocket) -> None:
    """Whether the connection may stay for as long as a reader does. Raises Unavailable."""
    state = asked.scope.get("state", {})
    if "gate" in state and asked.method != "HEAD":
        state["gate"].check_reader(state["connection"])


async def _ignore_what_is_said() -> None:
    """Drop what the peer sends: unread data would hide that the peer has gone."""
    while True:
        await websocket.receive()


class _Stream(ResponseBody):
    """The body of a stream of Server-Sent Events. It listens from before its first byte to its last."""

    def __init__(self, events: FeedReader) -> None:
        self._events = events

    async def __aenter__(self) -> AsyncIterable[bytes]:
        self._events.__enter__()
        return self._written()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.__exit__(kind, error, trace)

    async def _written(self) -> AsyncIterator[bytes]:
        yield RETRY
        while True:
            some: list[Told | Gap] | None = None
            with trio.move_on_after(HEARTBEAT_S):
                some = await self._events.some(AT_ONCE)
            if some == []:
                return
            yield b"".join(map(_as_sent, some)) if some else HEARTBEAT


def _as_sent(event: Told | Gap) -> bytes:
    if isinstance(event, Gap):
        return b"event: lagged\ndata: %s\n\n" % _encoded(event)
    head = f"id: {event.id}\nevent: {event.type.value}\n".encode()
    return head + b"data: %s\n\n" % _encoded(event)


def _encoded(event: Told | Gap) -> bytes:
    return encoded(event_view(event))


def event_view(event: Told | Gap) -> Message | Lagged:
    """An event as readers see it."""
    if isinstance(event, Gap):
        return Lagged(missed=event.missed)
    return Message(
        id=event.id,
        type=event.type,
        at_ms=event.at_ms,
        symbol=event.symbol,
        data=_data(event.what),
    )


def _data(what: object) -> object:
    if isinstance(what, EntryOrder):
        return order_view(what, history=False)
    if isinstance(what, Protection):
        return protection_view(what, history=False)
    if isinstance(what, AccountFill):
        return fill_view(what)
    if isinstance(what, WithdrawnKept):
        return Withdrawn(id=what.id)
    if isinstance(what, TradingKept):
        level, since_ms = (what.halt.level, what.halt.since_ms) if what.halt else (None, None)
        return Trading(state=what.state, level=level, since_ms=since_ms, at_ms=what.at_ms)
    return shown(what)


def shown(what: Any) -> dict[str, object]:
    """A normalized event by the names of its fields: enums by name, decimals as plain text."""
    return {
        each.name: _plainly(getattr(what, each.name))
        for each in attrs.fields(type(what))
        if each.name not in LEFT_OUT
    }


def _plainly(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    return shown(value) if attrs.has(type(value)) else value


def _types(text: str) -> tuple[Happening, ...]:
    names = [each.strip().lower() for each in text.split(",") if each.strip()]
    known = [each.value for each in Happening]
    for name in names:
        if name not in known:
            raise unknown("type", name, known, "types")
    return _distinct(map(Happening, names)) or tuple(Happening)


def _distinct(types: Iterable[Happening]) -> tuple[Happening, ...]:
    return tuple(dict.fromkeys(types))


def _symbol(text: str | None) -> str | None:
    if text is None:
        return None
    symbol = text.strip().upper()
    if not (symbol.isascii() and symbol.isalnum() and len(symbol) <= LONGEST_SYMBOL):
        raise BadRequest("must be a symbol such as BTCUSDT", "symbol")
    return symbol


def _after(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadRequest(
            "must be the id of an event, a whole number (as the header Last-Event-ID, too)",
            "last_event_id",
        )
    return int(text)
