"""Prices and sizes as `Decimal`, from the wire to the wire. Never a float."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from functools import lru_cache

__all__ = [
    "NotPlain",
    "decimal_or_none",
    "decimal_said",
    "plain",
    "plain_or_none",
    "shared",
    "to_contracts",
    "to_grid",
]


def plain(value: Decimal) -> str:
    """The shortest plain decimal text of `value`: no exponent, no trailing zeros (`65000`, not `6.5E+4`)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def plain_or_none(value: Decimal | None) -> str | None:
    """As `plain`; None for what is not known."""
    return None if value is None else plain(value)


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


MOST_DIGITS = 30
"""Before and after the point together: no price or size has more, and arithmetic on `1e999999999` would not end."""

PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
SAYS_NOTHING = frozenset({"", "-", "market price"})
"""What BitMart writes in the place of a number where there is none."""


class NotPlain(ValueError):
    """A text in the place of a number that is no plain decimal of at most 30 digits."""


def decimal_or_none(text: str | None) -> Decimal | None:
    """The number that `text` is; None for anything but a plain ASCII decimal of at most 30 digits."""
    if not text or len(text) > MOST_DIGITS + 2 or not PLAIN.fullmatch(text):
        return None
    digits = len(text) - ("." in text) - text.startswith("-")
    return Decimal(text) if digits <= MOST_DIGITS else None


def decimal_said(text: str) -> Decimal | None:
    """The number that `text` says; None where it says that there is none. Raises NotPlain for anything else.

    `NaN`, `1_000`, `1e5`, digits of other scripts and numbers without end are what no exchange means and a stop would
    believe: they are neither a number nor nothing.
    """
    number = decimal_or_none(text)
    if number is None and text not in SAYS_NOTHING:
        raise NotPlain(f"not a plain number: {text[:50]!r}")
    return number
