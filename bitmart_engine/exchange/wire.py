"""The envelope of BitMart's REST answers, and the fields in it, however they were written.

Numbers come as text, as numbers, as `""` or as `-`, and ids as either. No float is ever made of them, and what cannot
be read raises `Unreadable`: a body nested without end, a number that is no plain decimal, a boolean where a number
belongs, an id longer than any id. Nothing here knows what a field means, and nothing does IO.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec

from ..model.decimals import NotPlain, decimal_said
from ..model.identifiers import LONGEST_ID, LONGEST_SYMBOL, is_identifier
from .errors import OutcomeUnknown

__all__ = [
    "LONGEST_ROW",
    "Envelope",
    "Unreadable",
    "bounded_row",
    "count_of",
    "decimal_of",
    "envelope_of",
    "fields_of",
    "listed_in",
    "needed",
    "needed_decimal",
    "needed_price",
    "positive_of",
    "reading",
    "rows_of",
    "shown",
    "symbol_of",
    "text_of",
    "time_of",
    "whole_of",
]

ABSENT = msgspec.Raw(b"")
CODE = re.compile(r"[0-9]{1,9}")
BROKEN = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises: for what is no JSON, no text, of another type, or nested deeper than Python's stack."""

LARGEST_WHOLE = 10**14
"""No size is larger; and as a time in ms it is the year 5138."""
LONGEST_ROW = 65_536
"""In bytes: no row of an answer is longer, and rows of orders are kept as they came."""


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
        code = str(self.code)
        return int(code) if CODE.fullmatch(code) else None

    @property
    def words(self) -> str:
        """What the exchange says about it."""
        return self.message or self.msg or ""


_envelope = msgspec.json.Decoder(Envelope)
_rows = msgspec.json.Decoder(list[msgspec.Raw])
_named = msgspec.json.Decoder(dict[str, msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, Any], float_hook=str)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """What cannot be read inside was not learned: neither a success nor a refusal. Raises OutcomeUnknown then.

    Reading is pure: whatever it stumbles over is the answer's fault.
    """
    try:
        yield
    except (*BROKEN, ArithmeticError) as reason:
        raise OutcomeUnknown(f"unreadable answer: {str(reason)[:200]}", path) from None


def envelope_of(body: bytes) -> Envelope | None:
    """The envelope, or None where the body is something else (HTML from a proxy, say)."""
    try:
        return _envelope.decode(body)
    except BROKEN:
        return None


def rows_of(data: msgspec.Raw) -> list[msgspec.Raw]:
    """The rows of a list. Raises Unreadable for anything else: `null` is no empty list, and no proof of absence.

    Where BitMart has nothing to list it says `[]`; no source has `null` for a list on success (fact sheet, quirk 27,
    has it for the answer to a cancel, which is not read).
    """
    try:
        return _rows.decode(data)
    except BROKEN:
        raise Unreadable("data is not a list") from None


def listed_in(data: msgspec.Raw, name: str) -> list[msgspec.Raw]:
    """The rows of the list that an object has under `name`. Raises Unreadable for anything else."""
    try:
        fields = _named.decode(data)
    except BROKEN:
        raise Unreadable("data is not an object") from None
    return rows_of(fields.get(name, ABSENT))


def fields_of(data: msgspec.Raw | bytes) -> dict[str, Any]:
    """The fields of an object; numbers with a point are text. Raises Unreadable for anything else."""
    try:
        return _fields.decode(data)
    except BROKEN:
        raise Unreadable("data is not an object") from None


def bounded_row(data: msgspec.Raw) -> msgspec.Raw:
    """`data`, if it is no longer than a row can be. Raises Unreadable."""
    if len(memoryview(data)) > LONGEST_ROW:
        raise Unreadable(f"a row of more than {LONGEST_ROW} bytes")
    return data


def text_of(value: Any) -> str:
    """An id or a word as text; `""` where there is none. Raises Unreadable for what is neither, or is too long."""
    if value is None or value == "":
        return ""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not is_identifier(text, LONGEST_ID):
        raise Unreadable(f"not a word: {shown(value)}")
    return text


def shown(value: Any) -> str:
    """What is there instead, in short: a list may be nested too deep to be printed."""
    return repr(value[:50]) if isinstance(value, str) else type(value).__name__


def symbol_of(row: Mapping[str, Any]) -> str:
    """The symbol of a row, in capitals. Raises Unreadable."""
    symbol = text_of(needed(row, "symbol")).upper()
    if len(symbol) > LONGEST_SYMBOL or not any(map(str.isalpha, symbol)):
        raise Unreadable(f"not a symbol: {symbol[:50]!r}")
    return symbol


def decimal_of(value: Any) -> Decimal | None:
    """A number, however it was written; None where there is none. Raises Unreadable for what is no plain decimal."""
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable(f"not a number: {shown(value)}")
    try:
        return decimal_said(str(value))
    except NotPlain as reason:
        raise Unreadable(str(reason)) from None


def whole_of(value: Any) -> int | None:
    """A whole number of at most 14 digits; None where there is none. Raises Unreadable for any other number."""
    number = decimal_of(value)
    if number is None:
        return None
    if abs(number) > LARGEST_WHOLE or number != number.to_integral_value():
        raise Unreadable(f"not a whole number in bounds: {number}")
    return int(number)


def count_of(value: Any) -> int | None:
    """A whole number that is not below zero; None where there is none. Raises Unreadable."""
    number = whole_of(value)
    if number is not None and number < 0:
        raise Unreadable(f"a number below zero: {number}")
    return number


time_of = count_of
"""A time, in the unit of its field."""


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


def needed_price(row: Mapping[str, Any], name: str) -> Decimal:
    """A price that the row is nothing without: above zero, for a stop would believe it."""
    price = needed_decimal(row, name)
    if price <= 0:
        raise Unreadable(f"a row whose {name} is {price}")
    return price


def needed_decimal(row: Mapping[str, Any], name: str) -> Decimal:
    """A number that the row is nothing without."""
    number = decimal_of(needed(row, name))
    if number is None:
        raise Unreadable(f"a row whose {name} is not a number")
    return number
