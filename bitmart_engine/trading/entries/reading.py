"""Orders looked at over REST because the stream says nothing of them: one by its id, many by one list.

The list of the working orders proves what it shows. What it does not show is not proved absent: the list may be cut
short, or late, so each of those is asked about by its id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from attrs import frozen

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import CutShort, ExchangeError
from ...model.events import OrderUpdate
from ...store import Store
from ..event_errors import EventErrors
from ..in_flight import InFlight

__all__ = ["OrderReading"]


@frozen(kw_only=True)
class OrderReading:
    """Reads orders, and has taken in what is said of them."""

    _counters: Counters
    _errors: EventErrors
    _exchange: ExchangeClient
    _in_flight: InFlight
    _store: Store
    _read_one: Callable[[str], Awaitable[bool]]
    _take: Callable[[OrderUpdate], object]

    async def read(self, id: str) -> bool:
        """Read an order. False if it could not be read."""
        with self._errors.surviving("look at an order", id=id):
            return await self._read_one(id)
        return False

    async def read_listed(self, ids: Sequence[str]) -> None:
        """Read several with as few requests as it takes; those that the list does not show by themselves."""
        with self._errors.surviving("look at orders", orders=len(ids)):
            for id in await self._not_listed(ids):
                self._in_flight.start(self.read, id)

    async def _not_listed(self, ids: Sequence[str]) -> list[str]:
        """Read the working orders and take in what they say of these. Returns the ids of which they say nothing."""
        try:
            listed: Iterable[OrderUpdate] = await self._exchange.open_orders()
        except CutShort as cut:
            listed = cut.found
        except ExchangeError as failure:
            self._counters.add("open_orders_read_failed", why=failure)
            return list(ids)
        working = {each.order_id: each for each in listed}
        left = []
        for id in ids:
            order = self._store.state.orders.get(id)
            if order is None or not order.state.at_exchange:
                continue
            update = working.get(order.exchange_order_id)
            if update is None or update.client_order_id != order.client_order_id:
                left.append(id)
                continue
            with self._errors.surviving("listed order", id=id):
                self._take(update)
        return left
