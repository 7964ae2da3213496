"""The event feed: what happens, numbered and kept for a while, for readers who may be slow, leave and come back.

It takes in what the bus carries and what the store records, and hands it to readers. Taking in is synchronous and never
waits: a reader that is too slow for its capacity loses its oldest events and is told how many. The last events of each
type are kept, so that klines push no order out, and a reader who comes back goes on where it left. It decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from enum import Enum
from types import TracebackType

import trio
from attrs import field, frozen

from .counters import Counters
from .model.events import BalanceUpdate, Kline, OrderUpdate, PositionUpdate
from .model.fills import AccountFill
from .model.halting import Halt
from .model.orders import EntryOrder
from .model.positions import Protection
from .store.records import (
    CloseIntended,
    CloseObserved,
    EntriesHalted,
    EntriesPaused,
    EntryAccepted,
    EntryAnnounced,
    EntryCancelAsked,
    EntryForgotten,
    EntryIntended,
    EntryMoved,
    EntryObserved,
    FiredObserved,
    ProtectionCovers,
    ProtectionForgotten,
    ProtectionKept,
    ProtectionLevelled,
    ProtectionMoved,
    ProtectionOpened,
    Record,
)
from .store.state import State
from .streams.bus import Bus, Lagged, Listener

__all__ = ["Feed", "FeedReader", "Gap", "Happening", "Told", "Trading", "Withdrawn"]

KEPT = 1000
"""Of each type, for readers who come back."""
CAPACITY = 1000
"""Events that may wait for one reader."""
IDS_PER_MS = 1000
"""Ids go on from one run of the engine to the next, for no run has more than so many events a millisecond."""


class Happening(Enum):
    """What kinds of events there are."""

    KLINE = "kline"
    ORDER = "order"
    POSITION = "position"
    BALANCE = "balance"
    FILL = "fill"
    ENTRY = "entry"
    PROTECTION = "protection"
    TRADING = "trading"


@frozen
class Withdrawn:
    """An entry order, or a protection, that could not be kept safe: there is no such thing after all."""

    id: str


@frozen
class Trading:
    """Whether entries go out: `running`, `paused` or `halted`, and at which level."""

    state: str
    halt: Halt | None
    at_ms: int


What = (
    Kline
    | OrderUpdate
    | PositionUpdate
    | BalanceUpdate
    | AccountFill
    | EntryOrder
    | Protection
    | Withdrawn
    | Trading
)


@frozen
class Told:
    """One event of the feed. `id` only grows; `what` is how things stood then. Balances and trading have no symbol."""

    id: int
    at_ms: int
    type: Happening
    symbol: str | None
    what: What = field(repr=False)


OF_BUS: dict[type, Happening] = {
    Kline: Happening.KLINE,
    OrderUpdate: Happening.ORDER,
    PositionUpdate: Happening.POSITION,
    BalanceUpdate: Happening.BALANCE,
}
OF_ENTRIES = (EntryIntended, EntryObserved, EntryMoved, EntryAnnounced, EntryCancelAsked)
OF_PROTECTIONS = (
    ProtectionCovers,
    ProtectionLevelled,
    ProtectionKept,
    ProtectionMoved,
    CloseIntended,
    CloseObserved,
    FiredObserved,
)


@frozen
class Gap:
    """Here a reader missed `missed` events; None where nobody can know how many."""

    missed: int | None


class Feed:
    """Numbers events, keeps the last ones, and hands them to readers."""

    def __init__(self, state: State, wall_ms: Callable[[], int], counters: Counters) -> None:
        self._state = state
        self._wall_ms = wall_ms
        self._readers = Bus(counters)
        self._kept: dict[Happening, _Kept] = {each: _Kept() for each in Happening}
        self._before = self.latest = wall_ms() * IDS_PER_MS
        """`latest` is the id of the newest event; one more than `_before` is the first of this run."""

    def read(
        self,
        types: Collection[Happening] = tuple(Happening),
        symbol: str | None = None,
        after: int | None = None,
        capacity: int = CAPACITY,
    ) -> FeedReader:
        """A reader of what happens from here on, or from the event `after` on: use it with `with`."""

        def wanted(told: Told) -> bool:
            return told.type in types and (symbol is None or told.symbol in (symbol, None))

        listener = Listener(self._readers, (Told,), wanted, capacity)
        return FeedReader(listener, lambda: self._since(types, wanted, after))

    def heard(self, event: Kline | OrderUpdate | PositionUpdate | BalanceUpdate) -> None:
        """Take in what the bus carries."""
        symbol = None if isinstance(event, BalanceUpdate) else event.symbol
        self._tell(OF_BUS[type(event)], symbol, event)

    def filled(self, fill: AccountFill) -> None:
        """Take in a fill, or what more is known of one, once it is kept."""
        self._tell(Happening.FILL, fill.symbol, fill)

    def recorded(self, record: Record) -> None:
        """Take in what the store recorded, after it did."""
        if isinstance(record, OF_ENTRIES):
            self._tell_entry(record.id)
        elif isinstance(record, EntryAccepted):
            self._tell_entry(record.order.id)
        elif isinstance(record, OF_PROTECTIONS):
            self._tell_protection(record.id)
        elif isinstance(record, ProtectionOpened):
            self._tell_protection(record.protection.id)
        elif isinstance(record, EntryForgotten):
            self._withdraw(Happening.ENTRY, record.id)
        elif isinstance(record, ProtectionForgotten):
            self._withdraw(Happening.PROTECTION, record.id)
        elif isinstance(record, EntriesHalted | EntriesPaused):
            self._tell_trading(record.at_ms)

    def close(self) -> None:
        """End every reader's iteration, once it has read what waits for it. Idempotent."""
        self._readers.close()

    def _tell_entry(self, id: str) -> None:
        order = self._state.orders.get(id)
        if order is not None:
            self._tell(Happening.ENTRY, order.symbol, order)

    def _tell_protection(self, id: str) -> None:
        protection = self._state.protections.get(id)
        if protection is not None:
            self._tell(Happening.PROTECTION, protection.symbol, protection)

    def _tell_trading(self, at_ms: int) -> None:
        halt = self._state.halt
        state = "running" if self._state.paused_ms is None else "paused"
        self._tell(Happening.TRADING, None, Trading("halted" if halt else state, halt, at_ms))

    def _withdraw(self, type: Happening, id: str) -> None:
        """Take back what was told of it, if it was told to anybody."""
        for told in reversed(self._kept[type].events):
            if isinstance(told.what, EntryOrder | Protection) and told.what.id == id:
                self._tell(type, told.symbol, Withdrawn(id))
                return

    def _tell(self, type: Happening, symbol: str | None, what: What) -> None:
        kept = self._kept[type]
        if kept.events and kept.events[-1].what is what:
            return  # one decision, several records
        self.latest += 1
        told = Told(self.latest, self._wall_ms(), type, symbol, what)
        kept.add(told)
        self._readers.publish(told)

    def _since(
        self, types: Collection[Happening], wanted: Callable[[Told], bool], after: int | None
    ) -> list[Told | Gap]:
        """What a reader missed who has read up to `after`, and how much of that is not kept any more."""
        if after is None:
            return []
        if not self._before <= after <= self.latest:
            return [Gap(None)]
        found = [
            told
            for each in types
            for told in self._kept[each].events
            if told.id > after and wanted(told)
        ]
        missed = sum(self._kept[each].missed_since(after) for each in types)
        lagged: list[Told | Gap] = [Gap(missed)] if missed else []
        return lagged + sorted(found, key=lambda told: told.id)


