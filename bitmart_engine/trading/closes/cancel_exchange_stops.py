"""Taking away the stop and the target that the exchange keeps for what the engine closes itself.

Before the close, where others share the position; after it, for what was not shared then and may be by now; and while
the position lives, for what the user does not want any more. What to do next is decided in `cancel_plan`; here it is
done, and what came of it recorded.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import frozen

from ...counters import Counters
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import CutShort, ExchangeError, Meaning, Refused
from ...logs import get_logger
from ...model.positions import Protection
from ...store import Store
from ...store.records import ProtectionKept
from ..order_news import OrderNews
from ..protections.shared_positions import SharedPositions
from .attribution import fired_news, made_there
from .cancel_plan import Facts, Purpose, again, begin, learn, next_step
from .cancel_steps import (
    Answer,
    AskPosition,
    AskWhetherShared,
    Cancelled,
    CancelPlan,
    CountLost,
    Done,
    Ending,
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
    TakenAway,
    Vanished,
    Wait,
)
from .losing import LostContracts
from .settling import wait_settled
from .view import ClosesView

__all__ = ["ExchangeStopCancels", "find_fired"]

log = get_logger()


@frozen(kw_only=True)
class ExchangeStopCancels:
    """Takes away what the exchange keeps."""

    _counters: Counters
    _exchange: ExchangeClient
    _now_ms: Callable[[], int]
    _order_news: OrderNews
    _store: Store
    _losing: LostContracts
    _sharing: SharedPositions
    _view: ClosesView

    async def cancel_before_close(self, id: str) -> bool:
        """Have the exchange not close any more what protection `id` covers. True: it has done so, or is doing it now.

        False where it does not, or has not yet: each stop was cancelled, or is neither listed nor seen to have acted,
        or everything is held still. Raises ExchangeError where none of this could be learnt.
        """
        ending = await self._carry_out(Purpose.BEFORE_CLOSE, id)
        return isinstance(ending, Done) and ending.acted

    async def cancel_after_close(self, id: str) -> None:
        """Cancel what the exchange still keeps for protection `id`, of which everything is closed.

        Where others share the position it is tried for a minute, for it would close their contracts. Else a few tries
        do: what the exchange keeps goes with its position.
        """
        await self._carry_out(Purpose.AFTER_CLOSE, id)

    async def cancel_unwanted(self, id: str) -> None:
        """Take away at the exchange what the user does not want any more of protection `id`, while its position lives.

        It is looked for a while, for the exchange may take a moment to list what it keeps. Whoever closes the
        protection meanwhile sees to the rest.
        """
        await self._carry_out(Purpose.UNWANTED, id)

    async def _carry_out(self, purpose: Purpose, id: str) -> Ending:
        """Do one step after the other until nothing is left to do. Raises ExchangeError where that is to give up."""
        facts = begin(purpose, self._store.state.protections[id], trio.current_time())
        while True:
            match next_step(facts, trio.current_time()):
                case Wait(s, for_news=True):
                    await self._order_news.wait_news(fired_news(id), s)
                    facts = again(facts, self._store.state.protections[id], trio.current_time())
                case Wait(s):
                    await trio.sleep(s)
                    facts = again(facts, self._store.state.protections[id], trio.current_time())
                case ListPlans():
                    facts = learn(facts, await self._list(facts))
                case CancelPlan(plan_id):
                    facts = learn(facts, await self._cancel(facts, plan_id))
                case FindFired():
                    failures = await find_fired(
                        self._store.state.protections[id], self._exchange, self._view
                    )
                    await wait_settled(
                        self._store.state.protections[id], self._order_news, self._view
                    )
                    fired = len(self._store.state.protections[id].fired)
                    settling = self._view.is_settling(self._store.state.protections[id])
                    facts = learn(facts, Looked(fired, tuple(failures), settling))
                case CountLost():
                    facts = learn(facts, Lost(await self._losing.count_lost(id)))
                case AskPosition():
                    facts = learn(facts, Held(await self._losing.whole(id)))
                case AskWhetherShared():
                    facts = learn(facts, Shared(self._sharing.is_shared(facts.protection)))
                case Done() | TakenAway() | LeftBehind() | GiveUp() as ending:
                    self._conclude(ending, id)
                    return ending

    def _conclude(self, ending: Ending, id: str) -> None:
        """Record what came of it. Raises ExchangeError where that is nothing."""
        match ending:
            case Done(lost=lost, none_kept=none_kept, beside=why):
                if lost:
                    self._view.acted_there(id, lost)
                if why is not None:
                    self._counters.count("close_beside_exchange_stop")
                    log.warning("close_beside_exchange_stop", id=id, why=why)
                if none_kept:
                    self._store.record(ProtectionKept(id, self._now_ms(), None, None))
            case TakenAway():
                self._record_taken_away(ending, id)
            case LeftBehind(why):
                self._counters.count("exchange_stop_left_behind")
                log.error("exchange_stop_left_behind", id=id, why=why)
            case GiveUp(failure):
                raise failure

    def _record_taken_away(self, taken: TakenAway, id: str) -> None:
        now = self._store.state.protections[id]
        stop, target = now.exchange_stop_loss, now.exchange_take_profit
        self._store.record(
            ProtectionKept(
                id,
                self._now_ms(),
                None if stop in taken.levels else stop,
                None if target in taken.levels else target,
                tuple(each for each in now.exchange_plans if each not in taken.plan_ids),
                tuple(each for each in now.exchange_parts if each not in taken.plan_ids),
            )
        )
        log.info("exchange_stops_cancelled", id=id, levels=sorted(map(str, taken.levels)))

    async def _list(self, facts: Facts) -> Answer:
        """List the plan orders, and say which of them are known to be of other protections."""
        protection = facts.protection
        ask = self._exchange.plan_orders
        try:
            plans = await ask(
                protection.symbol, plan_type="profit_loss", urgency=_urgency(facts.purpose)
            )
        except ExchangeError as failure:
            return Failed(failure)
        beside = [
            each
            for each in self._view.index.alive_on(protection.symbol, protection.side)
            if each.id != protection.id
        ]
        others = frozenset(
            plan_id for each in beside for plan_id in (*each.exchange_plans, *each.exchange_parts)
        )
        rivals = tuple(each for each in beside if not (each.exchange_plans or each.exchange_parts))
        order = self._store.state.orders.get(protection.entry_id or "")
        size = max(protection.covered, order.filled if order is not None else 0)
        return Listed(tuple(plans), others, size, rivals)

    async def _cancel(self, facts: Facts, plan_id: str) -> Answer:
        cancel = self._exchange.cancel_plan_order
        try:
            await cancel(facts.protection.symbol, plan_id, urgency=_urgency(facts.purpose))
        except Refused as refusal:
            if refusal.meaning in (Meaning.NO_SUCH_ORDER, Meaning.ORDER_DONE):
                return Vanished(plan_id)
            return Failed(refusal)
        except ExchangeError as failure:
            return Failed(failure)
        return Cancelled(plan_id)


def _urgency(purpose: Purpose) -> Urgency:
    """A close waits for what is asked before it: at an endpoint that is paused, that may knock as a close does."""
    return Urgency.CLOSE if purpose is Purpose.BEFORE_CLOSE else Urgency.CANCEL


async def find_fired(
    protection: Protection, exchange: ExchangeClient, view: ClosesView
) -> list[ExchangeError]:
    """Look through the exchange's orders for what its stops close now, or have closed. Returns what went wrong."""
    failures = []
    for ask in (exchange.open_orders, exchange.order_history):
        try:
            found = await ask(protection.symbol, urgency=Urgency.CLOSE)
        except ExchangeError as failure:
            failures.append(failure)
            found = list(failure.found) if isinstance(failure, CutShort) else []
        for update in filter(made_there, found):
            view.on_fired(update)
    return failures
