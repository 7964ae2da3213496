"""Entry orders: what the market, the exchange and the user do to them, recorded with all that follows.

What is decided stands in `entering` (a price), `progress` (an update of the exchange), `outcomes` (the end of a
journey) and `endings` (an end that is claimed), each without waiting and without this class; `waiting` follows the
records. Here facts are gathered for them, and the effects of what they decide performed.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...latency import Latencies
from ...logs import get_logger
from ...model.events import OrderState, OrderUpdate, Tick
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...store import Store
from ...store.records import (
    EntryForgotten,
    EntryIntended,
    EntryMoved,
    ProtectionForgotten,
    Record,
)
from ..account.positions import PositionBook
from ..account.working import WorkingOrders
from ..agreement import Agreement
from ..event_errors import EventErrors
from ..in_flight import InFlight
from ..limiting import Limiting
from ..market.instruments import Instruments
from ..market.prices import Prices
from ..order_news import OrderNews
from ..protections.protections import Protections
from ..protections.shared_positions import exchange_may_close
from . import outcomes
from .endings import Endings, unaccounted
from .entering import Circumstances, Send, at_price, beyond_level
from .outcomes import Effects
from .progress import Meaning, Unaccounted, adopted, believed, meaning_of
from .recording import Recording
from .steps import Outcome, Rejected
from .waiting import WaitingIndex, rests_until_ms
from .withdrawing import asked_away

__all__ = ["Entries"]

log = get_logger()


class Entries:
    """All entry orders of the engine."""

    def __init__(
        self,
        *,
        agreement: Agreement,
        counters: Counters,
        errors: EventErrors,
        exchange: ExchangeClient,
        in_flight: InFlight,
        instruments: Instruments,
        latencies: Latencies,
        order_news: OrderNews,
        positions: PositionBook,
        prices: Prices,
        store: Store,
        working: WorkingOrders,
        ages_known: bool,
        now_ms: Callable[[], int],
        limiting: Limiting,
        recording: Recording,
        protections: Protections,
    ) -> None:
        """`ages_known`: whether times from before the start are by the clock of now. If not, ages count from then."""
        self._agreement = agreement
        self._counters = counters
        self._errors = errors
        self._exchange = exchange
        self._in_flight = in_flight
        self._instruments = instruments
        self._latencies = latencies
        self._order_news = order_news
        self._positions = positions
        self._prices = prices
        self._store = store
        self._ages_known = ages_known
        self._now_ms = now_ms
        self._limiting = limiting
        self._recording = recording
        self._protections = protections
        self._before: dict[str, tuple[str, int]] = {}
        """By order at the exchange, the client order id of its attempt, and what was held without account before it."""
        self._unsearched: set[str] = set()
        """Orders of the journal that wait, or whose answer was lost, before the exchange was asked what it has."""
        self._settling: set[str] = set()
        """Client order ids of orders that are said to have ended, while that is being confirmed."""
        self.waiting = WaitingIndex(
            exchange=exchange,
            prices=prices,
            store=store,
            working=working,
            now_ms=now_ms,
            overdue=self._overdue,
        )
        self._endings = Endings(
            counters=counters,
            exchange=exchange,
            store=store,
            now_ms=now_ms,
            book=self,
            observe_positions=protections.observe_positions,
        )
        self.resting = self.waiting.resting
        self.deadlines = self.waiting.deadlines

    def __len__(self) -> int:
        """How many zones are armed."""
        return len(self.waiting)

    # What the user says

    def forget(self, id: str) -> None:
        """The promise of an order could not be kept safe, so it is not given."""
        protection = self._store.state.protection_of(id)
        records: list[Record] = []
        if protection is not None:
            self._protections.index.forget(protection)
            records.append(ProtectionForgotten(protection.id))
        self._store.record(*records, EntryForgotten(id))

    def cancel_waiting(self, id: str) -> None:
        """The user wants no longer what waits for its zone."""
        order = self._store.state.orders[id]
        self._record(order, outcomes.cancelled(order, self._now_ms()))

    def withdraw(self, id: str) -> None:
        """Start taking an order away from the exchange, unless that is under way. Does not block."""
        self._store.record(*asked_away(self._store.state.orders[id], self._now_ms()))

    # What the market says

    def on_tick(self, tick: Tick) -> None:
        """Send out the orders whose zones `tick` enters, unless it passes what makes them worthless."""
        touched = self.waiting.touched(tick)
        for id, why in touched.passed:
            with self._errors.surviving("price beyond a level", id=id):
                order = self._store.state.orders[id]
                self._decided(order, beyond_level(order, why, self._circumstances(order)))
            self.waiting.watch_again(id)
        for id in touched.entered:
            with self._errors.surviving("price in a zone", id=id):
                order = self._store.state.orders[id]
                if not tick.rechecked:
                    self._latencies.entry.begin(id, tick.at)
                self._decided(order, at_price(order, tick.last, self._circumstances(order)))
            self.waiting.watch_again(id)

    def _circumstances(self, order: EntryOrder) -> Circumstances:
        side = order.request.side
        return Circumstances(
            searched=self.is_searched(order.id),
            may_open=self._agreement.may_open,
            instrument=self._instruments.known(order.symbol),
            exchange_may_close=exchange_may_close(order.symbol, side, self._protections),
        )

    def _decided(self, order: EntryOrder, decision: Send | Rejected | None) -> None:
        if isinstance(decision, Send):
            if not self._limiting.holds_back(order):
                self._send(order, decision)
        elif decision is not None:
            self.conclude(order.id, decision)

    def _send(self, order: EntryOrder, out: Send) -> None:
        """Record that the order is about to go out: its journey begins with that."""
        id, at_ms, there_ms = order.id, self._now_ms(), self._exchange.there_ms()
        signed_ms = self._exchange.submit_timestamp_ms()
        self._before[id] = (
            out.client_order_id,
            unaccounted(order, self._positions, self._protections),
        )
        self._store.record(
            EntryIntended(id, at_ms, out.client_order_id, out.price, out.size, there_ms, signed_ms),
            *self._protections.kept_from(id, out.request),
        )

    # What the exchange says

    def on_update(self, update: OrderUpdate, *, pushed: bool = False) -> bool:
        """Take in an update of one of our entry orders. False if it is not about one."""
        order = self._store.state.entry_of(update.client_order_id)
        if order is None:
            return False
        meaning = meaning_of(
            order,
            update,
            self.unaccounted(order) if update.final else Unaccounted(),
            pushed=pushed,
            clock_ahead_ms=self._exchange.clock_offset_ms,
        )
        match meaning:
            case Meaning.FOREIGN:
                return False
            case Meaning.PAST_FILL | Meaning.FOUND:
                what = "refused_order_filled"
                self._counters.add(what, id=order.id, client=update.client_order_id)
                if meaning is Meaning.FOUND:
                    self._adopt(order, update)
            case Meaning.CLAIM:
                self._claimed(order, update)
                self._order_news.wake(update.client_order_id)
            case Meaning.CERTAIN:
                self.believe(update)
        return True

    def _adopt(self, order: EntryOrder, update: OrderUpdate) -> None:
        """The exchange has an attempt of an order that we did not know of."""
        self._store.record(*adopted(order, update, self._now_ms()))
        self.on_update(update)

    def _claimed(self, order: EntryOrder, update: OrderUpdate) -> None:
        """The order is said to have ended: believe its fills, and have the rest confirmed."""
        if update.deal_size > order.filled:
            self.believe(evolve(update, state=OrderState.CHECK))
        if update.client_order_id not in self._settling:
            self._settling.add(update.client_order_id)
            self._in_flight.start(self._endings.settle_end, order.id, update)

    def settled(self, client_order_id: str) -> None:
        """Whether the order of this id has ended is no longer being asked."""
        self._settling.discard(client_order_id)

    def believe(self, update: OrderUpdate) -> None:
        """Take in what is certain of the latest attempt of one of our orders."""
        order = self._store.state.entry_of(update.client_order_id)
        assert order is not None, "it is about one of ours"
        self._record(order, believed(order, update, self._now_ms()))
        self._order_news.wake(update.client_order_id)

    def unaccounted(self, order: EntryOrder) -> Unaccounted:
        """What is held on the order's side that no order of ours is known to have brought."""
        client_order_id, before = self._before.get(order.id, ("", 0))
        if client_order_id != order.client_order_id:
            before = 0
        return Unaccounted(before, unaccounted(order, self._positions, self._protections))

    # What the journey to the exchange found out

    def opened(self, id: str, exchange_order_id: str) -> None:
        """The exchange took the order."""
        order = self._store.state.orders[id]
        self._record(order, outcomes.opened(order, exchange_order_id, self._now_ms()))

    def called_unknown(self, id: str, why: str) -> None:
        """Nobody knows whether the exchange took the order."""
        order = self._store.state.orders[id]
        self._record(order, outcomes.called_unknown(order, why, self._now_ms()))

    def conclude(self, id: str, outcome: Outcome) -> None:
        """Its journey has ended."""
        order = self._store.state.orders[id]
        self._record(order, outcomes.concluded(order, outcome, self._now_ms()))

    # After a restart

    def resume(self, id: str) -> None:
        """Take an order up where the last process left it: watched, or to be looked up."""
        order = self._store.state.orders[id]
        if order.state.final:
            return
        self.waiting.resume(order)
        if order.state is EntryState.WAITING:
            self._unsearched.add(id)
            return
        self.called_unknown(id, "the engine ended before the answer")
        if order.state is EntryState.UNKNOWN and not self._ages_known:
            # How long ago the answer was lost nobody can tell: absence is proved from now on only.
            why = "the engine was restarted before it was looked up"
            self._store.record(EntryMoved(id, self._now_ms(), EntryState.UNKNOWN, why))
        if self._store.state.orders[id].state is EntryState.UNKNOWN:
            self._unsearched.add(id)

    @property
    def to_be_searched(self) -> bool:
        """Whether something waits that the exchange was not yet searched for."""
        return bool(self._unsearched)

    def is_searched(self, id: str) -> bool:
        """Whether the exchange was searched for every attempt of the order, if it is one of the journal's."""
        return id not in self._unsearched

    def searched(self, found: list[tuple[EntryOrder, OrderUpdate]]) -> None:
        """The exchange was searched for what the journal may not know of: take in what it has, and let the rest be."""
        for order, update in found:
            if self._store.state.orders[order.id].state is not order.state:
                continue
            state = order.state.value
            log.warning(
                "order_found_at_exchange", id=order.id, state=state, order_id=update.order_id
            )
            self._counters.count("order_found_at_exchange")
            self._adopt(order, update)
        for id in self._unsearched:
            order = self._store.state.orders[id]
            if order.state is EntryState.WAITING:
                if self._now_ms() >= order.deadline_ms:
                    self._overdue(id, self._now_ms())
                else:
                    self.deadlines.waits_until(id, order.deadline_ms)
        self._unsearched.clear()

    # Time

    def _overdue(self, id: str, now_ms: int) -> None:
        """A deadline of the order has come: stale ones are ignored."""
        order = self._store.state.orders[id]
        if order.state is EntryState.WAITING and order.deadline_ms <= now_ms:
            self._record(order, outcomes.expired(order, now_ms))
        elif order.state.at_exchange and not order.cancel_asked:
            until_ms = rests_until_ms(order)
            if until_ms is not None and until_ms <= now_ms:
                log.info("order_rested_long_enough", id=id)
                self.withdraw(id)

    # What it asks of others

    def leveraged(self) -> list[str]:
        """The symbols of entries that wait and want a leverage."""
        waiting = (each.request for each in self._store.state.orders.alive())
        return sorted({each.symbol for each in waiting if each.leverage is not None})

    def symbols(self) -> list[str]:
        """The symbols that have a zone armed."""
        return self.waiting.symbols()

    def recheck(self) -> None:
        """Look at every zone with the last price: entries may go out again."""
        for symbol in self.waiting.symbols():
            self._prices.recheck(symbol)

    def _record(self, order: EntryOrder, effects: Effects) -> None:
        """Record what was decided of an order with all that follows from it."""
        self._recording.record_effects(order, effects)
        if self._store.state.orders[order.id].state.final:
            self._before.pop(order.id, None)
