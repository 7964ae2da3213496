"""What every operation of the control API takes and answers, and the name that generated clients call it by."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import evolve, frozen

from ..feed import Happening
from ..model.futures_orders import FuturesStatus
from ..model.lifecycle import EntryState, ProtectionState
from .callbacks import CallbackList
from .enums import one_of
from .fills import FillList
from .futures_orders import FuturesOrderList, OneFuturesOrder
from .guide import Help
from .halting import Halted, Paused
from .health import Alive, Health, Readiness, Stopping
from .hooks import CALLBACKS
from .instruments import InstrumentList
from .klines import KlineList
from .metrics import TEXT_FORMAT
from .orders import OneOrder, OrderCancelled, OrderList, OrderPlaced, Overview
from .outages import OutagesOfConnections
from .outbox import NotificationList, NotificationRetried, OneNotification, OutboxState
from .positions import (
    OnePosition,
    PositionChanged,
    PositionList,
    PositionMonitored,
    PositionReleased,
)
from .queries import DEFAULT_LIMIT, MAX_LIMIT
from .shapes import COUNT, MS, TEXT, Schema, listing
from .status import Status
from .subscriptions import KlinesSubscribed, Subscribed
from .summary import Summary
from .trades import TradeList
from .wire import Answer

__all__ = ["ANYTHING", "OPERATIONS", "TAGS", "Operation"]

TAGS: Mapping[str, str] = {
    "engine": "the engine at a glance: its health, its help, its end",
    "orders": "entry orders, which wait for a price and then go out",
    "protections": "the stop-loss and take-profit that are kept over positions",
    "positions": "the same as protections, by the name that they had first",
    "money": "what the account's orders matched, and what that cost and earned",
    "futures_orders": "the account's orders at the exchange, of whomever they are",
    "subscriptions": "what is streamed for readers; monitors hear what they need in any case",
    "market": "prices",
    "events": "what happens, as it happens",
    "outbox": "callbacks and signals: what is owed, was given up, or was sent",
    "notifications": "requests that the engine sends: answered by the application, not by the engine",
}

READ = (401, 403, 500)
CHECKED = (400, *READ)
"""Errors of operations that check query parameters."""
WRITE = (400, 401, 403, 408, 413, 415, 500, 503)
"""Errors of operations that have a body, or insist on having none."""
ANYTHING = (*WRITE, 404, 409)
"""Errors of routes that are not described here."""

TOKEN_IN_BODY = (
    "A sender that can set no header may give CTRL_TOKEN as `token` in the body,"
    " and send the JSON as text/plain."
)


@frozen
class Operation:
    """One operation: the class of its answer or the name of that schema, its errors by status, its parameters."""

    name: str
    tag: str
    answer: type[Answer] | str
    errors: tuple[int, ...] = READ
    body: str = ""
    body_note: str = ""
    parameters: tuple[Schema, ...] = ()
    content_type: str = "application/json"
    socket: str = ""
    """The answer to the handshake of a WebSocket on the same path."""
    callbacks: tuple[str, ...] = ()
    """Requests that the engine may send because of it, by names of `CALLBACKS`."""

    @property
    def schema(self) -> str:
        """The name of the answer's schema."""
        return self.answer if isinstance(self.answer, str) else self.answer.__name__

    def __attrs_post_init__(self) -> None:
        assert self.tag in TAGS, self.tag
        assert set(self.callbacks) <= set(CALLBACKS), self.callbacks


def parameter(name: str, description: str, schema: Schema) -> Schema:
    """A query parameter."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def several(name: str, description: str, kind: type[Enum]) -> Schema:
    """A query parameter: values of an enum with commas between, or the parameter once for each of them."""
    made = parameter(name, f"{description}: commas between, or sent again", listing(one_of(kind)))
    return {**made, "style": "form", "explode": False}


SYMBOL = parameter("symbol", "of one symbol only", TEXT)
LIMIT = parameter(
    "limit",
    "how many at most",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
SINCE = parameter("since", "not older than this time, Unix ms", MS)
AFTER = parameter("after", "the id that ended the page before", TEXT)


def states(kind: type[Enum], name: str = "state") -> Schema:
    """The `state` parameter, or whatever it is called."""
    return several(name, "in one of these states", kind)


EVENTS = (
    several("types", "of these types", Happening),
    parameter("symbol", "of one symbol only", {**TEXT, "pattern": "^[A-Za-z0-9]{1,50}$"}),
    parameter("last_event_id", "go on after this event", COUNT),
    {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "the same, as browsers send it",
        "schema": COUNT,
    },
)
KLINES = Operation("subscribe_klines", "subscriptions", KlinesSubscribed, WRITE, "KlineView")


def subscription(name: str) -> Operation:
    """A subscription of the account's events."""
    return Operation(name, "subscriptions", Subscribed, (*WRITE, 409))


PROTECTIONS: Mapping[str, Operation] = {
    "GET /api/protections": Operation(
        "list_protections",
        "protections",
        PositionList,
        CHECKED,
        parameters=(states(ProtectionState), SYMBOL, LIMIT, AFTER),
    ),
    "GET /api/protections/{id}": Operation(
        "get_protection", "protections", OnePosition, (*READ, 404)
    ),
    "PATCH /api/protections/{id}": Operation(
        "change_protection", "protections", PositionChanged, (*WRITE, 404, 409), "Levels"
    ),
    "DELETE /api/protections/{id}": Operation(
        "release_protection", "protections", PositionReleased, (*WRITE, 404, 409)
    ),
    "POST /api/protections/{id}/close": Operation(
        "close_protection", "protections", PositionChanged, (*WRITE, 404, 409)
    ),
}
OLD_NAMES = ("list_positions", "get_position", "move_levels", "release_position", "close_position")
SAME_AS_PROTECTIONS: Mapping[str, Operation] = {
    path.replace("protections", "positions"): evolve(each, name=name, tag="positions")
    for (path, each), name in zip(PROTECTIONS.items(), OLD_NAMES, strict=True)
}
"""The same, by the names that they had first."""

