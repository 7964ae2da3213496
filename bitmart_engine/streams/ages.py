"""How old a price is that arrives: new, a little late, or from before anything that it could be held against.

An exchange may send trades and bars of an hour ago as if they were now, after a subscription for example. A price
moves nothing if it is older by more than `TOLERATED_MS` than the newest one seen of its symbol, or than the
subscription that it comes by. One that is late by less does not become the last price, but its extremes count: a stop
that was touched is not missed.

What has a time is compared by it, else by the trade's number, else it is new. A bar is as old as its end. Times are the
exchange's, in ms. A clock that is not measured yet may be wrong, by hours: what is told in the first
`REPLAYED_WITHIN_S` of a subscription moves nothing then, for an exchange that replays old prices does so at once. After
that only what is older than `UNMEASURED_MS` is told from such a clock, and the rest is ordered among itself. If it is
wrong by more, everything looks old. Prices come over REST until it is measured; without REST no position could be
closed anyway.

Plain objects: time is an argument. `now` is Trio's clock in s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum

from attrs import define, field, frozen

from ..model.events import Kline, Trade

__all__ = ["TOLERATED_MS", "Age", "Ages", "Moment", "is_of_its_time"]

TOLERATED_MS = 5_000
"""Clocks differ, and networks and exchanges take their time: what is late by less is in order."""
UNMEASURED_MS = 60_000
REPLAYED_WITHIN_S = 5.0
"""How long after a subscription old prices may still be replayed. Assumed: they were seen right after it."""
MARK_EVERY_S = 0.5


class Age(Enum):
    """What a price counts for."""

    NEW = "new"
    """It is the last price."""
    LATE = "late"
    """A newer one is known. It is an extreme, not the last price."""
    OLD = "old"
    """It moves nothing. So does a bar that has not begun."""


@frozen
class Moment:
    """The time by Trio's clock in s, the exchange's in ms, and whether that was measured."""

    now: float
    exchange_ms: int
    measured: bool = True

    @property
    def tolerated_ms(self) -> int:
        """By how much a price may be older than a time of the exchange's clock, and count."""
        return TOLERATED_MS if self.measured else UNMEASURED_MS


@define
class _Seen:
    """What was seen of one symbol."""

    newest_ms: int | None = None
    newest_id: int = 0
    asked_ms: int | None = None
    """When a price was last asked for, which is at least so new."""
    marks: deque[tuple[float, int]] = field(factory=deque)
    """When which trade was the newest: what has a lower number than one of some seconds ago is older than that."""

    def note_id(self, id: int, now: float) -> None:
        if id > self.newest_id:
            self.newest_id = id
            if not self.marks or now - self.marks[-1][0] >= MARK_EVERY_S:
                self.marks.append((now, id))

    def old_id(self, now: float) -> int:
        """The newest trade of more than the tolerated time ago."""
        while len(self.marks) > 1 and now - self.marks[1][0] > TOLERATED_MS / 1000:
            self.marks.popleft()
        at, id = self.marks[0] if self.marks else (now, 0)
        return id if now - at > TOLERATED_MS / 1000 else 0


@define
class _Subscription:
    """Since when a topic is subscribed to."""

    at: float
    since_ms: int | None = None
    """By the exchange's clock; None while that was not measured."""

    def may_be_replayed(self, moment: Moment) -> bool:
        """Whether what is told now may be from any time, and no clock says from which."""
        return not moment.measured and moment.now - self.at < REPLAYED_WITHIN_S

    def ms(self, moment: Moment) -> int:
        if self.since_ms is not None:
            return self.since_ms
        since_ms = moment.exchange_ms - round((moment.now - self.at) * 1000)
        if moment.measured:  # kept: the clock may be set later
            self.since_ms = since_ms
        return since_ms


