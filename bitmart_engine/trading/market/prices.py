"""Prices for whatever is armed: the channels it needs, the last price, and what to do when prices stop coming.

Arming an order or a protection subscribes what it needs; nobody has to remember to. A symbol that is needed and has
had no price from the stream for `STALE_AFTER_S` is stale: it is said, resubscribed, and if that does not help its
connection is dropped to be made anew. Meanwhile it is priced over REST. A channel can die while pings are answered.

A price that the stream tells and that is old, or far from the last one, is not acted on (`streams.pricing`); REST is
asked at once what the price is. A far one is acted on as soon as a second source says so too; what becomes of it if
none does within a second, or three where an answer is under way, `Pricing.time_is_up` says.

What the stream missed is looked up when it is back: after every new subscription, the first one too, and after a
silence; meanwhile also every now and then, for a price that was asked for says nothing of those between. Once more a
little later, since nobody documents how soon the exchange's bars are complete. What follows from it is for `look_back`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping

import trio
from attrs import define, evolve, field

from ...counters import Counters
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...logs import get_logger
from ...model.decimals import plain
from ...model.errors import BadRequest
from ...model.events import Kline, Tick
from ...model.timeframes import Timeframe
from ...streams.jumps import CONFIRMED_WITHIN_S, Source
from ...streams.streams import Streams
from ...streams.subscriptions import MONITORS, check_topic
from ...streams.ticks import Range
from ...streams.topics import kline_topic, trade_topic
from ..backoff import Backoff

__all__ = ["Prices"]

log = get_logger()

REST_PRICE_EVERY_S = 2.0
"""The exchange refreshes the last price of its details about every 2 s (fact sheet 5.2)."""
SECOND_SOURCE_EVERY_S = 0.25
SECOND_SOURCE_UP_TO_S = 1.0
"""How often REST is asked for a price that is in doubt, at first and at the slowest."""
ANSWERED_WITHIN_S = 3.0
"""How long a price that is in doubt waits for an answer that is under way."""
MOST_UNDER_WAY = 5
BLIND_LOOK_EVERY_S = 15.0
"""How often a stream that stays dead is made up for by looking at the exchange's bars."""
BAR_S = 60
BARS_LATE_S = 5.0
"""How long after its minute a bar of the exchange is taken to be complete at the latest. A guess, on the safe side."""
NEVER = float("-inf")


LookBack = Callable[[str, int], Awaitable[None]]
"""Sees to what a symbol missed since a time (the exchange's clock, ms; 0: whenever), and returns once that is done."""


def topics_of(symbol: str) -> tuple[str, ...]:
    """What is subscribed to price a symbol: every trade, and the running bar, which goes on when trades are rare."""
    return (kline_topic(symbol, Timeframe.M1), trade_topic(symbol))


def _latest(times: Iterable[float | None]) -> float:
    return max((at for at in times if at is not None), default=NEVER)


@define
class _Watch:
    """A needed symbol: who needs it, and how its stream is doing."""

    since: float
    needed_by: dict[str, set[str]] = field(factory=dict)
    """Ids of entries and of protections, by which of them they are."""
    stale: bool = False
    resubscribed_at: float | None = None
    asked_at: float = NEVER
    acknowledged_at: float = NEVER
    heard_at: float | None = None
    """When the stream last told of the symbol, as far as that was looked at; None before it was watched at all."""
    missed: int | None = None
    """Since when (the exchange's clock, ms) something was missed that was not looked up yet. 0 is since whenever."""
    again: int | None = None
    """The same of what is to be looked up once more, at `again_at`."""
    again_at: float = NEVER
    looked_at: float = NEVER
    looking: bool = False

    def miss(self, since_ms: int) -> None:
        """Something was missed, which is to be looked up now."""
        self.missed = since_ms if self.missed is None else min(self.missed, since_ms)


