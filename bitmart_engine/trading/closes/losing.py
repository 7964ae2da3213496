"""How many contracts of a protection a stop at the exchange may have closed that shows no order: told by the position.

What is held is compared with what our orders should hold and what was others' before. Fills of ours that are heard
late, what others close of theirs, and what closes of other protections fill unheard, are no loss of ours: believed
lost, contracts would be left without a stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio
from attrs import frozen

from ...counters import Counters
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...model.events import OrderUpdate
from ...model.positions import Protection
from ...store import Store
from ..account.positions import PositionBook
from .attribution import made_there, whose
from .view import ClosesView

__all__ = ["LostContracts", "closed_by_others", "others_before"]

WORDS_KEPT_MS = 20_000
"""For how long after it fired what was said of the position before is remembered."""
CLOSED_BEFORE_MS = 5_000
"""How long before it fired somebody may have closed what was held by then: `protections` looks back so far."""
READS = 3
"""How often the position is read for one in between whose reading no other close of the side has filled further."""


@frozen(kw_only=True)
class LostContracts:
    """Counts what a position has lost without an order to show for it."""

    _counters: Counters
    _exchange: ExchangeClient
    _now_ms: Callable[[], int]
    _positions: PositionBook
    _store: Store
    _view: ClosesView

    async def whole(self, id: str) -> bool:
        """Whether all is held that should be, so that nothing can have been closed for `id`."""
        protection = self._store.state.protections[id]
        try:
            await self._view.observe_positions(protection.symbol, Urgency.CLOSE)
        except ExchangeError:
            return False
        held = self._positions.get(protection.symbol, protection.side)
        owed = self._view.index.owed_on(protection.symbol, protection.side)
        return held is not None and held.size >= owed + (protection.others_held or 0)

    async def count_lost(self, id: str) -> int:
        """How many of its contracts the position has lost without an order to show for it. 0 where it is not known."""
        protection = self._store.state.protections[id]
        if protection.others_held is None:
            return 0
        try:
            unheard = await self._read_beside_closes(protection)
        except ExchangeError:
            return 0
        held = self._positions.get(protection.symbol, protection.side)
        if held is None:
            return 0
        owed = self._view.index.owed_on(protection.symbol, protection.side)
        missing = owed + self._others(protection) - held.size - unheard
        if missing <= 0:
            return 0
        since_ms = _fired_ms(protection) + (self._exchange.clock_offset_ms or 0) - CLOSED_BEFORE_MS
        try:
            orders = await self._exchange.order_history(protection.symbol, urgency=Urgency.CLOSE)
        except ExchangeError:
            orders = []
        alive = self._view.index.alive_on(protection.symbol, protection.side)
        foreign = (each for each in orders if not self._is_ours(each, alive))
        missing -= closed_by_others(protection, foreign, since_ms)
        return min(protection.remaining, max(missing, 0))

    async def _read_beside_closes(self, protection: Protection) -> int:
        """Read what is held, and the orders that close contracts of the side for others. Raises ExchangeError.

        They may have filled unheard, also while the position was read: then it is read again. Returns how many
        contracts at most those have filled that could not be read.
        """
        unheard = 0
        for _ in range(READS):
            before = self._view.index.owed_on(protection.symbol, protection.side)
            await self._view.observe_positions(protection.symbol, Urgency.CLOSE)
            unheard = await self._read_closes(protection)
            if self._view.index.owed_on(protection.symbol, protection.side) == before:
                break
        return unheard

    async def _read_closes(self, protection: Protection) -> int:
        """Take in how far the orders at work are that close for other protections of the side; what the others may have
        filled at most."""
        unheard = 0
        for each in self._view.index.alive_on(protection.symbol, protection.side):
            if each.id == protection.id:
                continue
            if each.close is not None and not each.close.final:
                order_id, left = each.close.exchange_order_id, each.close.size - each.close.filled
                if not order_id or not await self._was_read(order_id, each, self._view.on_update):
                    unheard += left
            for fired in each.fired:
                if not fired.final and not await self._was_read(
                    fired.order_id, each, self._view.on_fired
                ):
                    unheard += (fired.size or each.remaining) - fired.filled
        return unheard

    async def _was_read(
        self, order_id: str, of: Protection, take_in: Callable[[OrderUpdate], object]
    ) -> bool:
        try:
            take_in(await self._exchange.order_or_past(of.symbol, order_id, urgency=Urgency.CLOSE))
        except ExchangeError as failure:
            self._counters.add("close_order_not_readable", id=of.id, why=failure)
            return False
        return True

    def _is_ours(self, update: OrderUpdate, alive: list[Protection]) -> bool:
        """Whether an order is a close of ours, or was made by the exchange of a stop that may be ours."""
        if self._store.state.is_closing(update.client_order_id):
            return True
        if not made_there(update):
            return False
        exchange = self._exchange
        return (
            self._store.state.is_fired(update.order_id)
            or whose(update, alive, exchange.clock_offset_ms, exchange.earliest_ms) is not None
        )

    def _others(self, protection: Protection) -> int:
        if self._now_ms() - _fired_ms(protection) > WORDS_KEPT_MS:
            return others_before(protection, None)
        side = self._view.evidence.on(protection.symbol, protection.side)
        return others_before(protection, side.others(trio.current_time(), WORDS_KEPT_MS / 1000))


def closed_by_others(protection: Protection, foreign: Iterable[OrderUpdate], since_ms: int) -> int:
    """Contracts of its side that `foreign` orders have closed since then, by the exchange's clock."""
    return sum(
        each.deal_size
        for each in foreign
        if each.side is protection.side.closing and (each.update_time_ms or 0) >= since_ms
    )


def others_before(protection: Protection, now_known: int | None) -> int:
    """The contracts of others before it fired. Some of them may have turned out to be fills of ours, heard late:
    `now_known` is how many are held to have been others' by now, None where that is not remembered."""
    known = protection.others_held or 0
    return known if now_known is None else min(known, now_known)


def _fired_ms(protection: Protection) -> int:
    return protection.history[-1].at_ms if protection.history else 0