class Ages:
    """What was seen of every symbol, and since when every topic is subscribed to."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._subscriptions: dict[str, _Subscription] = {}

    def subscribed(self, topic: str, moment: Moment) -> None:
        """The topic is subscribed to, or again, since now."""
        self._subscriptions[topic] = made = _Subscription(moment.now)
        made.ms(moment)

    def released(self, topic: str) -> None:
        """Nobody holds the topic any more."""
        self._subscriptions.pop(topic, None)

    def asked(self, symbol: str, asked_ms: int) -> None:
        """A price of the symbol was asked for then, and told: no trade from before is the last price."""
        seen = self._of(symbol)
        seen.asked_ms = max(asked_ms, seen.asked_ms or asked_ms)

    def told_together(self, trades: Iterable[Trade], moment: Moment) -> None:
        """These come in one push: while the clock is not measured, the newest of them says how old the others are."""
        for trade in trades if not moment.measured else ():
            _note_time(self._of(trade.symbol), trade.at_ms, moment)

    def trade(self, trade: Trade, topic: str, moment: Moment) -> Age:
        """How old a trade is that the topic tells. It is among what was seen from now on."""
        seen = self._of(trade.symbol)
        if trade.at_ms is None:
            age = self._by_number(seen, trade.trade_id, moment.now)
        else:
            age = self._by_time(seen, trade.at_ms, topic, moment)
            if age is Age.NEW and trade.at_ms == seen.newest_ms and trade.trade_id:
                age = Age.LATE if trade.trade_id < seen.newest_id else age
        if age is not Age.OLD:
            seen.note_id(trade.trade_id, moment.now)
            _note_time(seen, trade.at_ms, moment)
        return age

    def kline(self, kline: Kline, topic: str, moment: Moment) -> Age:
        """The same of a bar: it is as old as its end, and as new as its beginning at least.

        One that has not begun would make every real one an old one: it moves nothing.
        """
        seen = self._of(kline.symbol)
        opened_ms = kline.open_time_s * 1000
        if moment.measured and opened_ms > moment.exchange_ms + TOLERATED_MS:
            return Age.OLD
        ended_ms = opened_ms + kline.timeframe.seconds * 1000
        age = self._by_time(seen, ended_ms, topic, moment)
        if age is Age.NEW and moment.exchange_ms - ended_ms > moment.tolerated_ms:
            age = Age.LATE
        if age is not Age.OLD:
            _note_time(seen, opened_ms, moment)
        return age

    def _by_time(self, seen: _Seen, at_ms: int, topic: str, moment: Moment) -> Age:
        subscription = self._subscriptions.get(topic)
        if subscription is not None and subscription.may_be_replayed(moment):
            return Age.OLD
        since_ms = moment.exchange_ms if subscription is None else subscription.ms(moment)
        if at_ms < since_ms - moment.tolerated_ms:
            return Age.OLD
        newest_ms = seen.newest_ms
        if newest_ms is not None and moment.measured:
            # A time to come is nobody's: what comes in time must not be old beside it.
            newest_ms = min(newest_ms, moment.exchange_ms)
        if newest_ms is not None and at_ms < newest_ms:
            return Age.OLD if at_ms < newest_ms - TOLERATED_MS else Age.LATE
        asked_ms = seen.asked_ms
        return Age.LATE if asked_ms is not None and at_ms < asked_ms else Age.NEW

    def _by_number(self, seen: _Seen, id: int, now: float) -> Age:
        if not id or id >= seen.newest_id:
            return Age.NEW
        return Age.OLD if id < seen.old_id(now) else Age.LATE

    def _of(self, symbol: str) -> _Seen:
        seen = self._seen.get(symbol)
        if seen is None:
            seen = self._seen[symbol] = _Seen()
        return seen


def _note_time(seen: _Seen, at_ms: int | None, moment: Moment) -> None:
    if at_ms is None:
        return
    if moment.measured:
        at_ms = min(at_ms, moment.exchange_ms)
        if seen.newest_ms is not None:
            seen.newest_ms = min(seen.newest_ms, moment.exchange_ms)
    seen.newest_ms = at_ms if seen.newest_ms is None else max(seen.newest_ms, at_ms)


def is_of_its_time(made_ms: int | None, armed_ms: int | None) -> bool:
    """Whether a price counts for what was armed then. None: it came in time, or nobody knows."""
    return made_ms is None or armed_ms is None or made_ms >= armed_ms - TOLERATED_MS
