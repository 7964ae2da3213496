"""The armed stops and targets of every symbol, indexed by price. Synchronous, and knows nothing of positions.

A stop fires on any price since the previous tick, so the extremes count; a target fires on the last price only. Where
one tick reaches both, the stop wins. A price from before a level was armed by more than some seconds fires nothing. A
tick costs what it fires, plus a logarithm; one that fires nothing costs two comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from attrs import define, field, frozen
from sortedcontainers import SortedKeyList

from ...model.events import Tick
from ...model.positions import CloseReason
from ...model.sides import PositionSide
from ...streams.ages import is_of_its_time

__all__ = ["Levels", "StopBook"]

STOP_LOSS, TAKE_PROFIT = CloseReason.STOP_LOSS, CloseReason.TAKE_PROFIT
NEVER_UP, NEVER_DOWN = Decimal("Infinity"), Decimal("-Infinity")


@frozen(weakref_slot=False)
class Levels:
    """The stop and the target of one protection; either may be missing."""

    id: str
    symbol: str
    side: PositionSide
    stop: Decimal | None
    target: Decimal | None
    armed_ms: int | None = None
    """Since when it counts, by the exchange's clock; None if that is not known, or long ago."""


@frozen(weakref_slot=False)
class _Level:
    price: Decimal
    id: str


def _ascending() -> SortedKeyList:
    return SortedKeyList(key=lambda level: (level.price, level.id))


@define
class _Ladder:
    """The levels of one symbol: those that fire when the price falls to them, and those when it rises to them."""

    long_stops: SortedKeyList = field(factory=_ascending)
    short_stops: SortedKeyList = field(factory=_ascending)
    long_targets: SortedKeyList = field(factory=_ascending)
    short_targets: SortedKeyList = field(factory=_ascending)
    rises_to: Decimal = NEVER_UP
    """The lowest price that may fire something when the price rises to it, and its counterpart."""
    falls_to: Decimal = NEVER_DOWN

    def look_around(self) -> None:
        """Find the nearest levels on either side again."""
        rising = [each[0].price for each in (self.short_stops, self.long_targets) if each]
        falling = [each[-1].price for each in (self.long_stops, self.short_targets) if each]
        self.rises_to = min(rising, default=NEVER_UP)
        self.falls_to = max(falling, default=NEVER_DOWN)

    def stops(self, side: PositionSide) -> SortedKeyList:
        return self.long_stops if side is PositionSide.LONG else self.short_stops

    def targets(self, side: PositionSide) -> SortedKeyList:
        return self.long_targets if side is PositionSide.LONG else self.short_targets

    def reached(self, reason: CloseReason, low: Decimal, high: Decimal) -> Iterator[_Level]:
        """The levels of a kind that prices from `low` to `high` reach."""
        falling, rising = self.long_stops, self.short_stops
        if reason is TAKE_PROFIT:
            falling, rising = self.short_targets, self.long_targets
        for level in reversed(falling):
            if level.price < low:
                break
            yield level
        for level in rising:
            if level.price > high:
                break
            yield level


class StopBook:
    """Levels by the id of their protection. `arm` puts them in or moves them, `disarm` takes them out."""

    def __init__(self) -> None:
        self._levels: dict[str, Levels] = {}
        self._ladders: dict[str, _Ladder] = {}

    def __len__(self) -> int:
        return len(self._levels)

    def arm(self, levels: Levels) -> None:
        """Watch `levels`, in place of those watched under the same id."""
        self.disarm(levels.id)
        self._levels[levels.id] = levels
        ladder = self._ladders.setdefault(levels.symbol, _Ladder())
        if levels.stop is not None:
            ladder.stops(levels.side).add(_Level(levels.stop, levels.id))
        if levels.target is not None:
            ladder.targets(levels.side).add(_Level(levels.target, levels.id))
        ladder.look_around()

    def disarm(self, id: str) -> None:
        """Stop watching the levels of this id, if they are watched."""
        levels = self._levels.pop(id, None)
        if levels is None:
            return
        ladder = self._ladders[levels.symbol]
        if levels.stop is not None:
            ladder.stops(levels.side).remove(_Level(levels.stop, id))
        if levels.target is not None:
            ladder.targets(levels.side).remove(_Level(levels.target, id))
        ladder.look_around()

    def triggered(self, tick: Tick) -> list[tuple[str, CloseReason]]:
        """What `tick` fires, stops first, as (id, why). They are no longer watched afterwards."""
        ladder = self._ladders.get(tick.symbol)
        if ladder is None or (tick.low > ladder.falls_to and tick.high < ladder.rises_to):
            return []
        fired: dict[str, CloseReason] = {}
        for reason, low, high, made_ms in (
            (STOP_LOSS, tick.low, tick.high, tick.oldest_ms),
            (STOP_LOSS, tick.last, tick.last, tick.last_ms),
            (TAKE_PROFIT, tick.last, tick.last, tick.last_ms),
        ):
            for level in ladder.reached(reason, low, high):
                if is_of_its_time(made_ms, self._levels[level.id].armed_ms):
                    fired.setdefault(level.id, reason)
        for id in fired:
            self.disarm(id)
        return list(fired.items())
