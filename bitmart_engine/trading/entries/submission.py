"""An entry order's journey to the exchange: one task from the intent to an answer, and one to take it away again.

What is not known is asked until it is known. Nothing here gives up on an order that the exchange may hold.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio
from attrs import evolve

from ...exchange.errors import MEANINGS, ExchangeError, Meaning, OutcomeUnknown, Refused
from ...exchange.orders import SubmitOrder
from ...logs import get_logger
from ...model.decimals import plain
from ...model.events import OrderUpdate
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...store import JournalUnavailable
from ..backoff import Backoff
from ..desk import Desk
from ..identity import is_ours
from ..requests import is_outdated, on_grid

if TYPE_CHECKING:
    from .entries import Entries

__all__ = ["confirm", "look_up", "read", "submit", "withdraw"]

log = get_logger()

TRY_AGAIN = {
    Meaning.RATE: 2.0,
    Meaning.MAINTENANCE: 5.0,
    Meaning.CLOCK: 1.0,
}
"""Refusals that say nothing of the order itself, with the pause in seconds before the zone is watched again."""
NETWORK_PAUSE_S = 1.0
LONG_WAIT_MS = 1_000
"""An order that waited longer for its turn goes out only if the price is in its zone still."""
LEARN_WITHIN_S = 2.0
"""How long an order that was refused waits to learn whether it was for what has changed: its turn to ask may be far."""
READS_AFTER_SUBMIT = 3
READ_PAUSE_S = 0.25
"""The order may not be readable for some hundred ms after it was taken."""
MEASURE_AGAIN_S = 1.0
VISIBLE_WITHIN_S = 5.0
"""How long an order that was taken may not show in look-ups. The exchange documents no lag."""


async def submit(id: str, desk: Desk, entries: Entries) -> None:
    """Send the order whose intent was recorded, and find out what became of it."""
    try:
        await desk.store.durable()
    except JournalUnavailable as trouble:
        await _try_again(id, str(trouble), NETWORK_PAUSE_S, entries)
        return
    desk.world.reached("intent journalled")
    order = desk.state.orders[id]
    if not await _set_leverage(order, desk, entries):
        return
    try:
        if desk.state.orders[id].cancel_asked:
            entries.back_to_waiting(id, "")
            return
        exchange_order_id = await desk.exchange.submit_order(
            _wire_order(order, desk), still_wanted=lambda: _still_wanted(id, desk)
        )
        desk.world.reached("order submitted")
    except ExchangeError as failure:
        if desk.state.orders[id].state is EntryState.SUBMITTING and _is_latest(order, desk):
            await _not_accepted(order, failure, desk, entries)
    else:
        if _is_latest(order, desk):
            entries.accepted(id, exchange_order_id)
            await confirm(id, desk, entries)


def _still_wanted(id: str, desk: Desk) -> bool:
    """Whether an order that had to wait for its turn should go out now that it has come."""
    order = desk.state.orders[id]
    if order.cancel_asked or not desk.agreement.may_open or desk.now_ms() >= order.deadline_ms:
        return False
    if order.submitted_ms is None or desk.now_ms() - order.submitted_ms < LONG_WAIT_MS:
        return True
    tick = desk.prices.fresh(order.symbol)
    return tick is not None and order.request.contains(tick.last)


def _is_latest(order: EntryOrder, desk: Desk) -> bool:
    """Whether nothing has replaced this attempt: a push may end one before its answer arrives."""
    return desk.state.orders[order.id].client_order_id == order.client_order_id


async def look_up(id: str, desk: Desk, entries: Entries, in_use: bool = False) -> None:
    """Ask for an order of which the answer was lost, until it is found or proved absent.

    An order that bears its client order id and is not ours is as good as none; that it is not is believed only by a
    clock of the exchange that was measured since, for its time may be all that does not fit. `in_use` says that the
    exchange has refused the id as one it knows: if it knows none of ours, the id is another order's.

    It is absent if a look-up does not find it that began when the request could not be taken any more, and whatever was
    taken by then would show. A request may be under way for long, and the exchange takes it as long as its signature
    is young enough.
    """
    measured = False
    for pause_s in Backoff(0.25, 5.0):
        order = desk.state.orders[id]
        if order.state is not EntryState.UNKNOWN:
            return
        began_ms = desk.now_ms()
        others: list[OrderUpdate] = []
        fits = partial(_fits, order, others, desk)
        try:
            update = await desk.exchange.find_order(
                order.symbol, order.client_order_id, type=order.request.type.value, fits=fits
            )
        except ExchangeError as failure:
            desk.counters.add("order_lookup_failed", id=id, why=failure)
        else:
            if update is not None:
                entries.on_update(update)
                return
            if others and not measured:
                measured = await _measured(desk)
                continue
            shown = began_ms >= _shown_by_ms(order, desk, refused=in_use) and entries.is_searched(
                id
            )
            if in_use and (others or shown):
                if desk.state.orders[id].state is EntryState.UNKNOWN:
                    entries.id_taken(id, others[0] if others else None)
                return
            if shown:
                if desk.state.orders[id].state is EntryState.UNKNOWN:
                    entries.back_to_waiting(id, "looked up: the exchange never had it")
                return
        await desk.order_news.wait_news(order.client_order_id, pause_s)


def _fits(order: EntryOrder, others: list[OrderUpdate], desk: Desk, update: OrderUpdate) -> bool:
    """Whether `update` is of `order`; if not, it goes to the `others`."""
    if is_ours(order, update, desk.exchange.clock_offset_ms):
        return True
    others.append(update)
    return False


async def _measured(desk: Desk) -> bool:
    """Whether the exchange's clock could be measured now; waits a moment where not."""
    try:
        await desk.exchange.measure_clock()
    except ExchangeError as failure:
        desk.counters.add("exchange_clock_read_failed", why=failure)
        await trio.sleep(MEASURE_AGAIN_S)
        return False
    return True


