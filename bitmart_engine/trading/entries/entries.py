"""Entry orders: watch their zones, and follow what becomes of them at the exchange.

What users ask for comes from `ordering`, and the journey to the exchange and back is in `submission`; here is what is
decided without waiting.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import Decimal

import structlog
from attrs import evolve

from ...model.events import OrderState, OrderUpdate, Tick
from ...model.instruments import Instrument
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder, EntryRequest, OrderType
from ...model.sides import PositionSide
from ...store.records import (
    EntryAccepted,
    EntryCancelAsked,
    EntryForgotten,
    EntryIntended,
    EntryMoved,
    EntryObserved,
    ProtectionForgotten,
    Record,
)
from ..desk import Desk, text
from ..identity import entry_client_order_id, is_ours
from ..protections.protections import Protections
from ..protections.shared_positions import exchange_may_close
from ..requests import does_not_fit, on_grid, size_now
from ..signals.notifications import announcement, promised_protection, told_of_end
from ..signals.signalling import entry_refused, entry_told, entry_withdrawn
from .endings import contradicted, settle_end, unaccounted
from .passing import passed_at
from .progress import observed, refused_for_crossing, whole
from .steps import Announced, Crossed, GivenBack, IdTaken, Outcome, Rejected, Settled
from .submission import read, submit
from .waiting import WaitingIndex, rests_until_ms
from .withdrawal import withdraw

__all__ = ["Entries"]

log = structlog.get_logger()

CROSSING_TRIES = 3
"""How often a maker-only order may be refused for crossing before it is rejected."""

IDS_TRIED = 5
"""How many client order ids may turn out to be other orders' before the order is rejected."""


