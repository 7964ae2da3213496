"""Closing what a protection covers: one task from the trigger until the position is gone.

A close that fails is tried again, at once and then ever slower up to 5 s, for as long as it takes. A close whose answer
was lost is looked up before anything is sent again, and then goes out under the same client order id, which the
exchange takes once. The size is what the protection covers and never more than is held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ...exchange.budget import Urgency
from ...exchange.errors import ExchangeError, Meaning, OutcomeUnknown, Refused
from ...exchange.orders import SubmitOrder
from ...logs import get_logger
from ...model.lifecycle import ProtectionState
from ...model.orders import EntryOrder
from ...model.positions import Close, Protection
from ...store.records import CloseIntended, CloseObserved
from ..account.reconcile import is_young
from ..backoff import Backoff
from ..desk import Desk
from ..entries.withdrawing import asked_away
from ..identity import close_client_order_id
from ..protections.shared_positions import fires_there_too, is_known, is_shared
from ..signals.signalling import close_told
from .attribution import fired_news
from .cancel_exchange_stops import cancel_after_close, cancel_before_close, find_fired
from .close_failures import Report
from .settling import wait_settled
from .sizing import Most, in_one_order, learn_limits
from .unfilled import settled_end

if TYPE_CHECKING:
    from ..protections.protections import Protections

__all__ = ["close"]

log = get_logger()

RETRY_FROM_S = 0.1
RETRY_UP_TO_S = 5.0
NEWS_WITHIN_S = 1.5
"""How long the stream may take to tell of a close before it is asked for."""
QUICKER_WITHIN_S = 0.3
"""How long the exchange gets to say that its own stop, at the same price, has closed the contracts already."""
HELD_STILL_AFTER_S = 1.5
"""How long after a close a read that shows contracts still may be from before it."""
ASK_AGAIN_S = 0.5
"""How long until positions are read again that are said to be flat."""
NO_POSITION = (40018, 40021)
"""Refusals that say that there is no position. 40020 may come of any call that is suspended (fact sheet 6.3)."""


class CloseFailed(Exception):
    """A closing order ended without closing anything."""


async def close(id: str, desk: Desk, protections: Protections) -> None:
    """Close what protection `id` covers, until it is gone."""
    pauses = iter(Backoff(RETRY_FROM_S, RETRY_UP_TO_S))
    report = Report(id, desk, protections)
    most = Most()
    first = True
    while desk.state.protections[id].state is ProtectionState.CLOSING:
        try:
            if await _attempt(id, desk, protections, most) and await _whole_is_gone(
                id, desk, protections
            ):
                await cancel_after_close(id, desk, protections)
                await wait_settled(desk.state.protections[id], desk, protections)
                desk.world.reached("position closed")
                protections.gone(id)
                return
        except (ExchangeError, CloseFailed) as failure:
            log.error("close_failed", id=id, why=failure)
            desk.counters.count("close_failed")
            report.failed(str(failure))
            await learn_limits(id, desk, failure, most)
            if not first:
                await trio.sleep(next(pauses))
            first = False


async def _attempt(id: str, desk: Desk, protections: Protections, most: Most) -> bool:
    """Send one closing order, or find the one whose answer was lost, and follow it. True when all is closed.

    Raises ExchangeError and CloseFailed.
    """
    before: int | None = None
    if not await _found_again(desk.state.protections[id], desk, protections):
        await _leave_to_the_exchange(id, desk, protections)
        protection = desk.state.protections[id]
        if protection.kept_at_exchange and protection.remaining:
            await _learn_position(protection, desk, protections)
            if is_shared(protection, desk, protections) and await cancel_before_close(
                id, desk, protections
            ):
                return False
            protection = desk.state.protections[id]
        if protections.all_acted_there(id):
            return await _nothing_left(id, desk)
        if not protection.remaining:
            return await _nothing_left(id, desk)
        left = await _closable(protection, desk, protections)
        if not left:
            return await _nothing_left(id, desk)
        size = most.of(in_one_order(left, protection, desk))
        held = desk.positions.get(protection.symbol, protection.side)
        before = held.size if held is not None else None
        if not await _sent(protection, size, desk, protections):
            return await _nothing_left(id, desk)
        most.taken()
    _withdraw_rest(id, desk)
    await _follow(id, desk, protections, before)
    return not desk.state.protections[id].remaining and await _nothing_left(id, desk)


async def _learn_position(protection: Protection, desk: Desk, protections: Protections) -> None:
    """Read what is held where that is not known, as after a start, or not any more, as without the private stream:
    whether it is shared depends on it."""
    known = is_known(protection, desk, protections)
    if desk.positions.get(protection.symbol, protection.side) is None or not known:
        await protections.learn_position(protection.symbol)


async def _leave_to_the_exchange(id: str, desk: Desk, protections: Protections) -> None:
    """Give the exchange's own stop, at the same price, a moment to say that it acts, once; and what acts, its time.

    Raises ExchangeError.
    """
    protection = desk.state.protections[id]
    if protection.close is None and not protection.fired and fires_there_too(protection, desk):
        await desk.order_news.wait_news(fired_news(id), QUICKER_WITHIN_S)
    for pause_s in Backoff(NEWS_WITHIN_S, RETRY_UP_TO_S):
        protection = desk.state.protections[id]
        working = [each for each in protection.fired if not each.final]
        for each in working:
            claim = protections.claims.get(each.order_id)
            if claim is not None:
                size = claim.size or protection.remaining
                update = await settled_end(claim, size, None, each.filled, desk, protections)
                protections.claims.pop(each.order_id, None)
                protections.on_fired(update, settled=True)
        protection = desk.state.protections[id]
        working = [each for each in protection.fired if not each.final]
        if not working or await desk.order_news.wait_news(fired_news(id), pause_s):
            if not working:
                return
            continue
        for each in working:
            try:
                ask = desk.exchange.order_or_past
                protections.on_fired(
                    await ask(protection.symbol, each.order_id, urgency=Urgency.CLOSE)
                )
            except Refused as refusal:
                if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                    raise
                desk.counters.add("exchange_stop_order_not_readable", id=id)


async def _found_again(protection: Protection, desk: Desk, protections: Protections) -> bool:
    """Whether an earlier closing order, of whose end nothing is known, is at the exchange."""
    earlier = protection.close
    if earlier is None or earlier.final:
        return False
    update = await desk.exchange.find_order(
        protection.symbol, earlier.client_order_id, type="market", urgency=Urgency.CLOSE
    )
    if update is None:
        return False
    protections.on_update(update)
    return True


async def _closable(protection: Protection, desk: Desk, protections: Protections) -> int:
    """How many contracts to close: what is covered, but no more than is held. 0 only where it is certain that none are.

    The stream may not have told of the last fill or close yet, so less than what is covered is asked for once more.
    What was filled a moment ago may not be listed at all, and an answer may list nothing though all is held: then a
    refusal of the close has to say that nothing is held.
    """
    held = desk.positions.get(protection.symbol, protection.side)
    if held is None:
        return protection.remaining
    if held.size < protection.remaining:
        try:
            await protections.observe_positions(protection.symbol, Urgency.CLOSE)
        except ExchangeError:
            if not held.size:
                raise
        held = desk.positions.get(protection.symbol, protection.side) or held
    if held.size:
        return min(protection.remaining, held.size)
    if not is_young(protection, desk.now_ms()) and await _is_gone(protection, desk, protections):
        return 0
    return protection.remaining


async def _is_gone(protection: Protection, desk: Desk, protections: Protections) -> bool:
    """Whether nothing is held, asked again until that is certain. Raises ExchangeError.

    False at once where only answers say so that anything contradicts: a close that is sent for nothing does no harm.
    """
    side = protections.evidence.on(protection.symbol, protection.side)
    while not protections.is_gone(protection):
        if not (side.told_flat or side.explained):
            return False
        if protection.kept_at_exchange:
            await find_fired(protection, desk, protections)
            if not desk.state.protections[protection.id].remaining:
                return True
        await trio.sleep(ASK_AGAIN_S)
        await protections.observe_positions(protection.symbol, Urgency.CLOSE)
        held = desk.positions.get(protection.symbol, protection.side)
        if held is not None and held.size:
            return side.is_another(held)
    return True


async def _sent(protection: Protection, size: int, desk: Desk, protections: Protections) -> bool:
    """Send a closing order. False if the exchange says that there is nothing to close.

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
        exchange_order_id = await desk.exchange.submit_order(order)
    except OutcomeUnknown:
        if await _found_again(desk.state.protections[protection.id], desk, protections):
            return True
        raise
    except Refused as refusal:
        if refusal.meaning is Meaning.DUPLICATE_ID:
            if await _found_again(desk.state.protections[protection.id], desk, protections):
                return True
            raise
        if not under_way:
            _not_taken(protection.id, client_order_id, desk)
        if refusal.meaning is Meaning.POSITION_GONE:
            await protections.observe_positions(protection.symbol, Urgency.CLOSE)
            held = desk.positions.get(protection.symbol, protection.side)
            if held is not None and not held.size:
                if refusal.code in NO_POSITION:
                    protections.evidence.on(protection.symbol, protection.side).refused()
                if await _is_gone(protection, desk, protections):
                    return False
        raise
    except ExchangeError:
        if not under_way:
            _not_taken(protection.id, client_order_id, desk)
        raise
    desk.world.reached("close submitted")
    taken = CloseObserved(protection.id, client_order_id, exchange_order_id, 0, None, False)
    desk.store.record(taken, *close_told(desk, desk.state.protections[protection.id], taken))
    return True


