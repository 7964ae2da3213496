"""Preset stops and targets: what an order asks the exchange to do with the position it opens.

A plan covers the contracts that its order has filled so far. There is one price here: presets on the fair price act
on the last price too. Decisions only: the books carry them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import attrs
from attrs import frozen

from .orders import Direction, Order


@frozen(kw_only=True)
class Plan:
    """The preset stop and target of one order, for the contracts it has opened so far."""

    plan_id: int
    parent_id: int
    symbol: str
    direction: Direction
    size: int
    stop_price: Decimal | None
    target_price: Decimal | None

    def triggered(self, price: Decimal) -> str | None:
        """The order type that a last price of `price` sets off; the stop wins over the target."""
        sign = self.direction.sign
        if self.stop_price is not None and (price - self.stop_price) * sign <= 0:
            return "stop_loss"
        if self.target_price is not None and (price - self.target_price) * sign >= 0:
            return "take_profit"
        return None


class Plans:
    """All plans that are waiting for a price."""

    def __init__(self) -> None:
        self._by_parent: dict[int, Plan] = {}

    def __len__(self) -> int:
        return len(self._by_parent)

    def cover(self, order: Order, size: int, new_id: Callable[[], int]) -> None:
        """`order` opened `size` more contracts: its plan covers them too; `new_id` names a plan not seen before."""
        if not size or (order.stop_price is None and order.target_price is None):
            return
        known = self._by_parent.get(order.order_id)
        self._by_parent[order.order_id] = (
            attrs.evolve(known, size=known.size + size)
            if known is not None
            else Plan(
                plan_id=new_id(),
                parent_id=order.order_id,
                symbol=order.symbol,
                direction=order.side.direction,
                size=size,
                stop_price=order.stop_price,
                target_price=order.target_price,
            )
        )

    def take_triggered(self, symbol: str, price: Decimal) -> Iterator[tuple[Plan, str]]:
        """Plans that a price sets off, with the kind of order; each is taken out as it is handed out."""
        for plan in list(self._by_parent.values()):
            if plan.symbol != symbol or plan.parent_id not in self._by_parent:
                continue
            kind = plan.triggered(price)
            if kind is not None:
                del self._by_parent[plan.parent_id]
                yield plan, kind

    def drop(self, symbol: str, direction: Direction) -> None:
        """The position is gone, and its plans with it."""
        self._by_parent = {
            parent: plan
            for parent, plan in self._by_parent.items()
            if (plan.symbol, plan.direction) != (symbol, direction)
        }
