"""Entry orders: place, look at, cancel."""

from __future__ import annotations

from quart import Blueprint, Response

from ..engine import Engine
from ..model.errors import NotFound
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import EntryOrder
from ..model.positions import Protection
from ..trading.requests import PlaceOrder
from .access import AccessRule
from .answers import answer
from .bodies import no_body
from .positions import held
from .queries import lately_ended, shelf_page
from .tokens import read_sent
from .views import order_view, protection_view, text

__all__ = ["endpoints", "is_monitored", "is_pending"]

FINISHED_SHOWN = 100
"""How many finished orders, and positions, `GET /api/orders/status` still shows."""


def endpoints(engine: Engine) -> Blueprint:
    """POST /api/place-order, GET /api/orders/status, GET /api/orders, GET and DELETE /api/orders/{id}."""
    routes = Blueprint("orders", __name__)
    rule = AccessRule.of(engine.settings)

    @routes.post("/api/place-order")
    async def place() -> Response:
        asked = await read_sent(PlaceOrder, rule)
        placed = await engine.place_order(asked)
        order = placed.order
        more: dict[str, object] = {}
        if placed.duplicate:
            more["duplicate"] = True
        if placed.rounded:
            more["rounded"] = {name: text(price) for name, price in placed.rounded.items()}
        what = "known already" if placed.duplicate else "accepted"
        return answer(
            message=f"order {what}, {order.state.value}",
            id=order.id,
            order_id=order.id,
            status=order.state.value,
            symbol=order.symbol,
            size=order.request.size,
            quantity_base=text(order.request.quantity),
            **more,
        )

    @routes.get("/api/orders/status")
    async def overview() -> Response:
        """What is under way, and what has ended of late."""
        orders, protections = engine.state.orders, engine.state.protections
        pending, guarding = orders.alive(), protections.alive()
        ended_orders = lately_ended(orders, FINISHED_SHOWN)
        ended = lately_ended(protections, FINISHED_SHOWN)
        return answer(
            pending_orders=sum(map(is_pending, pending)),
            monitored_positions=sum(map(is_monitored, guarding)),
            unguarded=engine.unguarded(),
            held=held(engine),
            orders={each.id: order_view(each) for each in [*pending, *ended_orders]},
            positions={each.id: protection_view(each) for each in [*guarding, *ended]},
        )

    @routes.get("/api/orders")
    async def listed() -> Response:
        found, after = await shelf_page(engine.state.orders, EntryState)
        return answer(orders=[order_view(each) for each in found], next=after)

    @routes.get("/api/orders/<id:id>")
    async def one(id: str) -> Response:
        order = engine.state.orders.get(id)
        if order is None:
            raise NotFound(f"no order has the id {id!r}")
        return answer(order=order_view(order))

    @routes.delete("/api/orders/<id:id>")
    async def cancel(id: str) -> Response:
        await no_body()
        order = await engine.cancel_order(id)
        return answer(id=order.id, status=order.state.value, order=order_view(order))

    return routes


def is_pending(order: EntryOrder) -> bool:
    """Whether an order is still to be placed: it has not ended, and the exchange is not known to have it."""
    return not (order.state.final or order.exchange_order_id)


def is_monitored(protection: Protection) -> bool:
    """Whether a protection watches a position, or was asked to. One that only waits for its order's fill does not."""
    if protection.state is ProtectionState.PENDING_FILL:
        return protection.request is not None
    return not protection.state.final
