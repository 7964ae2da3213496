"""An order book to look at: made up around the last price, the same for the same price. Nobody trades with it.

Bids and asks are one tick apart from the last price on both sides. Its increments have versions, as the exchange's
have: a snapshot carries the version that the next update follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from attrs import frozen

from .instruments import PaperInstrument, wire_decimal

DEPTHS = (5, 20, 50)
BIDS, ASKS = 1, 2

Level = tuple[Decimal, int]
Json = dict[str, Any]


@frozen
class Book:
    """Both sides, the best price first; a level is a price and a size in contracts."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


def book(instrument: PaperInstrument, last: Decimal, depth: int) -> Book:
    """`depth` levels on each side of the last price; none below the smallest price there is."""
    tick = instrument.tick_size
    asks = [last + tick * step for step in range(1, depth + 1)]
    bids = [price for step in range(1, depth + 1) if (price := last - tick * step) > 0]
    return Book(_levels(bids, tick), _levels(asks, tick))


def _levels(prices: list[Decimal], tick: Decimal) -> tuple[Level, ...]:
    return tuple((price, 10 + int(price / tick) * 37 % 190) for price in prices)


class Increments:
    """One book as it is told in increments."""

    def __init__(self, first: Book) -> None:
        self.version = 1
        self._book = first

    def snapshot(self, symbol: str, now_ms: int) -> Json:
        """The whole book as of the last update."""
        sides = {"asks": told(self._book.asks), "bids": told(self._book.bids)}
        return self._frame(symbol, now_ms, "snapshot", sides)

    def update(self, symbol: str, now_ms: int, present: Book) -> Json:
        """What changed since: sizes are absolute, 0 deletes a level. It can be empty."""
        sides = {
            "asks": told(tuple(changes(self._book.asks, present.asks))),
            "bids": told(tuple(changes(self._book.bids, present.bids))),
        }
        self.version += 1
        self._book = present
        return self._frame(symbol, now_ms, "update", sides)

    def _frame(self, symbol: str, now_ms: int, kind: str, sides: Json) -> Json:
        return {"symbol": symbol, **sides, "ms_t": now_ms, "version": self.version, "type": kind}


def changes(before: tuple[Level, ...], after: tuple[Level, ...]) -> Iterator[Level]:
    """The levels that differ; those that are gone have the size 0."""
    known, present = dict(before), dict(after)
    for price in known:
        if price not in present:
            yield price, 0
    for price, size in after:
        if known.get(price) != size:
            yield price, size


def told(levels: tuple[Level, ...]) -> list[Json]:
    """Levels as the WebSocket has them."""
    return [{"price": wire_decimal(price), "vol": str(size)} for price, size in levels]


def accumulated(levels: tuple[Level, ...]) -> list[list[str]]:
    """Levels as REST has them: price, size, and the size up to here."""
    rows, total = [], 0
    for price, size in levels:
        total += size
        rows.append([wire_decimal(price), str(size), str(total)])
    return rows
