"""What the control API shows, as JSON Schema: orders, positions, klines, errors; and every schema by its name.

All that is an object, or a set of words, has a name of its own, so that generated code has one too.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..model.futures_orders import FuturesStatus
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import OrderType
from ..model.positions import CloseReason
from ..model.sides import PositionSide
from ..model.timeframes import Timeframe
from .callbacks import CallbackState
from .enums import ENUMS, one_of
from .event_schema import OF_EVENTS
from .notices import NOTICES
from .outbox import OutboxState
from .replies import REPLIES
from .requested import BODIES
from .shapes import (
    ANY_OBJECT,
    CONTRACTS,
    COUNT,
    DECIMAL,
    FLAG,
    MS,
    TEXT,
    Schema,
    listing,
    maybe,
    named,
    record,
)
from .status_schema import OF_STATUS

__all__ = ["COMPONENTS"]

HISTORY = listing(named("Moment"))

ORDER = record(
    {"history": HISTORY},
    id=TEXT,
    symbol=TEXT,
    side=one_of(PositionSide),
    state=one_of(EntryState),
    reason=TEXT,
    entry_zone_min=DECIMAL,
    entry_zone_max=DECIMAL,
    entry_zone_tolerance_percent=DECIMAL,
    size=CONTRACTS,
    quantity={**DECIMAL, "description": "the same in the base currency"},
    filled_size=CONTRACTS,
    price=maybe(DECIMAL),
    average_price=maybe(DECIMAL),
    stop_loss=maybe(DECIMAL),
    take_profit=maybe(DECIMAL),
    leverage=maybe(DECIMAL),
    type=one_of(OrderType),
    post_only=FLAG,
    open_type=named("OpenType"),
    exchange_protection=FLAG,
    timeout_seconds=DECIMAL,
    resting_timeout_seconds=maybe(DECIMAL),
    enter_anyway=FLAG,
    client_order_id=maybe(TEXT),
    exchange_order_id=maybe(TEXT),
    submit_only=FLAG,
    cancel_asked=FLAG,
    callback_url=maybe(TEXT),
    metadata=named("Metadata"),
    accepted_ms=MS,
    deadline_ms=MS,
    submitted_ms=maybe(MS),
)

CLOSE = record(
    attempt=COUNT,
    client_order_id=TEXT,
    exchange_order_id=maybe(TEXT),
    size=CONTRACTS,
    filled_size=CONTRACTS,
    average_price=maybe(DECIMAL),
    intended_ms=MS,
    final=FLAG,
)

PROTECTION = record(
    {"history": HISTORY},
    id=TEXT,
    symbol=TEXT,
    side=one_of(PositionSide),
    state=one_of(ProtectionState),
    reason=TEXT,
    stop_loss=maybe(DECIMAL),
    take_profit=maybe(DECIMAL),
    exchange_stop_loss=maybe(DECIMAL),
    exchange_take_profit=maybe(DECIMAL),
    order_id=maybe(TEXT),
    size=maybe(CONTRACTS),
    covered=CONTRACTS,
    closed=CONTRACTS,
    remaining=CONTRACTS,
    closing_for=maybe(one_of(CloseReason)),
    close=maybe(named("Close")),
    close_price=maybe(DECIMAL),
    callback_url=maybe(TEXT),
    metadata=named("Metadata"),
    created_ms=MS,
)

HELD = record(
    symbol=TEXT,
    side=one_of(PositionSide),
    size=CONTRACTS,
    covered=CONTRACTS,
    entry_price=maybe(DECIMAL),
    liquidation_price=maybe(DECIMAL),
    update_time_ms=maybe(MS),
)

CALLBACK = record(
    id={**TEXT, "description": "the `Idempotency-Key` that it is sent with"},
    state=one_of(CallbackState),
    lane=TEXT,
    kind=TEXT,
    url=TEXT,
    created_ms=MS,
    at_ms=maybe(MS),
    why=maybe(TEXT),
    attempts=maybe(COUNT),
    next_attempt_ms=maybe(MS),
    answer={**maybe(TEXT), "description": "what the receiver said"},
    body={"description": "what is sent"},
)

NOTIFICATION = record(
    {"body": {"description": "what is sent, shown where one notification is asked for"}},
    id={**TEXT, "description": "the `Idempotency-Key` that it is sent with"},
    state=one_of(OutboxState),
    lane=TEXT,
    kind=TEXT,
    url=TEXT,
    created_ms=MS,
    at_ms=maybe(MS),
    why=maybe(TEXT),
    attempts=maybe(COUNT),
    next_attempt_ms=maybe(MS),
)

FUTURES_ORDER = record(
    order_id=TEXT,
    client_order_id=TEXT,
    symbol=TEXT,
    side=maybe({"type": "integer"}),
    side_name=maybe(TEXT),
    type=maybe(TEXT),
    status=one_of(FuturesStatus),
    partial=FLAG,
    state=maybe({"type": "integer"}),
    state_name=maybe(TEXT),
    price=maybe(TEXT),
    size=maybe({"type": "integer"}),
    filled_size=maybe({"type": "integer"}),
    deal_avg_price=maybe(TEXT),
    open_type=maybe(TEXT),
    position_mode=maybe({"type": "integer"}),
    leverage=maybe({"type": "integer"}),
    updated_time_ms=maybe(MS),
    raw_data={"description": "the newest event of it, as the exchange sent it"},
)

KLINE = record(
    symbol=TEXT,
    timeframe=one_of(Timeframe),
    open_time_s=COUNT,
    open=DECIMAL,
    high=DECIMAL,
    low=DECIMAL,
    close=DECIMAL,
    volume=DECIMAL,
    closed=FLAG,
    backfilled=FLAG,
)

SHOWN: Mapping[str, tuple[Schema, str]] = {
    "Order": (ORDER, "an entry order"),
    "Position": (PROTECTION, "the stop-loss and take-profit that are kept over a position"),
    "Moment": (record(state=TEXT, at_ms=MS, reason=TEXT), "a state that was entered, and why"),
    "Close": (CLOSE, "the last closing order of the engine"),
    "Held": (HELD, "a position as the exchange holds it, of whomever it is"),
    "Notification": (NOTIFICATION, "a callback or a signal that is owed, or was given up"),
    "Callback": (CALLBACK, "a callback or a signal that was sent, or is owed, and its answer"),
    "FuturesOrder": (FUTURES_ORDER, "an order of the account at the exchange, of whomever it is"),
    "Kline": (KLINE, "one bar"),
    "Metadata": (ANY_OBJECT, "of the application; it comes back with everything that is told"),
}

COMPONENTS: Mapping[str, Schema] = {
    **BODIES,
    **REPLIES,
    **{name: {**schema, "description": text} for name, (schema, text) in SHOWN.items()},
    **OF_STATUS,
    **OF_EVENTS,
    **NOTICES,
    **ENUMS,
}
"""Every schema of the document, by its name."""
