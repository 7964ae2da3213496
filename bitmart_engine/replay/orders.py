"""Reads a file of orders: the bodies of `POST /api/place-order`, each with the time `at` which it is placed.

JSON lines, or one JSON array. A body is checked as the control API checks it, and what does not fit the contract is
refused before anything is played. `at` is ISO 8601, or seconds or milliseconds since 1970; without it an order is
placed before the first candle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from attrs import frozen

from ..control.bodies import decode_parts, parse
from ..model.errors import BadRequest, CallerError
from ..model.instruments import Instrument
from ..model.urls import check_url
from ..trading.requests import PlaceOrder, Unit, checked_entry
from .candles import read_time

__all__ = ["OrderError", "TimedOrder", "named", "read_orders"]

AT = "at"


class OrderError(ValueError):
    """An order cannot be placed; the text names the file, the line and the field."""


@frozen
class TimedOrder:
    """An order, when it is placed (None: before the first candle), and where it is written."""

    asked: PlaceOrder
    at_ms: int | None
    where: str


def named(where: str, error: CallerError) -> OrderError:
    """What is wrong, with the place and the field."""
    field = (error.field or "").removeprefix("$.")
    return OrderError(f"{where}: field {field!r}: {error}" if field else f"{where}: {error}")


def read_orders(
    path: Path, instrument: Instrument, unit: Unit, first_ms: int, end_ms: int
) -> list[TimedOrder]:
    """The orders of a file, in the order in which they are placed. Raises OrderError.

    All must be for `instrument`, and `at` within the candles, which last from `first_ms` to `end_ms`.
    """
    orders: list[TimedOrder] = []
    known: dict[str, str] = {}
    for where, raw in _bodies(path):
        try:
            order = _order(where, raw)
            if order.asked.callback_url is not None:
                check_url(order.asked.callback_url)
            checked_entry(order.asked, instrument, unit)
            _check_place(order, instrument, first_ms, end_ms)
        except BadRequest as error:
            raise named(where, error) from None
        id = order.asked.id
        if id in known:
            raise OrderError(f"{where}: field 'id': {id!r} is that of {known[id]} already")
        known[id] = where.removeprefix(f"{path}: ")
        orders.append(order)
    if not orders:
        raise OrderError(f"{path}: there are no orders in it")
    return sorted(orders, key=lambda each: each.at_ms or 0)


def _bodies(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        whole = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise OrderError(f"{path}: cannot be read: {error.strerror}") from None
    if not whole.lstrip().startswith(b"["):
        for number, line in enumerate(whole.splitlines(), start=1):
            if line.strip():
                yield f"{path}: line {number}", bytes(line.strip())
        return
    try:
        parts = msgspec.json.decode(whole, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OrderError(f"{path}: {_line_of_error(whole)}the array is not JSON: {error}") from None
    yield from _numbered(path, parts)


def _numbered(path: Path, parts: Iterable[msgspec.Raw]) -> Iterator[tuple[str, bytes]]:
    for number, part in enumerate(parts, start=1):
        yield f"{path}: order {number}", bytes(part)


def _line_of_error(whole: bytes) -> str:
    try:
        json.loads(whole)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}: "
    except ValueError:
        pass
    return ""


def _order(where: str, raw: bytes) -> TimedOrder:
    parts = dict(parse(raw))
    at_ms = None
    if AT in parts:
        at_ms = _time(bytes(parts.pop(AT)))
    return TimedOrder(decode_parts(PlaceOrder, parts), at_ms, where)


def _time(raw: bytes) -> int:
    try:
        text = msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
        return read_time(text)
    except (ValueError, OverflowError, msgspec.DecodeError):
        said = raw.decode("utf-8", "replace")
        raise BadRequest(
            f"must be a time, ISO 8601 or s or ms since 1970, not {said}", "$.at"
        ) from None


def _check_place(order: TimedOrder, instrument: Instrument, first_ms: int, end_ms: int) -> None:
    if order.asked.symbol != instrument.symbol:
        raise BadRequest(
            f"must be {instrument.symbol}, of which the candles are, not {order.asked.symbol}",
            "$.symbol",
        )
    if order.at_ms is not None and not first_ms <= order.at_ms < end_ms:
        raise BadRequest(
            f"must lie within the candles, from {first_ms} to {end_ms}, not {order.at_ms}", "$.at"
        )
