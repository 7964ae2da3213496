"""Replays recorded candles from a CSV file: `timestamp,open,high,low,close,volume`, one minute each, UTC.

Every candle becomes a path of trades: its open, the nearer of its extremes, the other one, its close, with steps in
between. So the replayed candle touches exactly the recorded high and low.

Time: candles and public trades carry the file's own time, the market's, which runs `speed` times as fast as the
clock; at speed 60 a new one-minute candle begins every second. Orders, logins and signatures live by the
exchange's clock as ever. A client that asks REST for candles between two moments of the wall clock will find none:
it has to ask by the times of the candles it was sent, or be given `clock="wall"`, where trades carry the wall clock
and one wall minute holds `speed` recorded ones. With `clock="from now"` the file's times are moved so that the first
candle opens in the minute in which the exchange does: for a client that takes trades of the past for what they are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Literal

import trio
from attrs import frozen

from .instruments import to_grid
from .market import Floor, Market

COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
CANDLE_MS = 60_000


class ReplayError(ValueError):
    """The file cannot be replayed; the text names the file, the line and the column."""


@frozen
class Recorded:
    """One recorded candle. `volume` is in the base currency."""

    at_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def path(self) -> list[Decimal]:
        """Prices from open to close by way of both extremes, the nearer one first."""
        near, far = self.high, self.low
        if self.open - self.low < self.high - self.open:
            near, far = far, near
        stations = [self.open, near, far, self.close]
        path = [self.open]
        for here, there in pairwise(stations):
            path += [(here + there) / 2, there]
        return path


class Replay(Market):
    """Trades one symbol along a file of recorded candles, then leaves the price where it ended."""

    def __init__(
        self,
        path: str | Path,
        symbol: str = "BTCUSDT",
        speed: float = 60,
        *,
        clock: Literal["market", "wall", "from now"] = "market",
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, not {speed}")
        self._candles = read_candles(Path(path))
        self._symbol = symbol
        self._speed = speed
        self._clock = clock
        self._at_ms = self._candles[0].at_ms
        self._moved_ms: int | None = None if clock == "from now" else 0
        self.finished = trio.Event()

    def opening_prices(self) -> dict[str, Decimal]:
        return {self._symbol: self._candles[0].open}

    def market_ms(self, now_ms: int) -> int:
        """The file's time of the newest trade, moved if it is to be, or the wall's."""
        if self._moved_ms is None:
            self._moved_ms = now_ms - now_ms % CANDLE_MS - self._candles[0].at_ms
        return now_ms if self._clock == "wall" else self._at_ms + self._moved_ms

    async def run(self, floor: Floor) -> None:
        instrument = floor.instruments[self._symbol]
        opened_at, first_ms = trio.current_time(), self._candles[0].at_ms
        for candle in self._candles:
            path = candle.path()
            contracts = int(candle.volume / instrument.contract_size)
            size = max(1, contracts // len(path))
            for step, price in enumerate(path):
                at_ms = candle.at_ms + step * CANDLE_MS // len(path)
                await trio.sleep_until(opened_at + (at_ms - first_ms) / 1000 / self._speed)
                self._at_ms = at_ms
                if not floor.is_held(self._symbol):
                    on_grid = to_grid(price, instrument.tick_size)
                    last = floor.last_price(self._symbol)
                    floor.market_trade(self._symbol, on_grid, size, buy=on_grid >= last)
        self.finished.set()


def read_candles(path: Path) -> list[Recorded]:
    """All candles of a file, checked (ReplayError)."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            candles = list(_rows(path, csv.reader(file)))
    except (OSError, UnicodeDecodeError) as error:
        raise ReplayError(f"{path}: cannot be read: {error}") from error
    if not candles:
        raise ReplayError(f"{path}: line 2: there are no candles")
    return candles


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[Recorded]:
    header = [name.strip() for name in next(reader, [])]
    for name in COLUMNS:
        if name not in header:
            raise ReplayError(f"{path}: line 1: column {name!r} is missing")
    places = [header.index(name) for name in COLUMNS]
    previous_ms = 0
    for number, row in enumerate(reader, start=2):
        if not row:
            continue
        where = f"{path}: line {number}"
        if len(row) < len(header):
            raise ReplayError(f"{where}: column {header[len(row)]!r} is missing")
        stamp, *texts = [row[place] for place in places]
        at_ms = _time(where, stamp)
        if at_ms <= previous_ms:
            raise ReplayError(
                f"{where}: column 'timestamp': {stamp!r} is not after the line before"
            )
        previous_ms = at_ms
        numbers = [_number(where, *pair) for pair in zip(COLUMNS[1:], texts, strict=True)]
        candle = Recorded(at_ms, *numbers)
        if candle.high < max(candle.open, candle.close, candle.low):
            raise ReplayError(f"{where}: column 'high': {candle.high} is not the highest price")
        if candle.low > min(candle.open, candle.close):
            raise ReplayError(f"{where}: column 'low': {candle.low} is not the lowest price")
        yield candle


def _time(where: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ReplayError(f"{where}: column 'timestamp': {text!r} is not a time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _number(where: str, column: str, text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise ReplayError(f"{where}: column {column!r}: {text!r} is not a number") from None
    if not number.is_finite() or number < 0 or (column != "volume" and number == 0):
        raise ReplayError(f"{where}: column {column!r}: {text!r} is not a positive number")
    return number
