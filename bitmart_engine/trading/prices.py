"""Prices for whatever is armed: the channels it needs, the last price, and what to do when prices stop coming.

Arming an order or a protection subscribes what it needs; nobody has to remember to. A symbol that is needed and has
had no price from the stream for `STALE_AFTER_S` is stale: it is said, resubscribed, and if that does not help its
connection is dropped to be made anew. Meanwhile it is priced over REST. A channel can die while pings are answered.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
import trio
from attrs import define, field

from ..exchange.client import ExchangeClient
from ..exchange.errors import ExchangeError
from ..model.decimals import plain
from ..model.events import Tick
from ..model.timeframes import Timeframe
from ..streams.streams import Streams
from ..streams.topics import kline_topic, trade_topic
from ..tally import Tally

__all__ = ["Prices"]

log = structlog.get_logger()

HOLDER = "armed"
REST_PRICE_EVERY_S = 2.0
"""The exchange refreshes the last price of its details about every 2 s (fact sheet 5.2)."""
RECONNECT_AGAIN_S = 60.0
"""A market in which nobody trades looks like a dead channel: do not reconnect for it all the time."""


def topics_of(symbol: str) -> tuple[str, ...]:
    """What is subscribed to price a symbol: every trade, and the running bar, which goes on when trades are rare."""
    return (kline_topic(symbol, Timeframe.M1), trade_topic(symbol))


@define
class _Watch:
    """A needed symbol: who needs it, and how its stream is doing."""

    since: float
    needed_by: set[tuple[str, str]] = field(factory=set)
    stale: bool = False
    resubscribed_at: float | None = None
    reconnected_at: float | None = None
    asked_at: float = float("-inf")


class Prices:
    """Knows the last price of every streamed symbol and keeps the needed ones coming."""

    def __init__(
        self, streams: Streams, exchange: ExchangeClient, stale_after_s: float, tally: Tally
    ) -> None:
        self._streams = streams
        self._exchange = exchange
        self._stale_after_s = stale_after_s
        self._tally = tally
        self._watched: dict[str, _Watch] = {}
        self._last: dict[str, Tick] = {}

    def need(self, symbol: str, who: tuple[str, str]) -> None:
        """Have `symbol` priced for `who`, until `unneed`. Does not block."""
        watch = self._watched.get(symbol)
        if watch is None:
            watch = self._watched[symbol] = _Watch(since=trio.current_time())
            self._streams.start_afresh(symbol)
            self._streams.hold(HOLDER, topics_of(symbol))
        watch.needed_by.add(who)

    def unneed(self, symbol: str, who: tuple[str, str]) -> None:
        """`who` no longer needs `symbol`."""
        watch = self._watched.get(symbol)
        if watch is None:
            return
        watch.needed_by.discard(who)
        if not watch.needed_by:
            del self._watched[symbol]
            self._streams.release(HOLDER, topics_of(symbol))

    def note(self, tick: Tick) -> None:
        """This is the latest tick of its symbol."""
        self._last[tick.symbol] = tick

    def last(self, symbol: str) -> Tick | None:
        """The last tick, however old."""
        return self._last.get(symbol)

    def fresh(self, symbol: str) -> Tick | None:
        """The last tick if it is not too old to act on."""
        tick = self._last.get(symbol)
        if tick is None or trio.current_time() - tick.at > self._stale_after_s:
            return None
        return tick

    def recheck(self, symbol: str) -> None:
        """Have the last price looked at again, by something that was armed just now. Does not block."""
        mailbox = self._streams.ticks
        waiting = mailbox.take_nowait(symbol)
        tick = self.fresh(symbol)
        if waiting is not None:
            mailbox.put_nowait(waiting)
        elif tick is not None:
            mailbox.put_nowait(Tick(symbol, tick.last, tick.last, tick.last, tick.at))

    def statistics(self) -> Mapping[str, tuple[Tick, float, bool]]:
        """For every symbol: its last tick, that tick's age in seconds, and whether it is stale."""
        now = trio.current_time()
        return {
            symbol: (tick, now - tick.at, symbol in self._watched and self._watched[symbol].stale)
            for symbol, tick in self._last.items()
        }

    def stale(self) -> list[str]:
        """The needed symbols that the stream does not price now."""
        return [symbol for symbol, watch in self._watched.items() if watch.stale]

    async def keep_fresh(self) -> None:
        """Watch for stale symbols, for ever. Runs as a task."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(min(self._stale_after_s / 4, 1.0))
                for symbol, watch in list(self._watched.items()):
                    self._check(symbol, watch, nursery)

    def _check(self, symbol: str, watch: _Watch, nursery: trio.Nursery) -> None:
        now = trio.current_time()
        heard = [self._streams.last_data_at(topic) for topic in topics_of(symbol)]
        last_data = max([watch.since, *(at for at in heard if at is not None)])
        if now - last_data <= self._stale_after_s:
            if watch.stale:
                log.info("prices are back", symbol=symbol)
                watch.stale, watch.resubscribed_at, watch.reconnected_at = False, None, None
            return
        if not watch.stale:
            watch.stale = True
            self._tally.add("stale prices", symbol=symbol, after_s=self._stale_after_s)
            log.warning(
                "prices are stale", symbol=symbol, last_data_s_ago=round(now - last_data, 1)
            )
        if watch.resubscribed_at is None:
            watch.resubscribed_at = now
            for topic in topics_of(symbol):
                self._streams.resubscribe(topic)
        elif now - (watch.reconnected_at or watch.resubscribed_at) >= (
            self._stale_after_s
            if watch.reconnected_at is None
            else max(RECONNECT_AGAIN_S, self._stale_after_s)
        ):
            watch.reconnected_at = now
            self._streams.reconnect(topics_of(symbol)[0], f"no prices of {symbol}")
        if now - watch.asked_at >= REST_PRICE_EVERY_S:
            watch.asked_at = now
            nursery.start_soon(self._ask, symbol)

    async def _ask(self, symbol: str) -> None:
        try:
            price = await self._exchange.last_price(symbol)
        except ExchangeError as failure:
            self._tally.add("no price over REST either", symbol=symbol, why=str(failure))
            return
        log.debug("priced over REST", symbol=symbol, price=plain(price))
        self._streams.observe(symbol, price)
