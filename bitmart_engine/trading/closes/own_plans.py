"""Which plan orders of the exchange are a protection's, and which of those the user does not want any more. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from itertools import combinations

from ...exchange.rows import PlanOrder
from ...model.lifecycle import ProtectionState
from ...model.positions import CloseReason, Protection
from ..protections.exchange_stops import apart_ms

__all__ = ["kept_for", "levels_kept", "unwanted", "unwanted_parts"]

MOST_COMPARED = 8
"""Of how many plan orders at one price all choices are compared: 256 of them at most."""


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
    rivals: Sequence[Protection] = (),
) -> list[PlanOrder]:
    """Of `plans`, those that went out with the protection's order, for `size` contracts at most; none of `others`' ids.

    Several orders may have their stops at one price; the exchange does not say whose is whose: as many contracts are
    taken away as were covered, but for what has acted already, of the plans that are known for the protection's first,
    then of those that were made nearest to its fill, of these first the one for just what is left. Where `rivals`,
    other protections of the side, have their stops at the same price, and another choice for just as much leaves each
    of them what is left of it, that is made. What closes a whole position is never ours. With `levels`, only those that
    wait for one of these prices.
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
        offered = [
            plan
            for plan in plans
            if plan.side is protection.side.closing
            and plan.trigger_price == price
            and plan.size is not None
            and (plan.order_id not in others or plan.order_id in known)
        ]
        theirs = [
            rival.remaining for rival in rivals if price in levels_kept(rival) and rival.remaining
        ]
        found += _chosen(offered, left, protection.remaining, known, theirs)
    return found


def _chosen(
    offered: Sequence[PlanOrder],
    most: int,
    remaining: int,
    known: Collection[str],
    theirs: Sequence[int],
) -> list[PlanOrder]:
    """Of `offered`, the best first, those for `most` contracts at most; if it can be, so that others keep `theirs`."""
    first = _first_that_fit(offered, most)
    if not theirs or len(offered) > MOST_COMPARED or _are_left(offered, first, theirs):
        return first
    sure = {plan.order_id for plan in first if plan.order_id in known}
    enough = {remaining, sum(plan.size or 0 for plan in first)}
    for count in range(1, len(offered) + 1):
        for choice in map(list, combinations(offered, count)):
            size = sum(plan.size or 0 for plan in choice)
            if (
                size in enough
                and size <= most
                and sure <= {plan.order_id for plan in choice}
                and _are_left(offered, choice, theirs)
            ):
                return choice
    return first


def _first_that_fit(offered: Iterable[PlanOrder], most: int) -> list[PlanOrder]:
    found = []
    for plan in offered:
        size = plan.size or 0
        if size <= most:
            most -= size
            found.append(plan)
    return found


def _are_left(offered: Iterable[PlanOrder], taken: list[PlanOrder], theirs: Sequence[int]) -> bool:
    """Whether the sizes of `offered` without `taken` add up to what is left of each of the others, and of them all."""
    sums = {0}
    for plan in offered:
        if plan not in taken:
            sums |= {each + (plan.size or 0) for each in sums}
    return sums.issuperset((*theirs, sum(theirs)))


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