OPERATIONS: Mapping[str, Operation] = {
    "GET /status": Operation("get_status", "engine", Status),
    "GET /help": Operation("get_help", "engine", Help),
    "POST /pause": Operation("pause_entries", "engine", Paused, WRITE),
    "POST /api/halt": Operation("halt_trading", "engine", Halted, (*WRITE, 409), "HaltAsked"),
    "POST /resume": Operation("resume_entries", "engine", Paused, WRITE),
    "POST /stop": Operation("stop_engine", "engine", Stopping, WRITE),
    "GET /openapi.json": Operation("get_document", "engine", "Document"),
    "GET /healthz": Operation("check_alive", "engine", Alive, (403, 500)),
    "GET /readyz": Operation("check_ready", "engine", Readiness, (*READ, 503)),
    "GET /metrics": Operation("get_metrics", "engine", "Metrics", content_type=TEXT_FORMAT),
    "GET /api/instruments": Operation(
        "list_instruments", "market", InstrumentList, (*CHECKED, 503), parameters=(SYMBOL,)
    ),
    "GET /api/health": Operation("get_health", "engine", Health),
    "GET /api/outages": Operation("get_outages", "engine", OutagesOfConnections),
    "POST /klines/subscribe": KLINES,
    "POST /subscribe": evolve(KLINES, name="subscribe"),
    "POST /klines/unsubscribe": evolve(KLINES, name="unsubscribe_klines"),
    "POST /unsubscribe": evolve(KLINES, name="unsubscribe"),
    "POST /orders/subscribe": subscription("subscribe_orders"),
    "POST /orders/unsubscribe": subscription("unsubscribe_orders"),
    "POST /positions/subscribe": subscription("subscribe_positions"),
    "POST /positions/unsubscribe": subscription("unsubscribe_positions"),
    "POST /balance/subscribe": subscription("subscribe_balance"),
    "POST /balance/unsubscribe": subscription("unsubscribe_balance"),
    "POST /api/place-order": Operation(
        "place_order",
        "orders",
        OrderPlaced,
        (*WRITE, 409),
        "PlaceOrder",
        TOKEN_IN_BODY,
        callbacks=("onOrderNews",),
    ),
    "GET /api/orders/status": Operation("get_overview", "orders", Overview),
    "GET /api/orders": Operation(
        "list_orders",
        "orders",
        OrderList,
        CHECKED,
        parameters=(states(EntryState), SYMBOL, LIMIT, AFTER),
    ),
    "GET /api/orders/{id}": Operation("get_order", "orders", OneOrder, (*READ, 404)),
    "DELETE /api/orders/{id}": Operation(
        "cancel_order", "orders", OrderCancelled, (*WRITE, 404, 409)
    ),
    "GET /api/futures-orders": Operation(
        "list_futures_orders",
        "futures_orders",
        FuturesOrderList,
        CHECKED,
        parameters=(states(FuturesStatus, "status"), SYMBOL, LIMIT, AFTER),
    ),
    "GET /api/futures-orders/{id}": Operation(
        "get_futures_order", "futures_orders", OneFuturesOrder, (*READ, 404)
    ),
    "POST /api/monitor-position": Operation(
        "monitor_position",
        "positions",
        PositionMonitored,
        (*WRITE, 404, 409),
        "MonitorPosition",
        TOKEN_IN_BODY,
        callbacks=("onPositionNews",),
    ),
    **PROTECTIONS,
    **SAME_AS_PROTECTIONS,
    "GET /api/fills": Operation(
        "list_fills",
        "money",
        FillList,
        (*CHECKED, 409, 503),
        parameters=(SINCE, SYMBOL, LIMIT, AFTER),
    ),
    "GET /api/trades": Operation(
        "list_trades",
        "money",
        TradeList,
        (*CHECKED, 409, 503),
        parameters=(SINCE, SYMBOL, LIMIT, AFTER),
    ),
    "GET /api/summary": Operation(
        "get_summary", "money", Summary, (*CHECKED, 409, 503), parameters=(SINCE,)
    ),
    "GET /api/outbox": Operation(
        "list_notifications",
        "outbox",
        NotificationList,
        CHECKED,
        parameters=(states(OutboxState), LIMIT, AFTER),
    ),
    "GET /api/outbox/{id}": Operation("get_notification", "outbox", OneNotification, (*READ, 404)),
    "POST /api/outbox/{id}/retry": Operation(
        "retry_notification", "outbox", NotificationRetried, (*WRITE, 404, 409)
    ),
    "GET /api/callbacks/{id}": Operation(
        "list_callbacks", "outbox", CallbackList, (*CHECKED, 404, 503), parameters=(LIMIT,)
    ),
    "GET /api/klines/{symbol}/{tf}": Operation(
        "get_klines", "market", KlineList, (*CHECKED, 404, 503), parameters=(LIMIT,)
    ),
    "GET /events": Operation(
        "stream_events",
        "events",
        "Event",
        CHECKED,
        parameters=EVENTS,
        content_type="text/event-stream",
        socket="each Event in a text frame of its own, until a close frame says 1001: the engine stops",
    ),
}
