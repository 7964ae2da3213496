"""Which stops and targets the exchange keeps of what the engine guards: a pure comparison, part of `reconcile`.

The careful rule: a stop is kept if the exchange lists stops for enough contracts at its very price, on the side that
closes its position. The price is the one that went out with the order, or the one that the engine watches by now. A
stop elsewhere says nothing: it may be somebody else's. So does one that was made when the order had ended long before,
where somebody else has something on the side: an order brings its stops along as it fills. Several protections with the
same price share what is listed there, those of our orders first, then the oldest; so one stop for ten contracts is
never taken for two.

Where there are too few for that, those of them that the exchange made with a fill of the protection's order are known
as parts: a later fill may have brought them, after somebody took away what was there. Such a stop is not kept, and may
close all the same.

Nothing is said of a protection that is not settled (too new to be listed, about to change, or being closed), nor of
one that it may have to share a price with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from functools import partial
from math import inf

from attrs import define, frozen

from ...exchange.rows import PlanKind, PlanOrder
from ...model.positions import Protection

__all__ = ["LOOK_AGAIN_S", "Keeps", "Losses", "apart_ms", "keeping"]

TOLD_IN_A_ROW = 4
"""How many comparisons in a row have to miss a stop that was kept: one list may be empty, or an old one."""
LOOK_AGAIN_S = 1.2
"""How soon after one that does the next comes."""

KINDS: tuple[PlanKind, PlanKind] = ("stop_loss", "take_profit")


@frozen
class Keeps:
    """What the exchange keeps of a protection is not what we believed. None: it keeps no such order."""

    id: str
    stop_loss: Decimal | None
    take_profit: Decimal | None
    plans: tuple[str, ...] = ()
    """The ids of these orders, those of them that are sure to be this protection's."""
    parts: tuple[str, ...] = ()
    """The ids of those that came with its order and are for fewer contracts than are left."""


@frozen
class Brought:
    """What the order of a protection brought along to the exchange, and when it filled, by the exchange's clock."""

    stop_loss: Decimal | None
    take_profit: Decimal | None
    filled_ms: tuple[int, ...]

    def made(self, plan: PlanOrder) -> bool:
        """Whether `plan` was made with one of these fills."""
        made_ms = plan.create_time_ms
        return made_ms is not None and any(
            abs(made_ms - at_ms) <= SAME_TIME_MS for at_ms in self.filled_ms
        )


MADE_WITHIN_MS = 10_000
"""How long after its order ended, by the exchange's clock, a stop may have been made that came with it."""
SAME_TIME_MS = 1_000
"""How far the time of a fill may be from that of the stop which the exchange made with it."""


class Losses:
    """What was kept, and comparisons say is not any more: not believed before they have said so several times."""

    def __init__(self) -> None:
        self._told: Counter[str] = Counter()

    def doubted(self, losing: Iterable[str]) -> set[str]:
        """Of the protections that a comparison says have lost something, those of which that is not certain yet."""
        self._told = Counter({id: self._told[id] + 1 for id in losing})
        return {id for id, times in self._told.items() if times < TOLD_IN_A_ROW}

    @property
    def in_doubt(self) -> bool:
        """Whether something is to be compared again soon."""
        return any(times < TOLD_IN_A_ROW for times in self._told.values())


