"""Taking away what the exchange keeps for a protection: what is known of it, and so what to do next. Pure.

It goes in rounds. A round lists the plan orders, where their ids are not known, and cancels each of the protection's of
which nothing is known yet. What its end means depends on what it is for:

- Before a close, where others share the position: what was cancelled cannot act any more, and what could not be
  cancelled has acted, which the exchange's orders then say. Where a stop is neither listed nor seen to have acted, and
  the position has lost contracts, the stop has closed them, though the exchange may take a while to show the order:
  that many are not closed again. A close would not get through either where nothing is answered. Where the exchange
  answers, but not about its stops, the position tells: as long as all is held that should be, none of them has acted.
- After a close, for what was not shared then and may be by now.
- While the position lives, for what the user does not want any more. Each such round looks at everything anew.

`begin` and `again` start a round, `next_step` says what to do, `learn` takes in the answer. Nothing here waits, asks or
reads a clock: times are seconds on one clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum

from attrs import Factory, evolve, frozen

from ...exchange.errors import ExchangeError
from ...exchange.rows import PlanOrder
from ...model.lifecycle import ProtectionState
from ...model.positions import Protection
from ..backoff import Backoff
from .cancel_steps import (
    Answer,
    AskPosition,
    AskWhetherShared,
    Cancelled,
    CancelPlan,
    CountLost,
    Done,
    Failed,
    FindFired,
    GiveUp,
    Held,
    LeftBehind,
    Listed,
    ListPlans,
    Looked,
    Lost,
    Shared,
    Step,
    TakenAway,
    Vanished,
    Wait,
)
from .own_plans import kept_for, levels_kept, unwanted, unwanted_parts

__all__ = ["Facts", "Purpose", "again", "begin", "learn", "next_step"]

ACTED_WITHIN_S = 15.0
"""How long it is looked for the order of a stop that is gone together with contracts of the position, and waited for
word whose stop an order was made of."""
UNSEEN_WITHIN_S = 2.0
"""How long it is looked for what became of a stop that is neither listed nor seen to have acted."""
LOOK_AT_POSITION_AFTER_S = 10.0
"""From when on the position is asked for too."""
GIVE_UP_AFTER_S = 60.0
"""From when on a failure is one of the close: it is told, and the close tried again from its beginning."""
ASK_AGAIN_S = 0.25
TRIES = 3
"""Rounds after a close: as many do where nobody shares the position, or where one empty list may be a mistake."""
RETRY_UP_TO_S = 5.0
LEFT_BEHIND_AFTER_S = 60.0
"""How long the end of a close waits for a stop to be taken away that could close contracts of others."""
PAUSES = Backoff(ASK_AGAIN_S, RETRY_UP_TO_S)


class Purpose(Enum):
    """What the stops are taken away for."""

    BEFORE_CLOSE = "before a close"
    AFTER_CLOSE = "after a close"
    UNWANTED = "not wanted any more"


@frozen(kw_only=True)
class Facts:
    """What is known of the stops and targets at the exchange while they are taken away."""

    purpose: Purpose
    protection: Protection
    """As it was when this round began."""
    began_at: float
    fired_before: int = 0
    """How many orders of its stops were known of when it began."""

    # Of all rounds
    cancelled: frozenset[str] = frozenset()
    vanished: frozenset[str] = frozenset()
    """What was listed and is not any more, or was not there to be cancelled."""
    seen: Mapping[str, PlanOrder] = Factory(dict)
    """What was listed of the protection's, by id."""
    unlisted: frozenset[Decimal] = frozenset()
    """The prices at which fewer contracts were ever listed than are left, which one empty answer does not prove."""
    unseen_from: float | None = None
    """Since when all is answered, and yet not known what became of a stop."""
    why: str = "not tried"
    """What went wrong last."""

    # Of this round
    asked_at: float
    tries: int = 1
    to_cancel: tuple[str, ...] | None = None
    """The ids that are left to be cancelled; None: they have to be listed first."""
    mine: tuple[PlanOrder, ...] = ()
    """What was listed of the protection's."""
    failures: tuple[ExchangeError, ...] = ()
    fired: int | None = None
    settling: bool = False
    lost: int | None = None
    whole: bool | None = None
    shared: bool | None = None