class Prices:
    """Knows the last price of every streamed symbol and keeps the needed ones coming."""

    def __init__(
        self, streams: Streams, exchange: ExchangeClient, stale_after_s: float, counters: Counters
    ) -> None:
        self._streams = streams
        self._exchange = exchange
        self._stale_after_s = stale_after_s
        self._counters = counters
        self._watched: dict[str, _Watch] = {}
        self._last: dict[str, Tick] = {}
        self._doubted: dict[str, None] = {}
        self._something_doubted = trio.Event()
        self._deciding: set[str] = set()
        self._asking: set[str] = set()
        self._under_way: Counter[str] = Counter()
        self._answered: dict[str, trio.Event] = {}
        streams.pricing.doubted = self._doubt

    def check(self, symbol: str) -> None:
        """Raise BadRequest for a symbol that cannot be priced: nothing may be promised about it."""
        try:
            for topic in topics_of(symbol):
                check_topic(topic)
        except BadRequest:
            raise BadRequest(f"no channel can be called after {symbol!r}", "$.symbol") from None

    def need(self, symbol: str, who: tuple[str, str]) -> None:
        """Have `symbol` priced for `who` (`entry` or `protection`, say, and its id), until `unneed`. Does not block.

        Does not fail: what was promised is priced over REST where no channel can be asked for.
        """
        watch = self._watched.get(symbol)
        if watch is None:
            watch = self._watched[symbol] = _Watch(since=trio.current_time())
            self._streams.start_afresh(symbol)
            self._streams.ticks.take_nowait(symbol)  # from before
            try:
                self._streams.hold_what_fits(MONITORS, topics_of(symbol))
            except BadRequest as failure:
                self._counters.add(
                    "symbol_without_price_channel", symbol=symbol, why=failure.message
                )
        kind, id = who
        watch.needed_by.setdefault(kind, set()).add(id)

    def needed(self) -> list[str]:
        """The symbols that anybody needs."""
        return list(self._watched)

    def unneed(self, symbol: str, who: tuple[str, str]) -> None:
        """`who` no longer needs `symbol`."""
        watch = self._watched.get(symbol)
        if watch is None:
            return
        kind, id = who
        watch.needed_by.get(kind, set()).discard(id)
        if not any(watch.needed_by.values()):
            del self._watched[symbol]
            self._streams.release(MONITORS, topics_of(symbol))

    def note(self, tick: Tick) -> None:
        """This is the latest tick of its symbol."""
        self._last[tick.symbol] = tick

    def last(self, symbol: str) -> Tick | None:
        """The last tick, however old."""
        return self._last.get(symbol)

    def fresh(self, symbol: str) -> Tick | None:
        """The last tick if it can be acted on: not too old, and of a symbol that was streamed for us ever since."""
        tick, watch = self._last.get(symbol), self._watched.get(symbol)
        if tick is None or watch is None or tick.at < watch.since:
            return None
        return tick if trio.current_time() - tick.at <= self._stale_after_s else None

    def untold(self, bar: Kline) -> Range:
        """Of a bar that history tells, the extremes that no tick had."""
        return self._streams.untold(bar)

    def recheck(self, symbol: str) -> None:
        """Have the last price looked at again, by something that was armed just now. Does not block."""
        mailbox = self._streams.ticks
        waiting = mailbox.take_nowait(symbol)
        tick = self.fresh(symbol)
        if waiting is not None:
            mailbox.put_nowait(waiting)
        elif tick is not None:
            mailbox.put_nowait(evolve(tick.only_last(), gap_since=None, rechecked=True))

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

    def unpriced(self) -> frozenset[str]:
        """The needed symbols of which no price can be acted on now, wherever from: their stops are unwatched."""
        return frozenset(symbol for symbol in self._watched if self.fresh(symbol) is None)

    def _doubt(self, symbol: str) -> None:
        """A price of the symbol was kept out: see what another source says. Does not block."""
        self._doubted[symbol] = None
        self._something_doubted.set()

    async def settle_doubts(self) -> None:
        """Ask REST about prices that were kept out, for ever. Runs as a task."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._something_doubted.wait()
                self._something_doubted = trio.Event()
                doubted, self._doubted = self._doubted, {}
                for symbol in doubted:
                    if self._streams.pricing.in_doubt_since(symbol) is None:
                        self._exchange.doubt_clock()  # it is old, or that clock was set back
                        if watch := self._watched.get(symbol):
                            self._ask_at_times(symbol, watch, nursery)
                    elif symbol not in self._deciding:
                        self._deciding.add(symbol)
                        nursery.start_soon(self._decide_in_time, symbol)
                        if symbol not in self._asking:
                            self._asking.add(symbol)
                            nursery.start_soon(self._ask_until_settled, symbol)

    async def _decide_in_time(self, symbol: str) -> None:
        """See to it that a price that is in doubt is decided in time."""
        pricing = self._streams.pricing
        while (since := pricing.in_doubt_since(symbol)) is not None:
            await trio.sleep_until(since + CONFIRMED_WITHIN_S)
            with trio.move_on_at(since + ANSWERED_WITHIN_S):
                while self._under_way[symbol] and not pricing.is_settled(symbol, since):
                    await self._answered.setdefault(symbol, trio.Event()).wait()
            if pricing.in_doubt_since(symbol) == since:
                pricing.time_is_up(symbol)
        self._deciding.discard(symbol)

    async def _ask_until_settled(self, symbol: str) -> None:
        """Ask REST for the last price and for the running bar, which differ where REST itself told what is in doubt.

        Again without waiting for an answer: one that is lost is not to hold up the others. A little longer than until
        it is decided: what REST told may have been from before.
        """
        pricing = self._streams.pricing
        enough_at = trio.current_time() + REST_PRICE_EVERY_S
        async with trio.open_nursery() as nursery:
            for pause_s in Backoff(SECOND_SOURCE_EVERY_S, SECOND_SOURCE_UP_TO_S):
                if self._under_way[symbol] < MOST_UNDER_WAY:
                    self._under_way[symbol] += 1
                    nursery.start_soon(self._ask_both, symbol)
                open_still = pricing.in_doubt_since(symbol) is not None
                open_still = open_still or pricing.was_given_up(symbol)
                if not open_still and trio.current_time() >= enough_at:
                    break
                await trio.sleep(pause_s)
            self._asking.discard(symbol)

    async def _ask_both(self, symbol: str) -> None:
        try:
            async with trio.open_nursery() as nursery:
                urgency = Urgency.CLOSE if symbol in self._watched else Urgency.READ
                nursery.start_soon(self._ask, symbol, urgency)
                nursery.start_soon(self._ask_for_bar, symbol)
        finally:
            self._under_way[symbol] -= 1
            self._tell_answered(symbol)

    def _tell_answered(self, symbol: str) -> None:
        """Whoever waits for an answer may look whether it is what was waited for."""
        answered = self._answered.pop(symbol, None)
        if answered is not None:
            answered.set()

    async def _ask_for_bar(self, symbol: str) -> None:
        asked_at, now_s = trio.current_time(), self._exchange.now_ms() // 1000
        try:
            bars = await self._exchange.klines(
                symbol, Timeframe.M1, now_s - BAR_S, now_s, urgency=Urgency.CLOSE
            )
        except ExchangeError as failure:
            self._counters.add("rest_price_failed", symbol=symbol, why=failure)
            return
        # The bar of a minute that is over may be from before the price that is in doubt.
        if bars and bars[-1].close > 0 and bars[-1].open_time_s == now_s - now_s % BAR_S:
            self._streams.observe(symbol, bars[-1].close, asked_at, Source.KLINES)
            self._tell_answered(symbol)

    async def keep_fresh(self, look_back: LookBack) -> None:
        """Watch for stale symbols, for ever, and have `look_back` see to what was missed. Runs as a task."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(min(self._stale_after_s / 4, 1.0))
                for symbol, watch in list(self._watched.items()):
                    self._check_for_gaps(watch, topics_of(symbol))
                    self._check(symbol, watch, nursery)
                    if watch.missed is not None and not watch.looking:
                        watch.looking = True
                        nursery.start_soon(self._look_up, symbol, watch, look_back)

    def _check(self, symbol: str, watch: _Watch, nursery: trio.Nursery) -> None:
        now = trio.current_time()
        heard = [self._streams.last_data_at(topic) for topic in topics_of(symbol)]
        last_data = max([watch.since, *(at for at in heard if at is not None)])
        if now - last_data <= self._stale_after_s:
            if watch.stale:
                log.info("prices_recovered", symbol=symbol)
                watch.stale, watch.resubscribed_at = False, None
            return
        if not watch.stale:
            watch.stale = True
            self._counters.count("prices_stale")
            log.warning("prices_stale", symbol=symbol, last_data_s_ago=round(now - last_data, 1))
        if watch.resubscribed_at is None:
            watch.resubscribed_at = now
            for topic in topics_of(symbol):
                self._streams.resubscribe(topic)
        elif now - self._could_tell_since(symbol, watch.resubscribed_at) >= self._stale_after_s:
            self._streams.renew(topics_of(symbol)[0], f"no prices of {symbol}")
        self._ask_at_times(symbol, watch, nursery)
        if now - watch.looked_at >= BLIND_LOOK_EVERY_S:
            watch.looked_at = now
            watch.miss(self._exchange_ms(watch.heard_at))

    def _could_tell_since(self, symbol: str, resubscribed_at: float) -> float:
        """Since when the stream has been asked for the symbol, and could have told of it."""
        return _latest(
            [resubscribed_at, *(self._streams.acknowledged_at(each) for each in topics_of(symbol))]
        )

    def _check_for_gaps(self, watch: _Watch, topics: tuple[str, ...]) -> None:
        """Note what was missed if the stream is back."""
        now = trio.current_time()
        acknowledged_at = _latest(self._streams.acknowledged_at(topic) for topic in topics)
        heard_at = _latest(self._streams.last_data_at(topic) for topic in topics)
        before = NEVER if watch.heard_at is None else watch.heard_at
        silent = heard_at > before and now - before >= self._stale_after_s
        if acknowledged_at > watch.acknowledged_at or silent:
            if watch.again is not None:
                watch.miss(watch.again)
            watch.miss(self._exchange_ms(watch.heard_at))
            watch.acknowledged_at, watch.looked_at = acknowledged_at, now
            watch.again = watch.missed
            watch.again_at = now + BAR_S - self._exchange.now_ms() / 1000 % BAR_S + BARS_LATE_S
        elif watch.again is not None and now >= watch.again_at:
            watch.miss(watch.again)
            watch.again = None
        if max(acknowledged_at, heard_at) > NEVER:
            watch.heard_at = max(heard_at, before, watch.since)

    def _exchange_ms(self, at: float | None) -> int:
        """A time of Trio's clock by the exchange's; None is 0, since whenever."""
        if at is None:
            return 0
        return self._exchange.now_ms() - round((trio.current_time() - at) * 1000)

    async def _look_up(self, symbol: str, watch: _Watch, look_back: LookBack) -> None:
        """Look up what was missed, and what is missed while that goes on."""
        while watch.missed is not None and self._watched.get(symbol) is watch:
            since_ms, watch.missed = watch.missed, None
            await look_back(symbol, since_ms)
        watch.looking = False

    def _ask_at_times(self, symbol: str, watch: _Watch, nursery: trio.Nursery) -> None:
        """Ask REST for the price, unless it was asked just now."""
        now = trio.current_time()
        if now - watch.asked_at >= REST_PRICE_EVERY_S:
            watch.asked_at = now
            nursery.start_soon(self._ask, symbol)

    async def _ask(self, symbol: str, urgency: Urgency = Urgency.READ) -> None:
        asked_at = trio.current_time()
        try:
            price = await self._exchange.last_price(symbol, urgency=urgency)
        except ExchangeError as failure:
            self._counters.add("rest_price_failed", symbol=symbol, why=failure)
            return
        log.debug("price_from_rest", symbol=symbol, price=plain(price))
        self._streams.observe(symbol, price, asked_at)
        self._tell_answered(symbol)
