"""Plan orders of a position: stops and targets that wait at the exchange for a price, and then close.

There are two kinds. A preset goes out with an order and becomes a plan order with that order's first fill, for what is
filled so far, growing with it; while nothing is filled it is only a field of the order. A TP/SL order is given by
itself, for a number of contracts or for the whole position, whatever its size is by then. Every plan order is one leg
with an id of its own; where one leg of a preset acts, the other is gone with it. None outlives its position.

There is one price here: what was to look at the fair price looks at the last price too. Decisions only: the books
carry them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

import attrs
from attrs import frozen

from .orders import ZERO, Direction, Order, Trigger

STOP_LOSS: Final = "stop_loss"
TAKE_PROFIT: Final = "take_profit"
KINDS: Final = (STOP_LOSS, TAKE_PROFIT)


@frozen(kw_only=True)
class Plan:
    """One leg. `size` is None for the whole position; `parent_id` names the order that it was preset with."""

    plan_id: int
    kind: str
    symbol: str
    direction: Direction
    trigger_price: Decimal
    size: int | None
    parent_id: int | None = None
    client_order_id: str = ""
    price_type: int = 1
    executive_price: Decimal = ZERO
    at_limit: bool = False
    create_ms: int
    update_ms: int

    @property
    def limit_price(self) -> Decimal | None:
        """The price that it closes at; None for the market."""
        return self.executive_price if self.at_limit else None

    @property
    def trigger(self) -> Trigger:
        """What the order that it closes with was set off by."""
        return Trigger(
            plan_id=self.plan_id,
            price=self.trigger_price,
            rises=self.rises,
            price_type=self.price_type,
            executive_price=self.limit_price,
        )

    @property
    def rises(self) -> bool:
        """Whether a price at or above the trigger sets it off, rather than one at or below."""
        return (self.kind == TAKE_PROFIT) is (self.direction is Direction.LONG)

    def triggered(self, price: Decimal) -> bool:
        """Whether a last price of `price` sets it off."""
        return price >= self.trigger_price if self.rises else price <= self.trigger_price


class Plans:
    """All plan orders that are waiting for a price."""

    def __init__(self) -> None:
        self._by_id: dict[int, Plan] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def waiting(self, symbol: str | None = None) -> list[Plan]:
        """Plan orders, the oldest first."""
        return [plan for plan in self._by_id.values() if symbol in (None, plan.symbol)]

    def by_id(self, plan_id: int) -> Plan | None:
        return self._by_id.get(plan_id)

    def by_client_id(self, client_order_id: str) -> Plan | None:
        """The plan order that the client named so."""
        named = (each for each in self._by_id.values() if each.client_order_id == client_order_id)
        return next(named, None)

    def put(self, plan: Plan) -> None:
        """Enter a plan order, or its newer version."""
        self._by_id[plan.plan_id] = plan

    def cancel(self, plan_id: int) -> None:
        """Take a plan order away; the other leg of a preset stays."""
        del self._by_id[plan_id]

    def cover(self, order: Order, size: int, new_id: Callable[[], int]) -> None:
        """`order` opened `size` more contracts: its presets cover them too; `new_id` names a leg not seen before.

        A leg that was cancelled between two fills comes back for what fills from then on.
        """
        if not size:
            return
        presets = (
            (STOP_LOSS, order.stop_price, order.stop_price_type),
            (TAKE_PROFIT, order.target_price, order.target_price_type),
        )
        known = {each.kind: each for each in self._legs(order.order_id)}
        for kind, price, price_type in presets:
            if price is None:
                continue
            leg = known.get(kind) or Plan(
                plan_id=new_id(),
                kind=kind,
                symbol=order.symbol,
                direction=order.side.direction,
                trigger_price=price,
                size=0,
                parent_id=order.order_id,
                price_type=price_type,
                create_ms=order.update_ms,
                update_ms=order.update_ms,
            )
            self.put(attrs.evolve(leg, size=(leg.size or 0) + size, update_ms=order.update_ms))

    def take_triggered(self, symbol: str, price: Decimal) -> Iterator[Plan]:
        """Plans that a price sets off, stops first; each is taken out as it is handed out, a preset with both legs."""
        waiting = self.waiting(symbol)
        for plan in sorted(waiting, key=lambda each: each.kind != STOP_LOSS):
            if plan.plan_id not in self._by_id or not plan.triggered(price):
                continue
            for gone in [plan] if plan.parent_id is None else self._legs(plan.parent_id):
                self.cancel(gone.plan_id)
            yield plan

    def drop(self, symbol: str, direction: Direction) -> None:
        """The position is gone, and its plans with it."""
        self._by_id = {
            plan_id: plan
            for plan_id, plan in self._by_id.items()
            if (plan.symbol, plan.direction) != (symbol, direction)
        }

    def _legs(self, parent_id: int) -> list[Plan]:
        return [plan for plan in self._by_id.values() if plan.parent_id == parent_id]