def begin(purpose: Purpose, protection: Protection, now: float) -> Facts:
    """What is known before the first round."""
    fired = len(protection.fired)
    facts = Facts(
        purpose=purpose, protection=protection, began_at=now, asked_at=now, fired_before=fired
    )
    return evolve(facts, to_cancel=_known_ids(facts))


def again(facts: Facts, protection: Protection, now: float) -> Facts:
    """The next round: `protection` is as it is by now."""
    facts = evolve(
        facts,
        protection=protection,
        unseen_from=_unseen_from(facts),
        asked_at=now,
        tries=facts.tries + 1,
        mine=(),
        failures=(),
        fired=None,
        settling=False,
        lost=None,
        whole=None,
        shared=None,
    )
    return evolve(facts, to_cancel=_known_ids(facts))


def _unseen_from(facts: Facts) -> float | None:
    """By the end of a round that looks at everything anew: since when none of the protection's is listed."""
    if facts.purpose is not Purpose.UNWANTED or facts.failures:
        return facts.unseen_from
    if facts.mine:
        return None
    return facts.asked_at if facts.unseen_from is None else facts.unseen_from


def _known_ids(facts: Facts) -> tuple[str, ...] | None:
    """What can be cancelled without a list, where there is an id for each level; None where there is not."""
    protection = facts.protection
    if facts.purpose is Purpose.UNWANTED:
        return None
    if len(protection.exchange_plans) != len(levels_kept(protection)):
        return None
    return _not_settled(protection.exchange_plans, facts)


def _not_settled(plan_ids: tuple[str, ...], facts: Facts) -> tuple[str, ...]:
    """Of these and those for a part, what nothing is known of yet: what has been answered is not asked again."""
    ids = dict.fromkeys((*plan_ids, *facts.protection.exchange_parts))
    return tuple(id for id in ids if id not in facts.cancelled and id not in facts.vanished)


# What to do next


def next_step(facts: Facts, now: float) -> Step:
    """What is to be done about the stops by what is known of them."""
    if _is_over(facts):
        return Done()
    if facts.to_cancel is None:
        return ListPlans()
    if facts.to_cancel:
        return CancelPlan(facts.to_cancel[0])
    match facts.purpose:
        case Purpose.BEFORE_CLOSE:
            return _before_close(facts)
        case Purpose.AFTER_CLOSE:
            return _after_close(facts, now)
        case Purpose.UNWANTED:
            return _unwanted(facts)


def _is_over(facts: Facts) -> bool:
    """Whether there was nothing to take away when the round began."""
    protection = facts.protection
    if facts.purpose is Purpose.AFTER_CLOSE:
        return not protection.kept_at_exchange
    if facts.purpose is Purpose.UNWANTED:
        ended = protection.state in (ProtectionState.CLOSING, ProtectionState.CLOSED)
        return ended or not (unwanted(protection) or unwanted_parts(protection))
    return False


def _before_close(facts: Facts) -> Step:
    if not facts.failures and not facts.vanished and not facts.unlisted:
        return Done(none_kept=True)
    if facts.fired is None:
        return FindFired()
    if facts.fired > facts.fired_before:
        return Done(acted=True)
    if facts.failures:
        if facts.asked_at >= facts.began_at + LOOK_AT_POSITION_AFTER_S:
            if facts.whole is None:
                return AskPosition()
            if facts.whole:
                return Done(beside=facts.why)
        if facts.asked_at >= facts.began_at + GIVE_UP_AFTER_S:
            return GiveUp(facts.failures[-1])
    elif facts.settling and facts.asked_at < facts.began_at + ACTED_WITHIN_S:
        return Wait(ASK_AGAIN_S, for_news=True)
    elif facts.unseen_from is not None and facts.asked_at >= facts.unseen_from + UNSEEN_WITHIN_S:
        if facts.lost is None:
            return CountLost()
        if not facts.lost:
            return Done(beside="neither listed nor seen to have acted", none_kept=True)
        if facts.asked_at >= facts.unseen_from + ACTED_WITHIN_S:
            return Done(lost=facts.lost, none_kept=True)
    return Wait(ASK_AGAIN_S, for_news=True)


