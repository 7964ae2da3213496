"""The envelope of BitMart's REST answers, and the fields in it, however they were written.

Numbers come as text, as numbers, as `""` or as `-`, and ids as either. No float is ever made of them, and what cannot
be read raises `Unreadable`. Nothing here knows what a field means, and nothing does IO.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ..model.decimals import decimal_or_none, is_absurd

__all__ = [
    "Envelope",
    "Unreadable",
    "decimal_of",
    "envelope_of",
    "fields_of",
    "needed",
    "needed_decimal",
    "positive_of",
    "rows_of",
    "text_of",
    "whole_of",
]

ABSENT = msgspec.Raw(b"")


class Unreadable(ValueError):
    """An answer is not what BitMart's answers are."""


class Envelope(msgspec.Struct):
    """What every answer is wrapped in. The gateway says `msg` where everybody else says `message`."""

    code: int | str
    message: str | None = None
    msg: str | None = None
    data: msgspec.Raw = ABSENT

    @property
    def number(self) -> int | None:
        """The code as a number; some endpoints write it as text."""
        try:
            return int(self.code)
        except ValueError:
            return None

    @property
    def words(self) -> str:
        """What the exchange says about it."""
        return self.message or self.msg or ""


_envelope = msgspec.json.Decoder(Envelope)
_rows = msgspec.json.Decoder(list[msgspec.Raw] | None)
_fields = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def envelope_of(body: bytes) -> Envelope | None:
    """The envelope, or None where the body is something else (HTML from a proxy, say)."""
    try:
        return _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def rows_of(data: msgspec.Raw) -> list[msgspec.Raw]:
    """The rows of a list; `null` is an empty one. Raises Unreadable for anything else, an absent list too."""
    try:
        return _rows.decode(data) or []
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("data is not a list") from None


def fields_of(data: msgspec.Raw | bytes) -> dict[str, Any]:
    """The fields of an object. Raises Unreadable for anything else."""
    try:
        return _fields.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("data is not an object") from None


def text_of(value: Any) -> str:
    """An id or a word as text; `""` where there is none."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def decimal_of(value: Any) -> Decimal | None:
    """A number, however it was written; None where there is none."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    number = decimal_or_none(value) if isinstance(value, str) else None
    return None if number is None or is_absurd(number) else number


def whole_of(value: Any) -> int | None:
    """A whole number of at most 30 digits, however it was written; None where there is none."""
    number = decimal_of(value)
    if number is None or number.adjusted() >= 30 or number != number.to_integral_value():
        return None
    return int(number)


def positive_of(value: Any) -> Decimal | None:
    """A number above zero; None for zero, which is how BitMart says that there is none."""
    number = decimal_of(value)
    return number if number is not None and number > 0 else None


def needed(row: Mapping[str, Any], name: str) -> Any:
    """A field that the row is nothing without."""
    value = row.get(name)
    if value is None or value == "":
        raise Unreadable(f"a row without {name}")
    return value


def needed_decimal(row: Mapping[str, Any], name: str) -> Decimal:
    """A number that the row is nothing without."""
    number = decimal_of(needed(row, name))
    if number is None:
        raise Unreadable(f"a row whose {name} is not a number")
    return number
