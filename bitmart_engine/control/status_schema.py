"""GET /status as JSON Schema: the engine at a glance, and what it consists of."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.sides import OrderSide
from .enums import name_of
from .shapes import (
    CONTRACTS,
    COUNT,
    DECIMAL,
    FLAG,
    MS,
    SECONDS,
    TEXT,
    Schema,
    answer_of,
    by_name,
    listing,
    maybe,
    named,
    record,
)

__all__ = ["OF_STATUS"]

FINDINGS = record(
    at_ms=MS,
    adopted=COUNT,
    filled_while_away=COUNT,
    closed_while_away=COUNT,
    unknown=listing(TEXT),
    foreign_orders=COUNT,
    foreign_positions=named("ForeignPositions"),
)

BALANCE = record(
    currency=TEXT,
    available=DECIMAL,
    frozen=maybe(DECIMAL),
    position_deposit=maybe(DECIMAL),
    source=TEXT,
    at_ms=MS,
)

FOREIGN_ORDER = record(
    order_id=TEXT,
    symbol=TEXT,
    side=maybe(name_of(OrderSide)),
    type=maybe(TEXT),
    price=maybe(DECIMAL),
    size=maybe(CONTRACTS),
    filled_size=CONTRACTS,
)

CONNECTION = record(
    name=TEXT,
    state=TEXT,
    since=MS,
    reconnects=COUNT,
    last_error=maybe(TEXT),
    channels=COUNT,
    last_message_age_s=maybe(SECONDS),
)

STATUS = answer_of(
    {"balance_subscribed": FLAG, "balance": maybe(named("Balance"))},
    is_running=FLAG,
    mode=named("Mode"),
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
    foreign_positions=maybe(named("ForeignPositions")),
    foreign_orders=maybe(listing(named("ForeignOrder"))),
    pending_orders=COUNT,
    monitored_positions=COUNT,
    unguarded=listing(TEXT),
    recovery=maybe(named("Findings")),
    journal=named("JournalStatus"),
    connections=listing(named("Connection")),
    refused_channels=by_name(TEXT),
    prices=by_name(named("Price")),
    stale=listing(TEXT),
    exchange=named("ExchangeStatus"),
    outbox=named("OutboxCounts"),
    dropped=by_name(COUNT),
)

OF_STATUS: Mapping[str, Schema] = {
    "Status": STATUS,
    "Findings": FINDINGS,
    "Balance": BALANCE,
    "ForeignOrder": FOREIGN_ORDER,
    "ForeignPositions": {
        **by_name({"type": "integer"}),
        "description": "contracts that are nobody's here, by symbol",
    },
    "JournalStatus": record(state_dir=TEXT, trouble=maybe(TEXT)),
    "Connection": CONNECTION,
    "Price": record(last=DECIMAL, age_s=SECONDS, stale=FLAG),
    "ExchangeStatus": record(
        clock_offset_ms=maybe({"type": "number"}),
        clock_skewed=FLAG,
        endpoints=by_name(named("RequestBudget")),
    ),
    "RequestBudget": record(
        used=COUNT, limit=COUNT, window_s=SECONDS, waiting=COUNT, paused_for_s=SECONDS
    ),
    "OutboxCounts": record(owed=COUNT, in_flight=COUNT, delivered=COUNT, dead=COUNT),
}
