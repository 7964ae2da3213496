"""How many contracts of a protection a stop at the exchange may have closed that shows no order: told by the position.

What is held is compared with what our orders should hold and what was others' before. Fills of ours that are heard
late, and what others close of theirs, are no loss of ours: believed lost, contracts would be left without a stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ...exchange.budget import Urgency
from ...exchange.errors import ExchangeError
from ...model.positions import Protection
from ..desk import Desk
from .attribution import made_there, whose

if TYPE_CHECKING:
    from ..protections.protections import Protections

__all__ = ["count_lost", "whole"]

WORDS_KEPT_MS = 20_000
"""For how long after it fired what was said of the position before is remembered."""
CLOSED_BEFORE_MS = 5_000
"""How long before it fired somebody may have closed what was held by then: `protections` looks back so far."""


async def whole(id: str, desk: Desk, protections: Protections) -> bool:
    """Whether all is held that should be, so that nothing can have been closed for `id`."""
    protection = desk.state.protections[id]
    try:
        await protections.observe_positions(protection.symbol, Urgency.CLOSE)
    except ExchangeError:
        return False
    held = desk.positions.get(protection.symbol, protection.side)
    owed = protections.index.owed_on(protection.symbol, protection.side)
    return held is not None and held.size >= owed + (protection.others_held or 0)


async def count_lost(id: str, desk: Desk, protections: Protections) -> int:
    """How many of its contracts the position has lost without an order to show for it. 0 where that is not known."""
    protection = desk.state.protections[id]
    if protection.others_held is None:
        return 0
    try:
        await protections.observe_positions(protection.symbol, Urgency.CLOSE)
    except ExchangeError:
        return 0
    held = desk.positions.get(protection.symbol, protection.side)
    owed = protections.index.owed_on(protection.symbol, protection.side)
    if held is None:
        return 0
    missing = owed + _others(protection, desk, protections) - held.size
    if missing > 0:
        missing -= await _closed_by_others(protection, desk, protections)
    return min(protection.remaining, max(missing, 0))


async def _closed_by_others(protection: Protection, desk: Desk, protections: Protections) -> int:
    """Contracts of its side that orders have closed since it fired which are neither ours nor of a stop of ours."""
    alive = protections.index.alive_on(protection.symbol, protection.side)
    exchange = desk.exchange
    fired_ms = protection.history[-1].at_ms if protection.history else 0
    since_ms = fired_ms + (desk.exchange.clock_offset_ms or 0) - CLOSED_BEFORE_MS
    try:
        orders = await desk.exchange.order_history(protection.symbol, urgency=Urgency.CLOSE)
    except ExchangeError:
        return 0
    return sum(
        each.deal_size
        for each in orders
        if each.side is protection.side.closing
        and not (
            made_there(each)
            and (
                desk.state.fired_for(each.order_id) is not None
                or whose(each, alive, exchange.clock_offset_ms, exchange.earliest_ms) is not None
            )
        )
        and desk.state.closing_of(each.client_order_id) is None
        and (each.update_time_ms or 0) >= since_ms
    )


def _others(protection: Protection, desk: Desk, protections: Protections) -> int:
    """The contracts of others before it fired. Some of them may have turned out to be fills of ours, heard late."""
    known = protection.others_held or 0
    fired_ms = protection.history[-1].at_ms if protection.history else 0
    if desk.now_ms() - fired_ms > WORDS_KEPT_MS:
        return known
    side = protections.evidence.on(protection.symbol, protection.side)
    now_known = side.others(trio.current_time(), WORDS_KEPT_MS / 1000)
    return known if now_known is None else min(known, now_known)
