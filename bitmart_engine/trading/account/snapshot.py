"""Asking the exchange for everything that concerns us, as one snapshot. All queries succeed, or there is none.

But for one: which stops and targets it keeps is worth knowing and worth no delay. Where that cannot be read in time,
the snapshot says that it is not known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import inf

import trio
from attrs import frozen

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import CutShort, ExchangeError, Meaning, Refused
from ...exchange.order_client import MOST_HISTORY
from ...exchange.rows import PlanOrder
from ...model.events import OrderUpdate, PositionUpdate
from ...model.identifiers import is_identifier
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...model.positions import Protection
from ...model.sides import OrderSide
from ...store import Store
from ..closes.attribution import made_there
from ..identity import is_ours
from .reconcile import Key, Snapshot, live_orders

__all__ = ["PLANS_WITHIN_S", "Snapshots"]

_Level = tuple[str, OrderSide, Decimal]
"""A symbol, what closes a side of it, and the price at which the exchange would."""

LOOKED_AT_AT_ONCE = 200
"""Protections between two checkpoints: a millisecond or two."""
PLANS_WITHIN_S = 2.0
"""How long the stops and targets that the exchange keeps are waited for: entries wait for the snapshot."""


@frozen(kw_only=True)
class Snapshots:
    """Asks the exchange for what a comparison needs."""

    _counters: Counters
    _exchange: ExchangeClient
    _now_ms: Callable[[], int]
    _store: Store

    async def take_snapshot(self) -> Snapshot:
        """Read our orders, then what is held: a fill that is in the orders is in the positions too.

        Orders on their way, and those of which the answer was lost, are not asked about: a task of their own does that.

        What the exchange keeps over positions is read before them: a stop that acts meanwhile then shows as a position
        that is gone, not as a stop that is missing.

        Raises ExchangeError if any query fails.
        """
        ours = live_orders(self._store.state)
        working, cut = await self._working({order.symbol for order in ours})
        by_client_id = {update.client_order_id: update for update in working}
        orders: dict[str, OrderUpdate] = {}
        absent: set[str] = set()
        histories: dict[str, Mapping[str, OrderUpdate]] = {}
        for order in ours:
            update = by_client_id.get(order.client_order_id)
            if update is None and order.exchange_order_id:
                try:
                    update = await self._ended(order)
                except CutShort as failure:
                    self._counters.add("order_fate_unproved", id=order.id, why=failure)
                    continue
                if update is None:
                    absent.add(order.client_order_id)
            elif update is None and order.state is EntryState.WAITING:
                if order.symbol not in histories:
                    histories[order.symbol] = await self._history(order.symbol)
                update = histories[order.symbol].get(order.client_order_id)
                if update is None and len(histories[order.symbol]) >= MOST_HISTORY:
                    update = (await self._history(order.symbol, order.client_order_id)).get(
                        order.client_order_id
                    )
            if update is not None and is_ours(order, update, self._exchange.clock_offset_ms):
                orders[order.client_order_id] = update
        plans_at_ms = self._now_ms()
        plans = await self._plans()
        positions = await self._exchange.positions()
        state = self._store.state
        at_ms = self._now_ms()
        fired = await self._fired(orders, plans, positions)
        return Snapshot(
            at_ms=at_ms,
            orders=orders,
            absent=frozenset(absent),
            foreign=tuple(
                update
                for update in working
                if not state.is_entry(update.client_order_id)
                and not state.is_closing(update.client_order_id)
            ),
            more_foreign=cut,
            left_out=positions.left_out,
            positions={(update.symbol, update.side): update for update in positions},
            plans=plans,
            plans_at_ms=plans_at_ms,
            clock_ahead_ms=self._exchange.clock_offset_ms,
            earliest_ms=self._exchange.earliest_ms,
            fired=fired,
        )

    async def _working(self, symbols: set[str]) -> tuple[list[OrderUpdate], bool]:
        """The working orders, and whether there may be more, that are not listed.

        Where the account has more than one answer holds, all that can be read of our symbols is: what then is not
        listed of ours is asked for by its id.
        """
        try:
            return await self._exchange.open_orders(), False
        except CutShort as cut:
            found = {each.order_id: each for each in cut.found}
        for symbol in sorted(symbols):
            found |= {each.order_id: each for each in await self._open_orders(symbol)}
        return list(found.values()), True

    async def _open_orders(self, symbol: str) -> Iterable[OrderUpdate]:
        """The working orders of a symbol, as far as they can be read."""
        try:
            return await self._exchange.open_orders(symbol)
        except CutShort as cut:
            return cut.found

    async def _plans(self) -> tuple[PlanOrder, ...] | None:
        """The stops and targets that the exchange keeps. None: nothing of ours is held, or they could not be read."""
        symbols = {each.symbol for each in self._store.state.protections.alive() if each.covered}
        if not symbols:
            return None
        why: object = f"no answer within {PLANS_WITHIN_S:g} s"
        with trio.move_on_after(PLANS_WITHIN_S):
            try:
                return await self._listed_plans(symbols)
            except ExchangeError as failure:
                why = failure
        self._counters.add("exchange_stops_read_failed", why=why)
        return None

    async def _fired(
        self,
        orders: Mapping[str, OrderUpdate],
        plans: tuple[PlanOrder, ...] | None,
        positions: list[PositionUpdate],
    ) -> tuple[OrderUpdate, ...]:
        """What the exchange's own stops closed, of the symbols where less is held or kept than should be.

        Read after the positions: what was closed by then is among it. What should be counts what `orders` say has
        filled: the stop of a first fill may have closed its part while nothing was heard, and the rest have filled
        since.
        """
        owed: Counter[Key] = Counter()
        kept: Counter[_Level] = Counter()
        for number, each in enumerate(self._store.state.protections.alive()):
            if number % LOOKED_AT_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            size = self._not_closed(each, orders)
            if each.entry_id is None or not size:
                continue
            owed[each.symbol, each.side] += size
            for level in (each.exchange_stop_loss, each.exchange_take_profit):
                if level is not None:
                    kept[each.symbol, each.side.closing, level] += size
        held = Counter({(each.symbol, each.side): each.size for each in positions})
        symbols = {key[0] for key, size in owed.items() if held[key] < size}
        if plans is not None:
            listed = _listed(plans)
            symbols |= {level[0] for level, size in kept.items() if listed[level] < size}
        found: list[OrderUpdate] = []
        for symbol in sorted(symbols):
            found += await self._open_orders(symbol)
            found += await self._exchange.order_history(symbol)
        return tuple(update for update in found if made_there(update))

    def _not_closed(self, protection: Protection, orders: Mapping[str, OrderUpdate]) -> int:
        """Contracts of a protection that should be held: covered, or filled by its order, and closed by nothing."""
        order = self._store.state.orders.get(protection.entry_id or "")
        update = None if order is None else orders.get(order.client_order_id)
        filled = 0 if update is None else update.deal_size - protection.closed
        return max(protection.remaining, filled)

    async def _listed_plans(self, symbols: set[str]) -> tuple[PlanOrder, ...]:
        """All of them; only those of our symbols where the account has more than one answer holds."""
        ask = self._exchange.plan_orders
        try:
            return tuple(await ask(plan_type="profit_loss"))
        except CutShort:
            return tuple(
                [
                    each
                    for symbol in sorted(symbols)
                    for each in await ask(symbol, plan_type="profit_loss")
                ]
            )

    async def _history(
        self, symbol: str, client_order_id: str | None = None
    ) -> Mapping[str, OrderUpdate]:
        """The latest finished orders of a symbol, by client order id: where one that was proved absent may turn up."""
        ask = self._exchange.order_history
        return {
            each.client_order_id: each
            for each in await ask(symbol, client_order_id=client_order_id)
        }

    async def _ended(self, order: EntryOrder) -> OrderUpdate | None:
        """One of our orders that is not working (any more), by its id at the exchange or by ours.

        A journal of an earlier version may hold an id that is longer than one can be: then by ours.
        """
        if is_identifier(order.exchange_order_id):
            try:
                return await self._exchange.order(order.symbol, order.exchange_order_id)
            except Refused as refusal:
                if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                    raise
        return await self._exchange.find_order(order.symbol, order.client_order_id)


def _listed(plans: Iterable[PlanOrder]) -> Mapping[_Level, float]:
    """For how many contracts plan orders are listed at a level; infinity: for as many as there are."""
    found: dict[_Level, float] = defaultdict(float)
    for plan in plans:
        size = inf if plan.size is None else plan.size
        found[plan.symbol, plan.side, plan.trigger_price] += size
    return found
