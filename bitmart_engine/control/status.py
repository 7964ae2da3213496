"""GET /status: the engine at a glance."""

from __future__ import annotations

from quart import Blueprint, Response

from ..engine import BALANCE, Engine
from ..streams.topics import ORDERS, POSITIONS
from ..version import VERSION
from .answers import answer
from .orders import is_monitored, is_pending
from .positions import held
from .views import (
    balance_view,
    connection_view,
    exchange_view,
    findings_view,
    foreign_order_view,
    price_view,
)

__all__ = ["endpoints"]


def endpoints(engine: Engine) -> Blueprint:
    """GET /status."""
    routes = Blueprint("status", __name__)

    @routes.get("/status")
    async def status() -> Response:
        streams, outbox, state = engine.streams(), engine.outbox(), engine.state
        known = engine.positions_known
        return answer(
            is_running=not engine.stopping,
            mode=engine.settings.mode,
            version=VERSION,
            uptime_s=round(engine.uptime_s, 3),
            not_ready=engine.not_ready(),
            missing_credentials=engine.settings.missing_credentials,
            public_ws_connected=streams.public_connected,
            private_ws_connected=streams.private_connected,
            authenticated=streams.authenticated,
            kline_channels=sorted(state.viewed - {ORDERS, POSITIONS, BALANCE}),
            order_subscribed=ORDERS in state.viewed,
            position_subscribed=POSITIONS in state.viewed,
            balance_subscribed=BALANCE in state.viewed,
            balance=balance_view(engine.balance()),
            positions=held(engine),
            foreign_positions=engine.foreign_positions() if known else None,
            foreign_orders=[foreign_order_view(each) for each in engine.foreign_orders()]
            if known
            else None,
            pending_orders=sum(map(is_pending, state.orders.alive())),
            monitored_positions=sum(map(is_monitored, state.protections.alive())),
            unguarded=engine.unguarded(),
            recovery=findings_view(engine.found()),
            journal={"state_dir": engine.settings.state_shown, "trouble": engine.trouble()},
            connections=[connection_view(each) for each in streams.connections],
            refused_channels=streams.refused,
            prices={symbol: price_view(*seen) for symbol, seen in engine.prices().items()},
            stale=engine.stale(),
            exchange=exchange_view(engine.exchange()),
            outbox={
                "owed": outbox.owed,
                "in_flight": outbox.in_flight,
                "delivered": outbox.delivered,
                "dead": len(state.dead),
            },
            dropped=engine.dropped(),
        )

    return routes
