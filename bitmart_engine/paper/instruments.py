"""What the paper exchange lists: instruments, and the arithmetic of their prices. Nothing in this module acts."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from attrs import frozen

Price = Decimal
CHANGEABLE = (
    *("tick_size", "contract_size", "min_size", "max_size", "market_max_size"),
    *("min_leverage", "max_leverage"),
)
"""What of a contract may change while the exchange is open."""


def digits(value: object) -> int | None:
    """The whole number that a text of up to 18 digits spells; None for anything else."""
    if isinstance(value, str) and len(value) <= 18 and value.isascii() and value.isdecimal():
        return int(value)
    return None


def wire_decimal(value: Decimal) -> str:
    """A decimal as the exchange writes it: plain digits, no exponent, no trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def exact(price: Decimal | str | int) -> Decimal:
    """A price as a decimal; never from a float (TypeError)."""
    if isinstance(price, float):
        raise TypeError(f"a price is a Decimal or a text, not the float {price}")
    try:
        return Decimal(price)
    except InvalidOperation:
        raise ValueError(f"price {price!r} is not a number") from None


def on_grid(price: Decimal, tick_size: Decimal) -> bool:
    """Whether a price is one tick or several; a number beyond all bounds is not."""
    try:
        return price >= tick_size and price % tick_size == 0
    except InvalidOperation:
        return False


def to_grid(price: Decimal, tick_size: Decimal) -> Decimal:
    """The price on the tick grid nearest to `price`."""
    return (price / tick_size).to_integral_value() * tick_size


@frozen
class PaperInstrument:
    """One contract. Sizes are whole contracts; one contract is `contract_size` of the base currency."""

    symbol: str
    price: Decimal
    tick_size: Decimal
    contract_size: Decimal
    min_size: int = 1
    max_size: int = 1_000_000
    market_max_size: int = 500_000
    min_leverage: int = 1
    max_leverage: int = 100
    quote: str = "USDT"

    @property
    def base(self) -> str:
        return self.symbol.removesuffix(self.quote)

    def notional(self, price: Decimal, size: int) -> Decimal:
        """What `size` contracts are worth at `price`, in the quote currency."""
        return price * size * self.contract_size


DEFAULT_SYMBOLS = (
    PaperInstrument(
        "BTCUSDT",
        price=Decimal("65000"),
        tick_size=Decimal("0.1"),
        contract_size=Decimal("0.001"),
    ),
    PaperInstrument(
        "ETHUSDT",
        price=Decimal("3200"),
        tick_size=Decimal("0.01"),
        contract_size=Decimal("0.01"),
    ),
    PaperInstrument(
        "SOLUSDT",
        price=Decimal("150"),
        tick_size=Decimal("0.001"),
        contract_size=Decimal("0.1"),
        max_leverage=50,
    ),
    PaperInstrument(
        "1000PEPEUSDT",
        price=Decimal("0.0102"),
        tick_size=Decimal("0.0000001"),
        contract_size=Decimal("1000"),
        max_leverage=50,
    ),
)
