"""The armed entry zones of every symbol, indexed by price. Synchronous, and knows nothing of orders.

A zone that holds the last price has fired already, so every armed zone lies wholly above the last price or wholly
below it. Two sorted lists per symbol, of the nearest ends on either side, therefore tell what a tick enters without
looking at the rest: a tick costs what it passes, plus a logarithm; one that passes nothing costs two comparisons.

What counts as entering is a price that was really there: the last one, or an extreme since the previous tick. Of a zone
that lies strictly between two extremes nobody can tell whether a trade happened in it, so it is passed over. After a
gap in the stream the extremes may be old: then only the last price enters. A price from before a zone was armed by more
than some seconds does not enter it, and an extreme that nobody has confirmed enters none.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from attrs import define, field, frozen
from sortedcontainers import SortedKeyList

from ...model.events import Tick
from ...streams.ages import is_of_its_time

__all__ = ["Zone", "ZoneBook"]

NEVER_UP, NEVER_DOWN = Decimal("Infinity"), Decimal("-Infinity")


@frozen(weakref_slot=False)
class Zone:
    """An entry zone of an order: its ends are part of it."""

    id: str
    symbol: str
    low: Decimal
    high: Decimal
    armed_ms: int | None = None
    """Since when it counts, by the exchange's clock; None if that is not known, or long ago."""

    def contains(self, price: Decimal) -> bool:
        return self.low <= price <= self.high


def _above() -> SortedKeyList:
    return SortedKeyList(key=lambda zone: (zone.low, zone.id))


def _below() -> SortedKeyList:
    return SortedKeyList(key=lambda zone: (zone.high, zone.id))


@define
class _Ladder:
    """The zones of one symbol. Until a price is known they are all `unplaced`."""

    last: Decimal | None = None
    above: SortedKeyList = field(factory=_above)
    below: SortedKeyList = field(factory=_below)
    unplaced: dict[str, Zone] = field(factory=dict)
    rises_to: Decimal = NEVER_UP
    """The lowest price that passes something when the price rises to it, and its counterpart."""
    falls_to: Decimal = NEVER_DOWN

    def place(self, zone: Zone) -> None:
        if self.last is None or zone.contains(self.last):
            self.unplaced[zone.id] = zone
        elif zone.low > self.last:
            self.above.add(zone)
            self.rises_to = min(self.rises_to, zone.low)
        else:
            self.below.add(zone)
            self.falls_to = max(self.falls_to, zone.high)

    def remove(self, zone: Zone) -> None:
        if self.unplaced.pop(zone.id, None) is None:
            (self.above if zone in self.above else self.below).remove(zone)
            self.look_around()

    def look_around(self) -> None:
        """Find the nearest ends again."""
        self.rises_to = self.above[0].low if self.above else NEVER_UP
        self.falls_to = self.below[-1].high if self.below else NEVER_DOWN

    def passes(self, tick: Tick) -> bool:
        """Whether the tick reaches any zone at all."""
        return tick.high >= self.rises_to or tick.low <= self.falls_to or bool(self.unplaced)


class ZoneBook:
    """Zones by id. `arm` puts one in, `disarm` takes it out, `entered` takes out those that a tick enters."""

    def __init__(self) -> None:
        self._zones: dict[str, Zone] = {}
        self._ladders: dict[str, _Ladder] = {}

    def __len__(self) -> int:
        return len(self._zones)

    def symbols(self) -> list[str]:
        """The symbols that have a zone armed."""
        return sorted({zone.symbol for zone in self._zones.values()})

    def arm(self, zone: Zone) -> None:
        """Watch `zone`. One that holds the last price is entered by the next tick that is in it."""
        self.disarm(zone.id)
        self._zones[zone.id] = zone
        self._ladders.setdefault(zone.symbol, _Ladder()).place(zone)

    def disarm(self, id: str) -> None:
        """Stop watching the zone of this id, if it is watched."""
        zone = self._zones.pop(id, None)
        if zone is None:
            return
        self._ladders[zone.symbol].remove(zone)

    def entered(self, tick: Tick) -> list[str]:
        """The ids of the zones that `tick` enters, in order of price. They are no longer watched afterwards."""
        ladder = self._ladders.get(tick.symbol)
        if ladder is None:
            return []
        if not ladder.passes(tick):
            ladder.last = tick.last
            return []
        passed = list(ladder.unplaced.values())
        ladder.unplaced.clear()
        while ladder.above and ladder.above[0].low <= tick.high:
            passed.append(ladder.above.pop(0))
        while ladder.below and ladder.below[-1].high >= tick.low:
            passed.append(ladder.below.pop())
        ladder.last = tick.last
        ladder.look_around()
        hit = []
        for zone in passed:
            if any(zone.contains(price) for price in _prices(tick, zone)):
                del self._zones[zone.id]
                hit.append(zone)
            else:
                ladder.place(zone)
        hit.sort(key=lambda zone: (zone.low, zone.id))
        return [zone.id for zone in hit]


def _prices(tick: Tick, zone: Zone) -> Iterator[Decimal]:
    """The prices of a tick that may enter a zone."""
    if is_of_its_time(tick.last_ms, zone.armed_ms):
        yield tick.last
    extremes_count = tick.gap_since is None and not tick.unconfirmed
    if extremes_count and is_of_its_time(tick.oldest_ms, zone.armed_ms):
        yield tick.high
        yield tick.low
