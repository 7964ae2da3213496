"""Entry orders: place, look at, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import trio
from attrs import frozen
from msgspec import UNSET, UnsetType
from quart import Blueprint, Response

from ..engine import Engine
from ..model.decimals import plain
from ..model.errors import NotFound
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import EntryOrder
from ..model.positions import Protection
from ..trading.requests import PlaceOrder
from .access import AccessRule
from .answers import answer
from .bodies import no_body
from .pieces import Pieces, count, encoded_list, encoded_map
from .positions import HeldOrUnknown, held
from .queries import archive_page, lately_ended
from .tokens import read_sent
from .views import Order, order_view, protection_view
from .wire import (
    Answer,
    Contracts,
    Count,
    DecimalText,
    Duplicate,
    Next,
    about,
    list_of,
    map_of,
)

__all__ = [
    "OneOrder",
    "OrderCancelled",
    "OrderList",
    "OrderPlaced",
    "Overview",
    "endpoints",
    "is_monitored",
    "is_pending",
]

FINISHED_SHOWN = 100
"""How many finished orders, and protections, `GET /api/orders/status` still shows."""


@frozen(kw_only=True, slots=False)
class OrderPlaced(Answer):
    """An entry order that is kept, whatever happens to the engine."""

    message: str
    id: str
    order_id: Annotated[str, about("the same as `id`")]
    status: EntryState
    symbol: str
    size: Contracts
    quantity_base: Annotated[DecimalText, about("the same in the base currency")]
    risk: Annotated[
        DecimalText | UnsetType,
        about("USDT lost at the stop from the farthest edge of the zone, without fees"),
    ] = UNSET
    margin: Annotated[DecimalText | UnsetType, about("USDT bound at the leverage, at most")] = UNSET
    duplicate: Duplicate = UNSET
    rounded: Annotated[
        Mapping[str, DecimalText] | UnsetType,
        about("the prices that were moved onto the tick grid"),
    ] = UNSET


@frozen(kw_only=True, slots=False)
class Overview(Answer):
    """What is under way, and what has ended of late: orders and protections by id."""

    pending_orders: Count
    monitored_positions: Count
    unguarded: list[str]
    held: HeldOrUnknown
    orders: Annotated[Pieces, map_of("Order")]
    positions: Annotated[Pieces, map_of("Position")]


@frozen(kw_only=True, slots=False)
class OrderList(Answer):
    """A page of entry orders, newest first."""

    orders: Annotated[Pieces, list_of("Order")]
    next: Next


@frozen(kw_only=True, slots=False)
class OneOrder(Answer):
    """One entry order."""

    order: Order


@frozen(kw_only=True, slots=False)
class OrderCancelled(Answer):
    """An entry order whose end was asked for."""

    id: str
    status: EntryState
    order: Order


def endpoints(engine: Engine) -> Blueprint:
    """POST /api/place-order, GET /api/orders/status, GET /api/orders, GET and DELETE /api/orders/{id}."""
    routes = Blueprint("orders", __name__)
    rule = AccessRule.of(engine.settings)

    @routes.post("/api/place-order")
    async def place() -> Response:
        asked = await read_sent(PlaceOrder, rule)
        placed = await engine.place_order(asked)
        order = placed.order
        rounded = {name: plain(price) for name, price in placed.rounded.items()}
        what = "known already" if placed.duplicate else "accepted"
        return answer(
            OrderPlaced(
                message=f"order {what}, {order.state.value}",
                id=order.id,
                order_id=order.id,
                status=order.state,
                symbol=order.symbol,
                size=order.request.size,
                quantity_base=plain(order.request.quantity),
                risk=UNSET if order.request.risk is None else plain(order.request.risk),
                margin=UNSET if order.request.margin is None else plain(order.request.margin),
                duplicate=placed.duplicate or UNSET,
                rounded=rounded or UNSET,
            )
        )

    @routes.get("/api/orders/status")
    async def overview() -> Response:
        """What is under way, as it stood at one moment, and what has ended of late."""
        orders, protections = engine.state.orders, engine.state.protections
        pending, guarding, unguarded = orders.alive(), protections.alive(), engine.unguarded()
        holds = await held(engine)
        waiting = await count(pending, is_pending)
        monitored = await count(guarding, is_monitored)
        pending += await lately_ended(orders, pending, FINISHED_SHOWN)
        await trio.lowlevel.checkpoint()
        guarding += await lately_ended(protections, guarding, FINISHED_SHOWN)
        return answer(
            Overview(
                pending_orders=waiting,
                monitored_positions=monitored,
                unguarded=unguarded,
                held=holds,
                orders=await encoded_map(pending, order_view),
                positions=await encoded_map(guarding, protection_view),
            )
        )

    @routes.get("/api/orders")
    async def listed() -> Response:
        found, after = await archive_page(engine.state.orders, EntryState)
        return answer(OrderList(orders=await encoded_list(found, order_view), next=after))

    @routes.get("/api/orders/<id:id>")
    async def one(id: str) -> Response:
        order = engine.state.orders.get(id)
        if order is None:
            raise NotFound(f"no order has the id {id!r}")
        return answer(OneOrder(order=order_view(order)))

    @routes.delete("/api/orders/<id:id>")
    async def cancel(id: str) -> Response:
        await no_body()
        order = await engine.cancel_order(id)
        return answer(OrderCancelled(id=order.id, status=order.state, order=order_view(order)))

    return routes


def is_pending(order: EntryOrder) -> bool:
    """Whether an order is still to be placed: it has not ended, and the exchange is not known to have it."""
    return not (order.state.final or order.exchange_order_id)


def is_monitored(protection: Protection) -> bool:
    """Whether a protection watches a position, or was asked to. One that only waits for its order's fill does not."""
    if protection.state is ProtectionState.PENDING_FILL:
        return protection.request is not None
    return not protection.state.final