class Entries:
    """All entry orders of the engine."""

    def __init__(self, desk: Desk, protections: Protections) -> None:
        self._desk = desk
        self._protections = protections
        self._before: dict[str, tuple[str, int]] = {}
        """By order at the exchange, the client order id of its attempt, and what was held without account before it."""
        self._unsearched: set[str] = set()
        """Orders of the journal that wait, or whose answer was lost, before the exchange was asked what it has."""
        self._settling: set[str] = set()
        """Client order ids of orders that are said to have ended, while that is being confirmed."""
        self.waiting = WaitingIndex(desk, self._overdue)
        self.deadlines = self.waiting.deadlines
        desk.withdraw_entry = self.withdraw

    def __len__(self) -> int:
        """How many zones are armed."""
        return len(self.waiting)

    # Promised, and withdrawn

    def accept(self, order: EntryOrder) -> None:
        """Record `order` with its protection. Does not block."""
        self._desk.store.record(EntryAccepted(order), *promised_protection(order))
        if order.request.leverage is not None:
            self._desk.start_in_flight(self._desk.leverage.learn, order.symbol)

    def resting(self, id: str) -> AbstractContextManager[None]:
        """Inside the block the order is not watched though it waits; afterwards it is, if it does still."""
        return self.waiting.resting(id)

    def forget(self, id: str) -> None:
        """The promise of an order could not be kept safe, so it is not given."""
        protection = self._desk.state.protection_of(id)
        records: list[Record] = []
        if protection is not None:
            self._protections.index.forget(protection)
            records.append(ProtectionForgotten(protection.id))
        self._desk.store.record(*records, EntryForgotten(id))

    def cancel_waiting(self, id: str) -> None:
        """The user wants no longer what waits for its zone."""
        order = self._desk.state.orders[id]
        self._desk.store.record(*self._ended(order, EntryState.CANCELLED, "cancelled by the user"))

    def withdraw(self, id: str) -> None:
        """Start taking an order away from the exchange, unless that is under way. Does not block."""
        order = self._desk.state.orders[id]
        if not order.cancel_asked and not order.state.final:
            self._desk.store.record(EntryCancelAsked(id, self._desk.now_ms()))
            self._desk.start_in_flight(withdraw, id, self._desk, self._read)

    async def _read(self, id: str) -> None:
        await read(id, self._desk, self)

    # What the market says

    def on_tick(self, tick: Tick) -> None:
        """Send out the orders whose zones `tick` enters, unless it passes what makes them worthless."""
        touched = self.waiting.touched(tick)
        for id, why in touched.passed:
            with self._desk.surviving("price beyond a level", id=id):
                self.skipped(id, why)
            self.waiting.watch_again(id)
        for id in touched.entered:
            with self._desk.surviving("price in a zone", id=id):
                self._entered(id, tick)
            self.waiting.watch_again(id)

    def _entered(self, id: str, tick: Tick) -> None:
        """The price is in the zone of an order."""
        order = self._desk.state.orders[id]
        request = order.request
        if order.state is not EntryState.WAITING:
            return
        if (why_not := passed_at(request, tick.last)) is not None:
            self.skipped(id, why_not)
        elif (
            self._desk.may_open
            and self._desk.instruments.known(tick.symbol)
            and not exchange_may_close(tick.symbol, request.side, self._protections)
            and (request.type is OrderType.LIMIT or request.contains(tick.last))
        ):
            self._enter(id, tick.last)

    def skipped(self, id: str, why: str) -> None:
        """An entry that waits is not worth sending any more, unless the exchange may have it: that comes first."""
        if id not in self._unsearched and self._desk.state.orders[id].state is EntryState.WAITING:
            self.rejected(id, "skipped", error=why)

    def _enter(self, id: str, last: Decimal) -> None:
        desk = self._desk
        order = desk.state.orders[id]
        if order.state is not EntryState.WAITING:
            return
        instrument = desk.instruments.known(order.symbol)
        assert instrument is not None, "an accepted order has an instrument"
        request, size = on_grid(order.request, instrument), size_now(order.request, instrument)
        if (error := does_not_fit(request, size, instrument)) is not None:
            self.rejected(id, "contract_changed", error=error)
            return
        client_order_id = order.client_order_id or self._next_client_order_id(order)
        self._before[id] = (client_order_id, unaccounted(order, desk, self._protections))
        price = self._limit_price(order, request, instrument, last)
        desk.store.record(
            EntryIntended(id, desk.now_ms(), client_order_id, price, size, desk.there_ms()),
            *self._protections.kept_from(id, request),
        )
        desk.start_in_flight(submit, id, desk, self)

    def _next_client_order_id(self, order: EntryOrder) -> str:
        return entry_client_order_id(order.id, order.spent + 1, order.engine_id)

    def _limit_price(
        self, order: EntryOrder, request: EntryRequest, instrument: Instrument, last: Decimal
    ) -> Decimal | None:
        """The last price clamped into the zone, a tick less eager for every time it crossed already.

        `request` is the order's, on the grid of `instrument` as it is now.
        """
        if request.type is OrderType.MARKET:
            return None
        eager = instrument.tick_size * (order.spent - order.taken)
        price = last - eager if request.side is PositionSide.LONG else last + eager
        return request.clamp(instrument.on_grid(price))

    # What the exchange says

    def on_update(self, update: OrderUpdate, *, pushed: bool = False) -> bool:
        """Take in an update of one of our entry orders. False if it is not about one.

        An end with contracts unfilled is a claim if it was `pushed`, or if something contradicts it: it is read until
        that is settled. What it says of fills counts at once.
        """
        desk = self._desk
        order = desk.state.entry_of(update.client_order_id)
        if order is None or not is_ours(order, update, desk.exchange.clock_offset_ms):
            return False
        if update.client_order_id != order.client_order_id:
            self._filled_after_all(order, update)
            return True
        if (
            update.final
            and update.deal_size < whole(order, update)
            and not order.state.final
            and (pushed or self.doubts(order, update))
        ):
            self._claimed(order, update)
        else:
            self.believe(update)
        desk.order_news.wake(update.client_order_id)
        return True

    def _filled_after_all(self, order: EntryOrder, update: OrderUpdate) -> None:
        """An attempt that was given up has filled: while the order waits again, that is its fill."""
        if not update.deal_size:
            return
        what = "fill of an order that was refused"
        self._desk.counters.add(what, id=order.id, client=update.client_order_id)
        if order.state is EntryState.WAITING and update.deal_size > order.filled:
            self._adopt(order, update)

    def _adopt(self, order: EntryOrder, update: OrderUpdate) -> None:
        """The exchange has an attempt of an order that we did not know of: from here on that is the latest."""
        desk = self._desk
        desk.store.record(
            EntryIntended(
                order.id,
                desk.now_ms(),
                update.client_order_id,
                update.price,
                update.size or order.size,
                update.create_time_ms or 0,
            )
        )
        self.opened(order.id, update.order_id)
        self.on_update(update)

    def doubts(self, order: EntryOrder, update: OrderUpdate) -> bool:
        """Whether something speaks against the end with contracts unfilled that `update` tells of."""
        client_order_id, before = self._before.get(order.id, ("", 0))
        if client_order_id != order.client_order_id:
            before = 0
        return contradicted(update, before, unaccounted(order, self._desk, self._protections))

    def _claimed(self, order: EntryOrder, update: OrderUpdate) -> None:
        """The order is said to have ended: believe its fills, and have the rest confirmed."""
        if update.deal_size > order.filled:
            self.believe(evolve(update, state=OrderState.CHECK))
        if update.client_order_id not in self._settling:
            self._settling.add(update.client_order_id)
            self._desk.start_in_flight(
                settle_end, order.id, update, self._desk, self._protections, self
            )

    def settled(self, client_order_id: str) -> None:
        """Whether the order of this id has ended is no longer being asked."""
        self._settling.discard(client_order_id)

    def believe(self, update: OrderUpdate) -> None:
        """Take in what is certain of the latest attempt of one of our orders."""
        desk = self._desk
        order = desk.state.entry_of(update.client_order_id)
        assert order is not None, "it is about one of ours"
        if refused_for_crossing(order, update):
            self.crossed(order.id, "cancelled by the exchange at once", update)
        else:
            record = observed(order, update, desk.now_ms())
            if record is not None:
                self._take_in(order, record, update)
        desk.order_news.wake(update.client_order_id)

    def _take_in(self, order: EntryOrder, record: EntryObserved, update: OrderUpdate) -> None:
        """Record progress with all that follows from it, as one unit."""
        desk = self._desk
        records: list[Record] = [record]
        average = record.average_price or order.average_price
        if not order.announced:
            records += announcement(
                desk, order, record.exchange_order_id, submit_only=False, average_price=average
            )
        fill: dict[str, object] = {
            "exchange_order_id": record.exchange_order_id,
            "filled_size": record.filled,
            "average_price": average,
        }
        if record.reason == "late fill":
            fill["late_fill"] = True
        if record.filled > order.filled:
            there_ms = record.update_time_ms if record.update_time_ms > 1 else 0
            records += self._protections.covered(order.id, record.filled, there_ms)
            event = "filled" if record.to is EntryState.FILLED else "partially_filled"
            records += desk.tell_of_order(order, event, **fill)
        if record.to is EntryState.CANCELLED and not order.state.final:
            records += desk.tell_of_order(order, "cancelled", **fill)
        records += entry_told(desk, order, record, update)
        if record.to.final:
            self._before.pop(order.id, None)
            records += self._protections.order_ended(order.id, filled=record.filled)
        if record.filled > order.filled:
            desk.world.reached("fill seen")
        desk.store.record(*records)
        if record.to is not order.state or record.filled > order.filled:
            size = order.size
            log.info(f"order {record.to.value}", id=order.id, filled=f"{record.filled}/{size}")

    # What the submission found out

    def conclude(self, id: str, outcome: Outcome) -> None:
        """Record how the journey of an order ended."""
        match outcome:
            case Announced(submit_only):
                self._announce(id, submit_only=submit_only)
            case Crossed(why):
                self.crossed(id, why)
            case IdTaken(by):
                self._id_taken(id, by)
            case Rejected(reason, error):
                self.rejected(id, reason, error)
            case GivenBack(why):
                self.back_to_waiting(id, why)
            case Settled(refusal) if refusal:
                self._desk.counters.add("order spoken of after it was refused", id=id, why=refusal)

    def opened(self, id: str, exchange_order_id: str) -> None:
        """The exchange took the order. A push may have said so, and more, before."""
        desk = self._desk
        order = desk.state.orders[id]
        if order.state in (EntryState.SUBMITTING, EntryState.UNKNOWN):
            desk.store.record(
                EntryObserved(id, desk.now_ms(), EntryState.OPEN, exchange_order_id, order.filled)
            )
            log.info(
                "order open", id=id, price=text(order.price), exchange_order_id=exchange_order_id
            )

    def _announce(self, id: str, *, submit_only: bool) -> None:
        """Tell `placed`, unless it was told."""
        order = self._desk.state.orders[id]
        if not order.announced and order.exchange_order_id:
            self._desk.store.record(
                *announcement(self._desk, order, order.exchange_order_id, submit_only=submit_only)
            )

    def called_unknown(self, id: str, why: str) -> None:
        """Nobody knows whether the exchange took the order."""
        if self._desk.state.orders[id].state is EntryState.SUBMITTING:
            self._desk.store.record(EntryMoved(id, self._desk.now_ms(), EntryState.UNKNOWN, why))
            log.warning("order unknown", id=id, why=why)

    def crossed(self, id: str, why: str, update: OrderUpdate | None = None) -> None:
        """A maker-only order would have matched at once: try again while the zone is worth it, but not for ever.

        `update` is what took it away, where the exchange had taken it first.
        """
        order = self._desk.state.orders[id]
        if update is not None and (
            told := entry_withdrawn(self._desk, order, update, f"would have crossed: {why}")
        ):
            self._desk.store.record(*told)
        if order.spent - order.taken + 1 >= CROSSING_TRIES:
            error = f"refused {CROSSING_TRIES} times: {why}"
            self.rejected(id, "post_only_rejected", error=error, was_there=update is not None)
        else:
            self.back_to_waiting(id, f"would have crossed: {why}", spent=True)

    def _id_taken(self, id: str, by: OrderUpdate | None) -> None:
        """The client order id is another order's: the next one, but not for ever."""
        order = self._desk.state.orders[id]
        what = "an order of the past" if by is None else f"{by.symbol} order {by.order_id}"
        why = f"client order id {order.client_order_id} is that of {what}"
        self._desk.counters.add("client order id taken", id=id, why=why)
        if order.taken + 1 >= IDS_TRIED:
            self.rejected(id, "id_taken", error=f"{IDS_TRIED} ids are taken: {why}")
        else:
            self.back_to_waiting(id, why, spent=True, taken=True)

    def rejected(self, id: str, reason: str, error: str, *, was_there: bool = False) -> None:
        """The exchange does not want the order, and asking again would not help.

        `was_there` says that it had taken the latest attempt, the end of which is told already.
        """
        order = self._desk.state.orders[id]
        if not order.state.final:
            records = self._ended(order, EntryState.REJECTED, reason, error=error, spent=True)
            if order.state.at_exchange and not was_there and reason != "id_taken":
                # An id that is taken is the client order id of somebody else's order, which was not refused.
                records += entry_refused(self._desk, order, reason, error)
            self._desk.store.record(*records)
            log.warning("order rejected", id=id, reason=reason, error=error)

    def back_to_waiting(
        self, id: str, why: str, *, spent: bool = False, taken: bool = False
    ) -> None:
        """The exchange has no order of ours: watch the zone again, or end what has nothing left to wait for."""
        order = self._desk.state.orders[id]
        if order.cancel_asked:
            self._desk.store.record(
                *self._ended(order, EntryState.CANCELLED, "cancelled by the user", spent=spent)
            )
        elif self._desk.now_ms() >= order.deadline_ms:
            self._expire(order, spent=spent)
        else:
            self._desk.store.record(
                EntryMoved(id, self._desk.now_ms(), EntryState.WAITING, why, spent, taken)
            )

    # After a restart

    def resume(self, id: str) -> None:
        """Take an order up where the last process left it: watched, looked up, withdrawn or announced."""
        desk = self._desk
        order = desk.state.orders[id]
        if order.state.final:
            return
        self.waiting.resume(order)
        if order.state is EntryState.WAITING:
            self._unsearched.add(id)
            return
        self.called_unknown(id, "the engine ended before the answer")
        if order.state is EntryState.UNKNOWN and not desk.ages_known:
            self._lost_anew(id)
        if desk.state.orders[id].state is EntryState.UNKNOWN:
            self._unsearched.add(id)
        if desk.state.orders[id].state is EntryState.UNKNOWN or not order.announced:
            desk.start_in_flight(submit, id, desk, self)
        if order.cancel_asked:
            desk.start_in_flight(withdraw, id, desk, self._read)

    def _lost_anew(self, id: str) -> None:
        """How long ago the answer was lost nobody can tell: absence is proved from now on only."""
        why = "the engine was restarted before it was looked up"
        self._desk.store.record(EntryMoved(id, self._desk.now_ms(), EntryState.UNKNOWN, why))

    @property
    def to_be_searched(self) -> bool:
        """Whether something waits that the exchange was not yet searched for."""
        return bool(self._unsearched)

    def is_searched(self, id: str) -> bool:
        """Whether the exchange was searched for every attempt of the order, if it is one of the journal's."""
        return id not in self._unsearched

    def searched(self, found: list[tuple[EntryOrder, OrderUpdate]]) -> None:
        """The exchange was searched for what the journal may not know of: take in what it has, and let the rest be."""
        desk = self._desk
        for order, update in found:
            if desk.state.orders[order.id].state is not order.state:
                continue
            what = f"an order that is {order.state.value} is at the exchange"
            log.warning(what, id=order.id, order_id=update.order_id)
            desk.counters.add("order found that the journal did not know", id=order.id)
            self._adopt(order, update)
        for id in self._unsearched:
            order = desk.state.orders[id]
            if order.state is EntryState.WAITING:
                if desk.now_ms() >= order.deadline_ms:
                    self._expire(order)
                else:
                    self.deadlines.add(id, order.deadline_ms)
        self._unsearched.clear()

    # Time

    def _overdue(self, id: str, now_ms: int) -> None:
        """A deadline of the order has come: stale ones are ignored."""
        order = self._desk.state.orders[id]
        if order.state is EntryState.WAITING and order.deadline_ms <= now_ms:
            self._expire(order)
        elif order.state.at_exchange and not order.cancel_asked:
            until_ms = rests_until_ms(order)
            if until_ms is not None and until_ms <= now_ms:
                log.info("order rested long enough, withdrawing it", id=id)
                self.withdraw(id)

    def _expire(self, order: EntryOrder, *, spent: bool = False) -> None:
        self._desk.store.record(
            *self._ended(
                order, EntryState.EXPIRED, "the price was not in the zone in time", spent=spent
            )
        )
        log.info("order expired", id=order.id)

    # Bookkeeping

    def symbols(self) -> list[str]:
        """The symbols that have a zone armed."""
        return self.waiting.symbols()

    def leveraged(self) -> list[str]:
        """The symbols of entries that wait and want a leverage."""
        waiting = (each.request for each in self._desk.state.orders.alive())
        return sorted({each.symbol for each in waiting if each.leverage is not None})

    def recheck(self) -> None:
        """Look at every zone with the last price: entries may go out again."""
        for symbol in self.waiting.symbols():
            self._desk.prices.recheck(symbol)

    def _ended(
        self,
        order: EntryOrder,
        to: EntryState,
        reason: str,
        *,
        error: str = "",
        spent: bool = False,
    ) -> list[Record]:
        """The records of an end that the engine itself decides on; the exchange holds nothing."""
        self._before.pop(order.id, None)
        return [
            EntryMoved(order.id, self._desk.now_ms(), to, error or reason, spent),
            *self._protections.order_ended(order.id, filled=order.filled),
            *told_of_end(self._desk, order, to, reason, error),
        ]
