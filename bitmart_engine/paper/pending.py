"""Orders that wait at the exchange for a price, and are entered when it comes: plan orders and trailing orders.

A plan order is entered as another order, with the client order id `PLAN_<id>`; a trailing order is entered as itself,
at the market. What they would do is checked when they are entered, not before: an order that is refused then is gone.
Decisions only: the books carry them out. Stops and targets of a position are in `plans.py`.
"""

from __future__ import annotations

from decimal import Decimal

import attrs
from attrs import frozen

from .orders import Order, OrderRequest, Trigger

PLAN_ORDER = "plan_order"
TRAILING_ORDER = "trailing_order"


@frozen(kw_only=True)
class Waiting:
    """One of them. `order` is the order as it is told and listed while it waits; it is in no ledger yet.

    `best` is the best price since a trailing order became active, None before.
    """

    order: Order
    plan_category: int = 1
    best: Decimal | None = None

    @property
    def order_id(self) -> int:
        return self.order.order_id

    @property
    def trigger(self) -> Trigger:
        assert self.order.trigger is not None
        return self.order.trigger

    @property
    def is_trailing(self) -> bool:
        return self.trigger.callback_rate is not None

    def after(self, price: Decimal) -> Waiting:
        """How it waits on after a trade at `price`."""
        if not self.is_trailing or (self.best is None and not self._reached(price)):
            return self
        best = price if self.best is None else self.best
        return attrs.evolve(self, best=max(best, price) if self.trigger.rises else min(best, price))

    def set_off_by(self, price: Decimal) -> bool:
        """Whether a trade at `price`, which `after` has seen, sets it off."""
        if self.trigger.callback_rate is None:
            return self._reached(price)
        if self.best is None:
            return False
        turn = self.best * self.trigger.callback_rate / 100
        return abs(price - self.best) >= turn > 0

    def _reached(self, price: Decimal) -> bool:
        return price >= self.trigger.price if self.trigger.rises else price <= self.trigger.price

    def request(self) -> OrderRequest:
        """What is entered."""
        order = self.order
        return OrderRequest(
            symbol=order.symbol,
            side=order.side,
            size=order.size,
            type=order.type,
            price=self.trigger.executive_price,
            mode=order.mode,
            client_order_id="" if self.is_trailing else f"PLAN_{order.order_id}",
            leverage=order.leverage,
            open_type=order.open_type,
            stop_price=order.stop_price,
            target_price=order.target_price,
            stop_price_type=order.stop_price_type,
            target_price_type=order.target_price_type,
            trigger=order.trigger,
        )


class Pending:
    """All orders that wait for a price."""

    def __init__(self) -> None:
        self._by_id: dict[int, Waiting] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def waiting(self, symbol: str | None = None, *, trailing: bool | None = None) -> list[Waiting]:
        """Those of a symbol and of a kind, the oldest first."""
        return [
            one
            for one in self._by_id.values()
            if symbol in (None, one.order.symbol) and trailing in (None, one.is_trailing)
        ]

    def by_id(self, order_id: int) -> Waiting | None:
        return self._by_id.get(order_id)

    def by_client_id(self, client_order_id: str) -> Waiting | None:
        """The one that the client named so."""
        named = (
            one for one in self._by_id.values() if one.order.client_order_id == client_order_id
        )
        return next(named, None)

    def put(self, one: Waiting) -> None:
        """Enter one, or its newer version."""
        self._by_id[one.order_id] = one

    def take(self, order_id: int) -> Waiting:
        """Take one out."""
        return self._by_id.pop(order_id)

    def take_set_off(self, symbol: str, price: Decimal) -> list[Waiting]:
        """Those that a trade sets off, the oldest first; they wait no longer."""
        gone = []
        for one in self.waiting(symbol):
            after = one.after(price)
            self.put(after)
            if after.set_off_by(price):
                gone.append(self.take(after.order_id))
        return gone
