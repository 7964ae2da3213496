"""An entry order's way to the exchange: one task from the intent to an answer, or from a restart on.

What is next is decided in `journey`; here the steps are performed, and what comes of them is made an answer. Nothing
here gives up on an order that the exchange may hold.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import Decimal
from functools import partial
from typing import Protocol

import trio
from attrs import evolve

from ...exchange import errors
from ...exchange.budget import Urgency
from ...exchange.errors import MEANINGS, ExchangeError, Meaning
from ...exchange.orders import SubmitOrder
from ...logs import get_logger
from ...model.events import OrderUpdate, Tick
from ...model.instruments import Instrument
from ...model.orders import EntryOrder
from ...model.positions import Protection
from ...store import JournalUnavailable
from ..desk import Desk
from ..identity import is_ours
from ..requests import on_grid
from .journey import Facts, after, next_step
from .steps import (
    Absent,
    Accepted,
    Answer,
    CallUnknown,
    Contract,
    Done,
    Found,
    GivenBack,
    LookUp,
    Lost,
    MeasureClock,
    NotSent,
    Opened,
    Outcome,
    Persist,
    Read,
    ReadContract,
    ReadLeverage,
    Refused,
    SetLeverage,
    Setting,
    Step,
    Submit,
    Wait,
    WaitNews,
)

__all__ = ["Book", "is_wanted", "read", "submit", "wire_order"]

log = get_logger()

LONG_WAIT_MS = 1_000
"""An order that waited longer for its turn goes out only if the price is in its zone still."""
LEARN_WITHIN_S = 2.0
"""How long an order that was refused waits to learn whether it was for what has changed: its turn to ask may be far."""


class Book(Protocol):
    """Where it is recorded what becomes of orders. Nothing here blocks."""

    def on_update(self, update: OrderUpdate) -> bool:
        """Take in what the exchange says of an order. False if it is not one of ours."""
        ...

    def opened(self, id: str, exchange_order_id: str) -> None:
        """The exchange took the order."""
        ...

    def called_unknown(self, id: str, why: str) -> None:
        """Nobody knows whether the exchange took the order."""
        ...

    def conclude(self, id: str, outcome: Outcome) -> None:
        """The journey has ended."""
        ...

    def is_searched(self, id: str) -> bool:
        """Whether the exchange was searched for every attempt of the order, if it is one of the journal's."""
        ...

    def resting(self, id: str) -> AbstractContextManager[None]:
        """Inside the block, the order is not watched though it waits."""
        ...


async def submit(id: str, desk: Desk, book: Book) -> None:
    """Send the order whose intent was recorded, and find out what became of it; or only that, after a restart."""
    facts = Facts.begin(desk.state.orders[id], desk.settings.request_valid_s)
    while not isinstance(step := next_step(facts, desk.now_ms()), Done):
        answer = await _performed(step, facts.order, desk, book)
        order = desk.state.orders[id]
        facts = evolve(after(facts, step, answer), order=order, searched=book.is_searched(id))
    if isinstance(step.outcome, GivenBack) and step.outcome.rest_s:
        log.warning("order_submit_retried", id=id, why=step.outcome.why)
        with book.resting(id):
            book.conclude(id, step.outcome)
            await trio.sleep(step.outcome.rest_s)
    else:
        book.conclude(id, step.outcome)


async def _performed(step: Step, order: EntryOrder, desk: Desk, book: Book) -> Answer | None:
    """What came of a step."""
    match step:
        case Persist():
            return await _persist(desk)
        case SetLeverage(leverage, open_type):
            return await _set_leverage(order.symbol, leverage, open_type, desk)
        case Submit():
            return await _send(order, desk)
        case ReadContract():
            return await _read_contract(order.symbol, desk)
        case ReadLeverage():
            return await _read_leverage(order.symbol, desk)
        case Opened(exchange_order_id):
            book.opened(order.id, exchange_order_id)
        case CallUnknown(why):
            book.called_unknown(order.id, why)
        case LookUp():
            return await _look_up(order, desk, book)
        case MeasureClock():
            return await _measure_clock(desk)
        case Wait(seconds):
            await trio.sleep(seconds)
        case WaitNews(client_order_id, seconds):
            await desk.order_news.wait_news(client_order_id, seconds)
        case Read():
            return Found() if await read(order.id, desk, book) else Absent()
    return None


async def _persist(desk: Desk) -> Answer:
    try:
        await desk.store.durable()
    except JournalUnavailable as trouble:
        return NotSent(str(trouble))
    desk.world.reached("intent journalled")
    return Accepted()