class _Kept:
    """The last events of one type."""

    def __init__(self) -> None:
        self.events: deque[Told] = deque()
        self._gone = 0
        self._last_gone = 0

    def add(self, told: Told) -> None:
        if len(self.events) == KEPT:
            self._last_gone = self.events.popleft().id
            self._gone += 1
        self.events.append(told)

    def missed_since(self, after: int) -> int:
        """How many at most, of all symbols, are newer than `after` and gone."""
        return max(0, min(self._gone, self._last_gone - after))


class FeedReader:
    """Reads a feed inside its `with` block: first what was asked for of the past, then what happens."""

    def __init__(self, listener: Listener[Told], since: Callable[[], list[Told | Gap]]) -> None:
        self._listener = listener
        self._since = since
        self._past: deque[Told | Gap] = deque()

    def __enter__(self) -> FeedReader:
        self._listener.__enter__()
        self._past.extend(self._since())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.__exit__(kind, error, trace)

    async def some(self, most: int) -> list[Told | Gap]:
        """Up to `most` events, at least one of them; an empty list once the feed is closed. A checkpoint."""
        some: list[Told | Gap] = []
        if self._past:
            await trio.lowlevel.checkpoint()
        else:
            try:
                some.append(_as_gap(await self._listener.receive()))
            except trio.EndOfChannel:
                return []
        while self._past and len(some) < most:
            some.append(self._past.popleft())
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while len(some) < most:
                some.append(_as_gap(self._listener.receive_nowait()))
        return some


def _as_gap(read: Told | Lagged) -> Told | Gap:
    return Gap(read.missed) if isinstance(read, Lagged) else read
