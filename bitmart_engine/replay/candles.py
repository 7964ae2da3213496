"""Reads a file of candles: CSV `time,open,high,low,close,volume`, with or without a header. Checks every line of it.

With a header, columns may stand in any order, and others are passed over; without one they are in the order above.
`volume` may be missing. A time is ISO 8601 (UTC unless it says otherwise), or seconds or milliseconds since 1970; it is
when the candle opens. Which of the two a number is, its size says.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

from attrs import frozen

__all__ = ["Candle", "CandleError", "interval_ms", "read_candles", "read_time"]

COLUMNS = ("time", "open", "high", "low", "close", "volume")
NEEDED = COLUMNS[:-1]
ALIASES: Mapping[str, str] = {
    "timestamp": "time",
    "date": "time",
    "datetime": "time",
    "open_time": "time",
    "open time": "time",
    "ts": "time",
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "vol": "volume",
}
SECONDS_BELOW = 100_000_000_000
"""A number of seconds is smaller until the year 5138; a number of milliseconds is larger since 1973."""
EARLIEST_MS, LATEST_MS = 946_684_800_000, 4_102_444_800_000
"""The years 2000 to 2099: what lies outside is no time of a candle."""
LARGEST_EXPONENT = 20
MINUTE_MS = 60_000


class CandleError(ValueError):
    """The file cannot be used; the text names the file, the line and the column."""


@frozen(weakref_slot=False)
class Candle:
    """One candle. `at_ms` is when it opens; `volume` is in the base currency, 0 where the file has none."""

    at_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)


def read_candles(path: Path) -> list[Candle]:
    """All candles of a file, oldest first. Raises CandleError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            candles = list(_rows(path, csv.reader(file)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CandleError(f"{path}: cannot be read: {error}") from error
    if not candles:
        raise CandleError(f"{path}: there are no candles in it")
    return candles


def interval_ms(candles: Sequence[Candle]) -> int:
    """How long a candle lasts: the commonest distance between two of them; a minute where there is but one."""
    steps = Counter(later.at_ms - one.at_ms for one, later in pairwise(candles))
    return min(steps, key=lambda step: (-steps[step], step)) if steps else MINUTE_MS


def read_time(text: str) -> int:
    """Unix time in ms of ISO 8601, seconds or milliseconds. Raises ValueError."""
    text = text.strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at_ms = round(moment.timestamp() * 1000)
    else:
        if not _is_sane(number):
            raise ValueError(text)
        at_ms = int(number * 1000 if abs(number) < SECONDS_BELOW else number)
    if not EARLIEST_MS <= at_ms < LATEST_MS:
        raise ValueError(text)
    return at_ms


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[Candle]:
    places: list[int] | None = None
    previous_ms = 0
    for number, row in enumerate(reader, start=1):
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path}: line {number}"
        if places is None:
            places = _header(where, row)
            if places is not None:
                continue
            places = list(range(min(len(row), len(COLUMNS))))
            if len(places) < len(NEEDED):
                raise CandleError(f"{where}: column {COLUMNS[len(places)]!r} is missing")
        candle = _candle(where, places, row)
        if candle.at_ms <= previous_ms:
            raise CandleError(
                f"{where}: column 'time': {row[places[0]]!r} is not after the line before"
            )
        previous_ms = candle.at_ms
        yield candle


def _header(where: str, row: list[str]) -> list[int] | None:
    """Where each column stands; None if the row is not a header but a candle."""
    names = [cell.strip().lower() for cell in row]
    names = [ALIASES.get(name, name) for name in names]
    if not any(name in COLUMNS for name in names):
        return None
    for name in NEEDED:
        if name not in names:
            raise CandleError(f"{where}: column {name!r} is missing; there are {', '.join(row)}")
    return [names.index(name) for name in COLUMNS if name in names]


def _candle(where: str, places: list[int], row: list[str]) -> Candle:
    for column, place in zip(COLUMNS, places, strict=False):
        if place >= len(row):
            raise CandleError(f"{where}: column {column!r} is missing")
    texts = [row[place] for place in places]
    try:
        at_ms = read_time(texts[0])
    except (ValueError, OverflowError):
        raise CandleError(
            f"{where}: column 'time': {texts[0]!r} is not a time: ISO 8601, or s or ms since 1970"
        ) from None
    numbers = [_number(where, *pair) for pair in zip(COLUMNS[1:], texts[1:], strict=False)]
    candle = Candle(at_ms, *numbers)
    if candle.high < max(candle.open, candle.close, candle.low):
        raise CandleError(f"{where}: column 'high': {candle.high} is not the highest price")
    if candle.low > min(candle.open, candle.close):
        raise CandleError(f"{where}: column 'low': {candle.low} is not the lowest price")
    return candle


def _number(where: str, column: str, text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise CandleError(f"{where}: column {column!r}: {text!r} is not a number") from None
    if not _is_sane(number) or number < 0 or (column != "volume" and not number):
        raise CandleError(f"{where}: column {column!r}: {text!r} is not a number above 0")
    return number


def _is_sane(number: Decimal) -> bool:
    """Whether arithmetic with it ends: 1e999999 is a number too."""
    return number.is_finite() and abs(number.adjusted()) <= LARGEST_EXPONENT
