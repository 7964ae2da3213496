"""Prices that are far from the last one: in doubt until a second source says so too.

One absurd print must not close a position or send an entry; a real crash must not pass a stop. A price that is more
than the given percentage away from the last is in doubt. Another source (trades, klines, REST) that has gone far to
the same side confirms it, as far as both went. What is left in doubt is decided by whether anything ordinary was heard
since, once its time is up: see `time_is_up`.

A plain object: time (Trio's clock, s) is an argument.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from attrs import define, field

from .ticks import Range

__all__ = ["CONFIRMED_WITHIN_S", "Jumps", "Source"]

CONFIRMED_WITHIN_S = 1.0
REMEMBERED_S = 10.0
"""How long what one source said is held for another to confirm it: a bar repeats a trade's price some seconds later."""


class Source(Enum):
    """Who told a price."""

    TRADES = "trades"
    KLINES = "klines"
    REST = "rest"


@define
class _Doubt:
    """The extremes that one source told, as far as they are in doubt, and when it told the last of them."""

    at: float
    told: Range


OLD_AFTER_S = 60.0
"""How old a last price may be for others to be held against it, where nobody watched the symbol since."""


@define
class _Level:
    """What is known of one symbol."""

    last: Decimal
    at: float
    doubts: dict[Source, _Doubt] = field(factory=dict)
    since: float | None = None
    """Since when there is a doubt that is not decided; None if there is none."""
    ordinary: bool = False
    """Whether anything ordinary was heard since then."""
    given_up: bool = False
    """Whether it was decided without a second source."""


class Jumps:
    """The last price of every symbol, and what is in doubt."""

    def __init__(self, percent: float) -> None:
        self._part = Decimal(str(percent)) / 100
        self._levels: dict[str, _Level] = {}

    def last(self, symbol: str) -> tuple[Decimal, float] | None:
        """The last price that is not in doubt, and when it was heard."""
        level = self._levels.get(symbol)
        return None if level is None else (level.last, level.at)

    def forget_old(self, symbol: str, now: float) -> None:
        """A price from long before the symbol is watched again says nothing: it may have gone anywhere since."""
        level = self._levels.get(symbol)
        if level is not None and now - level.at > OLD_AFTER_S:
            del self._levels[symbol]

    def is_far(self, symbol: str, price: Decimal) -> bool:
        """Whether a price is in doubt."""
        level = self._levels.get(symbol)
        return level is not None and _is_far(price, level.last, self._part)

    def ordinary(self, symbol: str, source: Source, price: Decimal, now: float) -> list[Decimal]:
        """The last price is this one. Returns what another source told that is in doubt and not far from it."""
        level = self._levels.get(symbol)
        if level is None:
            self._levels[symbol] = _Level(price, now)
            return []
        level.last, level.at, level.ordinary = price, now, True
        if level.given_up:
            level.since, level.given_up = None, False
        if not level.doubts:
            return []
        for other, each in list(level.doubts.items()):
            if now - each.at > REMEMBERED_S:
                del level.doubts[other]
        return [] if level.since is None else self._near(level, but_of=source)

    def doubt(
        self, symbol: str, source: Source, price: Decimal, now: float, *, is_last: bool
    ) -> list[Decimal]:
        """A source tells a price that is far, as the last one or as an extreme. Returns what is believed by now.

        That is nothing unless another source has gone far to the same side. If it is the last price, the last price is
        where both have gone, or this one if it is not far from there.
        """
        level = self._levels[symbol]
        agreed = None
        for other, theirs in list(level.doubts.items()):
            if other is not source and now - theirs.at <= REMEMBERED_S:
                agreed = _agreed(level.last, price, theirs.told)
                if agreed is not None:
                    del level.doubts[other]
                    level.doubts.pop(source, None)
                    break
        if agreed is None:
            self._note(level, source, price, now)
            return []
        believed = [agreed]
        level.since, level.given_up = None, False
        if is_last:
            level.last, level.at = agreed, now
            ends = (theirs.told.low, theirs.told.high, price)
            believed += [
                each for each in ends if each is not None and not _is_far(each, agreed, self._part)
            ]
            if _is_far(price, agreed, self._part):
                self._note(level, source, price, now)
            else:
                level.last = price
        return believed

    def was_left(self, symbol: str) -> None:
        """What told a far extreme told an ordinary price after it: the price is not there any more."""
        level = self._levels.get(symbol)
        if level is not None:
            level.ordinary = True

    def _note(self, level: _Level, source: Source, price: Decimal, now: float) -> None:
        if level.since is None:
            level.since, level.ordinary, level.given_up = now, False, False
        mine = level.doubts.get(source)
        if mine is None or now - mine.at > REMEMBERED_S:
            mine = level.doubts[source] = _Doubt(now, Range())
        mine.at = now
        mine.told.widen(price, price)

    def in_doubt_since(self, symbol: str) -> float | None:
        """Since when something is in doubt and not decided."""
        level = self._levels.get(symbol)
        return None if level is None or level.given_up else level.since

    def is_settled(self, symbol: str, since: float) -> bool:
        """Whether what was in doubt since then is decided, or would be a stray print."""
        level = self._levels.get(symbol)
        return level is None or level.since != since or level.ordinary

    def was_given_up(self, symbol: str) -> bool:
        """Whether something is in doubt that was decided without a second source."""
        level = self._levels.get(symbol)
        return level is not None and level.given_up

    def time_is_up(self, symbol: str) -> Range | None:
        """No second source has confirmed in time. Returns the extremes that stops have to take as they are.

        None if an ordinary price was heard since: then it was a stray print, and only a second source revives it.
        """
        level = self._levels.get(symbol)
        if level is None or level.since is None:
            return None
        if level.ordinary:
            level.since = None
            return None
        level.given_up = True
        extremes = Range()
        for each in level.doubts.values():
            if each.at >= level.since and each.told.low is not None and each.told.high is not None:
                extremes.widen(each.told.low, each.told.high)
        return extremes

    def _near(self, level: _Level, but_of: Source) -> list[Decimal]:
        """What is in doubt and not far from the last price: it is in doubt no longer."""
        near: list[Decimal] = []
        for source, each in list(level.doubts.items()):
            ends = [end for end in (each.told.low, each.told.high) if end is not None]
            if source is but_of or any(_is_far(end, level.last, self._part) for end in ends):
                continue
            near += ends
            del level.doubts[source]
        if not level.doubts:
            level.since, level.given_up = None, False
        return near


def _is_far(price: Decimal, last: Decimal, part: Decimal) -> bool:
    return abs(price - last) > last * part


def _agreed(last: Decimal, price: Decimal, told: Range) -> Decimal | None:
    """How far a price and what another source told have both gone to the same side; None if they have not."""
    if price < last and told.low is not None and told.low < last:
        return max(price, told.low)
    if price > last and told.high is not None and told.high > last:
        return min(price, told.high)
    return None
