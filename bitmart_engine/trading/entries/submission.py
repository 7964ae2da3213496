"""An entry order's way to the exchange: one task from the intent to an answer, or from a restart on.

What is next is decided in `journey`; here the steps are performed, and what comes of them is made an answer. Nothing
here gives up on an order that the exchange may hold.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from functools import partial
from typing import Protocol

import trio
from attrs import evolve, frozen

from ...counters import Counters
from ...exchange import errors
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import MEANINGS, ExchangeError, Meaning
from ...exchange.orders import SubmitOrder
from ...latency import Latencies
from ...logs import get_logger
from ...model.events import OrderUpdate, Tick
from ...model.instruments import Instrument
from ...model.orders import EntryOrder
from ...model.positions import Protection
from ...settings import Settings
from ...store import JournalUnavailable, Store
from ...store.records import EntrySigned
from ...world import World
from ..account.leverage import Leverage
from ..agreement import Agreement
from ..identity import is_ours
from ..market.instruments import Instruments
from ..market.prices import Prices
from ..order_news import OrderNews
from ..requests import on_grid
from .journey import Facts, after, next_step
from .steps import (
    Absent,
    Accepted,
    Answer,
    CallUnknown,
    Contract,
    Dead,
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
    ProveDead,
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

__all__ = ["Book", "Submission", "is_wanted", "wire_order"]

log = get_logger()

LONG_WAIT_MS = 1_000
"""An order that waited longer for its turn goes out only if the price is in its zone still."""
SIGNED_ANEW_MS = 500
"""How far the timestamp in the journal may be off. A submit that waited longer is signed anew: it might die."""
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


@frozen(kw_only=True)
class Submission:
    """Takes orders to the exchange, and reads there how they stand."""

    _agreement: Agreement
    _counters: Counters
    _exchange: ExchangeClient
    _instruments: Instruments
    _latencies: Latencies
    _leverage: Leverage
    _now_ms: Callable[[], int]
    _order_news: OrderNews
    _prices: Prices
    _settings: Settings
    _store: Store
    _world: World
    _book: Book

    async def submit(self, id: str) -> None:
        """Send the order whose intent was recorded, and find out what became of it; or only that, after a restart."""
        settings = self._settings
        facts = Facts.begin(
            self._store.state.orders[id], settings.request_valid_s, settings.submit_valid_s
        )
        while not isinstance(step := next_step(facts, self._now_ms()), Done):
            answer = await self._performed(step, facts.order)
            order = self._store.state.orders[id]
            facts = after(facts, step, answer, self._now_ms())
            facts = evolve(facts, order=order, searched=self._book.is_searched(id))
        if isinstance(step.outcome, GivenBack) and step.outcome.rest_s:
            log.warning("order_submit_retried", id=id, why=step.outcome.why)
            with self._book.resting(id):
                self._book.conclude(id, step.outcome)
                await trio.sleep(step.outcome.rest_s)
        else:
            self._book.conclude(id, step.outcome)

    async def _performed(self, step: Step, order: EntryOrder) -> Answer | None:
        """What came of a step."""
        match step:
            case Persist():
                return await self._persist()
            case SetLeverage(leverage, open_type):
                return await self._set_leverage(order.symbol, leverage, open_type)
            case Submit():
                return await self._send(order)
            case ReadContract():
                return await self._read_contract(order.symbol)
            case ReadLeverage():
                return await self._read_leverage(order.symbol)
            case Opened(exchange_order_id):
                self._book.opened(order.id, exchange_order_id)
            case CallUnknown(why):
                self._book.called_unknown(order.id, why)
            case LookUp():
                return await self._look_up(order)
            case ProveDead(signed_ms):
                return await self._prove_dead(signed_ms)
            case MeasureClock():
                return await self._measure_clock()
            case Wait(seconds):
                await trio.sleep(seconds)
            case WaitNews(client_order_id, seconds):
                await self._order_news.wait_news(client_order_id, seconds)
            case Read():
                return Found() if await self.read(order.id) else Absent()
        return None

    async def _persist(self) -> Answer:
        try:
            await self._store.durable()
        except JournalUnavailable as trouble:
            return NotSent(str(trouble))
        self._world.reached("intent journalled")
        return Accepted()

    async def _set_leverage(self, symbol: str, leverage: Decimal, open_type: str) -> Answer:
        try:
            await self._leverage.ensure(symbol, leverage, open_type)
        except ExchangeError as failure:
            return _answer_of(failure)
        return Accepted()

    async def _send(self, order: EntryOrder) -> Answer:
        instrument = self._instruments.known(order.symbol)
        sent = wire_order(order, instrument, self._store.state.protection_of(order.id))
        try:
            exchange_order_id = await self._exchange.submit_order(
                sent,
                still_wanted=partial(self._still_wanted, order.id),
                leaving=lambda: self._latencies.entry.end(order.id, trio.current_time()),
                stamp=partial(self._timestamp, order.id) if order.signed_ms else None,
            )
            self._world.reached("order submitted")
        except ExchangeError as failure:
            return _answer_of(failure)
        return Accepted(exchange_order_id)

    async def _timestamp(self, id: str, refused: bool) -> int:
        """What a submit that leaves now is signed with: what the journal says, if that is right still, or says then.

        `refused`: a timestamp was refused, so this is the present time. Raises NotSent.
        """
        intended_ms = self._store.state.orders[id].signed_ms
        signed_ms = self._exchange.now_ms() if refused else self._exchange.submit_timestamp_ms()
        if not refused and abs(signed_ms - intended_ms) <= SIGNED_ANEW_MS:
            return intended_ms
        self._store.record(EntrySigned(id, self._now_ms(), signed_ms))
        try:
            await self._store.durable()
        except JournalUnavailable as trouble:
            raise errors.NotSent(str(trouble)) from None
        return signed_ms

    async def _prove_dead(self, signed_ms: int) -> Answer:
        if await self._exchange.is_dead(signed_ms):
            return Dead(self._now_ms())
        return Lost("it may still be taken, or that is not known")

    def _still_wanted(self, id: str) -> bool:
        order = self._store.state.orders[id]
        tick = self._prices.fresh(order.symbol)
        return is_wanted(order, self._now_ms(), tick, may_open=self._agreement.may_open)

    async def _read_contract(self, symbol: str) -> Answer:
        before = now = self._instruments.known(symbol)
        with trio.move_on_after(LEARN_WITHIN_S):
            now = await self._instruments.refresh(symbol)
        return Contract(before, now)

    async def _read_leverage(self, symbol: str) -> Answer:
        self._leverage.forget(symbol)
        with trio.move_on_after(LEARN_WITHIN_S):
            await self._leverage.learn(symbol)
        return Setting(self._leverage.known(symbol))

    async def _look_up(self, order: EntryOrder) -> Answer:
        others: list[OrderUpdate] = []
        try:
            update = await self._exchange.find_order(
                order.symbol,
                order.client_order_id,
                type=order.request.type.value,
                fits=partial(self._fits, order, others),
            )
        except ExchangeError as failure:
            self._counters.add("order_lookup_failed", id=order.id, why=failure)
            return Lost(str(failure))
        if update is None:
            return Absent(tuple(others))
        self._book.on_update(update)
        return Found()

    def _fits(self, order: EntryOrder, others: list[OrderUpdate], update: OrderUpdate) -> bool:
        """Whether `update` is of `order`; if not, it goes to the `others`."""
        if is_ours(order, update, self._exchange.clock_offset_ms):
            return True
        others.append(update)
        return False

    async def _measure_clock(self) -> Answer:
        try:
            await self._exchange.measure_clock()
        except ExchangeError as failure:
            self._counters.add("exchange_clock_read_failed", why=failure)
            return Lost(str(failure))
        return Accepted()

    async def read(self, id: str, urgency: Urgency = Urgency.READ) -> bool:
        """Read the order at the exchange and take in what it says. False if it could not be read."""
        order = self._store.state.orders[id]
        try:
            ask = self._exchange.order
            update = await ask(order.symbol, order.exchange_order_id, urgency=urgency)
        except errors.Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                self._counters.add("order_read_failed", id=id, why=refusal)
            return False
        except ExchangeError as failure:
            self._counters.add("order_read_failed", id=id, why=failure)
            return False
        return self._book.on_update(update)


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
