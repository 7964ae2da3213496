"""What the exchange's books, and the application that asked, say of a run: as the judge takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitmart_engine.paper import PaperExchange
from bitmart_engine.paper.orders import Order

from .app import App
from .judge import ExchangeOrder

__all__ = ["Books", "asked_of"]


class Books:
    """Keeps note of which order brought along which stop: the books of the exchange forget it with the stop."""

    def __init__(self, paper: PaperExchange) -> None:
        self._paper = paper
        self._brought_by: dict[str, int] = {}
        self.lost: set[int] = set()
        """Orders of lives that nobody knows of any more, whose client order ids may have been used again."""
        plans = paper.books.plans
        cover = plans.cover

        def noting(order: Order, size: int, new_id: Callable[[], int]) -> None:
            cover(order, size, new_id)
            for plan in plans.waiting(order.symbol):
                if plan.parent_id == order.order_id:
                    self._brought_by[str(plan.plan_id)] = order.order_id

        plans.cover = noting  # type: ignore[method-assign]

    def orders(self) -> list[ExchangeOrder]:
        """All that there ever were."""
        return [
            ExchangeOrder(
                client_order_id=self.name_of(each.order_id),
                symbol=each.symbol,
                opens=not each.side.is_close,
                long=each.side.direction.name == "LONG",
                size=each.size,
                filled=each.deal_size,
                working=each.is_working,
                preset_of=self.brought_by(each.plan_order_id),
            )
            for each in self._paper.books.orders.values()
        ]

    def name_of(self, order_id: int) -> str:
        """The client order id of an order, or another name for one of a life that is forgotten."""
        if order_id in self.lost:
            return f"lost {order_id}"
        return self._paper.books.orders[order_id].client_order_id

    def brought_by(self, plan_order_id: str) -> str:
        """The name of the order that brought along a stop or a target."""
        order_id = self._brought_by.get(plan_order_id)
        return "" if order_id is None else self.name_of(order_id)

    def lose(self, client_order_ids: set[str]) -> list[tuple[str, str]]:
        """Forget whose orders these are: the names that they had, and have."""
        renamed = []
        for each in self._paper.books.orders.values():
            if each.client_order_id in client_order_ids and each.order_id not in self.lost:
                self.lost.add(each.order_id)
                renamed.append((each.client_order_id, self.name_of(each.order_id)))
        return renamed

    def held(self) -> dict[tuple[str, str], int]:
        """Contracts by symbol and side."""
        return {
            (symbol, direction.name.lower()): each.size
            for (symbol, direction), each in self._paper.books.positions.items()
            if each.size
        }

    def closes(self) -> int:
        """How many orders have closed something."""
        orders = self._paper.books.orders.values()
        return sum(each.side.is_close and each.deal_size > 0 for each in orders)


def asked_of(app: App) -> dict[str, Any]:
    """What was asked for and granted, as the judge's evidence names it."""
    return {
        "placed": dict(app.placed),
        "monitored": dict(app.monitored),
        "cancelled": frozenset(app.cancelled),
        "levels": dict(app.levels),
        "closing": frozenset(app.closing),
    }
