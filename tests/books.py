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
        self._brought_by: dict[str, str] = {}
        plans = paper.books.plans
        cover = plans.cover

        def noting(order: Order, size: int, new_id: Callable[[], int]) -> None:
            cover(order, size, new_id)
            for plan in plans.waiting(order.symbol):
                if plan.parent_id == order.order_id:
                    self._brought_by[str(plan.plan_id)] = order.client_order_id

        plans.cover = noting  # type: ignore[method-assign]

    def orders(self) -> list[ExchangeOrder]:
        """All that there ever were."""
        return [
            ExchangeOrder(
                client_order_id=each.client_order_id,
                symbol=each.symbol,
                opens=not each.side.is_close,
                long=each.side.direction.name == "LONG",
                size=each.size,
                filled=each.deal_size,
                working=each.is_working,
                preset_of=self._brought_by.get(each.plan_order_id, ""),
            )
            for each in self._paper.books.orders.values()
        ]

    def brought_by(self, plan_order_id: str) -> str:
        """The client order id of the order that brought along a stop or a target."""
        return self._brought_by.get(plan_order_id, "")

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
