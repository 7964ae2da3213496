"""How many contracts of a protection a stop at the exchange may have closed that shows no order: told by the position.

What is held is compared with what our orders should hold and what was others' before. Fills of ours that are heard
late, what others close of theirs, and what closes of other protections fill unheard, are no loss of ours: believed
lost, contracts would be left without a stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from ...exchange.budget import Urgency
from ...exchange.errors import ExchangeError
from ...model.events import OrderUpdate
from ...model.positions import Protection
from ..desk import Desk
from .attribution import made_there, whose
from .view import ClosesView

__all__ = ["closed_by_others", "count_lost", "others_before", "whole"]

WORDS_KEPT_MS = 20_000
"""For how long after it fired what was said of the position before is remembered."""
CLOSED_BEFORE_MS = 5_000
"""How long before it fired somebody may have closed what was held by then: `protections` looks back so far."""
READS = 3
"""How often the position is read for one in between whose reading no other close of the side has filled further."""


async def whole(id: str, desk: Desk, view: ClosesView) -> bool:
    """Whether all is held that should be, so that nothing can have been closed for `id`."""
    protection = desk.state.protections[id]
    try:
        await view.observe_positions(protection.symbol, Urgency.CLOSE)
    except ExchangeError:
        return False
    held = desk.positions.get(protection.symbol, protection.side)
    owed = view.index.owed_on(protection.symbol, protection.side)
    return held is not None and held.size >= owed + (protection.others_held or 0)


async def count_lost(id: str, desk: Desk, view: ClosesView) -> int:
    """How many of its contracts the position has lost without an order to show for it. 0 where that is not known."""
    protection = desk.state.protections[id]
    if protection.others_held is None:
        return 0
    try:
        unheard = await _read_beside_closes(protection, desk, view)
    except ExchangeError:
        return 0
    held = desk.positions.get(protection.symbol, protection.side)
    if held is None:
        return 0
    owed = view.index.owed_on(protection.symbol, protection.side)
    missing = owed + _others(protection, desk, view) - held.size - unheard
    if missing <= 0:
        return 0
    since_ms = _fired_ms(protection) + (desk.exchange.clock_offset_ms or 0) - CLOSED_BEFORE_MS
    try:
        orders = await desk.exchange.order_history(protection.symbol, urgency=Urgency.CLOSE)
    except ExchangeError:
        orders = []
    alive = view.index.alive_on(protection.symbol, protection.side)
    foreign = (each for each in orders if not _is_ours(each, alive, desk))
    missing -= closed_by_others(protection, foreign, since_ms)
    return min(protection.remaining, max(missing, 0))


async def _read_beside_closes(protection: Protection, desk: Desk, view: ClosesView) -> int:
    """Read what is held, and the orders that close contracts of the side for other protections. Raises ExchangeError.

    They may have filled unheard, also while the position was read: then it is read again. Returns how many contracts at
    most those have filled that could not be read.
    """
    unheard = 0
    for _ in range(READS):
        before = view.index.owed_on(protection.symbol, protection.side)
        await view.observe_positions(protection.symbol, Urgency.CLOSE)
        unheard = await _read_closes(protection, desk, view)
        if view.index.owed_on(protection.symbol, protection.side) == before:
            break
    return unheard


async def _read_closes(protection: Protection, desk: Desk, view: ClosesView) -> int:
    """Take in how far the orders at work are that close for other protections of the side; what the others may have
    filled at most."""
    unheard = 0
    for each in view.index.alive_on(protection.symbol, protection.side):
        if each.id == protection.id:
            continue
        if each.close is not None and not each.close.final:
            order_id, left = each.close.exchange_order_id, each.close.size - each.close.filled
            if not order_id or not await _was_read(order_id, each, view.on_update, desk):
                unheard += left
        for fired in each.fired:
            if not fired.final and not await _was_read(fired.order_id, each, view.on_fired, desk):
                unheard += (fired.size or each.remaining) - fired.filled
    return unheard


async def _was_read(
    order_id: str, of: Protection, take_in: Callable[[OrderUpdate], object], desk: Desk
) -> bool:
    try:
        take_in(await desk.exchange.order_or_past(of.symbol, order_id, urgency=Urgency.CLOSE))
    except ExchangeError as failure:
        desk.counters.add("close_order_not_readable", id=of.id, why=failure)
        return False
    return True


def _is_ours(update: OrderUpdate, alive: list[Protection], desk: Desk) -> bool:
    """Whether an order is a close of ours, or was made by the exchange of a stop that may be ours."""
    if desk.state.is_closing(update.client_order_id):
        return True
    if not made_there(update):
        return False
    exchange = desk.exchange
    return (
        desk.state.is_fired(update.order_id)
        or whose(update, alive, exchange.clock_offset_ms, exchange.earliest_ms) is not None
    )


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


def _others(protection: Protection, desk: Desk, view: ClosesView) -> int:
    if desk.now_ms() - _fired_ms(protection) > WORDS_KEPT_MS:
        return others_before(protection, None)
    side = view.evidence.on(protection.symbol, protection.side)
    return others_before(protection, side.others(trio.current_time(), WORDS_KEPT_MS / 1000))


def _fired_ms(protection: Protection) -> int:
    return protection.history[-1].at_ms if protection.history else 0
