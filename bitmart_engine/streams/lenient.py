"""What a value on the wire says, whichever way BitMart wrote it: numbers as text, text as numbers, `-` for nothing.

A value is a `msgspec.Raw`: the bytes of one JSON scalar. It never becomes a float. A number is a plain decimal, an id
is no longer than an id can be, a boolean is neither. What is something else is `Malformed`, and so is its event.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Raw

from ..model.decimals import NotPlain, decimal_said, plain, to_contracts
from ..model.identifiers import LONGEST_ID, LONGEST_SYMBOL, is_identifier

__all__ = [
    "LONGEST_ROW",
    "NOTHING",
    "Malformed",
    "contracts",
    "count",
    "decimal",
    "identity",
    "integer",
    "moment",
    "named",
    "number_text",
    "price",
    "symbol",
    "text",
]

NOTHING = Raw(b"null")
LONGEST_ROW = 65_536
"""In bytes: no event is longer, and order events are kept as they came."""
LARGEST_WHOLE = 10**14
"""No size is larger; and as a time in ms it is the year 5138."""
LARGEST_ID = 2**63 - 1

READ_TEXT = msgspec.json.Decoder(str)


class Malformed(ValueError):
    """An event that cannot be read. The text says what is wrong with it."""


def text(raw: Raw) -> str:
    """An id, a word or a number, as text; `""` for null, `"-"` and `""`. Raises `Malformed` for anything else."""
    token = bytes(raw)
    if token == b"null":
        return ""
    if token.startswith(b'"'):
        said = READ_TEXT.decode(raw).strip()
        if said in ("", "-"):
            return ""
    elif token.startswith((b"{", b"[", b"t", b"f")):
        raise Malformed(f"no value of that kind belongs here: {token[:50]!r}")
    else:
        said = token.decode()
    if not is_identifier(said, LONGEST_ID):
        raise Malformed(f"longer than any value, or not to be printed: {said[:50]!r}")
    return said


def symbol(raw: Raw) -> str:
    """A symbol in capitals; `""` where nothing is said."""
    said = text(raw).upper()
    if len(said) > LONGEST_SYMBOL:
        raise Malformed(f"longer than any symbol: {said[:50]!r}")
    return said


def decimal(raw: Raw) -> Decimal | None:
    """The number that a scalar says; None where it says none. Raises `Malformed` for what is no plain decimal."""
    said = text(raw)
    if said and bytes(raw).startswith(b'"'):
        said = READ_TEXT.decode(raw)  # a name may have blanks around it, a number may not
    try:
        return decimal_said(said)
    except NotPlain as reason:
        raise Malformed(str(reason)) from None


def number_text(raw: Raw) -> str | None:
    """The number that a scalar says, as plain text; None where it says none."""
    number = decimal(raw)
    return None if number is None else plain(number)


def price(raw: Raw) -> Decimal:
    """A price. Raises `Malformed` for what is no number above zero: a stop would believe it."""
    number = decimal(raw)
    if number is None or number <= 0:
        raise Malformed(f"a price of {number}")
    return number


def integer(raw: Raw) -> int | None:
    """The whole number that a scalar says; None where it says none. Raises `Malformed` for one out of all bounds."""
    number = decimal(raw)
    return None if number is None else _bounded(int(number), LARGEST_WHOLE)


def identity(raw: Raw) -> int | None:
    """A number that names something, a trade for example; None where nothing is said."""
    number = decimal(raw)
    return None if number is None else _bounded(int(number), LARGEST_ID)


def moment(raw: Raw) -> int | None:
    """A time, in the unit of its field; None where nothing is said."""
    return _not_below_zero(integer(raw))


def contracts(raw: Raw) -> int | None:
    """Whole contracts; None where nothing is said. Below zero is how some say that it is a short."""
    number = decimal(raw)
    return None if number is None else _bounded(to_contracts(number), LARGEST_WHOLE)


def count(raw: Raw) -> int | None:
    """Whole contracts of an order; None where nothing is said."""
    return _not_below_zero(contracts(raw))


def _bounded(number: int, largest: int) -> int:
    if abs(number) > largest:
        raise Malformed(f"a number such as {number}")
    return number


def _not_below_zero(number: int | None) -> int | None:
    if number is not None and number < 0:
        raise Malformed(f"a number below zero: {number}")
    return number


def named(raw: Raw, names: dict[str, str]) -> str | None:
    """A word in lower case, or the word that its number stands for; None where nothing is said."""
    said = text(raw).lower()
    return names.get(said, said) or None
