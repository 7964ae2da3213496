"""Taking away the stop and the target that the exchange keeps for what the engine closes itself.

Before the close, where others share the position: what was cancelled cannot act any more, and what could not be
cancelled has acted, which the exchange's orders then say. After it, for what was not shared then and may be by now.

A close is not to wait for this for ever. What is not known after a minute is given up on, and said: that contracts
of another order may then be closed is bad; to keep a position after its stop was touched would be worse. It waits that
long because what keeps the exchange from answering would mostly keep it from closing, too.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING

import structlog
import trio

from ..exchange.budget import Urgency
from ..exchange.errors import ExchangeError, Meaning, Refused
from ..exchange.rows import PlanOrder
from ..model.positions import Protection
from ..store.records import ProtectionKept
from .attribution import fired_news, made_there
from .desk import Desk
from .pacing import Pauses
from .sharing import is_shared

if TYPE_CHECKING:
    from .guard import Guard

__all__ = ["disarm", "kept_for", "take_away"]

log = structlog.get_logger()

UNSEEN_WITHIN_S = 2.0
"""How long it is looked for what became of a stop that is neither listed nor seen to have acted."""
GIVE_UP_AFTER_S = 60.0
"""How long all of it may take, while the exchange does not answer: a close that it took would be no more certain."""
ASK_AGAIN_S = 0.25
TRIES = 3
RETRY_UP_TO_S = 5.0
LEFT_BEHIND_AFTER_S = 60.0
"""How long the end of a close waits for a stop to be taken away that could close contracts of others."""


async def disarm(id: str, desk: Desk, guard: Guard) -> bool:
    """Have the exchange not close any more what protection `id` covers. True: it has done so, or is doing it now.

    False within a minute, whatever the exchange says or does not say. Only what it said is recorded as gone. What has
    been answered is not asked again, so that every answer counts where few come.
    """
    legs = _Legs(id, desk, guard)
    seen = len(desk.state.protections[id].fired)
    answered, why = False, f"no answer within {GIVE_UP_AFTER_S:g} s"
    unseen_from: float | None = None
    with trio.move_on_after(GIVE_UP_AFTER_S):
        while not answered:
            asked_at = trio.current_time()
            failures = await legs.cancel()
            if not failures and not legs.missing:
                _gone(id, desk)
                return False
            failures += await _look_for_fired(desk.state.protections[id], desk, guard)
            if len(desk.state.protections[id].fired) > seen:
                return True
            if failures:
                why = str(failures[-1])
            else:
                why = "neither listed nor seen to have acted"
                unseen_from = asked_at if unseen_from is None else unseen_from
                answered = asked_at >= unseen_from + UNSEEN_WITHIN_S
            await desk.waiters.wait_news(fired_news(id), ASK_AGAIN_S)
    desk.tally.add("closed beside a stop of unknown whereabouts", id=id, why=why)
    log.warning("closing beside a stop of unknown whereabouts", id=id, why=why)
    if answered:
        _gone(id, desk)
    return False


async def take_away(id: str, desk: Desk, guard: Guard) -> None:
    """Cancel what the exchange still keeps for protection `id`, of which everything is closed.

    Where others share the position it is tried for a minute, for it would close their contracts. Else a few tries do:
    what the exchange keeps goes with its position.
    """
    legs = _Legs(id, desk, guard)
    give_up_at = trio.current_time() + LEFT_BEHIND_AFTER_S
    for tries, pause_s in enumerate(Pauses(ASK_AGAIN_S, RETRY_UP_TO_S), 1):
        protection = desk.state.protections[id]
        if not protection.kept_at_exchange:
            return
        failures = await legs.cancel()
        if not failures:
            _gone(id, desk)
            return
        why = str(failures[-1])
        shared = is_shared(protection, desk, guard)
        if (tries >= TRIES and not shared) or trio.current_time() >= give_up_at:
            break
        await trio.sleep(pause_s)
    desk.tally.add("stop left behind at the exchange", id=id, why=why)
    log.error("a stop may be left behind at the exchange", id=id, why=why)


def _gone(id: str, desk: Desk) -> None:
    """The exchange keeps nothing more of this protection: it said so."""
    desk.store.record(ProtectionKept(id, desk.now_ms(), None, None))


def kept_for(
    protection: Protection, plans: list[PlanOrder], others: Collection[str] = ()
) -> list[PlanOrder]:
    """Of `plans`, those that went out with the protection's order, as far as its contracts go; none of `others`' ids.

    Several orders may have their stops at one price; the exchange does not say whose is whose, and need not: as many
    contracts are taken away as were covered. What closes a whole position is never ours.
    """
    found = []
    for price in (protection.exchange_stop_loss, protection.exchange_take_profit):
        left = protection.covered
        for plan in plans:
            mine = plan.side is protection.side.closing and plan.trigger_price == price
            if plan.order_id in others and plan.order_id not in protection.exchange_plans:
                continue
            if mine and plan.size is not None and plan.size <= left:
                left -= plan.size
                found.append(plan)
    return found


class _Legs:
    """The stop and the target that the exchange keeps for one protection, while they are taken away."""

    def __init__(self, id: str, desk: Desk, guard: Guard) -> None:
        self._cancelled: set[str] = set()
        self._vanished: set[str] = set()
        self._listed_at: dict[str, Decimal] = {}
        self._unlisted: set[Decimal] = set()
        self._id = id
        self._desk = desk
        self._guard = guard

    @property
    def missing(self) -> bool:
        """Whether one of them was not there to be cancelled."""
        return bool(self._vanished or self._unlisted)

    async def cancel(self) -> list[ExchangeError]:
        """Cancel those of which nothing is known yet. Returns what went wrong; nothing: each is cancelled, or missing.

        Without their ids they are looked for at their prices, again each time: one that was listed and is not any more
        has vanished.
        """
        protection = self._desk.state.protections[self._id]
        prices = {
            price
            for price in (protection.exchange_stop_loss, protection.exchange_take_profit)
            if price is not None
        }
        plan_ids = protection.exchange_plans
        if len(plan_ids) != len(prices):
            try:
                plans = await self._listed(protection)
            except ExchangeError as failure:
                return [failure]
            plan_ids = tuple(plan.order_id for plan in plans)
            self._vanished |= self._listed_at.keys() - plan_ids - self._cancelled
            self._listed_at |= {plan.order_id: plan.trigger_price for plan in plans}
            self._unlisted = prices - set(self._listed_at.values())
        tried = [await self._cancel(protection.symbol, plan_id) for plan_id in plan_ids]
        return [failure for failure in tried if failure is not None]

    async def _listed(self, protection: Protection) -> list[PlanOrder]:
        """What the exchange keeps at the protection's prices, as far as it is not another's. Raises ExchangeError."""
        symbol = protection.symbol
        ask = self._desk.exchange.plan_orders
        plans = await ask(symbol, plan_type="profit_loss", urgency=Urgency.CANCEL)
        others = {
            plan_id
            for each in self._guard.lookout.alive_on(symbol, protection.side)
            if each.id != protection.id
            for plan_id in each.exchange_plans
        }
        return kept_for(protection, plans, others)

    async def _cancel(self, symbol: str, plan_id: str) -> ExchangeError | None:
        if plan_id in self._cancelled or plan_id in self._vanished:
            return None
        try:
            await self._desk.exchange.cancel_plan_order(symbol, plan_id)
        except Refused as refusal:
            if refusal.meaning not in (Meaning.NO_SUCH_ORDER, Meaning.ORDER_DONE):
                return refusal
            self._vanished.add(plan_id)
        except ExchangeError as failure:
            return failure
        else:
            self._cancelled.add(plan_id)
        return None


async def _look_for_fired(protection: Protection, desk: Desk, guard: Guard) -> list[ExchangeError]:
    """Look through the exchange's orders for what its stops close now, or have closed. Returns what went wrong."""
    failures = []
    for ask in (desk.exchange.open_orders, desk.exchange.order_history):
        try:
            found = await ask(protection.symbol, urgency=Urgency.CLOSE)
        except ExchangeError as failure:
            failures.append(failure)
        else:
            for update in filter(made_there, found):
                guard.on_fired(update)
    return failures
