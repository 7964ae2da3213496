"""Entries that are not worth sending any more: their stop was passed, or their target reached, before they filled.

A level counts from the first price that is on its right side: an entry that waits for a rise from below its stop, or
for a fall from above its target, was meant so. Synchronous, and knows nothing of orders but their ids.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from ...model.decimals import plain
from ...model.events import Tick
from ...model.orders import EntryRequest
from ...model.positions import CloseReason
from ..protections.stops import Levels, StopBook

__all__ = ["PassedLevels", "passed_at"]

WORDS = {CloseReason.STOP_LOSS: "passed its stop", CloseReason.TAKE_PROFIT: "reached its target"}


def passed_at(request: EntryRequest, price: Decimal) -> str | None:
    """What speaks against entering at `price`, beyond the stop or the target of the entry; None if nothing does."""
    if request.enter_anyway:
        return None
    if request.stop_loss is not None and request.side.loses_at(price, request.stop_loss):
        return _told(CloseReason.STOP_LOSS, request)
    if request.take_profit is not None and request.side.wins_at(price, request.take_profit):
        return _told(CloseReason.TAKE_PROFIT, request)
    return None


def _told(reason: CloseReason, request: EntryRequest) -> str:
    level = request.stop_loss if reason is CloseReason.STOP_LOSS else request.take_profit
    assert level is not None, "it was passed"
    return f"the price {WORDS[reason]} {plain(level)} before the entry filled"


class PassedLevels:
    """The stops and targets of the entries that wait."""

    def __init__(self) -> None:
        self._book = StopBook()
        self._requests: dict[str, EntryRequest] = {}
        self._unplaced: dict[str, dict[str, EntryRequest]] = defaultdict(dict)
        self._counting: dict[str, Levels] = {}

    def watch(self, request: EntryRequest) -> None:
        """Watch the levels of an entry that waits, or waits again: then the same count as before."""
        if request.enter_anyway or not request.protected:
            return
        self._requests[request.id] = request
        counting = self._counting.get(request.id)
        if counting is None:
            self._unplaced[request.symbol][request.id] = request
        else:
            self._book.arm(counting)

    def rest(self, id: str) -> None:
        """The entry does not wait now; it may again."""
        request = self._requests.get(id)
        if request is not None:
            self._unplaced[request.symbol].pop(id, None)
            self._book.disarm(id)

    def forget(self, id: str) -> None:
        """The entry has ended."""
        self.rest(id)
        self._requests.pop(id, None)
        self._counting.pop(id, None)

    def passed(self, tick: Tick) -> list[tuple[str, str]]:
        """The ids of the entries whose levels `tick` passes, and what it passes. They are no longer watched."""
        if tick.gap_since is not None:
            tick = tick.only_last()
        found = [
            (id, _told(reason, self._requests[id])) for id, reason in self._book.triggered(tick)
        ]
        new = self._unplaced.get(tick.symbol)
        if new:
            for request in new.values():
                self._place(request, tick.last)
            new.clear()
        return found

    def _place(self, request: EntryRequest, last: Decimal) -> None:
        stop, target = request.stop_loss, request.take_profit
        if stop is not None and request.side.loses_at(last, stop):
            stop = None
        if target is not None and request.side.wins_at(last, target):
            target = None
        levels = Levels(request.id, request.symbol, request.side, stop, target)
        self._counting[request.id] = levels
        self._book.arm(levels)
