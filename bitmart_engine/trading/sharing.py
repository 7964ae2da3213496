"""Closing one order's part of a position that several orders hold, when the exchange keeps its stop too.

Both fire at the same price, and the exchange is mostly quicker. Where an order holds the position alone, what is left
of it says so. Where others hold a part, what is left may be theirs: closing it again would close their contracts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exchange.budget import Urgency
from ..model.positions import CloseReason, Protection
from .desk import Desk
from .reconcile import is_young

if TYPE_CHECKING:
    from .guard import Guard

__all__ = ["fires_there_too", "others_share", "own_share"]

PLANNED = "PLAN_"
"""How the client order ids of orders begin that a plan of the exchange made (fact sheet 4.3)."""
FIRED_THERE = ("stop_loss", "take_profit", "plan_order", "planorder")
"""The types of the orders that the exchange makes of the stops and targets it keeps, pushed and read over REST."""


def _others(protection: Protection, desk: Desk) -> list[Protection]:
    return [
        each
        for each in desk.state.protections.alive()
        if each.id != protection.id
        and each.entry_id is not None
        and (each.symbol, each.side) == (protection.symbol, protection.side)
    ]


def others_share(protection: Protection, desk: Desk) -> int:
    """Contracts of the same position that other orders of ours filled, and that are not closed yet."""
    return sum(each.remaining for each in _others(protection, desk))


def fires_there_too(protection: Protection, desk: Desk) -> bool:
    """Whether the exchange keeps what is being closed for, and it is reached there too."""
    stop, target = protection.exchange_stop_loss, protection.exchange_take_profit
    tick = desk.prices.fresh(protection.symbol)
    if protection.closing_for is CloseReason.STOP_LOSS and stop is not None:
        reached = tick is not None and protection.side.loses_at(tick.last, stop)
        return reached or stop == protection.stop_loss
    if protection.closing_for is CloseReason.TAKE_PROFIT and target is not None:
        reached = tick is not None and protection.side.wins_at(tick.last, target)
        return reached or target == protection.take_profit
    return False


async def own_share(protection: Protection, others: int, desk: Desk, guard: Guard) -> int | None:
    """What is held beyond the `others`' contracts: all of ours, unless the exchange was quicker with some of it.

    None while that is not certain: a fill may not be listed yet, or the exchange is at it. It keeps the stop meanwhile.
    Raises ExchangeError.
    """
    symbol, side = protection.symbol, protection.side
    for order in await desk.exchange.open_orders(symbol, urgency=Urgency.CLOSE):
        made_there = order.type in FIRED_THERE or order.client_order_id.startswith(PLANNED)
        if order.side is side.closing and made_there:
            return None
    await guard.observe_positions(symbol, Urgency.CLOSE)
    held = desk.positions.get(symbol, side)
    left = max((held.size if held is not None else 0) - others, 0)
    if left >= protection.remaining:
        return protection.remaining
    now_ms = desk.now_ms()
    if any(is_young(each, now_ms) for each in (protection, *_others(protection, desk))):
        return None
    return left
