"""Many orders looked at by one list of the working orders, in place of a request for each.

The list proves what it shows. What it does not show is not proved absent: the list may be cut short, or late, so each
of those is asked about by its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import CutShort, ExchangeError
from ...model.events import OrderUpdate
from ...store import Store
from ..event_errors import EventErrors

__all__ = ["read_listed"]


async def read_listed(
    ids: Sequence[str],
    *,
    counters: Counters,
    errors: EventErrors,
    exchange: ExchangeClient,
    store: Store,
    take: Callable[[OrderUpdate], object],
) -> list[str]:
    """Read the working orders and `take` what they say of these. Returns the ids of which they say nothing."""
    try:
        listed: Iterable[OrderUpdate] = await exchange.open_orders()
    except CutShort as cut:
        listed = cut.found
    except ExchangeError as failure:
        counters.add("open_orders_read_failed", why=failure)
        return list(ids)
    working = {each.order_id: each for each in listed}
    left = []
    for id in ids:
        order = store.state.orders.get(id)
        if order is None or not order.state.at_exchange:
            continue
        update = working.get(order.exchange_order_id)
        if update is None or update.client_order_id != order.client_order_id:
            left.append(id)
            continue
        with errors.surviving("listed order", id=id):
            take(update)
    return left
