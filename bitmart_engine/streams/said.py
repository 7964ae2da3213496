"""What a value on the wire says, whichever way BitMart wrote it: numbers as text, text as numbers, `-` for nothing.

A value is a `msgspec.Raw`: the bytes of one JSON scalar. It never becomes a float.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Raw

from ..model.decimals import decimal_or_none, is_absurd, to_contracts

__all__ = ["NOTHING", "Malformed", "contracts", "decimal", "integer", "named", "plausible", "text"]

NOTHING = Raw(b"null")

READ_TEXT = msgspec.json.Decoder(str)


class Malformed(ValueError):
    """An event that cannot be read. The text says what is wrong with it."""


def text(raw: Raw) -> str:
    """What a scalar says, as text; `""` for null, `"-"` and `""`. Raises `Malformed` for a list or an object."""
    token = bytes(raw)
    if token == b"null":
        return ""
    if token.startswith(b'"'):
        said = READ_TEXT.decode(raw).strip()
        return "" if said == "-" else said
    if token.startswith((b"{", b"[")):
        raise Malformed(f"a list or object in the place of a value: {token[:50]!r}")
    return token.decode()


def decimal(raw: Raw) -> Decimal | None:
    """The number that a scalar says; None where it says none. Raises `Malformed` for one that is out of all bounds."""
    number = decimal_or_none(text(raw))
    return None if number is None else plausible(number)


def plausible(number: Decimal) -> Decimal:
    """`number`, unless it is infinite, not a number, or out of all bounds: then raises `Malformed`."""
    if is_absurd(number):
        raise Malformed(f"a number such as {str(number)[:50]}")
    return number


def integer(raw: Raw) -> int | None:
    """The whole number that a scalar says; None where it says none."""
    number = decimal(raw)
    return None if number is None else int(number)


def contracts(raw: Raw) -> int | None:
    """Whole contracts; None where nothing is said."""
    number = decimal(raw)
    return None if number is None else to_contracts(number)


def named(raw: Raw, names: dict[str, str]) -> str | None:
    """A word in lower case, or the word that its number stands for; None where nothing is said."""
    said = text(raw).lower()
    return names.get(said, said) or None
