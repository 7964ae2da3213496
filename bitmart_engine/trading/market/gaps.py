"""What was missed: stops that the price touched while nobody watched, told by the exchange's one-minute bars.

A gap is the time between the last data of a symbol's stream and the first after a reconnect or a silence. Only stops
are looked for in it: a target closes if the price is there now, and a zone is entered by the price now, which the first
tick after the gap decides.

A bar is held against a stop only if it opened after the stop was set, that is after the protection was armed or its
stop moved: a low from before is never the stop's business. For a stop that was set earlier in the minute in which the
gap began, that minute's bar counts as far as its extremes go beyond what the stream had told of it: so far the price
went in the gap only (`streams.ticks`). A bar may be looked at that the stream has told of already; that closes nothing
that should not have been closed then.

That leaves the bar of the minute in which a stop was set, where it reaches the stop: before it was set, or after, which
the bar does not say. Then the exchange's last trades are looked at, which have a time, in seconds: one that touched
the stop after it was set closes. There are a hundred of them, which is little of a busy minute; what they do not reach
back to is taken for what was before.

Bars and trades are dated by the exchange's clock. Where that was set back, it gives the same times twice, and one bar
holds prices from before and after. What it may have dated before a stop was set is not held against that stop.

After a start of the engine the gap begins when each stop was set, for nothing on disk says until when the process
before was watching, and guessing too late would lose a stop. It costs one request, for the last 499 minutes. Had the
process before seen one of those bars touch the stop, the stop would have fired then: so one that is armed still was not
watched when it was touched, and it is closed if its position is still held.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import trio
from attrs import frozen

from ...counters import Counters
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...logs import get_logger
from ...model.events import Kline, PastTrade
from ...model.lifecycle import ProtectionState
from ...model.positions import CloseReason, Protection
from ...model.sides import PositionSide
from ...model.timeframes import Timeframe
from ...store import Store
from ...streams.ticks import Range
from ..account.positions import PositionBook
from ..backoff import Backoff
from ..clock_tolerance import SURELY_SINCE_MS
from .prices import Prices

if TYPE_CHECKING:
    from ..protections.index import ProtectionIndex

__all__ = ["Gaps", "Stops", "touched", "touched_by_news", "touched_by_trades"]

log = get_logger()


class Stops(Protocol):
    """The armed stops, as far as they are looked at here, and what is done to one that was touched."""

    @property
    def index(self) -> ProtectionIndex: ...

    async def observe_positions(self, symbol: str, urgency: Urgency) -> None: ...

    def fire(self, id: str, reason: CloseReason) -> None: ...


BAR_MS = 60_000
MOST_BARS = 499
"""One answer holds 500 (fact sheet 5.2); whether it includes either end of what is asked for is not established."""
RETRY_FROM_S = 0.5
RETRY_UP_TO_S = 5.0
TRADES_ASKED = 5
"""How often they are asked for if they cannot be read: soon they are others."""


Dated = Callable[[int], int]
"""The latest time, ms of the exchange's clock, that may be written on what was made until a time of ours, in ms."""


def _as_by_ours(at_ms: int) -> int:
    return at_ms


def touched(
    protections: Iterable[Protection], bars: Iterable[Kline], dated: Dated = _as_by_ours
) -> list[str]:
    """The ids of the armed protections whose stop one of the `bars` touched after it was set.

    `bars` are one-minute bars of the protections' symbol, named by the exchange's clock; stops are set by ours.
    """
    bars = [bar for bar in bars if 0 < bar.low <= bar.high]
    return [
        each.id
        for each in protections
        if each.state is ProtectionState.ARMED
        and any(
            _touches(bar, each) and bar.open_time_s * 1000 >= _counts_from_ms(each, dated)
            for bar in bars
        )
    ]


def touched_by_news(
    protections: Iterable[Protection], news: Range, since_ms: int, dated: Dated = _as_by_ours
) -> list[str]:
    """The ids of the armed protections set before a gap whose stop is touched by what was `news` of its first minute.

    The gap began at `since_ms`, by the exchange's clock, and nothing so low, or high, had been told before.
    """
    return [
        each.id
        for each in protections
        if each.state is ProtectionState.ARMED
        and _counts_from_ms(each, dated) <= since_ms
        and _reaches(news.low, news.high, each)
    ]


def touched_by_trades(
    protections: Iterable[Protection],
    trades: Iterable[PastTrade],
    dated: Dated = _as_by_ours,
    now_ms: int | None = None,
) -> list[str]:
    """The ids of the armed protections whose stop one of the `trades` of their symbol touched after it was set.

    A trade that is still to come by `now_ms`, the exchange's time, was made while its clock was wrong: nobody knows
    when, and it touches nothing.
    """
    trades = [
        trade
        for trade in trades
        if trade.price > 0 and (now_ms is None or trade.at_s * 1000 <= now_ms + SURELY_SINCE_MS)
    ]
    return [
        each.id
        for each in protections
        if each.state is ProtectionState.ARMED
        and any(
            trade.at_s * 1000 >= _counts_from_ms(each, dated)
            and _reaches(trade.price, trade.price, each)
            for trade in trades
        )
    ]


def _in_doubt(
    protections: Iterable[Protection], bars: Iterable[Kline], dated: Dated
) -> list[Protection]:
    """Those whose stop is touched by the bar of the minute in which it was set."""
    return [
        each
        for each in protections
        if any(
            _touches(bar, each)
            and 0 < _counts_from_ms(each, dated) - bar.open_time_s * 1000 < BAR_MS
            for bar in bars
        )
    ]


