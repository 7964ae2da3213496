"""GET /help: every operation in a sentence, and examples that work as they stand."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen
from msgspec import UNSET, UnsetType
from quart import Blueprint, Response, request

from ..engine import Engine
from ..model.timeframes import Timeframe
from .answers import answer
from .wire import Answer

__all__ = ["ENDPOINTS", "EXAMPLES", "Help", "endpoints"]

ENDPOINTS = {
    "GET /status": "the engine at a glance: connections, prices, positions, what a start found, what is owed, dropped",
    "GET /help": "this",
    "POST /klines/subscribe": "stream klines of a symbol; also POST /subscribe",
    "POST /klines/unsubscribe": "undo that; what a monitor needs stays; also POST /unsubscribe",
    "POST /orders/subscribe": "hold the channel of order events for readers",
    "POST /orders/unsubscribe": "undo that; the engine goes on hearing them, and GET /events tells them",
    "POST /positions/subscribe": "hold the channel of position events for readers",
    "POST /positions/unsubscribe": "undo that; the engine goes on hearing them, and GET /events tells them",
    "POST /balance/subscribe": "hold the channel of balance events for readers",
    "POST /balance/unsubscribe": "undo that; the engine goes on hearing them, and GET /events tells them",
    "POST /pause": "let no waiting order go out, across restarts; stops and targets are watched on",
    "POST /api/halt": "the kill switch: open nothing new, cancel every entry, or close every position too",
    "POST /resume": "undo a pause or a halt; what is in its zone goes out at once",
    "POST /stop": "stop the engine; names the positions that nobody guards meanwhile",
    "POST /api/place-order": "wait for the price to enter a zone, then place the order",
    "POST /api/monitor-position": "guard a position with a stop-loss and a take-profit",
    "GET /api/orders/status": "orders and positions under way, and the last ones that ended",
    "GET /api/orders": "every order, newest first: ?state=, ?symbol=, ?limit= (100), ?after=<id>",
    "GET /api/orders/{id}": "one order with its history",
    "DELETE /api/orders/{id}": "cancel an order, here or at the exchange",
    "GET /api/protections": "every protection, newest first (as orders), and the positions at the exchange (held)",
    "GET /api/protections/{id}": "one protection with its history",
    "PATCH /api/protections/{id}": "move its stop_loss, its take_profit, or both",
    "DELETE /api/protections/{id}": "drop it; the position stays, unguarded",
    "POST /api/protections/{id}/close": "close its position now, at the market",
    "GET /api/positions": "the same as GET /api/protections",
    "GET /api/positions/{id}": "the same as GET /api/protections/{id}",
    "PATCH /api/positions/{id}": "the same as PATCH /api/protections/{id}",
    "DELETE /api/positions/{id}": "the same as DELETE /api/protections/{id}",
    "POST /api/positions/{id}/close": "the same as POST /api/protections/{id}/close",
    "GET /api/futures-orders": "every order of the account at the exchange: ?status=, ?symbol=, ?limit=, ?after=",
    "GET /api/futures-orders/{id}": "one of them, by its order id or its client order id, with its newest raw event",
    "GET /api/fills": "what the account's orders matched, and its fees: ?since=<ms>, ?symbol=, ?limit=, ?after=<id>",
    "GET /api/trades": "what entries came to: fees, PnL, R: ?since=<ms>, ?symbol=, ?limit=, ?after=<id>",
    "GET /api/summary": "what happened since a time: orders, trades won and lost, PnL, fees, outages: ?since=<ms>",
    "GET /api/outbox": "callbacks owed, or given up (dead), and why, newest first: ?state=, ?limit=, ?after=<id>",
    "GET /api/outbox/{id}": "one of them with its body",
    "POST /api/outbox/{id}/retry": "owe a dead one again",
    "GET /api/callbacks/{id}": "what was sent, or is owed, of one order or position, and its answers: ?limit= (100)",
    "GET /api/klines/{symbol}/{tf}": "the last klines, the newest last: ?limit= (100, at most 1000)",
    "GET /api/instruments": "tick, size of a contract and limits: of ?symbol=, or of those looked up so far",
    "GET /events": "what happens, as Server-Sent Events or a WebSocket: ?types=, ?symbol=, ?last_event_id=",
    "GET /openapi.json": "all of this for programs: the OpenAPI document",
    "GET /api/health": "what is wrong and since when, and who keeps the stops: the engine, the exchange, both, nobody",
    "GET /api/outages": "when connections were down in the last seven days, and why",
    "GET /metrics": "the same and more in numbers, for Prometheus",
    "GET /": "the live page, for a browser; it asks for the token, and needs none itself",
    "GET /page/{name}": "the files that the live page consists of",
    "GET /healthz": "200 while the engine lives",
    "GET /readyz": "200 once an order can be trusted to it: connected, logged in, agreed; 503 names what is missing",
}


@frozen(kw_only=True, slots=False)
class ExampleRequest:
    """A request that works as it stands."""

    what: str
    method: str
    path: str
    curl: str
    body: dict[str, Any] | UnsetType = UNSET


@frozen(kw_only=True, slots=False)
class Help(Answer):
    """Every operation in a sentence, and examples."""

    endpoints: dict[str, str]
    supported_timeframes: list[Timeframe]
    example_requests: list[ExampleRequest]


@frozen
class Example:
    """One request that works as it stands."""

    what: str
    method: str
    path: str
    body: dict[str, Any] | None = None

    def shown(self, base: str) -> ExampleRequest:
        """The request with a curl line for the address that was asked."""
        curl = f"curl {base}{self.path}"
        if self.method != "GET":
            curl = f"curl -X {self.method} {base}{self.path}"
        if self.body is not None:
            curl += f" -H 'Content-Type: application/json' -d '{json.dumps(self.body)}'"
        return ExampleRequest(
            what=self.what,
            method=self.method,
            path=self.path,
            curl=curl,
            body=UNSET if self.body is None else self.body,
        )


KLINES: dict[str, Any] = {"symbol": "BTCUSDT", "tfs": ["1m", "5m"]}
EXAMPLES = (
    Example("stream 1m and 5m klines", "POST", "/klines/subscribe", KLINES),
    Example("stop streaming them", "POST", "/klines/unsubscribe", KLINES),
    Example(
        "place an order when the price enters a zone",
        "POST",
        "/api/place-order",
        {
            "id": "order-123",
            "symbol": "BTCUSDT",
            "side": "long",
            "entry_zone_min": 65000,
            "entry_zone_max": 65500,
            "quantity": 0.01,
            "leverage": 10,
            "stop_loss": 64000,
            "take_profit": 68000,
            "timeout_seconds": 300,
        },
    ),
    Example(
        "guard what that order fills",
        "POST",
        "/api/monitor-position",
        {
            "id": "position-123",
            "symbol": "BTCUSDT",
            "order_id": "order-123",
            "stop_loss": 64000,
            "take_profit": 68000,
        },
    ),
    Example("see what is under way", "GET", "/api/orders/status"),
    Example("move the stop", "PATCH", "/api/protections/position-123", {"stop_loss": 64100}),
    Example("cancel the order", "DELETE", "/api/orders/order-123"),
    Example("open nothing new until POST /resume", "POST", "/api/halt", {"level": "no_new"}),
    Example("see the engine at a glance", "GET", "/status"),
)


def endpoints(engine: Engine) -> Blueprint:
    """GET /help."""
    routes = Blueprint("guide", __name__)

    @routes.get("/help")
    async def help() -> Response:
        base = request.host_url.rstrip("/")
        return answer(
            Help(
                endpoints=ENDPOINTS,
                supported_timeframes=list(Timeframe),
                example_requests=[each.shown(base) for each in EXAMPLES],
            )
        )

    return routes