def _shown_by_ms(order: EntryOrder, desk: Desk, *, refused: bool) -> int:
    """When the exchange shows the order, if it took a request at all: it was signed before the answer was lost.

    One that was `refused` will not be taken any more: only what was taken before may not show yet.
    """
    lost_ms = next(
        (each.at_ms for each in reversed(order.history) if each.state == EntryState.UNKNOWN.value),
        order.submitted_ms or 0,
    )
    valid_s = 0 if refused else desk.settings.request_valid_s
    return lost_ms + round((valid_s + VISIBLE_WITHIN_S) * 1000)


async def withdraw(id: str, desk: Desk, entries: Entries) -> None:
    """Cancel at the exchange until the order has ended, however it ends."""
    for pause_s in Backoff(0.25, 5.0):
        order = desk.state.orders[id]
        if order.state.final or order.state is EntryState.WAITING:
            return
        if order.exchange_order_id:
            try:
                await desk.exchange.cancel_order(order.symbol, order_id=order.exchange_order_id)
                desk.world.reached("cancel submitted")
            except Refused as refusal:
                log.info("order_cancel_refused", id=id, why=refusal)
            except ExchangeError as failure:
                desk.counters.add("order_cancel_unanswered", id=id, why=failure)
            if not await desk.order_news.wait_news(order.client_order_id, 0.25):
                await read(id, desk, entries)
                continue
        await desk.order_news.wait_news(order.client_order_id, pause_s)


async def read(id: str, desk: Desk, entries: Entries) -> bool:
    """Read the order at the exchange and take in what it says. False if it could not be read."""
    order = desk.state.orders[id]
    try:
        update = await desk.exchange.order(order.symbol, order.exchange_order_id)
    except Refused as refusal:
        if refusal.meaning is not Meaning.NO_SUCH_ORDER:
            desk.counters.add("order_read_failed", id=id, why=refusal)
        return False
    except ExchangeError as failure:
        desk.counters.add("order_read_failed", id=id, why=failure)
        return False
    return entries.on_update(update)


async def _set_leverage(order: EntryOrder, desk: Desk, entries: Entries) -> bool:
    """Whether the order may go out with the leverage it asks for. If not, it was dealt with."""
    request = order.request
    if request.leverage is None:
        return True
    try:
        await desk.leverage.ensure(request.symbol, request.leverage, request.open_type)
    except Refused as refusal:
        if refusal.meaning in TRY_AGAIN:
            await _try_again(order.id, str(refusal), TRY_AGAIN[refusal.meaning], entries)
        else:
            error = f"leverage {plain(request.leverage)} {request.open_type} refused: {refusal}"
            entries.rejected(order.id, "leverage", error)
        return False
    except ExchangeError as failure:
        await _try_again(order.id, f"leverage not set: {failure}", NETWORK_PAUSE_S, entries)
        return False
    return True


