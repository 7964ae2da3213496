"""Closing what a protection covers: one task from the trigger until the position is gone.

What to do next is decided in `close_plan`; here it is done, and what came of it recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ...exchange.budget import Urgency
from ...exchange.errors import ExchangeError, Meaning, NotSent, OutcomeUnknown, Refused
from ...exchange.orders import SubmitOrder
from ...logs import get_logger
from ...model.orders import EntryOrder
from ...model.positions import Close, Protection
from ...store.records import CloseIntended, CloseObserved
from ..account.reconcile import is_young
from ..desk import Desk
from ..entries.withdrawing import asked_away
from ..identity import close_client_order_id
from ..protections.shared_positions import fires_there_too, is_alone, is_known, is_shared
from ..signals.signalling import close_told
from .attribution import fired_news
from .cancel_exchange_stops import cancel_after_close, cancel_before_close, find_fired
from .close_plan import Facts, next_step
from .close_progress import Progress, learn
from .close_steps import (
    Acted,
    Again,
    Answer,
    AskAgain,
    Asked,
    AwaitClose,
    AwaitEntry,
    AwaitFired,
    AwaitSettled,
    AwaitStop,
    CancelStops,
    CountLeft,
    Cover,
    End,
    Fail,
    Failed,
    FindClose,
    FindFired,
    Found,
    LearnHeld,
    LearnShared,
    Left,
    LostAnswer,
    News,
    NotTaken,
    Pause,
    ReadClose,
    ReadFired,
    ReadHeld,
    ReadRefused,
    Refusing,
    Send,
    SettleClose,
    SettleFired,
    Shared,
    Step,
    Stop,
    TakeAway,
    Taken,
    WithdrawRest,
)
from .settling import wait_settled
from .sizing import largest, learn_limits
from .unfilled import settled_end
from .view import ClosesView

__all__ = ["close"]

log = get_logger()

LEARNT_WITHIN_S = 10.0
"""How long a close waits to learn who shares the position."""

ReadEntry = Callable[[str], Awaitable[object]]
"""Reads an entry order at the exchange, by its id, and takes in what is said of it; what fails is counted."""


async def close(id: str, desk: Desk, view: ClosesView, read_entry: ReadEntry) -> None:
    """Close what protection `id` covers, until it is gone."""
    progress = Progress()
    while True:
        facts, now = _known(id, progress, desk, view), trio.current_time()
        step = next_step(facts, now)
        if isinstance(step, Stop):
            return
        if isinstance(step, End):
            desk.world.reached("position closed")
            view.gone(id)
            return
        try:
            answer = await _do(step, facts, desk, view, read_entry)
        except ExchangeError as failure:
            answer = Failed(failure)
        progress = learn(progress, step, answer, now)


def _known(id: str, progress: Progress, desk: Desk, view: ClosesView) -> Facts:
    """What is known of a close by now."""
    protection = desk.state.protections[id]
    side = view.evidence.on(protection.symbol, protection.side)
    return Facts(
        progress=progress,
        protection=protection,
        held=_held(protection, desk),
        largest=largest(protection, desk),
        young=is_young(protection, desk.now_ms()),
        told_flat=side.told_flat,
        explained=side.explained,
        gone=view.is_gone(protection),
        all_acted=view.all_acted_there(id),
        fires_there=fires_there_too(protection, desk),
        alone=is_alone(protection, desk, view),
        entry_open=_entry_open(protection, desk) is not None,
        claims=view.claims.keys(),
    )


def _held(protection: Protection, desk: Desk) -> int | None:
    held = desk.positions.get(protection.symbol, protection.side)
    return None if held is None else held.size


def _entry_open(protection: Protection, desk: Desk) -> EntryOrder | None:
    """The entry order that may still fill under the protection."""
    entry = desk.state.orders.get(protection.entry_id or "")
    return entry if entry is not None and entry.state.at_exchange else None


async def _do(
    step: Step, facts: Facts, desk: Desk, view: ClosesView, read_entry: ReadEntry
) -> Answer:
    """Do one step. Raises ExchangeError where that says no more than that it failed."""
    protection = facts.protection
    id, symbol = protection.id, protection.symbol
    wait_news = desk.order_news.wait_news
    match step:
        case FindClose():
            return Found(await _found(protection, desk, view))
        case AwaitStop(s) | AwaitFired(s):
            return News(await wait_news(fired_news(id), s))
        case LearnHeld(s):
            with trio.move_on_after(s):
                await view.learn_position(symbol)
        case SettleFired(order_id):
            await _settle_fired(order_id, protection, desk, view)
        case ReadFired(order_ids):
            for order_id in order_ids:
                await _read_fired(order_id, protection, desk, view)
        case LearnShared():
            if _held(protection, desk) is None or not is_known(protection, desk, view):
                await _learn_position(protection, desk, view, read_entry)
            return Shared(is_shared(desk.state.protections[id], desk, view))
        case CancelStops():
            return Acted(await cancel_before_close(id, desk, view))
        case ReadHeld():
            await _read_held(facts, view)
        case FindFired():
            await find_fired(protection, desk, view)
        case AskAgain(s):
            await trio.sleep(s)
            await view.observe_positions(symbol, Urgency.CLOSE)
            held = desk.positions.get(symbol, protection.side)
            if held is None or not held.size:
                return Asked(None)
            return Asked(view.evidence.on(symbol, protection.side).is_another(held))
        case Send(size):
            return await _send(protection, size, desk)
        case ReadRefused(none=none):
            await view.observe_positions(symbol, Urgency.CLOSE)
            if none and _held(protection, desk) == 0:
                view.evidence.on(symbol, protection.side).refused()
        case WithdrawRest():
            entry = _entry_open(protection, desk)
            if entry is not None:
                desk.store.record(*asked_away(entry, desk.now_ms()))
        case SettleClose():
            await _settle_close(protection, facts.progress.before, desk, view)
        case AwaitClose(s):
            return News(await wait_news(_sent(protection).client_order_id, s))
        case ReadClose():
            await _read_close(protection, desk, view)
        case AwaitEntry(s):
            entry = _entry_open(protection, desk)
            if entry is not None:
                desk.store.record(*asked_away(entry, desk.now_ms()))
                await wait_news(entry.client_order_id, s)
        case CountLeft():
            await view.observe_positions(symbol, Urgency.CLOSE)
            others = view.index.alive_on(symbol, protection.side)
            covered = sum(each.remaining for each in others if each.id != id)
            return Left((_held(protection, desk) or 0) - covered)
        case Cover(size):
            view.cover(id, size)
        case Pause(s):
            await trio.sleep(s)
        case TakeAway():
            await cancel_after_close(id, desk, view)
        case AwaitSettled():
            await wait_settled(desk.state.protections[id], desk, view)
        case Fail(failure, tell):
            return await _fail(failure, tell, protection, desk, view)
        case Again() | End() | Stop():
            pass
    return None


def _sent(protection: Protection) -> Close:
    assert protection.close is not None, "a closing order was sent"
    return protection.close


async def _found(protection: Protection, desk: Desk, view: ClosesView) -> bool:
    """Whether the closing order, of whose end nothing is known, is at the exchange. Raises ExchangeError."""
    update = await desk.exchange.find_order(
        protection.symbol, _sent(protection).client_order_id, type="market", urgency=Urgency.CLOSE
    )
    if update is None:
        return False
    view.on_update(update)
    return True


async def _learn_position(
    protection: Protection, desk: Desk, view: ClosesView, read_entry: ReadEntry
) -> None:
    """Try to read what is held. What cannot be read soon is not waited for: then somebody may share the position."""
    entry = _entry_open(protection, desk)
    with trio.move_on_after(LEARNT_WITHIN_S) as late:
        if entry is not None and entry.exchange_order_id:
            # What it filled unheard would be taken for contracts of others, or for ours that are held still.
            await read_entry(entry.id)
        await view.learn_position(protection.symbol)
    if late.cancelled_caught:
        why = NotSent(f"not answered within {LEARNT_WITHIN_S:g} s")
        view.could_not_read(protection.symbol, why)


async def _settle_fired(
    order_id: str, protection: Protection, desk: Desk, view: ClosesView
) -> None:
    claim = view.claims[order_id]
    filled = next(each.filled for each in protection.fired if each.order_id == order_id)
    size = claim.size or protection.remaining
    update = await settled_end(claim, size, None, filled, desk, view)
    view.claims.pop(order_id, None)
    view.on_fired(update, settled=True)


async def _read_fired(order_id: str, protection: Protection, desk: Desk, view: ClosesView) -> None:
    try:
        ask = desk.exchange.order_or_past
        view.on_fired(await ask(protection.symbol, order_id, urgency=Urgency.CLOSE))
    except Refused as refusal:
        if refusal.meaning is not Meaning.NO_SUCH_ORDER:
            raise
        desk.counters.add("exchange_stop_order_not_readable", id=protection.id)


async def _read_held(facts: Facts, view: ClosesView) -> None:
    """The stream may not have told of the last fill or close yet. Raises ExchangeError where nothing is known to be
    held: where something is, that is closed."""
    try:
        await view.observe_positions(facts.protection.symbol, Urgency.CLOSE)
    except ExchangeError:
        if not facts.held:
            raise


async def _send(protection: Protection, size: int, desk: Desk) -> Answer:
    """Send a closing order.

    One that was sent before, and of which nothing is known, may be under way still: that it is refused now says nothing
    of that, so it goes out under the same id until the exchange has it.
    """
    earlier = protection.close
    attempt = 1 if earlier is None else earlier.attempt + earlier.final
    under_way = earlier is not None and not earlier.final
    client_order_id = close_client_order_id(protection.id, attempt, protection.engine_id)
    desk.store.record(
        CloseIntended(
            protection.id,
            Close(
                attempt=attempt,
                client_order_id=client_order_id,
                size=size,
                intended_ms=desk.now_ms(),
            ),
        )
    )
    await desk.promises.keep_if_possible()
    desk.world.reached("close journalled")
    order = SubmitOrder(
        symbol=protection.symbol,
        side=protection.side.closing,
        size=size,
        client_order_id=client_order_id,
        type="market",
    )
    try:
        exchange_order_id = await desk.exchange.submit_order(
            order, leaving=lambda: desk.latencies.close.end(protection.id, trio.current_time())
        )
    except OutcomeUnknown as failure:
        return LostAnswer(failure)
    except ExchangeError as failure:
        if isinstance(failure, Refused) and failure.meaning is Meaning.DUPLICATE_ID:
            return LostAnswer(failure)
        if not under_way:
            desk.store.record(CloseObserved(protection.id, client_order_id, "", 0, None, True))
        return NotTaken(failure)
    desk.world.reached("close submitted")
    taken = CloseObserved(protection.id, client_order_id, exchange_order_id, 0, None, False)
    desk.store.record(taken, *close_told(desk, desk.state.protections[protection.id], taken))
    return Taken()


async def _settle_close(
    protection: Protection, before: int | None, desk: Desk, view: ClosesView
) -> None:
    sent = _sent(protection)
    claim = view.claims[sent.exchange_order_id]
    update = await settled_end(claim, sent.size, before, sent.filled, desk, view)
    view.claims.pop(claim.order_id, None)
    view.on_update(update, settled=True)


async def _read_close(protection: Protection, desk: Desk, view: ClosesView) -> None:
    order_id = _sent(protection).exchange_order_id
    try:
        ask = desk.exchange.order_or_past
        view.on_update(await ask(protection.symbol, order_id, urgency=Urgency.CLOSE))
    except Refused as refusal:
        if refusal.meaning is not Meaning.NO_SUCH_ORDER:
            raise
        desk.counters.add("close_order_not_readable", id=protection.id)


async def _fail(
    failure: Exception, tell: bool, protection: Protection, desk: Desk, view: ClosesView
) -> Answer:
    """An attempt has failed. It goes on being tried."""
    log.error("close_failed", id=protection.id, why=failure)
    desk.counters.count("close_failed")
    if tell:
        view.close_failed(protection, str(failure))
    return Refusing(await learn_limits(protection.id, desk, failure))
