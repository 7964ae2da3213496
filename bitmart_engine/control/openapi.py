"""GET /openapi.json: the contract of the control API, OpenAPI 3.1.

It is made of the app's own routes: every one is in it, whoever added it, with the sentence that `GET /help` has for it.
`OPERATIONS` adds parameters, bodies and answers. It is not made by quart-schema, whose decorators read the bodies
themselves, by `get_json`: a decimal would have been a float, and a field given twice, or mistyped, would go unnoticed
or be refused in other words than everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from http import HTTPStatus

import msgspec
from attrs import frozen
from quart import Blueprint, Response, current_app
from werkzeug.routing import Rule

from .. import __version__
from ..engine import Engine
from ..feed import Happening
from ..model.futures_orders import FuturesStatus
from ..model.lifecycle import EntryState, ProtectionState
from .guide import ENDPOINTS
from .outbox import OutboxState
from .queries import DEFAULT_LIMIT, MAX_LIMIT
from .schemas import COMPONENTS
from .shapes import (
    ANY_OBJECT,
    COUNT,
    DECIMAL,
    FLAG,
    TEXT,
    Schema,
    answer_of,
    by_name,
    listing,
    maybe,
    named,
    one_of,
)

__all__ = ["OPERATIONS", "document", "endpoints"]

ALIASES = {
    "POST /subscribe": "POST /klines/subscribe",
    "POST /unsubscribe": "POST /klines/unsubscribe",
}
NO_TOKEN_NEEDED = "GET /healthz"
READY = "/readyz"
"""It says what is missing."""

READ = (401, 403, 500)
CHECKED = (400, *READ)
"""What looks at its parameters."""
WRITE = (400, 401, 403, 408, 413, 415, 500, 503)
"""What has a body, or insists on having none."""
ANYTHING = (*WRITE, 404, 409)
"""What is not described here yet."""


@frozen
class Operation:
    """What is asked and answered: the schema of the answer, the body's name in `COMPONENTS`, the errors by status."""

    answer: Schema
    errors: tuple[int, ...] = READ
    body: str = ""
    parameters: tuple[Schema, ...] = ()
    content_type: str = "application/json"
    socket: str = ""
    """What comes where the request is the handshake of a WebSocket."""


def parameter(name: str, description: str, schema: Schema) -> Schema:
    """A query parameter."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def several(name: str, description: str, kind: type[Enum]) -> Schema:
    """A query parameter: values of an enum with commas between; a blank one says nothing."""
    values: Schema = {"type": "string", "enum": [*(each.value for each in kind), ""]}
    made = parameter(name, f"{description}, with commas between", listing(values))
    return {**made, "style": "form", "explode": False}


SYMBOL = parameter("symbol", "of one symbol only", TEXT)
LIMIT = parameter(
    "limit",
    "how many at most",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
AFTER = parameter("after", "the id that ended the page before", TEXT)


def states(kind: type[Enum], name: str = "state") -> Schema:
    """The `state` parameter, or whatever it is called."""
    return several(name, "in one of these states", kind)


SUBSCRIBED = Operation(answer_of(message=TEXT, channels=listing(TEXT)), (*WRITE, 409))
KLINES = Operation(
    answer_of({"refused": by_name(TEXT)}, message=TEXT, channels=listing(TEXT)), WRITE, "KlineView"
)
ONE_POSITION = answer_of(
    {"duplicate": FLAG, "message": TEXT, "position_id": TEXT},
    id=TEXT,
    status=one_of(ProtectionState),
    position=named("Position"),
)
DROPPED_POSITION = answer_of(
    {"exchange_protection_removed": FLAG},
    id=TEXT,
    status=one_of(ProtectionState),
    position=named("Position"),
)
NEXT = maybe(TEXT)

OPERATIONS: Mapping[str, Operation] = {
    "GET /status": Operation(named("Status")),
    "GET /help": Operation(named("Help")),
    "POST /klines/subscribe": KLINES,
    "POST /klines/unsubscribe": KLINES,
    "POST /orders/subscribe": SUBSCRIBED,
    "POST /orders/unsubscribe": SUBSCRIBED,
    "POST /positions/subscribe": SUBSCRIBED,
    "POST /positions/unsubscribe": SUBSCRIBED,
    "POST /balance/subscribe": SUBSCRIBED,
    "POST /balance/unsubscribe": SUBSCRIBED,
    "POST /stop": Operation(answer_of(message=TEXT, unprotected=listing(named("Position"))), WRITE),
    "POST /api/place-order": Operation(
        answer_of(
            {"duplicate": FLAG, "rounded": by_name(DECIMAL)},
            message=TEXT,
            id=TEXT,
            order_id=TEXT,
            status=one_of(EntryState),
            symbol=TEXT,
            size=COUNT,
            quantity_base=DECIMAL,
        ),
        (*WRITE, 409),
        "PlaceOrder",
    ),
    "POST /api/monitor-position": Operation(ONE_POSITION, (*WRITE, 404, 409), "MonitorPosition"),
    "GET /api/orders/status": Operation(
        answer_of(
            pending_orders=COUNT,
            monitored_positions=COUNT,
            unguarded=listing(TEXT),
            held=maybe(listing(named("Held"))),
            orders=by_name(named("Order")),
            positions=by_name(named("Position")),
        )
    ),
    "GET /api/orders": Operation(
        answer_of(orders=listing(named("Order")), next=NEXT),
        CHECKED,
        parameters=(states(EntryState), SYMBOL, LIMIT, AFTER),
    ),
    "GET /api/orders/{id}": Operation(answer_of(order=named("Order")), (*READ, 404)),
    "DELETE /api/orders/{id}": Operation(
        answer_of(id=TEXT, status=one_of(EntryState), order=named("Order")), (*WRITE, 404, 409)
    ),
    "GET /api/futures-orders": Operation(
        answer_of(futures_orders=listing(named("FuturesOrder")), next=NEXT),
        CHECKED,
        parameters=(states(FuturesStatus, "status"), SYMBOL, LIMIT, AFTER),
    ),
    "GET /api/futures-orders/{id}": Operation(
        answer_of(futures_order=named("FuturesOrder")), (*READ, 404)
    ),
    "GET /api/positions": Operation(
        answer_of(
            positions=listing(named("Position")), held=maybe(listing(named("Held"))), next=NEXT
        ),
        CHECKED,
        parameters=(states(ProtectionState), SYMBOL, LIMIT, AFTER),
    ),
    "GET /api/positions/{id}": Operation(answer_of(position=named("Position")), (*READ, 404)),
    "PATCH /api/positions/{id}": Operation(ONE_POSITION, (*WRITE, 404, 409), "Levels"),
    "DELETE /api/positions/{id}": Operation(DROPPED_POSITION, (*WRITE, 404, 409)),
    "POST /api/positions/{id}/close": Operation(ONE_POSITION, (*WRITE, 404, 409)),
    "GET /api/outbox": Operation(
        answer_of(notifications=listing(named("Notification")), next=NEXT),
        CHECKED,
        parameters=(states(OutboxState), LIMIT, AFTER),
    ),
    "GET /api/outbox/{id}": Operation(answer_of(notification=named("Notification")), (*READ, 404)),
    "POST /api/outbox/{id}/retry": Operation(
        answer_of(id=TEXT, notification=named("Notification")), (*WRITE, 404, 409)
    ),
    "GET /api/callbacks/{id}": Operation(
        answer_of(id=TEXT, callbacks=listing(named("Callback")), left_off=COUNT),
        (*CHECKED, 404, 503),
        parameters=(LIMIT,),
    ),
    "GET /api/klines/{symbol}/{tf}": Operation(
        answer_of(klines=listing(named("Kline"))), (*CHECKED, 404, 503), parameters=(LIMIT,)
    ),
    "GET /events": Operation(
        named("Event"),
        CHECKED,
        parameters=(
            several("types", "of these types", Happening),
            parameter("symbol", "of one symbol only", {**TEXT, "pattern": "^[A-Za-z0-9]{1,50}$"}),
            parameter("last_event_id", "go on after this event", COUNT),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "the same, as browsers send it",
                "schema": COUNT,
            },
        ),
        content_type="text/event-stream",
        socket="each Event in a text frame of its own, until a close frame says 1001: the engine stops",
    ),
    "GET /openapi.json": Operation(ANY_OBJECT),
    "GET /healthz": Operation(answer_of(), (403, 500)),
    "GET /readyz": Operation(answer_of(ready={"const": True}), (*READ, 503)),
}


def endpoints(engine: Engine) -> Blueprint:
    """GET /openapi.json."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    async def contract() -> Response:
        made = document(current_app.url_map.iter_rules())
        return Response(msgspec.json.encode(made), content_type="application/json")

    return routes