def _wire_order(order: EntryOrder, desk: Desk) -> SubmitOrder:
    """The order as it goes out, with the stop and the target that the exchange is to keep: they may have been moved."""
    instrument = desk.instruments.known(order.symbol)
    asked, kept = order.request, desk.state.protection_of(order.id)
    asked = evolve(
        asked,
        stop_loss=kept.exchange_stop_loss if kept else None,
        take_profit=kept.exchange_take_profit if kept else None,
    )
    request = asked if instrument is None else on_grid(asked, instrument)
    return SubmitOrder(
        symbol=request.symbol,
        side=request.side.opening,
        size=order.size,
        client_order_id=order.client_order_id,
        type=request.type.value,
        price=order.price,
        maker_only=request.maker_only,
        leverage=request.leverage,
        open_type=request.open_type,
        preset_stop_loss=request.stop_loss,
        preset_take_profit=request.take_profit,
    )


async def _not_accepted(
    order: EntryOrder, failure: ExchangeError, desk: Desk, entries: Entries
) -> None:
    """The submit had no good answer: a refusal, silence, or it never left."""
    if isinstance(failure, Refused):
        await _refused(order, failure, desk, entries)
    elif isinstance(failure, OutcomeUnknown):
        entries.lost(order.id, str(failure))
        await look_up(order.id, desk, entries)
    else:
        await _try_again(order.id, str(failure), NETWORK_PAUSE_S, entries)


async def _refused(order: EntryOrder, refusal: Refused, desk: Desk, entries: Entries) -> None:
    id = order.id
    if refusal.meaning is Meaning.DUPLICATE_ID:
        entries.lost(id, "the exchange has this client order id already")
        await look_up(id, desk, entries, in_use=True)
    elif refusal.meaning in TRY_AGAIN:
        await _try_again(id, str(refusal), TRY_AGAIN[refusal.meaning], entries)
    elif why := await _changed_meanwhile(order, refusal, desk):
        if _is_latest(order, desk) and desk.state.orders[id].state is EntryState.SUBMITTING:
            entries.back_to_waiting(id, f"{why}: {refusal}")
    elif desk.state.orders[id].state is not EntryState.SUBMITTING or not _is_latest(order, desk):
        desk.counters.add("refused_order_seen", id=id, why=refusal)
    elif order.request.maker_only and refusal.may_be_crossing:
        entries.crossed(id, str(refusal))
    else:
        entries.rejected(id, refusal.meaning.name.lower(), error=str(refusal))


async def _changed_meanwhile(order: EntryOrder, refusal: Refused, desk: Desk) -> str | None:
    """What has changed since the order was made, if it may have been refused for that."""
    if await _has_changed(order, refusal, desk):
        return "the contract has changed"
    if await _leverage_was_changed(order, refusal, desk):
        return "the leverage was changed"
    return None


async def _has_changed(order: EntryOrder, refusal: Refused, desk: Desk) -> bool:
    """Whether the order was refused for what the contract is no longer. Reads it, if it may have been."""
    if refusal.meaning not in (Meaning.INVALID, Meaning.OTHER) and refusal.code in MEANINGS:
        return False
    before = now = desk.instruments.known(order.symbol)
    with trio.move_on_after(LEARN_WITHIN_S):
        now = await desk.instruments.refresh(order.symbol)
    return now is not None and (now != before or is_outdated(order, now))


async def _leverage_was_changed(order: EntryOrder, refusal: Refused, desk: Desk) -> bool:
    """Whether somebody changed the leverage since the engine set it. Reads it, if it may have been."""
    request = order.request
    if refusal.meaning is not Meaning.LEVERAGE or request.leverage is None:
        return False
    desk.leverage.forget(order.symbol)
    with trio.move_on_after(LEARN_WITHIN_S):
        await desk.leverage.learn(order.symbol)
    now = desk.leverage.known(order.symbol)
    return now is not None and now != (request.leverage, request.open_type)


async def _try_again(id: str, why: str, pause_s: float, entries: Entries) -> None:
    """Nothing was taken, and not because of the order: let the zone rest for a moment."""
    log.warning("order_submit_retried", id=id, why=why)
    entries.back_to_waiting(id, why, arm=False)
    await trio.sleep(pause_s)
    entries.watch(id)


async def confirm(id: str, desk: Desk, entries: Entries) -> None:
    """After the answer: let the stream or a read say more, then tell `placed` with what is known."""
    client_order_id = desk.state.orders[id].client_order_id
    for _ in range(READS_AFTER_SUBMIT):
        await desk.order_news.wait_news(client_order_id, READ_PAUSE_S)
        order = desk.state.orders[id]
        if order.announced or order.client_order_id != client_order_id:
            return
        if await read(id, desk, entries):
            break
    if desk.state.orders[id].client_order_id == client_order_id:
        entries.announce(id, submit_only=not desk.state.orders[id].update_time_ms)