async def _set_leverage(symbol: str, leverage: Decimal, open_type: str, desk: Desk) -> Answer:
    try:
        await desk.leverage.ensure(symbol, leverage, open_type)
    except ExchangeError as failure:
        return _answer_of(failure)
    return Accepted()


async def _send(order: EntryOrder, desk: Desk) -> Answer:
    instrument = desk.instruments.known(order.symbol)
    sent = wire_order(order, instrument, desk.state.protection_of(order.id))
    try:
        exchange_order_id = await desk.exchange.submit_order(
            sent,
            still_wanted=partial(_still_wanted, order.id, desk),
            leaving=lambda: desk.latencies.entry.end(order.id, trio.current_time()),
        )
        desk.world.reached("order submitted")
    except ExchangeError as failure:
        return _answer_of(failure)
    return Accepted(exchange_order_id)


def _still_wanted(id: str, desk: Desk) -> bool:
    order = desk.state.orders[id]
    tick = desk.prices.fresh(order.symbol)
    return is_wanted(order, desk.now_ms(), tick, may_open=desk.agreement.may_open)


async def _read_contract(symbol: str, desk: Desk) -> Answer:
    before = now = desk.instruments.known(symbol)
    with trio.move_on_after(LEARN_WITHIN_S):
        now = await desk.instruments.refresh(symbol)
    return Contract(before, now)


async def _read_leverage(symbol: str, desk: Desk) -> Answer:
    desk.leverage.forget(symbol)
    with trio.move_on_after(LEARN_WITHIN_S):
        await desk.leverage.learn(symbol)
    return Setting(desk.leverage.known(symbol))


async def _look_up(order: EntryOrder, desk: Desk, book: Book) -> Answer:
    others: list[OrderUpdate] = []
    try:
        update = await desk.exchange.find_order(
            order.symbol,
            order.client_order_id,
            type=order.request.type.value,
            fits=partial(_fits, order, others, desk),
        )
    except ExchangeError as failure:
        desk.counters.add("order_lookup_failed", id=order.id, why=failure)
        return Lost(str(failure))
    if update is None:
        return Absent(tuple(others))
    book.on_update(update)
    return Found()


def _fits(order: EntryOrder, others: list[OrderUpdate], desk: Desk, update: OrderUpdate) -> bool:
    """Whether `update` is of `order`; if not, it goes to the `others`."""
    if is_ours(order, update, desk.exchange.clock_offset_ms):
        return True
    others.append(update)
    return False


async def _measure_clock(desk: Desk) -> Answer:
    try:
        await desk.exchange.measure_clock()
    except ExchangeError as failure:
        desk.counters.add("exchange_clock_read_failed", why=failure)
        return Lost(str(failure))
    return Accepted()


async def read(id: str, desk: Desk, book: Book, urgency: Urgency = Urgency.READ) -> bool:
    """Read the order at the exchange and take in what it says. False if it could not be read."""
    order = desk.state.orders[id]
    try:
        ask = desk.exchange.order
        update = await ask(order.symbol, order.exchange_order_id, urgency=urgency)
    except errors.Refused as refusal:
        if refusal.meaning is not Meaning.NO_SUCH_ORDER:
            desk.counters.add("order_read_failed", id=id, why=refusal)
        return False
    except ExchangeError as failure:
        desk.counters.add("order_read_failed", id=id, why=failure)
        return False
    return book.on_update(update)


def _answer_of(failure: ExchangeError) -> Answer:
    """What a request that failed was answered."""
    why = str(failure)
    match failure:
        case errors.Refused():
            unexplained = failure.code not in MEANINGS
            return Refused(failure.meaning, why, failure.may_be_crossing, unexplained)
        case errors.OutcomeUnknown():
            return Lost(why)
    return NotSent(why)


def is_wanted(order: EntryOrder, now_ms: int, tick: Tick | None, *, may_open: bool) -> bool:
    """Whether an order that had to wait for its turn should go out now that it has come."""
    if order.cancel_asked or not may_open or now_ms >= order.deadline_ms:
        return False
    if order.submitted_ms is None or now_ms - order.submitted_ms < LONG_WAIT_MS:
        return True
    return tick is not None and order.request.contains(tick.last)


def wire_order(
    order: EntryOrder, instrument: Instrument | None, kept: Protection | None
) -> SubmitOrder:
    """The order as it goes out, with the stop and the target that the exchange is to keep: they may have been moved."""
    request = evolve(
        order.request,
        stop_loss=kept.exchange_stop_loss if kept else None,
        take_profit=kept.exchange_take_profit if kept else None,
    )
    if instrument is not None:
        request = on_grid(request, instrument)
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
