"""Examples of the document: bodies as `GET /help` has them, answers as the views make them, and notifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import EntryOrder, EntryRequest, Moment
from ..model.positions import Protection
from ..model.sides import PositionSide
from .guide import EXAMPLES
from .health import Alive, Readiness
from .orders import OneOrder, OrderList, OrderPlaced, Overview
from .pieces import Pieces, body_of, encoded
from .positions import OnePosition, PositionChanged, PositionList, PositionMonitored
from .subscriptions import KlinesSubscribed, Subscribed
from .views import order_view, protection_view
from .wire import Answer

__all__ = ["ANSWER_SAMPLES", "BODY_SAMPLES", "CALLBACK_SAMPLES", "WEBHOOK_SAMPLES"]

BODY_SAMPLES: Mapping[str, object] = {
    f"{each.method} {each.path.replace('position-123', '{id}')}": each.body
    for each in EXAMPLES
    if each.body is not None
}
"""By operation."""

AT_MS = 1_785_726_000_000
ID = "order-123"

ORDER = order_view(
    EntryOrder(
        request=EntryRequest(
            id=ID,
            symbol="BTCUSDT",
            side=PositionSide.LONG,
            zone_min=Decimal(65000),
            zone_max=Decimal(65500),
            size=10,
            quantity=Decimal("0.01"),
            leverage=Decimal(10),
            stop_loss=Decimal(64000),
            take_profit=Decimal(68000),
            timeout_seconds=Decimal(300),
        ),
        accepted_ms=AT_MS,
        deadline_ms=AT_MS + 300_000,
        history=(Moment("waiting", AT_MS, "accepted"),),
    )
)
POSITION = protection_view(
    Protection(
        id=ID,
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        created_ms=AT_MS,
        stop_loss=Decimal(64000),
        take_profit=Decimal(68000),
        exchange_stop_loss=Decimal(64000),
        exchange_take_profit=Decimal(68000),
        entry_id=ID,
        state=ProtectionState.ARMED,
        covered=10,
        history=(Moment("pending_fill", AT_MS), Moment("armed", AT_MS + 9000, "first fill")),
    )
)

ALL: Sequence[Answer] = (
    KlinesSubscribed(
        message="subscribed to futures/klineBin1m:BTCUSDT",
        channels=["futures/klineBin1m:BTCUSDT"],
    ),
    Subscribed(message="subscribed to futures/order", channels=["futures/order"]),
    OrderPlaced(
        message="order accepted, waiting",
        id=ID,
        order_id=ID,
        status=EntryState.WAITING,
        symbol="BTCUSDT",
        size=10,
        quantity_base="0.01",
    ),
    OneOrder(order=ORDER),
    OrderList(orders=Pieces([encoded([ORDER])]), next=None),
    OnePosition(position=POSITION),
    PositionList(positions=Pieces([encoded([POSITION])]), held=None, next=None),
    PositionMonitored(
        id=ID,
        status=ProtectionState.ARMED,
        message="position accepted, armed",
        position_id=ID,
        position=POSITION,
    ),
    PositionChanged(id=ID, status=ProtectionState.ARMED, position=POSITION),
    Overview(
        pending_orders=1,
        monitored_positions=0,
        unguarded=[],
        held=[],
        orders=Pieces([encoded({ID: ORDER})]),
        positions=Pieces([b"{}"]),
    ),
    Alive(),
    Readiness(),
)
ANSWER_SAMPLES: Mapping[str, object] = {
    type(each).__name__: msgspec.json.decode(b"".join(body_of(each))) for each in ALL
}
"""By the name of the answer."""

OF_ORDER = {"order_id": ID, "symbol": "BTCUSDT", "side": "long", "metadata": {}, "at_ms": AT_MS}
OF_POSITION = {**OF_ORDER, "position_id": ID}
FILL = {
    "exchange_order_id": "3000236533",
    "filled_size": 10,
    "average_price": 65010.1,
    "average_price_text": "65010.1",
}


def _told(status: str, about: Mapping[str, object], **facts: object) -> Mapping[str, object]:
    return {"status": status, "event": status, **about, **facts}


CALLBACK_SAMPLES: Mapping[str, Mapping[str, object]] = {
    each["status"]: each  # type: ignore[misc]
    for each in (
        _told(
            "placed",
            OF_ORDER,
            exchange_order_id="3000236533",
            client_order_id="8f2c01d97ab34e65",
            entry_price=65010.1,
            entry_price_text="65010.1",
            quantity=0.01,
            quantity_text="0.01",
            size=10,
        ),
        _told("partially_filled", OF_ORDER, **{**FILL, "filled_size": 4}),
        _told("filled", OF_ORDER, **FILL),
        _told("cancelled", OF_ORDER, filled_size=0),
        _told("timeout", OF_ORDER, reason="timeout"),
        _told("failed", OF_ORDER, reason="rejected", error="40027: balance not enough"),
        _told(
            "closed",
            OF_POSITION,
            reason="stop_loss",
            closed_by="engine",
            close_order_id="3000236598",
            close_price=63999.9,
            close_price_text="63999.9",
            size=10,
        ),
        _told(
            "close_failed", OF_POSITION, reason="stop_loss", error="the exchange does not answer"
        ),
        _told("released", OF_POSITION, reason="dropped by the user"),
        _told(
            "rearmed",
            OF_POSITION,
            reason="still_held",
            size=10,
            stop_loss=64000,
            stop_loss_text="64000",
        ),
    )
}
"""By `status`."""

MOMENT = "2026-08-03T03:00:00.000+00:00"
TRACE = "0b6f6a6e2c1d4d8e9f30516273849506"
FRAME = {
    "action": 2,
    "order": {"order_id": "3000236533", "client_order_id": "8f2c01d97ab34e65", "state": 2},
}
WEBHOOK_SAMPLES: Mapping[str, Mapping[str, object]] = {
    "orderSignal": {
        "submitted": {
            "kind": "ENTRY",
            "status": "SUBMITTED",
            "order_id": "3000236533",
            "client_order_id": "8f2c01d97ab34e65",
            "symbol": "BTCUSDT",
            "side": "1",
            "type": "limit",
            "price": "65010.1",
            "size": "10",
            "leverage": "10",
            "submitted_at": MOMENT,
            "position": {"symbol": "BTCUSDT", "side": "LONG"},
            "context": {
                "source": "bitmart_ws_worker",
                "action": "SUBMIT_ORDER",
                "state": "CHECK",
                "deal_size": "0",
                "deal_avg_price": "0",
            },
            "trace_id": TRACE,
            "retry_count": 0,
            "payload_version": "1.0",
        }
    },
    "balanceSignal": {
        "changed": {
            "asset": "USDT",
            "available_balance": "934.99",
            "frozen_balance": "65.01",
            "equity": "1000",
            "position_deposit": "0",
            "timestamp": MOMENT,
            "trace_id": TRACE,
            "retry_count": 0,
            "payload_version": "1.0",
        }
    },
    "rawEvent": {
        "order": {
            "received_at": MOMENT,
            "origin": "bitmart-engine",
            "group": "futures/order",
            "channel": "futures/order",
            "data": [FRAME],
        }
    },
}
"""By the name of the webhook, then of the example."""