def keeping(
    protections: Iterable[Protection],
    settled: Collection[str],
    plans: Iterable[PlanOrder],
    ended: Mapping[str, int],
    brought: Mapping[str, Brought] | None = None,
) -> list[Keeps]:
    """What is new about the `protections` that hold something on one side, of which those in `settled` are judged.

    `plans` are the plan orders that would close that side. Where more is held than the protections cover, `ended` says
    by protection when its order had ended: what was made later may be somebody else's. `brought` says, by protection,
    what its order took to the exchange with it.
    """
    ordered = sorted(protections, key=_precedence)
    plans = list(plans)
    brought = brought or {}
    stops = _share_out("stop_loss", ordered, settled, plans, ended, brought)
    targets = _share_out("take_profit", ordered, settled, plans, ended, brought)
    judged = {
        each.id: (
            stops.get(each.id, each.exchange_stop_loss),
            targets.get(each.id, each.exchange_take_profit),
        )
        for each in ordered
        if each.id in stops or each.id in targets
    }
    ids = _told_apart(ordered, judged, plans, ended)
    parts = _parts(ordered, judged, plans, ids, brought)
    news = []
    for each in ordered:
        if each.id in judged:
            stop, target = judged[each.id]
            known = (each.exchange_stop_loss, each.exchange_take_profit, each.exchange_plans)
            news_of = (stop, target, ids[each.id])
            if (news_of, parts[each.id]) != (known, each.exchange_parts):
                news.append(Keeps(each.id, *news_of, parts[each.id]))
    return news


def _parts(
    ordered: list[Protection],
    judged: Mapping[str, tuple[Decimal | None, Decimal | None]],
    plans: list[PlanOrder],
    ids: Mapping[str, tuple[str, ...]],
    brought: Mapping[str, Brought],
) -> dict[str, tuple[str, ...]]:
    """By protection of `judged` the ids of what its order brought along for a part of a leg that is not kept.

    Only what was made with a fill of its order: another program's stop may be alike but for that.
    """
    taken = {id for mine in ids.values() for id in mine}
    for each in ordered:
        if each.id not in judged:
            taken.update(each.exchange_plans, each.exchange_parts)
    found: dict[str, tuple[str, ...]] = {}
    for each in (each for each in ordered if each.id in judged):
        order, mine = brought.get(each.id), []
        for kind, kept in zip(KINDS, judged[each.id], strict=True):
            if order is None or kept is not None:
                continue
            level = order.stop_loss if kind == "stop_loss" else order.take_profit
            sought = {level, *_sought(kind, each)}
            left = each.remaining
            for plan in sorted(plans, key=partial(_newly, each)):
                known = plan.order_id in each.exchange_parts
                if (
                    plan.order_id not in taken
                    and plan.kind in (kind, "plan")
                    and plan.trigger_price in sought
                    and plan.size is not None
                    and plan.size <= left
                    and (known or order.made(plan))
                ):
                    taken.add(plan.order_id)
                    mine.append(plan.order_id)
                    left -= plan.size
        found[each.id] = tuple(mine)
    return found


def _newly(protection: Protection, plan: PlanOrder) -> bool:
    """Sorts what was known for the protection first."""
    return plan.order_id not in protection.exchange_parts


def _told_apart(
    ordered: list[Protection],
    judged: Mapping[str, tuple[Decimal | None, Decimal | None]],
    plans: list[PlanOrder],
    ended: Mapping[str, int],
) -> dict[str, tuple[str, ...]]:
    """By protection of `judged` the ids of the plan orders that keep its legs.

    What was known stays, also where somebody has closed a part of what it is for; what is new is of the protection's
    very size. Identical plan orders go to the protection whose fill they were made nearest to, each to one only: the
    exchange makes them of the fill, and another program's may be alike but for that.
    """
    legs = [
        (each, kind, price)
        for each in ordered
        if each.id in judged
        for kind, price in zip(KINDS, judged[each.id], strict=True)
    ]
    found: dict[tuple[str, PlanKind], str] = {}
    taken = {id for each in ordered if each.id not in judged for id in each.exchange_plans}
    for known in (True, False):
        for each, kind, price in legs:
            for plan in sorted(plans, key=partial(apart_ms, each)):
                if (
                    (each.id, kind) not in found
                    and plan.order_id not in taken
                    and (plan.order_id in each.exchange_plans) is known
                    and plan.kind in (kind, "plan")
                    and plan.trigger_price == price
                    and _may_be_of(plan, each, ended)
                    and (known or plan.size == each.remaining)
                ):
                    found[each.id, kind] = plan.order_id
                    taken.add(plan.order_id)
    return {id: tuple(found[id, kind] for kind in KINDS if (id, kind) in found) for id in judged}


