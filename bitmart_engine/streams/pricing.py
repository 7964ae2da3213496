"""From trades, bars and prices read over REST to the ticks that monitors act on: what is old or in doubt is kept out.

`ages` says whether a price is from before what it could be held against, `jumps` whether it is too far from the last
one to be believed from one source, `ticks` what of a bar is news. Whatever is kept out is counted, and `doubted` is
told the symbol, so that it is asked for elsewhere. Synchronous, and reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from ..counters import Counters
from ..model.events import Kline, Tick, Trade
from ..model.timeframes import Timeframe
from .ages import TOLERATED_MS, Age, Ages, Moment
from .jumps import Jumps, Source
from .ticks import Range, TickMailbox, TickMaker

__all__ = ["Pricing"]

REST_REFRESHED_MS = 2_000
"""How old the last price that REST tells may be (fact sheet 5.2)."""


def _nobody_asks(symbol: str) -> None:
    """Nothing is asked for elsewhere."""


class Pricing:
    """The way of every price into the mailbox."""

    def __init__(
        self,
        ticks: TickMailbox,
        counters: Counters,
        jump_percent: float,
        dated_twice: Callable[[int], bool] = lambda ms: False,
    ) -> None:
        """`dated_twice` says whether the exchange's clock shows a time (Unix ms) again after it was set back."""
        self._ticks = ticks
        self._counters = counters
        self._dated_twice = dated_twice
        self._ages = Ages()
        self._jumps = Jumps(jump_percent)
        self._maker = TickMaker()
        self._last_ms: dict[str, int | None] = {}
        self.doubted: Callable[[str], None] = _nobody_asks
        """Told the symbol of which a price was kept out, or came late: another source may know better."""

    # What arrives

    def told_together(self, trades: Iterable[Trade], moment: Moment) -> None:
        """These trades come in one push, and are taken one by one after this."""
        self._ages.told_together(trades, moment)

    def trade(self, trade: Trade, topic: str, moment: Moment) -> bool:
        """Take a trade that a topic tells. False if it moved nothing."""
        age = self._ages.trade(trade, topic, moment)
        if age is Age.OLD:
            self._left_out(trade.symbol, topic, trade.price, trade.at_ms)
            return False
        late_ms = _late_ms(trade.at_ms, moment)
        prices = (trade.price, trade.price, trade.price)
        near = self._take(trade.symbol, Source.TRADES, prices, age, moment, late_ms)
        if near is not None:
            self._maker.tell_all(trade.symbol, trade.price, trade.price)
        return near is not None

    def kline(
        self, kline: Kline, topic: str, moment: Moment, gap_since: float | None = None
    ) -> bool:
        """Take a bar that a topic tells. False if it moved nothing.

        Nor does one that began at a time which the exchange's clock shows twice: until a trade falls into it, its last
        price is from before that clock was set back.
        """
        age = self._ages.kline(kline, topic, moment)
        if age is Age.OLD or self._dated_twice(kline.open_time_s * 1000):
            self._left_out(kline.symbol, topic, kline.close, kline.open_time_s * 1000)
            return False
        news = self._maker.news(kline)
        if news is None:
            return False
        if news.overtaken:
            age = Age.LATE
        late_ms = _late_ms((kline.open_time_s + kline.timeframe.seconds) * 1000, moment)
        prices = (news.last, news.low, news.high)
        near = self._take(kline.symbol, Source.KLINES, prices, age, moment, late_ms, gap_since)
        if near is not None:
            self._maker.tell(kline, *near)
        return near is not None

    def observe(
        self,
        symbol: str,
        price: Decimal,
        moment: Moment,
        asked_at: float | None = None,
        source: Source = Source.REST,
    ) -> None:
        """Take a price that was read elsewhere, over REST say. What the stream told since `asked_at` is newer."""
        last = self._jumps.last(symbol)
        age = Age.NEW
        if asked_at is not None:
            if last is not None and last[1] > asked_at:
                age = Age.LATE
                if not self._jumps.is_far(symbol, price):
                    return
            else:
                asked_ms = moment.exchange_ms - round((moment.now - asked_at) * 1000)
                self._ages.asked(symbol, asked_ms - REST_REFRESHED_MS)
        self._take(symbol, source, (price, price, price), age, moment, None)

    def _take(
        self,
        symbol: str,
        source: Source,
        prices: tuple[Decimal, Decimal, Decimal],
        age: Age,
        moment: Moment,
        late_ms: int | None,
        gap_since: float | None = None,
    ) -> tuple[Decimal, Decimal] | None:
        """Make a tick of (last, low, high). Returns the lowest and highest of them that are not in doubt, or None."""
        jumps, now = self._jumps, moment.now
        last, low, high = prices
        if jumps.last(symbol) is None:
            age = Age.NEW
        near: list[Decimal] = []
        far: list[Decimal] = []
        for each in (last,) if low == high else prices:
            (far if jumps.is_far(symbol, each) else near).append(each)
        believed = list(near)
        if age is Age.NEW and last in near:
            believed += jumps.ordinary(symbol, source, last, now)
            self._last_ms[symbol] = late_ms
        for each in far:
            is_last = age is Age.NEW and each == last
            confirmed = jumps.doubt(symbol, source, each, now, is_last=is_last)
            if confirmed and is_last:
                self._last_ms[symbol] = late_ms
            if not confirmed:
                self._in_doubt(symbol, source, each, now)
            believed += confirmed
        if far and age is Age.NEW and last in near:
            jumps.was_left(symbol)
        if len(believed) > len(near):
            self._maker.tell_all(symbol, min(believed), max(believed))
        if believed:
            self._put(symbol, min(believed), max(believed), gap_since, late_ms)
            if late_ms is not None:
                self._counters.add("price_late", symbol=symbol)
                self.doubted(symbol)
        return (min(near), max(near)) if near else None

    # What is kept out

    def in_doubt_since(self, symbol: str) -> float | None:
        """Since when a price of the symbol is in doubt and nothing was decided of it (Trio's clock)."""
        return self._jumps.in_doubt_since(symbol)

    def is_settled(self, symbol: str, since: float) -> bool:
        """Whether what was in doubt since then is decided, or has been contradicted."""
        return self._jumps.is_settled(symbol, since)

    def was_given_up(self, symbol: str) -> bool:
        """Whether a price is in doubt that stops had to take as it was."""
        return self._jumps.was_given_up(symbol)

    def time_is_up(self, symbol: str) -> None:
        """No second source has confirmed a price that is in doubt.

        If an ordinary price was heard since, it was a stray print. If nothing else was heard at all, stops take it as
        it is: closing for a stray print costs the spread and the fees, passing a stop in a crash costs any amount.
        Targets and zones go on waiting for a second source: they lose at most a chance by it.
        """
        extremes = self._jumps.time_is_up(symbol)
        if extremes is None:
            self._counters.add("price_stray", symbol=symbol)
        elif extremes.low is not None and extremes.high is not None:
            self._counters.add("price_unconfirmed_taken_for_stops", symbol=symbol)
            self._put(symbol, extremes.low, extremes.high, unconfirmed=True)

    def _in_doubt(self, symbol: str, source: Source, price: Decimal, now: float) -> None:
        self._counters.add("price_far_from_last", symbol=symbol, price=price, source=source.value)
        if self._jumps.was_given_up(symbol):
            self._put(symbol, price, price, unconfirmed=True)
        self.doubted(symbol)

    def _left_out(self, symbol: str, topic: str, price: Decimal, at_ms: int | None) -> None:
        self._counters.add(
            "price_of_another_time", symbol=symbol, topic=topic, price=price, at_ms=at_ms
        )
        self.doubted(symbol)

    def _put(
        self,
        symbol: str,
        low: Decimal,
        high: Decimal,
        gap_since: float | None = None,
        late_ms: int | None = None,
        *,
        unconfirmed: bool = False,
    ) -> None:
        """A tick with these extremes, and the last price as it is known."""
        known = self._jumps.last(symbol)
        assert known is not None, "there was an ordinary price before anything else"
        last, at = known
        self._ticks.put_nowait(
            Tick(
                symbol,
                last,
                max(high, last),
                min(low, last),
                at,
                gap_since,
                self._last_ms.get(symbol),
                late_ms,
                unconfirmed,
            )
        )

    # Topics and symbols that come and go

    def subscribed(self, topic: str, moment: Moment) -> None:
        """The topic is subscribed to, or again, since now."""
        self._ages.subscribed(topic, moment)

    def released(self, topic: str, symbol: str, timeframe: Timeframe | None) -> None:
        """Nobody holds the topic any more: its old extremes are nobody's news."""
        self._ages.released(topic)
        if timeframe is not None:
            self._maker.forget(symbol, timeframe)

    def start_afresh(self, symbol: str, now: float) -> None:
        """Whoever watches the symbol does so from now on: extremes of its running bars from before are no news."""
        self._maker.start_afresh(symbol)
        self._jumps.forget_old(symbol, now)

    def untold(self, kline: Kline) -> Range:
        """Of a bar that history tells, the extremes that no push of its channel, nor of a finer one, has told."""
        return self._maker.untold(kline)


def _late_ms(at_ms: int | None, moment: Moment) -> int | None:
    """When a price was made, if that is some seconds ago."""
    if at_ms is None or not moment.measured or moment.exchange_ms - at_ms <= TOLERATED_MS:
        return None
    return at_ms
