"""After a start: is the exchange further with an order than the journal says?

A journal may be older than reality, a restored copy say. So every client order id that an order may have gone out
under, one that waits or one whose latest answer was lost, is looked for before anything is sent: among the working
orders, in the history of its symbol and in the trades, in one request each. Until that has succeeded, no waiting order
is sent, none expires, and none is proved absent. So is every id that a protection may have been closed under since:
contracts that were closed are not held to be there, for others of the side would then cover too few.
"""

from __future__ import annotations

from contextlib import suppress

import trio
from attrs import frozen

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import CutShort, Meaning, Refused
from ...logs import get_logger
from ...model.events import OrderUpdate
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...model.positions import Protection
from ...store import Store
from ..clock_tolerance import SAME_ID_SINCE_MS
from ..identity import close_client_order_id, entry_client_order_id, is_ours

__all__ = ["ATTEMPTS", "Search"]

log = get_logger()

NAMED_AT_ONCE = 100
"""Orders whose ids are made between two checkpoints: a millisecond or two."""
ATTEMPTS = 8
"""How many client order ids an order may have gone out under before it ends: 3 crossings, 5 taken."""
CLOSE_ATTEMPTS = 4
"""How many client order ids a protection is looked for under, from the first that the journal does not know."""
SEARCHED = (EntryState.WAITING, EntryState.UNKNOWN)
"""The states of an order that the exchange may have in an attempt of which the journal does not know."""
HISTORIES = 30
"""Symbols of which the history is read; of more, only working orders and trades, so that a start takes seconds."""
BEFORE_S = 60
"""How long before the oldest waiting order was accepted trades are read from: clocks differ."""


