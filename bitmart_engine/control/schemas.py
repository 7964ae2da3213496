"""The bodies and answers of the control API as JSON Schema: bodies from the classes that read them, answers by hand."""

from __future__ import annotations

from collections.abc import Mapping

from ..feed import Happening
from ..model.events import OrderState
from ..model.futures_orders import FuturesStatus
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import OrderType
from ..model.positions import CloseReason
from ..model.sides import OrderSide, PositionSide
from ..model.timeframes import Timeframe
from ..trading.requests import MonitorPosition, PlaceOrder
from .positions import Levels
from .shapes import (
    ANY_OBJECT,
    COUNT,
    DECIMAL,
    FLAG,
    MS,
    SECONDS,
    TEXT,
    Schema,
    answer_of,
    body_of,
    by_name,
    listing,
    maybe,
    name_of,
    named,
    one_of,
    record,
)
from .subscriptions import KlineView

__all__ = ["BODIES", "COMPONENTS"]

BODIES: Mapping[str, Schema] = {
    each.__name__: body_of(each) for each in (PlaceOrder, MonitorPosition, Levels, KlineView)
}

HISTORY = listing(record(state=TEXT, at_ms=MS, reason=TEXT))

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
    size=COUNT,
    quantity=DECIMAL,
    filled_size=COUNT,
    price=maybe(DECIMAL),
    average_price=maybe(DECIMAL),
    stop_loss=maybe(DECIMAL),
    take_profit=maybe(DECIMAL),
    leverage=maybe(DECIMAL),
    type=one_of(OrderType),
    post_only=FLAG,
    open_type={"enum": ["isolated", "cross"]},
    exchange_protection=FLAG,
    timeout_seconds=DECIMAL,
    resting_timeout_seconds=maybe(DECIMAL),
    enter_anyway=FLAG,
    client_order_id=maybe(TEXT),
    exchange_order_id=maybe(TEXT),
    submit_only=FLAG,
    cancel_asked=FLAG,
    callback_url=maybe(TEXT),
    metadata=ANY_OBJECT,
    accepted_ms=MS,
    deadline_ms=MS,
    submitted_ms=maybe(MS),
)

CLOSE = record(
    attempt=COUNT,
    client_order_id=TEXT,
    exchange_order_id=maybe(TEXT),
    size=COUNT,
    filled_size=COUNT,
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
    size=maybe(COUNT),
    covered=COUNT,
    closed=COUNT,
    remaining=COUNT,
    closing_for=maybe(one_of(CloseReason)),
    close=maybe(CLOSE),
    close_price=maybe(DECIMAL),
    callback_url=maybe(TEXT),
    metadata=ANY_OBJECT,
    created_ms=MS,
)

HELD = record(
    symbol=TEXT,
    side=one_of(PositionSide),
    size=COUNT,
    covered=COUNT,
    entry_price=maybe(DECIMAL),
    liquidation_price=maybe(DECIMAL),
    update_time_ms=maybe(MS),
)

NOTIFICATION = record(
    {"body": {}},
    id=TEXT,
    state={"enum": ["owed", "dead"]},
    lane=TEXT,
    kind=TEXT,
    url=TEXT,
    created_ms=MS,
    at_ms=maybe(MS),
    why=maybe(TEXT),
    attempts=maybe(COUNT),
    next_attempt_ms=maybe(MS),
)

CALLBACK = record(
    id=TEXT,
    state={"enum": ["owed", "delivered", "dead"]},
    lane=TEXT,
    kind=TEXT,
    url=TEXT,
    created_ms=MS,
    at_ms=maybe(MS),
    why=maybe(TEXT),
    attempts=maybe(COUNT),
    next_attempt_ms=maybe(MS),
    answer=maybe(TEXT),
    body={},
)

FINDINGS = record(
    at_ms=MS,
    adopted=COUNT,
    filled_while_away=COUNT,
    closed_while_away=COUNT,
    unknown=listing(TEXT),
    foreign_orders=COUNT,
    foreign_positions=by_name({"type": "integer"}),
)

BALANCE = record(
    currency=TEXT,
    available=DECIMAL,
    frozen=maybe(DECIMAL),
    position_deposit=maybe(DECIMAL),
    source=TEXT,
    at_ms=MS,
)

