"""One side of one symbol's position and its arithmetic: average prices, profit, margin. Pure; knows no orders."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import attrs
from attrs import frozen

from .orders import ZERO, Direction

MAINTENANCE_RATE = Decimal("0.005")
SHOWN = Decimal("0.00000001")


@frozen(kw_only=True)
class Position:
    """What is held of one symbol in one direction; `size` is never negative.

    `open_value` and `close_value` are sums of price times size since the position was last flat.
    """

    symbol: str
    direction: Direction
    contract_size: Decimal
    size: int = 0
    entry_value: Decimal = ZERO
    open_size: int = 0
    open_value: Decimal = ZERO
    close_size: int = 0
    close_value: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    open_ms: int = 0
    update_ms: int = 0

    @property
    def entry_price(self) -> Decimal:
        return shown(self.entry_value / self.size) if self.size else ZERO

    @property
    def open_avg_price(self) -> Decimal:
        return shown(self.open_value / self.open_size) if self.open_size else ZERO

    @property
    def close_avg_price(self) -> Decimal:
        return shown(self.close_value / self.close_size) if self.close_size else ZERO

    def opened(self, price: Decimal, size: int, fee: Decimal, now_ms: int) -> Position:
        """The position after `size` more contracts at `price`."""
        return attrs.evolve(
            self,
            size=self.size + size,
            entry_value=self.entry_value + price * size,
            open_size=self.open_size + size,
            open_value=self.open_value + price * size,
            fees=self.fees + fee,
            open_ms=self.open_ms or now_ms,
            update_ms=now_ms,
        )

    def closed(
        self, price: Decimal, size: int, fee: Decimal, now_ms: int
    ) -> tuple[Position, Decimal]:
        """The position after closing `size` contracts at `price`, and the profit that realises."""
        if size > self.size:
            raise ValueError(f"closing {size} of {self.size} contracts of {self.symbol}")
        entry = self.entry_value
        if size < self.size:
            entry = shown(self.entry_value * size / self.size)
        profit = (price * size - entry) * self.contract_size * self.direction.sign
        return attrs.evolve(
            self,
            size=self.size - size,
            entry_value=self.entry_value - entry,
            close_size=self.close_size + size,
            close_value=self.close_value + price * size,
            realised=self.realised + profit,
            fees=self.fees + fee,
            update_ms=now_ms,
        ), profit

    def unrealised(self, price: Decimal) -> Decimal:
        """The profit that closing everything at `price` would realise."""
        return (price * self.size - self.entry_value) * self.contract_size * self.direction.sign

    def margin(self, leverage: int) -> Decimal:
        """What the position locks of the balance."""
        return shown(self.entry_value * self.contract_size / leverage)

    def liquidation_price(self, leverage: int) -> Decimal:
        """Where the margin is used up but for the maintenance rate. Shown only: nothing happens there by itself."""
        if not self.size:
            return ZERO
        distance = Decimal(1) / leverage - MAINTENANCE_RATE
        return max(ZERO, shown(self.entry_price * (1 - distance * self.direction.sign)))


def shown(value: Decimal) -> Decimal:
    """Rounded to the eight decimals that amounts are kept in."""
    return value.quantize(SHOWN, ROUND_HALF_EVEN)
