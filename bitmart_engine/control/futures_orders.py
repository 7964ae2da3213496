"""The exchange's orders as the application books them, of the engine and of anybody else who trades the account."""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response

from ..engine import Engine
from ..model.errors import NotFound
from ..model.events import OrderState
from ..model.futures_orders import FuturesOrder, FuturesStatus, name_of
from ..model.sides import OrderSide
from .answers import answer
from .queries import shelf_page
from .views import View

__all__ = ["endpoints"]


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/futures-orders, GET /api/futures-orders/{id}."""
    routes = Blueprint("futures_orders", __name__)

    @routes.get("/api/futures-orders")
    async def listed() -> Response:
        found, after = await shelf_page(engine.state.futures_orders, FuturesStatus, named="status")
        return answer(futures_orders=[futures_order_view(each) for each in found], next=after)

    @routes.get("/api/futures-orders/<id:id>")
    async def one(id: str) -> Response:
        order = engine.state.futures_order_of(id)
        if order is None:
            raise NotFound(f"no order of the exchange has the id or client order id {id!r}")
        return answer(futures_order=futures_order_view(order))

    return routes


def futures_order_view(order: FuturesOrder) -> View:
    """One order: sizes in contracts, prices as the exchange sent them, `raw_data` its newest event."""
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side,
        "side_name": name_of(OrderSide, order.side),
        "type": order.type,
        "status": order.status.value,
        "partial": order.partial,
        "state": order.exchange_state,
        "state_name": name_of(OrderState, order.exchange_state),
        "price": order.price,
        "size": order.size,
        "filled_size": order.filled_size,
        "deal_avg_price": order.deal_avg_price,
        "open_type": order.open_type,
        "position_mode": order.position_mode,
        "leverage": order.leverage,
        "updated_time_ms": order.updated_time_ms,
        "raw_data": msgspec.Raw(order.raw_data.encode()) if order.raw_data else None,
    }