def _touches(bar: Kline, protection: Protection) -> bool:
    return _reaches(bar.low, bar.high, protection)


def _reaches(low: Decimal | None, high: Decimal | None, protection: Protection) -> bool:
    stop = protection.stop_loss
    if stop is None:
        return False
    if protection.side is PositionSide.LONG:
        return low is not None and low <= stop
    return high is not None and high >= stop


def _counts_from_ms(protection: Protection, dated: Dated) -> int:
    """From when on a bar has to open, by the exchange's clock, to be held against the stop.

    Not before the exchange itself says that its order filled: its clock may have been set back while no engine ran.
    """
    return max(dated(protection.levelled_ms), protection.filled_there_ms) + SURELY_SINCE_MS


@frozen(kw_only=True)
class Gaps:
    """Looks back at what went unheard, and closes what it touched."""

    _counters: Counters
    _exchange: ExchangeClient
    _now_ms: Callable[[], int]
    _positions: PositionBook
    _prices: Prices
    _store: Store
    _stops: Stops

    async def look_back(self, symbol: str, since_ms: int) -> None:
        """Close what was touched of `symbol` since a time, by the exchange's clock; 0 is since whenever.

        Returns once history has answered, however often it has to be asked; or when nothing is left that it could tell.
        """
        for pause_s in Backoff(RETRY_FROM_S, RETRY_UP_TO_S):
            now_ms = self._exchange.latest_ms(self._now_ms())
            first_ms = self._first_bar_ms(symbol, since_ms)
            if first_ms is None or first_ms > now_ms:
                return
            first_ms = max(first_ms, now_ms - now_ms % BAR_MS - (MOST_BARS - 1) * BAR_MS)
            try:
                bars = await self._exchange.klines(
                    symbol,
                    Timeframe.M1,
                    first_ms // 1000 - 1,
                    now_ms // 1000,
                    urgency=Urgency.CLOSE,
                )
            except ExchangeError as failure:
                self._counters.add("gap_bars_read_failed", symbol=symbol, why=failure)
                await trio.sleep(pause_s)
                continue
            asked_for = [bar for bar in bars if first_ms <= bar.open_time_s * 1000 <= now_ms]
            armed = self._stops.index.with_stop(symbol)
            hit = self._hit(armed, asked_for, since_ms)
            log.info("gap_bars_checked", symbol=symbol, bars=len(asked_for), touched=list(hit))
            rest = [each for each in armed if each.id not in hit]
            async with trio.open_nursery() as nursery:
                for protection in hit.values():
                    nursery.start_soon(self._close_if_held, protection)
                doubtful = _in_doubt(rest, asked_for, self._exchange.latest_ms)
                if doubtful:
                    nursery.start_soon(self._look_at_trades, symbol, doubtful)
            return

    async def _look_at_trades(self, symbol: str, armed: list[Protection]) -> None:
        """Close what the last trades touched."""
        for pause_s in itertools.islice(Backoff(RETRY_FROM_S, RETRY_UP_TO_S), TRADES_ASKED):
            try:
                trades = await self._exchange.past_trades(symbol, urgency=Urgency.CLOSE)
            except ExchangeError as failure:
                self._counters.add("gap_trades_read_failed", symbol=symbol, why=failure)
                await trio.sleep(pause_s)
                continue
            exchange = self._exchange
            hit = set(touched_by_trades(armed, trades, exchange.latest_ms, exchange.now_ms()))
            log.info("gap_trades_checked", symbol=symbol, trades=len(trades), touched=sorted(hit))
            async with trio.open_nursery() as nursery:
                for each in armed:
                    if each.id in hit:
                        nursery.start_soon(self._close_if_held, each)
            return

    def _hit(
        self, protections: list[Protection], bars: list[Kline], since_ms: int
    ) -> dict[str, Protection]:
        """Those whose stop was touched since then, by their ids."""
        dated = self._exchange.latest_ms
        ids = set(touched(protections, bars, dated))
        for bar in bars:
            if bar.open_time_s * 1000 == since_ms - since_ms % BAR_MS:
                ids.update(touched_by_news(protections, self._prices.untold(bar), since_ms, dated))
        return {each.id: each for each in protections if each.id in ids}

    def _first_bar_ms(self, symbol: str, since_ms: int) -> int | None:
        """When the first bar opens that could say anything; None if nothing is armed."""
        dated = self._exchange.latest_ms
        counts_from = [_counts_from_ms(each, dated) for each in self._stops.index.with_stop(symbol)]
        if not counts_from:
            return None
        first = max(self._exchange.earliest_ms(since_ms), min(counts_from))
        return first - first % BAR_MS

    async def _close_if_held(self, touched: Protection) -> None:
        """Fire the stop, once it is known that its position is held: the gap may have seen it go otherwise.

        Where that cannot be read, what was last heard of the position counts. A stop that is moved meanwhile is not
        fired.
        """
        for pause_s in Backoff(RETRY_FROM_S, RETRY_UP_TO_S):
            try:
                await self._stops.observe_positions(touched.symbol, Urgency.CLOSE)
            except ExchangeError as failure:
                self._counters.add("positions_read_failed", symbol=touched.symbol, why=failure)
            now = self._store.state.protections.get(touched.id)
            if now is None or now.state is not ProtectionState.ARMED:
                return
            if now.stop_loss != touched.stop_loss:
                return
            held = self._positions.get(touched.symbol, touched.side)
            if held is not None and held.size:
                log.warning(
                    "protection_fired", id=now.id, reason="stop_loss", touched_in_a_gap=True
                )
                self._stops.fire(now.id, CloseReason.STOP_LOSS)
                return
            await trio.sleep(pause_s)
