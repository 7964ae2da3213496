"""Notifications as JSON Schema: callbacks, order and balance signals, raw events.

Every callback says what it is by `status`. Its prices and its quantity are numbers, with the exact decimal beside them
as `..._text`; in signals all of them are text. A notification may gain fields.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..model.sides import PositionSide
from ..trading.signals.signal_forms import Status
from .enums import one_of
from .shapes import (
    ANY_OBJECT,
    CONTRACTS,
    COUNT,
    DECIMAL,
    FLAG,
    MS,
    TEXT,
    Schema,
    always,
    listing,
    maybe,
    named,
    record,
)

__all__ = ["NOTICES", "ORDER_CALLBACKS", "POSITION_CALLBACKS"]

NUMBER: Schema = {"type": "number"}
MOMENT: Schema = {"type": "string", "format": "date-time", "description": "ISO 8601 with offset"}
EXCHANGE_ID: Schema = {**TEXT, "description": "the exchange's id of the order"}
CLIENT_ID: Schema = {**TEXT, "description": "client order id, as the exchange has it"}
OWN_ID: Schema = {**TEXT, "description": "the id that the order was placed with"}
POSITION_ID: Schema = {**TEXT, "description": "the id of the protection: its order's, or its own"}


def _callback(
    status: str,
    optional: Mapping[str, Schema] | None = None,
    /,
    **facts: Schema,
) -> Schema:
    return record(
        optional,
        status=always(status),
        event=always(status),
        **facts,
        symbol=TEXT,
        side=one_of(PositionSide),
        metadata=named("Metadata"),
        at_ms=MS,
    )


def _exact(name: str, *, known: bool = True) -> Mapping[str, Schema]:
    """A number with the exact decimal beside it; both are null where it is not `known`."""
    if known:
        return {name: NUMBER, f"{name}_text": DECIMAL}
    return {name: maybe(NUMBER), f"{name}_text": maybe(DECIMAL)}


def _of_order(
    status: str, optional: Mapping[str, Schema] | None = None, /, **facts: Schema
) -> Schema:
    return _callback(status, optional, order_id=OWN_ID, **facts)


def _of_position(
    status: str, optional: Mapping[str, Schema] | None = None, /, **facts: Schema
) -> Schema:
    return _callback(status, optional, position_id=POSITION_ID, order_id=maybe(TEXT), **facts)


FILL: Mapping[str, Schema] = {
    "exchange_order_id": EXCHANGE_ID,
    "filled_size": CONTRACTS,
    **_exact("average_price", known=False),
}
ESTIMATED: Schema = {
    **FLAG,
    "description": "no order says the price: it is the last one, or a level",
}
CAME_TO: Mapping[str, Schema] = {
    name: {**DECIMAL, "description": f"as of a trade, where known: {what}"}
    for name, what in {
        "gross_pnl": "USDT, without fees",
        "fees": "USDT",
        "realised_pnl": "USDT, after fees",
        "percent": "realised_pnl in percent of what the entry was worth",
        "r": "realised_pnl in multiples of the risk at the first stop",
        "stop_slippage": "by how much worse than its level a stop was filled",
    }.items()
}
LATE: Mapping[str, Schema] = {
    "late_fill": {**FLAG, "description": "it filled after it had been told to have ended"}
}

ORDER_CALLBACKS: Mapping[str, tuple[str, Schema, str]] = {
    "placed": (
        "PlacedCallback",
        _of_order(
            "placed",
            {"submit_only": FLAG, "entry_price_estimated": ESTIMATED},
            exchange_order_id=EXCHANGE_ID,
            client_order_id=CLIENT_ID,
            **_exact("entry_price"),
            **_exact("quantity"),
            size=CONTRACTS,
        ),
        "the exchange has the order; `quantity` is as it was asked for",
    ),
    "partially_filled": (
        "PartiallyFilledCallback",
        _of_order("partially_filled", LATE, **FILL),
        "more of the order filled",
    ),
    "filled": ("FilledCallback", _of_order("filled", LATE, **FILL), "all of the order filled"),
    "cancelled": (
        "CancelledCallback",
        _of_order(
            "cancelled",
            {**LATE, **FILL},
            filled_size=CONTRACTS,
        ),
        "the order was cancelled, `filled_size` contracts of it having filled",
    ),
    "timeout": (
        "TimeoutCallback",
        _of_order("timeout", reason=TEXT),
        "the price did not enter the zone in time: nothing was sent",
    ),
    "failed": (
        "FailedCallback",
        _of_order("failed", reason=TEXT, error=TEXT),
        "the exchange refused the order, or it was not worth sending any more",
    ),
}
"""By `status`: the name of the schema, the schema, and what it says."""

POSITION_CALLBACKS: Mapping[str, tuple[str, Schema, str]] = {
    "closed": (
        "ClosedCallback",
        _of_position(
            "closed",
            {
                "closed_by": named("ClosedBy"),
                "close_price_estimated": ESTIMATED,
                **CAME_TO,
            },
            reason=named("ClosedReason"),
            close_order_id={**EXCHANGE_ID, "description": "empty where no order is known"},
            **_exact("close_price", known=False),
            size=CONTRACTS,
        ),
        "the position is gone",
    ),
    "close_failed": (
        "CloseFailedCallback",
        _of_position("close_failed", reason=named("ClosedReason"), error=TEXT),
        "a close did not go through; it goes on being tried",
    ),
    "released": (
        "ReleasedCallback",
        _of_position("released", reason=TEXT),
        "the protection was dropped; the position stays, unguarded",
    ),
    "rearmed": (
        "RearmedCallback",
        _of_position("rearmed", reason=TEXT, size=CONTRACTS, **_exact("stop_loss", known=False)),
        "a position that was taken for closed is held after all, and guarded again",
    ),
}

SIGNAL = record(
    {
        "order_id": EXCHANGE_ID,
        "parent_client_order_id": {
            **TEXT,
            "description": "of the entry order that opened what a STOP_LOSS or TAKE_PROFIT closes",
        },
        "leverage": TEXT,
        "plan": {"description": "`plan` of the order's metadata"},
        "position": named("SignalPosition"),
        "exchange_response": named("ExchangeResponse"),
    },
    kind=named("SignalKind"),
    status=one_of(Status),
    client_order_id=CLIENT_ID,
    symbol=TEXT,
    side=named("OrderSideCode"),
    type=TEXT,
    price={**DECIMAL, "description": "0 where there is none"},
    size={**DECIMAL, "description": "whole contracts"},
    submitted_at=MOMENT,
    context=named("SignalContext"),
    trace_id={**TEXT, "description": "new for each signal"},
    retry_count={**COUNT, "description": "attempts to deliver it so far"},
    payload_version=TEXT,
)

CONTEXT = record(
    {
        "action": {**TEXT, "description": "the exchange's word for why it told"},
        "state": {**TEXT, "description": "the exchange's word for how the order stands"},
        "trigger_price": TEXT,
        "executive_price": {**TEXT, "description": "a price, or `market`"},
        "id": {**TEXT, "description": "of the entry order, or the protection"},
        "attempt": COUNT,
        "cause": {**TEXT, "description": "why it closes, also where it is neither level"},
        "partial": {**FLAG, "description": "a part filled, and the rest was cancelled"},
        "late_fill": FLAG,
        "foreign": {**FLAG, "description": "the order is not the engine's"},
        "reason": TEXT,
        "error": TEXT,
        "metadata": named("Metadata"),
    },
    source=always("bitmart_ws_worker"),
    deal_size=DECIMAL,
    deal_avg_price=DECIMAL,
)

BALANCE_SIGNAL = record(
    {
        "unrealized_pnl": DECIMAL,
        "position_deposit": DECIMAL,
        "bonus": DECIMAL,
        "context": {**ANY_OBJECT, "description": "`from`: push or rest"},
    },
    asset=TEXT,
    available_balance=DECIMAL,
    frozen_balance=DECIMAL,
    equity=DECIMAL,
    timestamp=MOMENT,
    trace_id=TEXT,
    retry_count=COUNT,
    payload_version=TEXT,
)

RAW_EVENT = record(
    received_at=MOMENT,
    origin=always("bitmart-engine"),
    group={**TEXT, "description": "`futures/order` or `futures/position`"},
    channel=TEXT,
    data={**listing({}), "description": "as the exchange sent it"},
)


def _any_of(callbacks: Mapping[str, tuple[str, Schema, str]]) -> Schema:
    names = {status: named(name) for status, (name, _, _) in callbacks.items()}
    return {
        "oneOf": list(names.values()),
        "discriminator": {
            "propertyName": "status",
            "mapping": {status: each["$ref"] for status, each in names.items()},
        },
    }


NOTICES: Mapping[str, Schema] = {
    "OrderOrPositionCallback": {
        **_any_of({**ORDER_CALLBACKS, **POSITION_CALLBACKS}),
        "description": "news of an order, or of the position that it opened",
    },
    "PositionCallback": {**_any_of(POSITION_CALLBACKS), "description": "news of a position"},
    **{
        name: {**schema, "description": what}
        for name, schema, what in [*ORDER_CALLBACKS.values(), *POSITION_CALLBACKS.values()]
    },
    "OrderSignal": {
        **SIGNAL,
        "description": "what became of an order; keys without value are left out",
    },
    "SignalContext": CONTEXT,
    "SignalPosition": record(symbol=TEXT, side=named("SignalSide")),
    "ExchangeResponse": {
        **record({"order": {}, "action": {}, "raw": {}}),
        "description": "what the exchange said",
    },
    "BalanceSignal": {**BALANCE_SIGNAL, "description": "the account's balance, in text"},
    "RawEvent": {**RAW_EVENT, "description": "a frame of the exchange's private stream"},
}
