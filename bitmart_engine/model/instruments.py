"""One contract of the exchange: its grid, its limits, and what fits them."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from attrs import frozen

from .decimals import plain, to_contracts, to_grid

__all__ = ["Instrument"]

WHOLE_WITHIN = Decimal("1e-9")
"""In contracts: what a sum of binary fractions is off by, and no order is."""

NOISE = Decimal("1e-9")
"""Of a price: what binary fractions are off by (65000.10000000001 means 65000.1), and no trader is."""
NOISE_TICKS = Decimal("0.01")
"""How much of a tick that may be at most."""


@frozen(kw_only=True)
class Instrument:
    """What an order for a symbol has to fit. Source: `GET /contract/public/details`, fact sheet 5.2.

    `tick_size` is in the quote currency, `contract_size` in the base currency for one contract; the sizes are in
    whole contracts, leverage in multiples.
    """

    symbol: str
    tick_size: Decimal
    contract_size: Decimal
    min_size: int
    max_size: int
    market_max_size: int
    min_leverage: Decimal
    max_leverage: Decimal
    trading: bool = True

    def size_of(self, quantity: Decimal) -> int:
        """Whole contracts in `quantity` of the base currency, rounded down (0.01 BTC at 0.001 is 10).

        What is a whole number but for a caller's binary fractions (0.7 * 0.1 at 0.001) is that number.
        """
        contracts = quantity / self.contract_size
        nearest = contracts.to_integral_value(ROUND_HALF_EVEN)
        return int(nearest) if abs(contracts - nearest) <= WHOLE_WITHIN else to_contracts(contracts)

    def on_grid(self, price: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
        """`price` on the tick grid: the nearest one where it is off by the noise of binary fractions alone."""
        return to_grid(self.without_noise(price), self.tick_size, rounding)

    def without_noise(self, price: Decimal) -> Decimal:
        """The price of the grid that is meant, where `price` is off by a billionth of itself or less, and by a
        hundredth of a tick or less; `price` where it is off by more."""
        nearest = to_grid(price, self.tick_size)
        noise = min(abs(price) * NOISE, self.tick_size * NOISE_TICKS)
        return nearest if abs(price - nearest) <= noise else price

    def size_error(self, size: int, *, market: bool) -> str | None:
        """What is wrong with an order of `size` contracts, naming the limits; None if it fits."""
        largest = self.market_max_size if market else self.max_size
        if self.min_size <= size <= largest:
            return None
        return (
            f"{size} contracts is outside {self.min_size} to {largest} contracts"
            f" ({plain(self.min_size * self.contract_size)} to {plain(largest * self.contract_size)}"
            f" in the base currency) for {self.symbol}"
        )

    def leverage_error(self, leverage: Decimal) -> str | None:
        """What is wrong with `leverage`, naming the range; None if it fits."""
        if self.min_leverage <= leverage <= self.max_leverage:
            return None
        return (
            f"leverage {plain(leverage)} is outside {plain(self.min_leverage)}"
            f" to {plain(self.max_leverage)} for {self.symbol}"
        )
