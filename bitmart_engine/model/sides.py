"""Sides: of a position (long, short) and of an order at the exchange (BitMart's four codes)."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, IntEnum

__all__ = ["OrderSide", "PositionSide"]


class OrderSide(IntEnum):
    """BitMart's order side. 1 and 2 buy, 3 and 4 sell.

    In one-way mode the same codes mean buy, buy reduce-only, sell reduce-only, sell.
    Source: fact sheet 4.6; some older documents have 2 and 3 exchanged, and are wrong.
    """

    BUY_OPEN_LONG = 1
    BUY_CLOSE_SHORT = 2
    SELL_CLOSE_LONG = 3
    SELL_OPEN_SHORT = 4

    @property
    def closes(self) -> bool:
        """Whether an order of this side can only reduce a position."""
        return self in (OrderSide.BUY_CLOSE_SHORT, OrderSide.SELL_CLOSE_LONG)

    @property
    def position_side(self) -> PositionSide:
        """The position that an order of this side opens or closes."""
        if self in (OrderSide.BUY_OPEN_LONG, OrderSide.SELL_CLOSE_LONG):
            return PositionSide.LONG
        return PositionSide.SHORT


class PositionSide(Enum):
    """Long or short: with the symbol, what a position is known by."""

    LONG = "long"
    SHORT = "short"

    @property
    def opening(self) -> OrderSide:
        """The order side that opens such a position."""
        return OrderSide.BUY_OPEN_LONG if self is PositionSide.LONG else OrderSide.SELL_OPEN_SHORT

    @property
    def closing(self) -> OrderSide:
        """The order side that closes such a position: 3 for a long, 2 for a short."""
        return OrderSide.SELL_CLOSE_LONG if self is PositionSide.LONG else OrderSide.BUY_CLOSE_SHORT

    def loses_at(self, price: Decimal, stop: Decimal) -> bool:
        """Whether `price` is at or beyond `stop`, on the losing side of the position."""
        return price <= stop if self is PositionSide.LONG else price >= stop

    def wins_at(self, price: Decimal, target: Decimal) -> bool:
        """Whether `price` is at or beyond `target`, on the winning side of the position."""
        return price >= target if self is PositionSide.LONG else price <= target
