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

    _trades: dict[str, deque[tuple[float, Decimal, bool]]] = field(
        factory=lambda: defaultdict(deque)
    )

    def traded(self, symbol: str, price: Decimal, now: float, *, stood: bool = True) -> None:
        """A trade; without `stood` it was told together with the one that followed it."""
        trades = self._trades[symbol]
        trades.append((now, price, stood))
        while len(trades) > 1 and trades[1][0] < now - KEPT_S:
            trades.popleft()

    def since(self, symbol: str, at: float) -> list[Decimal]:
        """All prices that there were from a moment on, with the one that stood then; none if nobody knows."""
        found: list[Decimal] = []
        for when, price, _ in reversed(self._trades[symbol]):
            found.append(price)
            if when <= at:
                break
        return found

    def that_stood_since(self, symbol: str, at: float) -> list[Decimal]:
        """The same without those that were told together with the one that followed: they were never the last."""
        found: list[Decimal] = []
        for when, price, stood in reversed(self._trades[symbol]):
            if stood:
                found.append(price)
            if when <= at:
                break
        return found