def _after_close(facts: Facts, now: float) -> Step:
    if facts.shared is None:
        return AskWhetherShared()
    unseen = facts.unlisted and facts.shared and not facts.protection.fired
    if not facts.failures and not (unseen and facts.tries <= TRIES):
        return Done(none_kept=True)
    few_do = not facts.shared and facts.tries >= TRIES
    if few_do or now >= facts.began_at + LEFT_BEHIND_AFTER_S:
        return LeftBehind(facts.why if facts.failures else "not listed")
    return Wait(PAUSES.after(facts.tries))


def _unwanted(facts: Facts) -> Step:
    levels = frozenset(unwanted(facts.protection))
    if not facts.failures:
        unseen_from = _unseen_from(facts)
        unseen = unseen_from is not None and facts.asked_at >= unseen_from + UNSEEN_WITHIN_S
        if unseen or {plan.trigger_price for plan in facts.mine} == levels:
            ids = {plan.order_id for plan in facts.mine} | unwanted_parts(facts.protection)
            return TakenAway(levels, frozenset(ids))
    if facts.asked_at >= facts.began_at + LEFT_BEHIND_AFTER_S:
        return LeftBehind(facts.why)
    return Wait(PAUSES.after(facts.tries))


# What an answer says


def learn(facts: Facts, answer: Answer) -> Facts:
    """What is known once a step was answered."""
    match answer:
        case Listed():
            return _listed(facts, answer)
        case Cancelled(plan_id):
            return evolve(_next(facts), cancelled=facts.cancelled | {plan_id})
        case Vanished(plan_id):
            return evolve(_next(facts), vanished=facts.vanished | {plan_id})
        case Failed(failure):
            return _failed(facts, failure)
        case Looked(fired, failures, settling):
            facts = evolve(_went_wrong(facts, *failures), fired=fired, settling=settling)
            seen = facts.failures or facts.unseen_from is not None
            return facts if seen else evolve(facts, unseen_from=facts.asked_at)
        case Lost(contracts):
            return evolve(facts, lost=contracts)
        case Held(whole):
            return evolve(facts, whole=whole)
        case Shared(yes):
            return evolve(facts, shared=yes)


def _listed(facts: Facts, answer: Listed) -> Facts:
    """Without their ids they are looked for at their prices, again each time."""
    protection, plans = facts.protection, answer.plans
    if facts.purpose is Purpose.UNWANTED:
        levels, parts = unwanted(protection), unwanted_parts(protection)
        mine = tuple(kept_for(protection, answer.size, plans, answer.others, levels, answer.rivals))
        ids = (*mine, *(plan for plan in plans if plan.order_id in parts))
        return evolve(facts, mine=mine, to_cancel=tuple(plan.order_id for plan in ids))
    mine = tuple(kept_for(protection, answer.size, plans, answer.others, rivals=answer.rivals))
    listed = {plan.order_id: plan for plan in mine}
    seen = {**facts.seen, **listed}
    levels = levels_kept(protection)
    facts = evolve(
        facts,
        mine=mine,
        seen=seen,
        vanished=facts.vanished | (facts.seen.keys() - listed.keys() - facts.cancelled),
        unlisted=frozenset(price for price in levels if _is_unlisted(price, seen, protection)),
    )
    return evolve(facts, to_cancel=_not_settled(tuple(listed), facts))


def _is_unlisted(price: Decimal, seen: Mapping[str, PlanOrder], protection: Protection) -> bool:
    """Whether the exchange listed stops at `price` for fewer contracts than are left.

    It makes one for each fill: the first may have closed its part, unheard, while a later one is still listed.
    """
    there = [plan.size for plan in seen.values() if plan.trigger_price == price]
    sizes = [size for size in there if size is not None]
    return len(sizes) == len(there) and (not there or sum(sizes) < protection.remaining)


def _failed(facts: Facts, failure: ExchangeError) -> Facts:
    """A list that failed leaves nothing to cancel in this round, and so does any failure while the position lives."""
    cut_off = facts.to_cancel is None or facts.purpose is Purpose.UNWANTED
    facts = _went_wrong(facts, failure)
    return evolve(facts, to_cancel=()) if cut_off else _next(facts)


def _went_wrong(facts: Facts, *failures: ExchangeError) -> Facts:
    if not failures:
        return facts
    return evolve(facts, failures=(*facts.failures, *failures), why=str(failures[-1]))


def _next(facts: Facts) -> Facts:
    return evolve(facts, to_cancel=(facts.to_cancel or ())[1:])