def _not_taken(id: str, client_order_id: str, desk: Desk) -> None:
    """The exchange has no order under this id."""
    desk.store.record(CloseObserved(id, client_order_id, "", 0, None, True))


async def _follow(id: str, desk: Desk, protections: Protections, before: int | None) -> None:
    """Wait until the closing order has ended, over the stream or by asking. Raises ExchangeError and CloseFailed.

    `before` is what was held before it was sent, where that is known.
    """
    for pause_s in Backoff(NEWS_WITHIN_S, RETRY_UP_TO_S):
        protection = desk.state.protections[id]
        sent = protection.close
        assert sent is not None, "a closing order was sent"
        if sent.final:
            if not sent.filled:
                raise CloseFailed("the exchange ended the closing order without filling it")
            return
        claim = protections.claims.get(sent.exchange_order_id)
        if claim is not None:
            update = await settled_end(claim, sent.size, before, sent.filled, desk, protections)
            protections.claims.pop(claim.order_id, None)
            protections.on_update(update, settled=True)
            continue
        if await desk.order_news.wait_news(sent.client_order_id, pause_s):
            continue
        try:
            protections.on_update(
                await desk.exchange.order_or_past(
                    protection.symbol, sent.exchange_order_id, urgency=Urgency.CLOSE
                )
            )
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
            desk.counters.add("close_order_not_readable", id=id)


