"""The exchange's orders as the application books them, of the engine and of anybody else who trades the account."""

from __future__ import annotations

from typing import Annotated, Any

from attrs import frozen
from msgspec import Raw
from quart import Blueprint, Response

from ..engine import Engine
from ..model.errors import NotFound
from ..model.events import OrderState
from ..model.futures_orders import FuturesOrder as Kept
from ..model.futures_orders import FuturesStatus, name_of
from ..model.sides import OrderSide
from .answers import answer
from .pieces import Pieces, encoded_list
from .queries import archive_page
from .wire import Answer, Next, UnixMs, about, list_of, view_of

__all__ = ["FuturesOrder", "FuturesOrderList", "OneFuturesOrder", "endpoints"]


@frozen(kw_only=True, slots=False)
class FuturesOrder:
    """An order of the account at the exchange, of whomever it is."""

    order_id: str
    client_order_id: str
    symbol: str
    side: int | None
    side_name: str | None
    type: str | None
    status: FuturesStatus
    partial: bool
    state: int | None
    state_name: str | None
    price: str | None
    size: int | None
    filled_size: int | None
    deal_avg_price: str | None
    open_type: str | None
    position_mode: int | None
    leverage: int | None
    updated_time_ms: UnixMs | None
    raw_data: Annotated[Any, about("the newest event of it, as the exchange sent it")]


@frozen(kw_only=True, slots=False)
class FuturesOrderList(Answer):
    """A page of the account's orders, newest first."""

    futures_orders: Annotated[Pieces, list_of("FuturesOrder")]
    next: Next


@frozen(kw_only=True, slots=False)
class OneFuturesOrder(Answer):
    """One of the account's orders."""

    futures_order: FuturesOrder


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/futures-orders, GET /api/futures-orders/{id}."""
    routes = Blueprint("futures_orders", __name__)

    @routes.get("/api/futures-orders")
    async def listed() -> Response:
        kept = engine.state.futures_orders
        found, after = await archive_page(kept, FuturesStatus, named="status")
        shown = await encoded_list(found, futures_order_view)
        return answer(FuturesOrderList(futures_orders=shown, next=after))

    @routes.get("/api/futures-orders/<id:id>")
    async def one(id: str) -> Response:
        order = engine.state.futures_order_of(id)
        if order is None:
            raise NotFound(f"no order of the exchange has the id or client order id {id!r}")
        return answer(OneFuturesOrder(futures_order=futures_order_view(order)))

    return routes


def futures_order_view(order: Kept) -> FuturesOrder:
    """One order: sizes in contracts, prices as the exchange sent them."""
    return view_of(
        FuturesOrder,
        order,
        side_name=name_of(OrderSide, order.side),
        state=order.exchange_state,
        state_name=name_of(OrderState, order.exchange_state),
        raw_data=Raw(order.raw_data.encode()) if order.raw_data else None,
    )
