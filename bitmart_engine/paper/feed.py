"""What is told of the market at regular times, to those who subscribed: tickers, books, funding rates.

Trades and bars are told as they happen, in `broadcast.py`.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

import trio

from . import orderbook, wire
from .candles import Candles
from .config import PaperConfig
from .hub import Hub
from .market import Floor
from .orderbook import ASKS, BIDS, Book, Increments, told
from .topics import SNAPSHOTS, names_of, plain
from .wire import Json

FUNDING_INTERVAL_S = 60
TIMED = ("futures/depth", "futures/bookticker")
"""Topics that are told once a second while somebody watches."""


class MarketFeed:
    """Everything of the market that is not a trade."""

    def __init__(
        self,
        hub: Hub,
        config: PaperConfig,
        floor: Floor,
        candles: Mapping[str, Candles],
        now_ms: Callable[[], int],
    ) -> None:
        self._hub = hub
        self._config = config
        self._floor = floor
        self._candles = candles
        self._now_ms = now_ms
        self._increments: dict[str, Increments] = {}
        self._watched: dict[str, None] = {}
        self._somebody_watches = trio.Event()

    def subscribed(self, topic: str) -> Json | None:
        """Somebody subscribed a topic: what it begins with, if it begins with something."""
        if topic.startswith(TIMED):
            self._watched[plain(topic)] = None
            self._somebody_watches.set()
        return self.snapshot(topic)

    def snapshot(self, topic: str) -> Json | None:
        """The first frame of a topic that has one, and the answer to a request for it."""
        if not topic.startswith(SNAPSHOTS):
            return None
        name, symbol = parts(topic)
        if name == "fundingRate":
            return wire.funding(symbol, self._now_ms())
        return self._increments_of(topic).snapshot(symbol, self._now_ms())

    async def tell_tickers(self) -> None:
        """Every few seconds the ticker of every symbol, changed or not."""
        while True:
            await trio.sleep(self._config.ticker_interval_s)
            for instrument in self._config.symbols:
                symbol = instrument.symbol
                last, day = self._floor.last_price(symbol), self._candles[symbol].day()
                for topic in (f"futures/ticker:{symbol}", "futures/ticker"):
                    if self._hub.is_wanted(topic):
                        data = wire.ticker(symbol, last, instrument.tick_size, day)
                        self._hub.publish(topic, data, topic + self._config.ticker_group_suffix)

    async def tell_books(self) -> None:
        """Every second the books that somebody watches, changed or not, whatever speed was asked for."""
        while True:
            await self._somebody_watches.wait()
            await trio.sleep(self._config.depth_interval_s)
            for topic in list(self._watched):
                self._tell_book(topic)
            if not self._watched:
                self._somebody_watches = trio.Event()

    async def tell_funding(self) -> None:
        """Every minute the funding rates."""
        while True:
            await trio.sleep(FUNDING_INTERVAL_S)
            for instrument in self._config.symbols:
                topic = f"futures/fundingRate:{instrument.symbol}"
                if self._hub.is_wanted(topic):
                    self._hub.publish(topic, wire.funding(instrument.symbol, self._now_ms()))

    def _tell_book(self, topic: str) -> None:
        wanted = [name for name in names_of(topic) if self._hub.is_wanted(name)]
        if not wanted:
            del self._watched[topic]
            self._increments.pop(topic, None)
            return
        for frame in self._frames(topic):
            for name in wanted:
                self._hub.publish(name, frame)

    def _frames(self, topic: str) -> list[Json]:
        name, symbol = parts(topic)
        kind = name.rstrip("0123456789")
        book, now_ms = self._book(topic), self._now_ms()
        match kind:
            case "depth":
                sides = ((BIDS, book.bids), (ASKS, book.asks))
                return [
                    {"symbol": symbol, "way": way, "depths": told(levels), "ms_t": now_ms}
                    for way, levels in sides
                ]
            case "depthAll":
                asks, bids = told(book.asks), told(book.bids)
                return [{"symbol": symbol, "asks": asks, "bids": bids, "ms_t": now_ms}]
            case "depthIncrease":
                return [self._increments_of(topic).update(symbol, now_ms, book)]
        return [wire.book_ticker(symbol, book, now_ms)]

    def _increments_of(self, topic: str) -> Increments:
        topic = plain(topic)
        if topic not in self._increments:
            self._increments[topic] = Increments(self._book(topic))
        return self._increments[topic]

    def _book(self, topic: str) -> Book:
        name, symbol = parts(topic)
        depth = int(name.lstrip(string.ascii_letters) or 1)
        instrument, last = self._floor.instruments[symbol], self._floor.last_price(symbol)
        return orderbook.book(instrument, last, depth)


def parts(topic: str) -> tuple[str, str]:
    """The channel and the symbol of a topic."""
    name, _, symbol = plain(topic).removeprefix("futures/").rpartition(":")
    return name, symbol