def _entry_still_open(id: str, desk: Desk) -> EntryOrder | None:
    """The entry order that may still fill under the protection."""
    entry = desk.state.orders.get(desk.state.protections[id].entry_id or "")
    return entry if entry is not None and entry.state.at_exchange else None


def _withdraw_rest(id: str, desk: Desk) -> None:
    """What has not filled of the entry order shall not fill any more: there is no position for it to join."""
    entry = _entry_still_open(id, desk)
    if entry is not None:
        desk.store.record(*asked_away(entry, desk.now_ms()))


async def _nothing_left(id: str, desk: Desk) -> bool:
    """Whether nothing can fill any more under the protection either; waits a moment where something can."""
    entry = _entry_still_open(id, desk)
    if entry is None:
        return True
    desk.store.record(*asked_away(entry, desk.now_ms()))
    await desk.order_news.wait_news(entry.client_order_id, 1.0)
    return False


async def _whole_is_gone(id: str, desk: Desk, protections: Protections) -> bool:
    """Whether nothing is left of a position that is monitored; what is left is covered, and so closed, too.

    What was known of its size when the engine closed it may have been too little. One that was told flat is gone: what
    is held after that is another position. One answer that lists nothing is not enough. Raises ExchangeError.
    """
    left = 0
    for pause_s in (ASK_AGAIN_S, HELD_STILL_AFTER_S, 0):
        protection = desk.state.protections[id]
        part, ours = protection.size, protection.close
        if protection.entry_id is not None or (part is not None and protection.closed >= part):
            return True
        held = desk.positions.get(protection.symbol, protection.side)
        side = protections.evidence.on(protection.symbol, protection.side)
        told_flat = side.told_flat or protections.is_gone(protection)
        if ours is None or not ours.filled or (told_flat and held is not None and not held.size):
            return True
        await protections.observe_positions(protection.symbol, Urgency.CLOSE)
        held = desk.positions.get(protection.symbol, protection.side)
        others = protections.index.alive_on(protection.symbol, protection.side)
        left = (held.size if held else 0) - sum(e.remaining for e in others if e.id != id)
        if left <= 0 and held is not None and held.size:
            return True
        await trio.sleep(pause_s)
    if left <= 0:
        return True
    protections.cover(id, left)
    return not desk.state.protections[id].remaining