def _share_out(
    kind: PlanKind,
    ordered: list[Protection],
    settled: Collection[str],
    plans: list[PlanOrder],
    ended: Mapping[str, int],
    brought: Mapping[str, Brought],
) -> dict[str, Decimal | None]:
    """By protection the price at which it is kept, or None; those that cannot be judged are not in it.

    Where there are too few for all, those go first whose own they are: known for theirs, or made with their fills.
    """

    def rank(each: Protection, plan: PlanOrder) -> int:
        """How sure it is that `plan` is of `each`: known for it, made with a fill of its order, or neither."""
        if plan.order_id in (*each.exchange_plans, *each.exchange_parts):
            return 0
        order = brought.get(each.id)
        return 1 if order is not None and order.made(plan) else 2

    def place(each: Protection) -> int:
        """How sure it is that all that is left is kept: at once if what is known for it is enough."""
        sizes = [0.0, 0.0]
        for plan in plans:
            of_leg = plan.kind in (kind, "plan") and plan.trigger_price in _sought(kind, each)
            if of_leg and rank(each, plan) < len(sizes):
                sizes[rank(each, plan)] += inf if plan.size is None else plan.size
        enough = [sum(sizes[: which + 1]) >= each.remaining for which in range(len(sizes))]
        return enough.index(True) if True in enough else len(sizes)

    ordered = sorted(ordered, key=place)
    offered = [_Offer(plan, plan.size) for plan in plans if plan.kind in (kind, "plan")]
    contested = {
        price for each in ordered if each.id not in settled for price in _sought(kind, each)
    }
    kept: dict[str, Decimal | None] = {}
    for each in ordered:
        sought = _sought(kind, each)
        if each.id not in settled:
            continue
        if not contested.isdisjoint(sought):
            contested.update(sought)
            continue
        kept[each.id] = None
        for price in sought:
            mine = [
                offer
                for offer in offered
                if offer.plan.trigger_price == price and _may_be_of(offer.plan, each, ended)
            ]
            mine.sort(key=lambda offer: rank(each, offer.plan))  # sorted at once
            if _take(each.remaining, mine):
                kept[each.id] = price
                break
    return kept


@define
class _Offer:
    """A plan order, and for how many contracts it is that nobody was given yet; None: for all there are."""

    plan: PlanOrder
    left: int | None


def _take(size: int, offers: list[_Offer]) -> bool:
    """Give `size` contracts away, if that many are offered."""
    sizes = [each.left for each in offers if each.left is not None]
    if len(sizes) < len(offers):
        return True
    if size > sum(sizes):
        return False
    for each in offers:
        part = min(each.left or 0, size)
        each.left, size = (each.left or 0) - part, size - part
    return True


def _may_be_of(plan: PlanOrder, protection: Protection, ended: Mapping[str, int]) -> bool:
    """Whether the order of a protection may have brought `plan` along: it had not ended long before that was made."""
    ended_ms = ended.get(protection.id)
    if ended_ms is None or plan.create_time_ms is None:
        return True
    return plan.create_time_ms <= ended_ms + MADE_WITHIN_MS


def apart_ms(protection: Protection, plan: PlanOrder) -> float:
    """How far from a fill of a protection's order `plan` was made, by the exchange's clock; infinity: not known."""
    if not protection.filled_there_ms or plan.create_time_ms is None:
        return inf
    times = (protection.filled_there_ms, *protection.filled_further_ms)
    return min(abs(plan.create_time_ms - time) for time in times)


def _sought(kind: PlanKind, protection: Protection) -> list[Decimal]:
    """The prices at which a leg may be kept: where it was believed to be, then where the engine watches it."""
    if kind == "stop_loss":
        prices = [protection.exchange_stop_loss, protection.stop_loss]
    else:
        prices = [protection.exchange_take_profit, protection.take_profit]
    return [price for price in prices if price is not None]


def _precedence(protection: Protection) -> tuple[bool, int, str]:
    """Those of our orders first, whose stops went out with them; then the oldest."""
    return (protection.entry_id is None, protection.created_ms, protection.id)
