"""Prices and sizes as `Decimal`, from the wire to the wire. Never a float."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache

__all__ = ["decimal_or_none", "is_absurd", "plain", "shared", "to_contracts", "to_grid"]


def plain(value: Decimal) -> str:
    """The shortest plain decimal text of `value`: no exponent, no trailing zeros (`65000`, not `6.5E+4`)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def to_grid(price: Decimal, step: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """`price` moved to the nearest multiple of `step` (the tick size), by the given `decimal` rounding mode."""
    return (price / step).to_integral_value(rounding=rounding) * step


def shared(value: Decimal) -> Decimal:
    """The same number, digit for digit, as one object for all who keep it: for sizes and timeouts, which repeat."""
    return _parsed(str(value))


@lru_cache(maxsize=1000)
def _parsed(text: str) -> Decimal:
    return Decimal(text)


def to_contracts(value: Decimal) -> int:
    """Whole contracts in `value`; a fraction is dropped, so that what is held is never overstated."""
    return int(value.to_integral_value(rounding=ROUND_DOWN))


MOST_DIGITS = 40
"""Before or after the point: no price or size has more, and arithmetic on `1e999999999` would not end."""


def decimal_or_none(text: str | None) -> Decimal | None:
    """The decimal that `text` says; None where it says nothing (`""`, `"-"`, a word, NaN)."""
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def is_absurd(value: Decimal) -> bool:
    """Whether `value` is no number that a price or a size could be."""
    return not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS
