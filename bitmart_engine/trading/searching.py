"""After a start: are orders that wait in the journal at the exchange already?

A journal may be older than reality, a restored copy say. So every client order id that a waiting order may have gone
out under is looked for before anything is sent: among the working orders, in the history of its symbol and in the
trades, in one request each. Until that has succeeded, no waiting order is sent, and none expires.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from ..exchange.errors import CutShort
from ..model.events import OrderUpdate
from ..model.lifecycle import EntryState
from ..model.orders import EntryOrder
from .desk import Desk
from .identity import entry_client_order_id, is_ours

__all__ = ["ATTEMPTS", "find_waiting"]

log = structlog.get_logger()

ATTEMPTS = 8
"""How many client order ids an order may have gone out under before it ends: 3 crossings, 5 taken."""
HISTORIES = 30
"""Symbols of which the history is read; of more, only working orders and trades, so that a start takes seconds."""
BEFORE_S = 60
"""How long before the oldest waiting order was accepted trades are read from: clocks differ."""


async def find_waiting(desk: Desk) -> list[tuple[EntryOrder, OrderUpdate]]:
    """The waiting orders that the exchange has, each with what it has of them. Raises ExchangeError."""
    waiting = [each for each in desk.state.orders.alive() if each.state is EntryState.WAITING]
    if not waiting:
        return []
    wanted = {id: order for order in waiting for id in _ids(order)}
    since_s = min(order.accepted_ms for order in waiting) // 1000 - BEFORE_S
    symbols = sorted({order.symbol for order in waiting})
    found = await _working(desk, symbols)
    if len(symbols) <= HISTORIES:
        for symbol in symbols:
            found += await desk.exchange.order_history(symbol)
    known = {each.order_id for each in found}
    for symbol, order_id in await _traded(desk, symbols, since_s):
        if order_id not in known and desk.state.futures_order_of(order_id) is None:
            known.add(order_id)
            found.append(await desk.exchange.order(symbol, order_id))
    best: dict[str, OrderUpdate] = {}
    for update in found:
        order = wanted.get(update.client_order_id)
        if order is not None and is_ours(order, update):
            now = best.get(order.id)
            if now is None or _rank(order, update) > _rank(order, now):
                best[order.id] = update
    return [(order, best[order.id]) for order in waiting if order.id in best]


def _ids(order: EntryOrder) -> Iterable[str]:
    """Every client order id that it has gone out under, or may have."""
    derived = [
        entry_client_order_id(order.id, attempt, order.engine_id)
        for attempt in range(1, ATTEMPTS + 1)
    ]
    return dict.fromkeys([*filter(None, [order.client_order_id]), *derived])


def _rank(order: EntryOrder, update: OrderUpdate) -> tuple[bool, bool, int]:
    """What filled comes before what works, and that before what ended; of these the latest attempt."""
    attempt = list(_ids(order)).index(update.client_order_id)
    return update.deal_size > 0, not update.final, attempt


async def _working(desk: Desk, symbols: list[str]) -> list[OrderUpdate]:
    try:
        return list(await desk.exchange.open_orders())
    except CutShort:
        return [each for symbol in symbols for each in await desk.exchange.open_orders(symbol)]


async def _traded(desk: Desk, symbols: list[str], since_s: int) -> list[tuple[str, str]]:
    """Symbol and id of every order of these symbols that opened something since."""
    try:
        found = await desk.exchange.traded_orders(since_s=since_s)
    except CutShort:
        found = [
            each
            for symbol in symbols
            for each in await desk.exchange.traded_orders(symbol, since_s=since_s)
        ]
    return [each for each in dict.fromkeys(found) if each[0] in symbols]