STATUS = answer_of(
    {"balance_subscribed": FLAG, "balance": maybe(BALANCE)},
    is_running=FLAG,
    mode={"enum": ["live", "demo", "paper"]},
    version=TEXT,
    uptime_s={"type": "number"},
    not_ready=listing(TEXT),
    missing_credentials=listing(TEXT),
    public_ws_connected=FLAG,
    private_ws_connected=FLAG,
    authenticated=FLAG,
    kline_channels=listing(TEXT),
    order_subscribed=FLAG,
    position_subscribed=FLAG,
    positions=maybe(listing(named("Held"))),
    foreign_positions=maybe(by_name({"type": "integer"})),
    foreign_orders=maybe(
        listing(
            record(
                order_id=TEXT,
                symbol=TEXT,
                side=maybe(name_of(OrderSide)),
                type=maybe(TEXT),
                price=maybe(DECIMAL),
                size=maybe(COUNT),
                filled_size=COUNT,
            )
        )
    ),
    pending_orders=COUNT,
    monitored_positions=COUNT,
    unguarded=listing(TEXT),
    recovery=maybe(FINDINGS),
    journal=record(state_dir=TEXT, trouble=maybe(TEXT)),
    connections=listing(
        record(
            name=TEXT,
            state=TEXT,
            since=MS,
            reconnects=COUNT,
            last_error=maybe(TEXT),
            channels=COUNT,
            last_message_age_s=maybe(SECONDS),
        )
    ),
    refused_channels=by_name(TEXT),
    prices=by_name(record(last=DECIMAL, age_s=SECONDS, stale=FLAG)),
    stale=listing(TEXT),
    exchange=record(
        clock_offset_ms=maybe({"type": "number"}),
        clock_skewed=FLAG,
        endpoints=by_name(
            record(used=COUNT, limit=COUNT, window_s=SECONDS, waiting=COUNT, paused_for_s=SECONDS)
        ),
    ),
    outbox=record(owed=COUNT, in_flight=COUNT, delivered=COUNT, dead=COUNT),
    dropped=by_name(COUNT),
)

AT_FAULT: Schema = {"type": "string", "description": "the path, or parameter, that is at fault"}
ERROR = record({"field": AT_FAULT}, ok={"const": False}, error=TEXT)
CRASH = record(ok={"const": False}, error=TEXT, error_id={**TEXT, "description": "as in the log"})
NOT_READY = record(ok={"const": False}, error=TEXT, ready={"const": False}, missing=listing(TEXT))

HELP = answer_of(
    endpoints=by_name(TEXT),
    supported_timeframes=listing(one_of(Timeframe)),
    example_requests=listing(
        record({"body": ANY_OBJECT}, what=TEXT, method=TEXT, path=TEXT, curl=TEXT)
    ),
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

ORDER_UPDATE = record(
    order_id=TEXT,
    symbol=TEXT,
    state=name_of(OrderState),
    client_order_id=TEXT,
    side=maybe(name_of(OrderSide)),
    type=maybe(TEXT),
    action=maybe({"type": "integer"}),
    price=maybe(DECIMAL),
    size=maybe(COUNT),
    deal_size=COUNT,
    deal_size_known=FLAG,
    deal_avg_price=maybe(DECIMAL),
    leverage=maybe(TEXT),
    open_type=maybe(TEXT),
    position_mode=maybe(TEXT),
    create_time_ms=maybe(MS),
    update_time_ms=maybe(MS),
    last_fill=maybe(record(trade_id={"type": "integer"}, price=DECIMAL, size=COUNT)),
    plan_order_id={**TEXT, "description": "of the stop or target that it was made of"},
    trigger_price=maybe(DECIMAL),
)

POSITION_UPDATE = record(
    symbol=TEXT,
    side=one_of(PositionSide),
    size=COUNT,
    entry_price=maybe(DECIMAL),
    liquidation_price=maybe(DECIMAL),
    update_time_ms=maybe(MS),
    open_time_ms=maybe(MS),
)

BALANCE_UPDATE = record(
    currency=TEXT, available=DECIMAL, frozen=maybe(DECIMAL), position_deposit=maybe(DECIMAL)
)

WITHDRAWN = record(id=TEXT, state={"const": "withdrawn"})
"""An entry order, or a protection, that could not be kept safe: there is no such thing after all."""

SHOWN_BY_TYPE: Mapping[Happening, tuple[str, ...]] = {
    Happening.KLINE: ("Kline",),
    Happening.ORDER: ("OrderUpdate",),
    Happening.POSITION: ("PositionUpdate",),
    Happening.BALANCE: ("BalanceUpdate",),
    Happening.ENTRY: ("Order", "Withdrawn"),
    Happening.PROTECTION: ("Position", "Withdrawn"),
}


def _event(type: Happening) -> Schema:
    shown = [named(each) for each in SHOWN_BY_TYPE[type]]
    return record(
        id=COUNT,
        type={"const": type.value},
        at_ms=MS,
        symbol={"type": "null"} if type is Happening.BALANCE else TEXT,
        data=shown[0] if len(shown) == 1 else {"anyOf": shown},
    )


EVENT: Schema = {
    "description": "what one message of the event stream says; lagged: so many were dropped here"
    " (null: nobody can know how many)",
    "oneOf": [
        *(_event(each) for each in Happening),
        record(type={"const": "lagged"}, missed=maybe(COUNT)),
    ],
}

COMPONENTS: Mapping[str, Schema] = {
    **BODIES,
    "Error": ERROR,
    "Crash": CRASH,
    "NotReady": NOT_READY,
    "Order": ORDER,
    "Position": PROTECTION,
    "Held": HELD,
    "Notification": NOTIFICATION,
    "Callback": CALLBACK,
    "Status": STATUS,
    "Help": HELP,
    "FuturesOrder": FUTURES_ORDER,
    "Kline": KLINE,
    "OrderUpdate": ORDER_UPDATE,
    "PositionUpdate": POSITION_UPDATE,
    "BalanceUpdate": BALANCE_UPDATE,
    "Withdrawn": WITHDRAWN,
    "Event": EVENT,
}
