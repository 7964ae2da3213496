"""The stop and the target that the exchange keeps for what the engine closed itself: taken away, so that they do not
close contracts of another order when they fire.

They go with their position, so this matters only where something of the position is left. It is done before a close
counts as done: a crash in between finds the protection still closing. A few tries are all it gets, for a close is not
to wait for it for ever; what is left behind then is said.
"""

from __future__ import annotations

import structlog
import trio

from ..exchange.budget import Urgency
from ..exchange.errors import ExchangeError, Meaning, Refused
from ..exchange.rows import PlanOrder
from ..model.positions import Protection
from .desk import Desk

__all__ = ["kept_for", "take_away"]

log = structlog.get_logger()

TRIES = 3
TRY_AGAIN_S = 0.25


async def take_away(protection: Protection, desk: Desk) -> None:
    """Cancel what the exchange keeps for `protection`, of which everything is closed."""
    if protection.exchange_stop_loss is None and protection.exchange_take_profit is None:
        return
    for last_try in (number == TRIES for number in range(1, TRIES + 1)):
        try:
            plans = await desk.exchange.plan_orders(
                protection.symbol, plan_type="profit_loss", urgency=Urgency.CANCEL
            )
            for plan in kept_for(protection, plans):
                await _cancel(plan, desk)
            return
        except ExchangeError as failure:
            why = str(failure)
        if not last_try:
            await trio.sleep(TRY_AGAIN_S)
    desk.tally.add("stop left behind at the exchange", id=protection.id, why=why)
    log.error("a stop may be left behind at the exchange", id=protection.id, why=why)


def kept_for(protection: Protection, plans: list[PlanOrder]) -> list[PlanOrder]:
    """Of `plans`, those that went out with the protection's order, as far as its contracts go.

    Several orders may have their stops at one price; the exchange does not say whose is whose, and need not: as many
    contracts are taken away as were covered. What closes a whole position is never ours.
    """
    found = []
    for price in (protection.exchange_stop_loss, protection.exchange_take_profit):
        left = protection.covered
        for plan in plans:
            mine = plan.side is protection.side.closing and plan.trigger_price == price
            if mine and plan.size is not None and plan.size <= left:
                left -= plan.size
                found.append(plan)
    return found


async def _cancel(plan: PlanOrder, desk: Desk) -> None:
    try:
        await desk.exchange.cancel_plan_order(plan.symbol, plan.order_id)
    except Refused as refusal:
        if refusal.meaning not in (Meaning.NO_SUCH_ORDER, Meaning.ORDER_DONE):
            raise
