"""Which plan orders of the exchange are a protection's, and which of those the user does not want any more. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal

from ...exchange.rows import PlanOrder
from ...model.lifecycle import ProtectionState
from ...model.positions import CloseReason, Protection
from ..protections.exchange_stops import apart_ms

__all__ = ["kept_for", "levels_kept", "unwanted", "unwanted_parts"]


def levels_kept(protection: Protection) -> set[Decimal]:
    """The prices of the stop and the target that the exchange keeps for the whole protection, as far as is known."""
    levels = (protection.exchange_stop_loss, protection.exchange_take_profit)
    return {price for price in levels if price is not None}


def kept_for(
    protection: Protection,
    size: int,
    plans: Iterable[PlanOrder],
    others: Collection[str] = (),
    levels: Collection[Decimal] | None = None,
) -> list[PlanOrder]:
    """Of `plans`, those that went out with the protection's order, for `size` contracts at most; none of `others`' ids.

    Several orders may have their stops at one price; the exchange does not say whose is whose: as many contracts are
    taken away as were covered, but for what has acted already, of the plans that are known for the protection's first,
    then of those that were made nearest to its fill, of these first the one for just what is left. What closes a whole
    position is never ours. With `levels`, only those that wait for one of these prices.
    """
    found = []
    known = protection.exchange_plans
    plans = sorted(
        plans,
        key=lambda plan: (
            plan.order_id not in known,
            apart_ms(protection, plan),
            plan.size != protection.remaining,
        ),
    )
    for price, reason in (
        (protection.exchange_stop_loss, CloseReason.EXCHANGE_STOP_LOSS),
        (protection.exchange_take_profit, CloseReason.EXCHANGE_TAKE_PROFIT),
    ):
        if levels is not None and price not in levels:
            continue
        acted = [each for each in protection.fired if each.reason is reason]
        left = size - sum(max(each.size or 0, each.filled) for each in acted)
        for plan in plans:
            mine = plan.side is protection.side.closing and plan.trigger_price == price
            if plan.order_id in others and plan.order_id not in protection.exchange_plans:
                continue
            if mine and plan.size is not None and plan.size <= left:
                left -= plan.size
                found.append(plan)
    return found


def unwanted(protection: Protection) -> set[Decimal]:
    """The prices at which the exchange would close what the engine would not: a stop or target that was moved further
    away, and all of a protection that the user dropped."""
    stop, target, side = (
        protection.exchange_stop_loss,
        protection.exchange_take_profit,
        protection.side,
    )
    dropped = protection.state is ProtectionState.RELEASED
    found = set()
    if stop is not None:
        ours = protection.stop_loss
        if dropped or ours is None or (ours != stop and side.loses_at(ours, stop)):
            found.add(stop)
    if target is not None:
        ours = protection.take_profit
        if dropped or ours is None or (ours != target and side.wins_at(ours, target)):
            found.add(target)
    return found


def unwanted_parts(protection: Protection) -> set[str]:
    """The ids of stops for a part that the exchange would close for a protection that the user dropped."""
    dropped = protection.state is ProtectionState.RELEASED
    return set(protection.exchange_parts) if dropped else set()
