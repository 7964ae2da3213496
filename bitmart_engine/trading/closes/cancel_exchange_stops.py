"""Taking away the stop and the target that the exchange keeps for what the engine closes itself.

Before the close, where others share the position; after it, for what was not shared then and may be by now; and while
the position lives, for what the user does not want any more. What to do next is decided in `cancel_plan`; here it is
done, and what came of it recorded.
"""

from __future__ import annotations

import trio

from ...exchange.budget import Urgency
from ...exchange.errors import CutShort, ExchangeError, Meaning, Refused
from ...logs import get_logger
from ...model.positions import Protection
from ...store.records import ProtectionKept
from ..desk import Desk
from ..protections.shared_positions import is_shared
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
from .losing import count_lost, whole
from .settling import wait_settled
from .view import ClosesView

__all__ = ["cancel_after_close", "cancel_before_close", "cancel_unwanted", "find_fired"]

log = get_logger()


async def cancel_before_close(id: str, desk: Desk, view: ClosesView) -> bool:
    """Have the exchange not close any more what protection `id` covers. True: it has done so, or is doing it now.

    False where it does not, or has not yet: each stop was cancelled, or is neither listed nor seen to have acted, or
    everything is held still. Raises ExchangeError where none of this could be learnt.
    """
    ending = await _carry_out(Purpose.BEFORE_CLOSE, id, desk, view)
    return isinstance(ending, Done) and ending.acted


async def cancel_after_close(id: str, desk: Desk, view: ClosesView) -> None:
    """Cancel what the exchange still keeps for protection `id`, of which everything is closed.

    Where others share the position it is tried for a minute, for it would close their contracts. Else a few tries do:
    what the exchange keeps goes with its position.
    """
    await _carry_out(Purpose.AFTER_CLOSE, id, desk, view)


async def cancel_unwanted(id: str, desk: Desk, view: ClosesView) -> None:
    """Take away at the exchange what the user does not want any more of protection `id`, while its position lives.

    It is looked for a while, for the exchange may take a moment to list what it keeps. Whoever closes the protection
    meanwhile sees to the rest.
    """
    await _carry_out(Purpose.UNWANTED, id, desk, view)


async def _carry_out(purpose: Purpose, id: str, desk: Desk, view: ClosesView) -> Ending:
    """Do one step after the other until nothing is left to do. Raises ExchangeError where that is to give up."""
    facts = begin(purpose, desk.state.protections[id], trio.current_time())
    while True:
        match next_step(facts, trio.current_time()):
            case Wait(s, for_news=True):
                await desk.order_news.wait_news(fired_news(id), s)
                facts = again(facts, desk.state.protections[id], trio.current_time())
            case Wait(s):
                await trio.sleep(s)
                facts = again(facts, desk.state.protections[id], trio.current_time())
            case ListPlans():
                facts = learn(facts, await _list(facts, desk, view))
            case CancelPlan(plan_id):
                facts = learn(facts, await _cancel(facts, plan_id, desk))
            case FindFired():
                failures = await find_fired(desk.state.protections[id], desk, view)
                await wait_settled(desk.state.protections[id], desk, view)
                fired = len(desk.state.protections[id].fired)
                settling = view.is_settling(desk.state.protections[id])
                facts = learn(facts, Looked(fired, tuple(failures), settling))
            case CountLost():
                facts = learn(facts, Lost(await count_lost(id, desk, view)))
            case AskPosition():
                facts = learn(facts, Held(await whole(id, desk, view)))
            case AskWhetherShared():
                facts = learn(facts, Shared(is_shared(facts.protection, desk, view)))
            case Done() | TakenAway() | LeftBehind() | GiveUp() as ending:
                _conclude(ending, id, desk, view)
                return ending


def _conclude(ending: Ending, id: str, desk: Desk, view: ClosesView) -> None:
    """Record what came of it. Raises ExchangeError where that is nothing."""
    match ending:
        case Done(lost=lost, none_kept=none_kept, beside=why):
            if lost:
                view.acted_there(id, lost)
            if why is not None:
                desk.counters.count("close_beside_exchange_stop")
                log.warning("close_beside_exchange_stop", id=id, why=why)
            if none_kept:
                desk.store.record(ProtectionKept(id, desk.now_ms(), None, None))
        case TakenAway():
            _record_taken_away(ending, id, desk)
        case LeftBehind(why):
            desk.counters.count("exchange_stop_left_behind")
            log.error("exchange_stop_left_behind", id=id, why=why)
        case GiveUp(failure):
            raise failure


def _record_taken_away(taken: TakenAway, id: str, desk: Desk) -> None:
    now = desk.state.protections[id]
    stop, target = now.exchange_stop_loss, now.exchange_take_profit
    desk.store.record(
        ProtectionKept(
            id,
            desk.now_ms(),
            None if stop in taken.levels else stop,
            None if target in taken.levels else target,
            tuple(each for each in now.exchange_plans if each not in taken.plan_ids),
            tuple(each for each in now.exchange_parts if each not in taken.plan_ids),
        )
    )
    log.info("exchange_stops_cancelled", id=id, levels=sorted(map(str, taken.levels)))


def _urgency(purpose: Purpose) -> Urgency:
    """A close waits for what is asked before it: at an endpoint that is paused, that may knock as a close does."""
    return Urgency.CLOSE if purpose is Purpose.BEFORE_CLOSE else Urgency.CANCEL


async def _list(facts: Facts, desk: Desk, view: ClosesView) -> Answer:
    """List the plan orders, and say which of them are known to be of other protections."""
    protection = facts.protection
    ask = desk.exchange.plan_orders
    try:
        plans = await ask(
            protection.symbol, plan_type="profit_loss", urgency=_urgency(facts.purpose)
        )
    except ExchangeError as failure:
        return Failed(failure)
    beside = [
        each
        for each in view.index.alive_on(protection.symbol, protection.side)
        if each.id != protection.id
    ]
    others = frozenset(
        plan_id for each in beside for plan_id in (*each.exchange_plans, *each.exchange_parts)
    )
    rivals = tuple(each for each in beside if not (each.exchange_plans or each.exchange_parts))
    order = desk.state.orders.get(protection.entry_id or "")
    size = max(protection.covered, order.filled if order is not None else 0)
    return Listed(tuple(plans), others, size, rivals)


async def _cancel(facts: Facts, plan_id: str, desk: Desk) -> Answer:
    cancel = desk.exchange.cancel_plan_order
    try:
        await cancel(facts.protection.symbol, plan_id, urgency=_urgency(facts.purpose))
    except Refused as refusal:
        if refusal.meaning in (Meaning.NO_SUCH_ORDER, Meaning.ORDER_DONE):
            return Vanished(plan_id)
        return Failed(refusal)
    except ExchangeError as failure:
        return Failed(failure)
    return Cancelled(plan_id)


async def find_fired(protection: Protection, desk: Desk, view: ClosesView) -> list[ExchangeError]:
    """Look through the exchange's orders for what its stops close now, or have closed. Returns what went wrong."""
    failures = []
    for ask in (desk.exchange.open_orders, desk.exchange.order_history):
        try:
            found = await ask(protection.symbol, urgency=Urgency.CLOSE)
        except ExchangeError as failure:
            failures.append(failure)
            found = list(failure.found) if isinstance(failure, CutShort) else []
        for update in filter(made_there, found):
            view.on_fired(update)
    return failures
