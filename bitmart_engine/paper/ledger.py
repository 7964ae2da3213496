"""The ledger: every order ever taken and every fill, the ids they get, and which orders still work.

It records. Whether and how orders fill is decided in `books.py`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from .orders import Direction, Fill, Order


class Ledger:
    """Orders by id, fills in order. Order ids have 16 digits; trade ids increase."""

    def __init__(self, symbols: list[str], rng: random.Random) -> None:
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self._by_client_id: dict[str, int] = {}
        self._working: dict[str, dict[int, None]] = {symbol: {} for symbol in symbols}
        self._rng = rng
        self._order_id = 3_000_000_000_000_000 + rng.randrange(10**13)
        self._trade_id = 1_000_000_000 + rng.randrange(10**9)

    def new_order_id(self) -> int:
        self._order_id += self._rng.randint(1, 99)
        return self._order_id

    def new_trade_id(self) -> int:
        self._trade_id += self._rng.randint(1, 9)
        return self._trade_id

    def put(self, order: Order) -> None:
        """Enter an order, or its newer version."""
        self.orders[order.order_id] = order
        if order.client_order_id:
            self._by_client_id[order.client_order_id] = order.order_id
        if order.is_working:
            self._working[order.symbol][order.order_id] = None
        else:
            self._working[order.symbol].pop(order.order_id, None)

    def by_client_id(self, client_order_id: str) -> Order | None:
        """The order that the client named so."""
        order_id = self._by_client_id.get(client_order_id)
        return None if order_id is None else self.orders[order_id]

    def working(self, symbol: str | None = None) -> Iterator[Order]:
        """Orders that can still fill, oldest first within a symbol."""
        for name in [symbol] if symbol else list(self._working):
            for order_id in list(self._working[name]):
                yield self.orders[order_id]

    def has_working(self, symbol: str) -> bool:
        return bool(self._working[symbol])

    def closing(self, symbol: str, direction: Direction) -> list[Order]:
        """Working orders that close a position."""
        side = direction.closing_side
        return [order for order in self.working(symbol) if order.side is side]

    def excess_closing(
        self, symbol: str, direction: Direction, held: int, keep: int | None
    ) -> list[Order]:
        """Orders to take away, the newest first, until no more is being closed than is held; never `keep`."""
        closing = self.closing(symbol, direction)
        total = sum(order.remaining for order in closing)
        excess: list[Order] = []
        for order in sorted(closing, key=lambda order: order.order_id, reverse=True):
            if total > held and order.order_id != keep:
                total -= order.remaining
                excess.append(order)
        return excess
