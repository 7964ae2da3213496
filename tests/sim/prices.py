"""What the market's prices really were in the last minutes, whatever the exchange says they were."""

from __future__ import annotations

from collections import defaultdict, deque
from decimal import Decimal

from attrs import define, field

__all__ = ["KEPT_S", "Prices"]

KEPT_S = 180.0
"""For how long prices are known; a price stands until the next trade."""


@define
class Prices:
    """Times are seconds of the run."""

    _trades: dict[str, deque[tuple[float, Decimal]]] = field(factory=lambda: defaultdict(deque))

    def traded(self, symbol: str, price: Decimal, now: float) -> None:
        trades = self._trades[symbol]
        trades.append((now, price))
        while len(trades) > 1 and trades[1][0] < now - KEPT_S:
            trades.popleft()

    def since(self, symbol: str, at: float) -> list[Decimal]:
        """All prices that there were from a moment on, with the one that stood then; none if nobody knows."""
        found: list[Decimal] = []
        for when, price in reversed(self._trades[symbol]):
            found.append(price)
            if when <= at:
                break
        return found

    def were_within(self, symbol: str, low: Decimal, high: Decimal, at: float) -> bool:
        """Whether a price was between two, ends included, from a moment on; also if nobody knows."""
        prices = self.since(symbol, at)
        return not prices or any(low <= each <= high for each in prices)
