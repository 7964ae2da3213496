"""The answers of the control API by name: what `ok: true` comes with, and every error that there is."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.lifecycle import EntryState, ProtectionState
from ..model.timeframes import Timeframe
from .enums import one_of
from .shapes import (
    ANY_OBJECT,
    CONTRACTS,
    COUNT,
    DECIMAL,
    FLAG,
    TEXT,
    Schema,
    always,
    answer_of,
    by_name,
    listing,
    maybe,
    named,
    record,
)

__all__ = ["NOT_READY", "REPLIES", "RESPONSES", "refused"]

NEXT: Schema = {
    **maybe(TEXT),
    "description": "the `after` of the next page; null: this is the last one",
}
HELD: Schema = {
    **maybe(listing(named("Held"))),
    "description": "what the exchange holds, of whomever it is; null: not known yet",
}
AT_FAULT: Schema = {**TEXT, "description": "the path, or parameter, that is at fault"}

REPLIES: Mapping[str, Schema] = {
    "Subscribed": answer_of(message=TEXT, channels=listing(TEXT)),
    "KlinesSubscribed": answer_of(
        {
            "refused": {
                **by_name(TEXT),
                "description": "why not, by symbol, where the request is lenient",
            }
        },
        message=TEXT,
        channels=listing(TEXT),
    ),
    "Stopping": answer_of(message=TEXT, unprotected=listing(named("Position"))),
    "OrderPlaced": answer_of(
        {
            "duplicate": {**FLAG, "description": "the same was asked for before"},
            "rounded": {
                **by_name(DECIMAL),
                "description": "the prices that were moved onto the tick grid",
            },
        },
        message=TEXT,
        id=TEXT,
        order_id={**TEXT, "description": "the same as `id`"},
        status=one_of(EntryState),
        symbol=TEXT,
        size=CONTRACTS,
        quantity_base={**DECIMAL, "description": "the same in the base currency"},
    ),
    "Overview": answer_of(
        pending_orders=COUNT,
        monitored_positions=COUNT,
        unguarded=listing(TEXT),
        held=HELD,
        orders=by_name(named("Order")),
        positions=by_name(named("Position")),
    ),
    "OrderList": answer_of(orders=listing(named("Order")), next=NEXT),
    "OneOrder": answer_of(order=named("Order")),
    "OrderCancelled": answer_of(id=TEXT, status=one_of(EntryState), order=named("Order")),
    "FuturesOrderList": answer_of(futures_orders=listing(named("FuturesOrder")), next=NEXT),
    "OneFuturesOrder": answer_of(futures_order=named("FuturesOrder")),
    "PositionList": answer_of(positions=listing(named("Position")), held=HELD, next=NEXT),
    "OnePosition": answer_of(position=named("Position")),
    "PositionMonitored": answer_of(
        {"duplicate": {**FLAG, "description": "the same was asked for before"}},
        message=TEXT,
        id=TEXT,
        position_id={**TEXT, "description": "the same as `id`"},
        status=one_of(ProtectionState),
        position=named("Position"),
    ),
    "PositionChanged": answer_of(
        id=TEXT,
        status=one_of(ProtectionState),
        position=named("Position"),
    ),
    "PositionReleased": answer_of(
        {"exchange_protection_removed": FLAG},
        id=TEXT,
        status=one_of(ProtectionState),
        position=named("Position"),
    ),
    "NotificationList": answer_of(notifications=listing(named("Notification")), next=NEXT),
    "OneNotification": answer_of(notification=named("Notification")),
    "NotificationRetried": answer_of(id=TEXT, notification=named("Notification")),
    "CallbackList": answer_of(
        id=TEXT,
        callbacks=listing(named("Callback")),
        left_off={**COUNT, "description": "earlier ones that are not shown"},
    ),
    "KlineList": answer_of(klines=listing(named("Kline"))),
    "Document": {**ANY_OBJECT, "description": "this document"},
    "Alive": answer_of(),
    "Readiness": answer_of(ready=always(True)),
    "Help": answer_of(
        endpoints=by_name(TEXT),
        supported_timeframes=listing(one_of(Timeframe)),
        example_requests=listing(named("ExampleRequest")),
    ),
    "ExampleRequest": record({"body": ANY_OBJECT}, what=TEXT, method=TEXT, path=TEXT, curl=TEXT),
    "Error": record({"field": AT_FAULT}, ok=always(False), error=TEXT),
    "Crash": record(
        ok=always(False), error=TEXT, error_id={**TEXT, "description": "as in the log"}
    ),
    "NotReady": record(ok=always(False), error=TEXT, ready=always(False), missing=listing(TEXT)),
}

NOT_READY = "NotReady"
"""The 503 of GET /readyz: it says what is missing."""


def _refusal(
    description: str,
    error: str,
    field: str = "",
    header: str = "",
    shape: str = "Error",
    **more: object,
) -> Schema:
    where = {"field": field} if field else {}
    made: Schema = {
        "description": description,
        "content": {
            "application/json": {
                "schema": named(shape),
                "example": {"ok": False, "error": error, **where, **more},
            }
        },
    }
    if header:
        made["headers"] = {header: {"schema": TEXT, "required": True}}
    return made


BY_STATUS: Mapping[int, tuple[str, Schema]] = {
    400: (
        "BadRequest",
        _refusal("malformed, or out of range: `field` is at fault", "is missing", "$.side"),
    ),
    401: (
        "Unauthorized",
        _refusal(
            "the token is missing or wrong",
            "the header 'Authorization: Bearer <CTRL_TOKEN>' is missing or wrong",
            header="WWW-Authenticate",
        ),
    ),
    403: (
        "Forbidden",
        _refusal("without a token only this machine is served", "only this machine is served"),
    ),
    404: ("NotFound", _refusal("there is no such thing", "no order has the id 'order-123'")),
    408: ("BodyTimeout", _refusal("the body did not come in time", "the body did not come")),
    409: (
        "Conflict",
        _refusal("it conflicts with what is there", "the protection is closed", "$.id"),
    ),
    413: ("TooLarge", _refusal("the body is larger than 64 KiB", "the body has 70000 bytes")),
    415: ("NotJson", _refusal("the body is not JSON", "the body is text/plain")),
    500: (
        "Crashed",
        _refusal(
            "a fault of the engine, in its log under `error_id`",
            "internal error",
            shape="Crash",
            error_id="6f1d2c",
        ),
    ),
    503: (
        "Unavailable",
        _refusal(
            "the engine cannot do that now; ask again after `Retry-After` seconds",
            "the exchange does not answer",
            header="Retry-After",
        ),
    ),
}

RESPONSES: Mapping[str, Schema] = {
    **dict(BY_STATUS.values()),
    NOT_READY: _refusal(
        "what is missing before an order can be trusted to it",
        "not ready",
        header="Retry-After",
        shape="NotReady",
        ready=False,
        missing=["private stream"],
    ),
}
"""Every refusal, by its name."""


def refused(status: int) -> str:
    """The name of the refusal that a status stands for."""
    return BY_STATUS[status][0]