@frozen(kw_only=True)
class Search:
    """Looks for what the exchange has and the journal does not know of."""

    _counters: Counters
    _exchange: ExchangeClient
    _store: Store

    async def find_further(self) -> list[tuple[EntryOrder, OrderUpdate]]:
        """The orders that the exchange has in an attempt that the journal does not know of, each with what it has.

        Raises ExchangeError.
        """
        waiting = [each for each in self._store.state.orders.alive() if each.state in SEARCHED]
        if not waiting:
            return []
        wanted: dict[str, EntryOrder] = {}
        for number, order in enumerate(waiting):
            if number % NAMED_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            wanted |= dict.fromkeys(_ids(order), order)
        since_s = min(order.accepted_ms for order in waiting) // 1000 - BEFORE_S
        symbols = sorted({order.symbol for order in waiting})
        found, cut = await self._working(symbols)
        if len(symbols) <= HISTORIES:
            for symbol in symbols:
                found += await self._exchange.order_history(symbol)
        known = {each.order_id for each in found}
        traded, cut_too = await self._traded(symbols, since_s)
        for symbol, order_id in traded:
            if order_id not in known and self._store.state.futures_order_of(order_id) is None:
                found += await self._read(symbol, order_id)
        for order in waiting:
            if order.symbol in cut | cut_too:
                found += await self._looked_up(order)
        best: dict[str, OrderUpdate] = {}
        ahead_ms = self._exchange.clock_offset_ms
        for update in found:
            wanting = wanted.get(update.client_order_id)
            if (
                wanting is not None
                and _is_later(wanting, update)
                and is_ours(wanting, update, ahead_ms)
            ):
                now = best.get(wanting.id)
                if now is None or _rank(wanting, update) > _rank(wanting, now):
                    best[wanting.id] = update
        return [(order, best[order.id]) for order in waiting if order.id in best]

    async def find_closes(self) -> list[tuple[Protection, int, OrderUpdate]]:
        """The closing orders that filled and that the journal does not know: whose, which attempt, and what they are.

        Of each protection in the order of the attempts. Raises ExchangeError.
        """
        wanted: dict[str, tuple[Protection, int]] = {}
        for each in self._store.state.protections.alive():
            first = 1 if each.close is None else each.close.attempt + 1
            if each.remaining:
                for attempt in range(first, first + CLOSE_ATTEMPTS):
                    id = close_client_order_id(each.id, attempt, each.engine_id)
                    wanted[id] = (each, attempt)
        symbols = sorted({each.symbol for each, _ in wanted.values()})
        if len(symbols) > HISTORIES:
            self._counters.add("earlier_closes_not_searched", symbols=len(symbols))
            return []
        found = []
        for symbol in symbols:
            for update in await self._exchange.order_history(symbol):
                protection, attempt = wanted.get(update.client_order_id, (None, 0))
                if protection is not None and update.deal_size and self._closes(protection, update):
                    found.append((protection, attempt, update))
        return sorted(found, key=lambda each: (each[0].id, each[1]))

    def _closes(self, protection: Protection, update: OrderUpdate) -> bool:
        """Whether `update` is of a close of `protection`: of that side, and not made before that was promised."""
        if (update.symbol, update.side) != (protection.symbol, protection.side.closing):
            return False
        ahead_ms, made_ms = self._exchange.clock_offset_ms, update.create_time_ms
        if protection.engine_id or made_ms is None or ahead_ms is None:
            return True
        return made_ms + SAME_ID_SINCE_MS >= protection.created_ms + ahead_ms

    async def _working(self, symbols: list[str]) -> tuple[list[OrderUpdate], set[str]]:
        """The working orders, and the symbols of which there are more than one answer holds."""
        with suppress(CutShort):
            return list(await self._exchange.open_orders()), set()
        found: list[OrderUpdate] = []
        cut = set()
        for symbol in symbols:
            try:
                found += await self._exchange.open_orders(symbol)
            except CutShort:
                cut.add(symbol)
        return found, cut

    async def _traded(
        self, symbols: list[str], since_s: int
    ) -> tuple[list[tuple[str, str]], set[str]]:
        """Symbol and id of every order of these that opened something since, and the symbols that are cut short."""
        found: list[tuple[str, str]] = []
        cut = set()
        try:
            found += await self._exchange.traded_orders(since_s=since_s)
        except CutShort:
            for symbol in symbols:
                try:
                    found += await self._exchange.traded_orders(symbol, since_s=since_s)
                except CutShort:
                    cut.add(symbol)
        return [each for each in dict.fromkeys(found) if each[0] in symbols], cut

    async def _read(self, symbol: str, order_id: str) -> list[OrderUpdate]:
        try:
            return [await self._exchange.order(symbol, order_id)]
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
            self._counters.add("traded_order_not_readable", symbol=symbol, order_id=order_id)
            return []

    async def _looked_up(self, order: EntryOrder) -> list[OrderUpdate]:
        """What is found of the order's next attempt where lists are too long. Later ones: once their id is sent."""
        follows = order.state is EntryState.UNKNOWN  # this attempt is looked up already
        id = "" if follows else order.client_order_id
        id = id or entry_client_order_id(order.id, order.spent + 1 + follows, order.engine_id)
        try:
            found = await self._exchange.find_order(order.symbol, id)
        except CutShort as failure:
            self._counters.add("waiting_order_fate_unproved", id=order.id, why=failure)
            return []
        return [] if found is None else [found]


def _is_later(order: EntryOrder, update: OrderUpdate) -> bool:
    """Whether `update` says more than is known: of a later attempt, or of one that was held to be spent and is not."""
    if order.state is EntryState.WAITING:
        spent = [
            entry_client_order_id(order.id, attempt, order.engine_id)
            for attempt in range(1, order.spent + 1)
        ]
        ended_unfilled = update.final and not update.deal_size
        return not (ended_unfilled and update.client_order_id in spent)
    ids = _ids(order)
    return ids.index(update.client_order_id) > ids.index(order.client_order_id)


def _ids(order: EntryOrder) -> list[str]:
    """Every client order id that it has gone out under, or may have."""
    derived = [
        entry_client_order_id(order.id, attempt, order.engine_id)
        for attempt in range(1, ATTEMPTS + 1)
    ]
    other = order.client_order_id not in ("", *derived)
    return [order.client_order_id, *derived] if other else derived


def _rank(order: EntryOrder, update: OrderUpdate) -> tuple[bool, bool, int]:
    """What filled comes before what works, and that before what ended; of these the latest attempt."""
    attempt = _ids(order).index(update.client_order_id)
    return update.deal_size > 0, not update.final, attempt
