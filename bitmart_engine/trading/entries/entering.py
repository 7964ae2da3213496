"""Whether a price sends an entry out, and whether it has passed what makes the entry worthless. Pure.

An entry whose stop was passed, or whose target was reached, before it filled is not worth sending any more. A level
counts from the first price that is on its right side: an entry that waits for a rise from below its stop, or for a fall
from above its target, was meant so.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from attrs import frozen

from ...model.decimals import plain
from ...model.events import Tick
from ...model.instruments import Instrument
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder, EntryRequest, OrderType
from ...model.positions import CloseReason
from ...model.sides import PositionSide
from ..identity import entry_client_order_id
from ..protections.stops import Levels, StopBook
from ..requests import does_not_fit, on_grid, size_now
from .steps import Rejected

__all__ = ["Circumstances", "PassedLevels", "Send", "at_price", "beyond_level", "passed_at"]

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


@frozen(kw_only=True)
class Circumstances:
    """What decides, besides the price, whether an order goes out."""

    searched: bool = True
    """Whether the exchange was asked for it, if it is one of the journal's: the exchange may have it."""
    may_open: bool = True
    instrument: Instrument | None
    exchange_may_close: bool = False
    """Whether the exchange may be closing a position that it would join."""


@frozen
class Send:
    """Send the order: `request` is what was asked for, on the grid of the contract as it is now."""

    client_order_id: str
    price: Decimal | None
    """The limit; None for a market order."""
    size: int
    request: EntryRequest


def at_price(order: EntryOrder, last: Decimal, now: Circumstances) -> Send | Rejected | None:
    """What becomes of an order whose zone was entered, with `last` as the price; None: it waits on."""
    if (why := passed_at(order.request, last)) is not None:
        return beyond_level(order, why, now)
    instrument = now.instrument
    if (
        order.state is EntryState.WAITING
        and now.searched
        and now.may_open
        and instrument is not None
        and not now.exchange_may_close
        and (order.request.type is OrderType.LIMIT or order.request.contains(last))
    ):
        return _out(order, last, instrument)
    return None


def beyond_level(order: EntryOrder, why: str, now: Circumstances) -> Rejected | None:
    """What becomes of an order that is not worth sending any more; None: it waits until it is known to be here only."""
    if order.state is EntryState.WAITING and now.searched:
        return Rejected("skipped", why)
    return None


def _out(order: EntryOrder, last: Decimal, instrument: Instrument) -> Send | Rejected:
    request, size = on_grid(order.request, instrument), size_now(order.request, instrument)
    if (error := does_not_fit(request, size, instrument)) is not None:
        return Rejected("contract_changed", error)
    next_id = entry_client_order_id(order.id, order.spent + 1, order.engine_id)
    price = _limit_price(order, request, instrument, last)
    return Send(order.client_order_id or next_id, price, size, request)


def _limit_price(
    order: EntryOrder, request: EntryRequest, instrument: Instrument, last: Decimal
) -> Decimal | None:
    """The last price clamped into the zone, a tick less eager for every time it crossed already."""
    if request.type is OrderType.MARKET:
        return None
    eager = instrument.tick_size * (order.spent - order.taken)
    price = last - eager if request.side is PositionSide.LONG else last + eager
    return request.clamp(instrument.on_grid(price))


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
