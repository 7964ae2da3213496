"""Asking the exchange for everything that concerns us, as one snapshot. All queries succeed, or there is none."""

from __future__ import annotations

from ..exchange.errors import Meaning, OutcomeUnknown, Refused
from ..model.events import OrderUpdate
from ..model.orders import EntryOrder
from .desk import Desk
from .reconcile import Snapshot, live_orders

__all__ = ["take_snapshot"]


async def take_snapshot(desk: Desk) -> Snapshot:
    """Read our orders, then what is held: a fill that is in the orders is in the positions too.

    Raises ExchangeError if any query fails.
    """
    ours = live_orders(desk.state)
    working = await _working(desk, {order.symbol for order in ours})
    by_client_id = {update.client_order_id: update for update in working}
    orders: dict[str, OrderUpdate] = {}
    absent: set[str] = set()
    for order in ours:
        update = by_client_id.get(order.client_order_id) or await _ended(desk, order)
        if update is not None:
            orders[order.client_order_id] = update
        else:
            absent.add(order.client_order_id)
    positions = await desk.exchange.positions()
    state = desk.state
    return Snapshot(
        at_ms=desk.now_ms(),
        orders=orders,
        absent=frozenset(absent),
        foreign=tuple(
            update
            for update in working
            if state.entry_of(update.client_order_id) is None
            and state.closing_of(update.client_order_id) is None
        ),
        positions={(update.symbol, update.side): update for update in positions},
    )


async def _working(desk: Desk, symbols: set[str]) -> list[OrderUpdate]:
    """All working orders; only those of our symbols where the account has more than one answer holds."""
    try:
        return await desk.exchange.open_orders()
    except OutcomeUnknown:
        return [
            each for symbol in sorted(symbols) for each in await desk.exchange.open_orders(symbol)
        ]


async def _ended(desk: Desk, order: EntryOrder) -> OrderUpdate | None:
    """One of our orders that is not working (any more), by its id at the exchange or by ours."""
    if order.exchange_order_id:
        try:
            return await desk.exchange.order(order.symbol, order.exchange_order_id)
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
    return await desk.exchange.find_order(order.symbol, order.client_order_id)