def document(rules: Iterable[Rule]) -> Schema:
    """The OpenAPI document of these routes."""
    paths: dict[str, Schema] = {}
    for rule in rules:
        if rule.websocket:
            continue  # the same path answers GET, and says so
        path = _path(rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(method, path)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bitmart_engine control API",
            "version": __version__,
            "description": "Decimals may be sent as numbers or text, and come back as text."
            " Without a token only this machine is served, and others get 403.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _path(rule: Rule) -> str:
    """A route as OpenAPI writes it: `/api/orders/{id}`."""
    return "".join(
        f"{{{part.rpartition(':')[2]}}}" if in_braces else part
        for each in rule.rule.split("<")
        for part, in_braces in _parts(each)
    )


def _parts(text: str) -> list[tuple[str, bool]]:
    inside, end, after = text.partition(">")
    return [(inside, True), (after, False)] if end else [(text, False)]


def _operation(method: str, path: str) -> Schema:
    name = f"{method} {path}"
    known = ALIASES.get(name, name)
    operation = OPERATIONS.get(known, Operation(answer_of(), ANYTHING))
    described: Schema = {
        "operationId": _operation_id(method, path),
        "summary": ENDPOINTS.get(known, ""),
        "parameters": [*_in_path(path), *operation.parameters],
        "responses": {
            "200": {
                "description": "done",
                "content": {operation.content_type: {"schema": operation.answer}},
            },
            **{str(status): _error(status, path) for status in sorted(operation.errors)},
        },
        "security": [{}] if name == NO_TOKEN_NEEDED else [{}, {"token": []}],
    }
    if operation.socket:
        described["responses"]["101"] = {
            "description": f"with `Upgrade: websocket`, {operation.socket}",
            "headers": {"Upgrade": {"schema": {"const": "websocket"}, "required": True}},
        }
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": named(operation.body)}},
        }
    return described


def _in_path(path: str) -> list[Schema]:
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    return [
        {
            "name": each,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
        for each in names
    ]


def _error(status: int, path: str) -> Schema:
    headers = {401: "WWW-Authenticate", 503: "Retry-After"}
    shape = "Crash" if status == 500 else "NotReady" if (status, path) == (503, READY) else "Error"
    error: Schema = {
        "description": HTTPStatus(status).phrase.lower(),
        "content": {"application/json": {"schema": named(shape)}},
    }
    if status in headers:
        error["headers"] = {headers[status]: {"schema": TEXT, "required": True}}
    return error


def _operation_id(method: str, path: str) -> str:
    words = path.replace("{", "").replace("}", "").replace("-", "_").replace(".", "_").split("/")
    return "_".join([method.lower(), *filter(None, words)])
