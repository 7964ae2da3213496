"""Taking away the stop and the target that the exchange keeps for what the engine closes itself.

Before the close, where others share the position: what was cancelled cannot act any more, and what could not be
cancelled has acted, which the exchange's orders then say. After it, for what was not shared then and may be by now.

A close that fails for want of an answer is tried again, and would not get through either. Where the exchange answers,
but not about its stops, the position tells: as long as all is held that should be, none of them has acted. Where a
stop is not there any more and the position has lost contracts since, the stop has closed them, though the exchange may
take a while to show the order: that many are not closed again.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING

import trio

from ...exchange.budget import Urgency
from ...exchange.errors import CutShort, ExchangeError, Meaning, Refused
from ...exchange.rows import PlanOrder
from ...logs import get_logger
from ...model.lifecycle import ProtectionState
from ...model.positions import Protection
from ...store.records import ProtectionKept
from ..backoff import Backoff
from ..desk import Desk
from ..protections.exchange_stops import apart_ms
from ..protections.shared_positions import is_shared
from .attribution import fired_news, made_there
from .losing import count_lost, whole

if TYPE_CHECKING:
    from ..protections.protections import Protections

__all__ = [
    "cancel_after_close",
    "cancel_before_close",
    "cancel_unwanted",
    "find_fired",
    "kept_for",
    "unwanted",
    "unwanted_parts",
]

log = get_logger()

ACTED_WITHIN_S = 15.0
"""How long it is looked for the order of a stop that is gone together with contracts of the position."""
UNSEEN_WITHIN_S = 2.0
"""How long it is looked for what became of a stop that is neither listed nor seen to have acted."""
LOOK_AT_POSITION_AFTER_S = 10.0
"""From when on the position is asked for too."""
GIVE_UP_AFTER_S = 60.0
"""From when on a failure is one of the close: it is told, and the close tried again from its beginning."""
ASK_AGAIN_S = 0.25
TRIES = 3
RETRY_UP_TO_S = 5.0
LEFT_BEHIND_AFTER_S = 60.0
"""How long the end of a close waits for a stop to be taken away that could close contracts of others."""


async def cancel_before_close(id: str, desk: Desk, protections: Protections) -> bool:
    """Have the exchange not close any more what protection `id` covers. True: it has done so, or is doing it now.

    What has been answered is not asked again, so that every answer counts where few come. False where it does not, or
    has not yet: each stop was cancelled, or is neither listed nor seen to have acted, or everything is held still.
    Raises ExchangeError where none of this could be learnt.
    """
    legs = _Legs(id, desk, protections)
    seen = len(desk.state.protections[id].fired)
    began_at = trio.current_time()
    unseen_from: float | None = None
    while True:
        asked_at = trio.current_time()
        failures = await legs.cancel()
        if not failures and not legs.missing:
            _gone(id, desk)
            return False
        failures += await find_fired(desk.state.protections[id], desk, protections)
        if len(desk.state.protections[id].fired) > seen:
            return True
        if not failures:
            unseen_from = asked_at if unseen_from is None else unseen_from
            if asked_at >= unseen_from + UNSEEN_WITHIN_S:
                lost = await count_lost(id, desk, protections)
                if lost and asked_at < unseen_from + ACTED_WITHIN_S:
                    await desk.order_news.wait_news(fired_news(id), ASK_AGAIN_S)
                    continue
                if lost:
                    protections.acted_there(id, lost)
                    _gone(id, desk)
                    return False
                _beside(id, desk, "neither listed nor seen to have acted")
                _gone(id, desk)
                return False
        elif asked_at >= began_at + LOOK_AT_POSITION_AFTER_S and await whole(id, desk, protections):
            _beside(id, desk, str(failures[-1]))
            return False
        if failures and asked_at >= began_at + GIVE_UP_AFTER_S:
            raise failures[-1]
        await desk.order_news.wait_news(fired_news(id), ASK_AGAIN_S)


def _beside(id: str, desk: Desk, why: str) -> None:
    desk.counters.count("close_beside_exchange_stop")
    log.warning("close_beside_exchange_stop", id=id, why=why)


async def cancel_after_close(id: str, desk: Desk, protections: Protections) -> None:
    """Cancel what the exchange still keeps for protection `id`, of which everything is closed.

    Where others share the position it is tried for a minute, for it would close their contracts. Else a few tries do:
    what the exchange keeps goes with its position.
    """
    legs = _Legs(id, desk, protections)
    give_up_at = trio.current_time() + LEFT_BEHIND_AFTER_S
    for tries, pause_s in enumerate(Backoff(ASK_AGAIN_S, RETRY_UP_TO_S), 1):
        protection = desk.state.protections[id]
        if not protection.kept_at_exchange:
            return
        failures = await legs.cancel()
        shared = is_shared(protection, desk, protections)
        unseen = legs.unlisted and shared and not protection.fired and tries <= TRIES
        if not failures and not unseen:
            _gone(id, desk)
            return
        why = str(failures[-1]) if failures else "not listed"
        if (tries >= TRIES and not shared) or trio.current_time() >= give_up_at:
            break
        await trio.sleep(pause_s)
    desk.counters.count("exchange_stop_left_behind")
    log.error("exchange_stop_left_behind", id=id, why=why)


def _gone(id: str, desk: Desk) -> None:
    """The exchange keeps nothing more of this protection: it said so."""
    desk.store.record(ProtectionKept(id, desk.now_ms(), None, None))


def kept_for(
    protection: Protection,
    size: int,
    plans: list[PlanOrder],
    others: Collection[str] = (),
    levels: Collection[Decimal] | None = None,
) -> list[PlanOrder]:
    """Of `plans`, those that went out with the protection's order, for `size` contracts at most; none of `others`' ids.

    Several orders may have their stops at one price; the exchange does not say whose is whose: as many contracts are
    taken away as were covered, of the plans that are known for the protection's first, then of those that were made
    nearest to its fill. What closes a whole position is never ours. With `levels`, only those that wait for one of
    these prices.
    """
    found = []
    known = protection.exchange_plans
    plans = sorted(plans, key=lambda plan: (plan.order_id not in known, apart_ms(protection, plan)))
    for price in (protection.exchange_stop_loss, protection.exchange_take_profit):
        if levels is not None and price not in levels:
            continue
        left = size
        for plan in plans:
            mine = plan.side is protection.side.closing and plan.trigger_price == price
            if plan.order_id in others and plan.order_id not in protection.exchange_plans:
                continue
            if mine and plan.size is not None and plan.size <= left:
                left -= plan.size
                found.append(plan)
    return found


def _of(
    protection: Protection,
    plans: list[PlanOrder],
    desk: Desk,
    protections: Protections,
    levels: Collection[Decimal] | None = None,
) -> list[PlanOrder]:
    """Of `plans`, those that are the protection's, as far as they are not another's."""
    others = {
        plan_id
        for each in protections.index.alive_on(protection.symbol, protection.side)
        if each.id != protection.id
        for plan_id in (*each.exchange_plans, *each.exchange_parts)
    }
    order = desk.state.orders.get(protection.entry_id or "")
    size = max(protection.covered, order.filled if order is not None else 0)
    return kept_for(protection, size, plans, others, levels)


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


async def cancel_unwanted(id: str, desk: Desk, protections: Protections) -> None:
    """Take away at the exchange what the user does not want any more of protection `id`, while its position lives.

    It is looked for a while, for the exchange may take a moment to list what it keeps. Whoever closes the protection
    meanwhile sees to the rest.
    """
    give_up_at = trio.current_time() + LEFT_BEHIND_AFTER_S
    missing_from: float | None = None
    why = "not tried"
    for pause_s in Backoff(ASK_AGAIN_S, RETRY_UP_TO_S):
        protection = desk.state.protections[id]
        levels = unwanted(protection)
        parts = unwanted_parts(protection)
        ended = protection.state in (ProtectionState.CLOSING, ProtectionState.CLOSED)
        if not (levels or parts) or ended:
            return
        now = trio.current_time()
        try:
            symbol = protection.symbol
            plans = await desk.exchange.plan_orders(
                symbol, plan_type="profit_loss", urgency=Urgency.CANCEL
            )
            mine = _of(protection, plans, desk, protections, levels)
            for plan in [*mine, *(each for each in plans if each.order_id in parts)]:
                try:
                    await desk.exchange.cancel_plan_order(symbol, plan.order_id)
                except Refused as refusal:
                    if refusal.meaning not in (Meaning.NO_SUCH_ORDER, Meaning.ORDER_DONE):
                        raise
        except ExchangeError as failure:
            why = str(failure)
        else:
            missing_from = None if mine else (now if missing_from is None else missing_from)
            covered = {plan.trigger_price for plan in mine} == levels
            if covered or (missing_from is not None and now >= missing_from + UNSEEN_WITHIN_S):
                _record_cancelled(id, levels, {plan.order_id for plan in mine} | parts, desk)
                return
        if now >= give_up_at:
            break
        await trio.sleep(pause_s)
    desk.counters.count("exchange_stop_left_behind")
    log.error("exchange_stop_left_behind", id=id, why=why)


def _record_cancelled(id: str, levels: set[Decimal], cancelled: set[str], desk: Desk) -> None:
    now = desk.state.protections[id]
    stop, target = now.exchange_stop_loss, now.exchange_take_profit
    desk.store.record(
        ProtectionKept(
            id,
            desk.now_ms(),
            None if stop in levels else stop,
            None if target in levels else target,
            tuple(each for each in now.exchange_plans if each not in cancelled),
            tuple(each for each in now.exchange_parts if each not in cancelled),
        )
    )
    log.info("exchange_stops_cancelled", id=id, levels=sorted(map(str, levels)))


class _Legs:
    """The stop and the target that the exchange keeps for one protection, while they are taken away."""

    def __init__(self, id: str, desk: Desk, protections: Protections) -> None:
        self._cancelled: set[str] = set()
        self._vanished: set[str] = set()
        self._seen: dict[str, PlanOrder] = {}
        self._unlisted: set[Decimal] = set()
        self._id = id
        self._desk = desk
        self._protections = protections

    @property
    def missing(self) -> bool:
        """Whether one of them was not there to be cancelled."""
        return bool(self._vanished or self._unlisted)

    @property
    def unlisted(self) -> bool:
        """Whether one of them was never listed, which one empty answer does not prove."""
        return bool(self._unlisted)

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
            self._vanished |= self._seen.keys() - plan_ids - self._cancelled
            self._seen |= {plan.order_id: plan for plan in plans}
            self._unlisted = {price for price in prices if self._is_unlisted(price, protection)}
        plan_ids = tuple(dict.fromkeys((*plan_ids, *protection.exchange_parts)))
        tried = [await self._cancel(protection.symbol, plan_id) for plan_id in plan_ids]
        return [failure for failure in tried if failure is not None]

    def _is_unlisted(self, price: Decimal, protection: Protection) -> bool:
        """Whether the exchange listed stops at `price` for fewer contracts than are left.

        It makes one for each fill: the first may have closed its part, unheard, while a later one is still listed.
        """
        there = [plan.size for plan in self._seen.values() if plan.trigger_price == price]
        sizes = [size for size in there if size is not None]
        return len(sizes) == len(there) and (not there or sum(sizes) < protection.remaining)

    async def _listed(self, protection: Protection) -> list[PlanOrder]:
        """What the exchange keeps at the protection's prices, as far as it is not another's. Raises ExchangeError."""
        symbol = protection.symbol
        ask = self._desk.exchange.plan_orders
        plans = await ask(symbol, plan_type="profit_loss", urgency=Urgency.CANCEL)
        return _of(protection, plans, self._desk, self._protections)

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


async def find_fired(
    protection: Protection, desk: Desk, protections: Protections
) -> list[ExchangeError]:
    """Look through the exchange's orders for what its stops close now, or have closed. Returns what went wrong."""
    failures = []
    for ask in (desk.exchange.open_orders, desk.exchange.order_history):
        try:
            found = await ask(protection.symbol, urgency=Urgency.CLOSE)
        except ExchangeError as failure:
            failures.append(failure)
            found = list(failure.found) if isinstance(failure, CutShort) else []
        for update in filter(made_there, found):
            protections.on_fired(update)
    return failures
