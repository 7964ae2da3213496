"""Protections: fire them, keep them in step with what is held, and see that they end on evidence only.

Which of them are alive, and what the market touches, `index` knows. The close itself is in `closing`; here is what is
decided without waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf

import trio

from ...counters import Counters
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...latency import Latencies
from ...logs import get_logger
from ...model.decimals import plain, plain_or_none
from ...model.events import OrderUpdate, PositionUpdate, Tick
from ...model.lifecycle import ProtectionState
from ...model.orders import EntryRequest
from ...model.positions import Close, CloseReason, Protection
from ...model.sides import PositionSide
from ...store import Store
from ...store.records import (
    CloseIntended,
    CloseObserved,
    ProtectionCovers,
    ProtectionKept,
    ProtectionMoved,
    Record,
)
from ..account.positions import PositionBook
from ..account.working import WorkingOrders
from ..agreement import Agreement
from ..closes.attribution import made_there
from ..closes.cancel_exchange_stops import ExchangeStopCancels
from ..closes.losing import LostContracts
from ..closes.own_plans import unwanted
from ..closes.settling import Settling
from ..closes.unfilled import Claims
from ..event_errors import EventErrors
from ..in_flight import InFlight
from ..market.prices import Prices
from ..order_news import OrderNews
from ..signals.callbacks import close_price
from ..signals.notifications import Notifications
from ..signals.signalling import Signalling
from .confirming import Confirming
from .coverage import covering, fills_covered, sent_along, waits_no_more
from .ending import how_it_ended
from .evidence import Evidence
from .exchange_stops import Keeps
from .external_closes import ExternalCloses
from .fired_stops import FiredStops, fires
from .index import ProtectionIndex
from .rearming import Rearming
from .shared_positions import SharedPositions

__all__ = ["Protections"]

log = get_logger()

THERE = {
    CloseReason.STOP_LOSS: CloseReason.EXCHANGE_STOP_LOSS,
    CloseReason.TAKE_PROFIT: CloseReason.EXCHANGE_TAKE_PROFIT,
}


class Protections:
    """All protections of the engine."""

    def __init__(
        self,
        *,
        agreement: Agreement,
        counters: Counters,
        errors: EventErrors,
        exchange: ExchangeClient,
        in_flight: InFlight,
        came_to: Callable[[Protection, CloseReason], Mapping[str, object]],
        latencies: Latencies,
        notifications: Notifications,
        order_news: OrderNews,
        positions: PositionBook,
        prices: Prices,
        signalling: Signalling,
        store: Store,
        working: WorkingOrders,
        now_ms: Callable[[], int],
    ) -> None:
        self._agreement = agreement
        self._came_to = came_to
        self._counters = counters
        self._errors = errors
        self._exchange = exchange
        self._in_flight = in_flight
        self._latencies = latencies
        self._notifications = notifications
        self._order_news = order_news
        self._positions = positions
        self._prices = prices
        self._signalling = signalling
        self._store = store
        self._now_ms = now_ms
        self.index = ProtectionIndex(exchange=exchange, prices=prices, store=store, now_ms=now_ms)
        self.evidence = Evidence()
        self.external_closes = ExternalCloses()
        self.rearming = Rearming(
            counters=counters,
            exchange=exchange,
            in_flight=in_flight,
            notifications=notifications,
            store=store,
            working=working,
            now_ms=now_ms,
            positions=self,
        )
        self._being_confirmed: set[str] = set()
        self._acted: dict[str, CloseReason] = {}
        """Whose contracts are all held to be closed by the exchange, though no order of it shows that."""
        self.claims = Claims()
        settling = Settling(
            counters=counters,
            exchange=exchange,
            order_news=order_news,
            positions=positions,
            store=store,
            protections=self,
        )
        self._fired = FiredStops(
            counters=counters,
            exchange=exchange,
            in_flight=in_flight,
            order_news=order_news,
            signalling=signalling,
            store=store,
            now_ms=now_ms,
            claims=self.claims,
            rearming=self.rearming,
            settling=settling,
            protections=self,
        )
        self.sharing = SharedPositions(
            agreement=agreement,
            exchange=exchange,
            positions=positions,
            prices=prices,
            store=store,
            working=working,
            sides=self,
        )
        self.losing = LostContracts(
            counters=counters,
            exchange=exchange,
            positions=positions,
            store=store,
            now_ms=now_ms,
            view=self,
        )
        self.stop_cancels = ExchangeStopCancels(
            counters=counters,
            exchange=exchange,
            order_news=order_news,
            store=store,
            now_ms=now_ms,
            losing=self.losing,
            sharing=self.sharing,
            view=self,
        )
        self._confirming = Confirming(
            exchange=exchange,
            order_news=order_news,
            positions=positions,
            store=store,
            now_ms=now_ms,
            protections=self,
        )
        self._learning: dict[str, trio.Lock] = {}
        self._learnt_at: dict[str, float] = {}

    # What the market says

    def on_tick(self, tick: Tick) -> None:
        """Close what `tick` is the stop or the target of."""
        for id, reason in self.index.touched(tick):
            log.warning("protection_fired", id=id, reason=reason.value, price=plain(tick.last))
            with self._errors.surviving("touch of a protection", id=id):
                if not tick.rechecked:
                    self._latencies.close.begin(id, tick.at)
                self.fire(id, reason)
                continue
            self.index.watch_again(id)

    def fire(self, id: str, reason: CloseReason) -> None:
        """Start closing, unless that is under way. Does not block."""
        protection = self._store.state.protections[id]
        if protection.state is ProtectionState.ARMED:
            side = self.evidence.on(protection.symbol, protection.side)
            self._store.record(fires(protection, reason, side, self._now_ms()))

    def fire_all(self, reason: CloseReason, first: Sequence[Record]) -> None:
        """Start closing all that is armed, in one unit with the records `first`. Does not block."""
        now_ms = self._now_ms()
        armed = [
            each
            for each in self._store.state.protections.alive()
            if each.state is ProtectionState.ARMED
        ]
        for each in armed:
            log.warning("protection_fired", id=each.id, reason=reason.value)
        fired = [
            fires(each, reason, self.evidence.on(each.symbol, each.side), now_ms) for each in armed
        ]
        self._store.record(*first, *fired)

    # What the exchange says

    def covered(
        self, entry_id: str, filled: int, there_ms: int = 0, since_ms: int = 0
    ) -> list[Record]:
        """The records of an entry order's fills being protected: `filled` contracts in all.

        `there_ms` is the exchange's time of what told so; some may have filled unheard since `since_ms`.
        """
        protection = self._store.state.protection_of(entry_id)
        if protection is None:
            return []
        more = max(filled - protection.covered, 0)
        self.evidence.on(protection.symbol, protection.side).filled(more, there_ms)
        if protection.kept_at_exchange and filled and unwanted(protection):
            self._in_flight.start(self.stop_cancels.cancel_unwanted, protection.id)
        order = self._store.state.orders[entry_id]
        request = order.request
        if not protection.covered and not self._agreement.reached:
            # Earlier fills may have gone unheard, and their stops have acted: it was sent before any of them.
            there_ms = min(there_ms, order.intended_there_ms or there_ms)
        now_ms = self._now_ms()
        records = fills_covered(protection, request, filled, now_ms, there_ms, since_ms)
        brings = records and request.exchange_protection
        if brings and protection.covered and not protection.kept_whole_at_exchange:
            self._agreement.doubt()  # the exchange may have made stops for what is new
        return records

    def kept_from(self, entry_id: str, sent: EntryRequest) -> list[Record]:
        """The records of stop and target going out with an order, where they are not those of its acceptance."""
        protection = self._store.state.protection_of(entry_id)
        asked = self._store.state.orders[entry_id].request
        return [] if protection is None else sent_along(protection, asked, sent, self._now_ms())

    def order_ended(self, entry_id: str, *, filled: int) -> list[Record]:
        """The records of an entry order's end: a protection that waits for its fill waits for nothing."""
        protection = self._store.state.protection_of(entry_id)
        return [] if filled or protection is None else waits_no_more(protection, self._now_ms())

    def on_update(self, update: OrderUpdate, *, settled: bool = False) -> None:
        """Take in an update of a closing order: ours, or anybody's, which may be why a position is gone.

        An end with contracts unfilled is a claim until it is `settled`, which whoever follows the order sees to.
        """
        protection = self._store.state.closing_of(update.client_order_id)
        if update.side is not None and update.side.closes and update.deal_size:
            self.evidence.on(update.symbol, update.side.position_side).closed(
                update.order_id, update.deal_size, update.update_time_ms
            )
        if protection is not None:
            now = protection.close
            if now is not None and now.client_order_id == update.client_order_id:
                if not now.final:
                    update = self.claims.certain_of(update, now.size, settled=settled)
                news = update.deal_size > now.filled or (update.final and not now.final)
                if news or not now.exchange_order_id:
                    self._take_in(protection, update)
            self._order_news.wake(update.client_order_id)
        elif update.side is not None and update.side.closes:
            ours = made_there(update) and self.on_fired(update)
            if update.deal_size and not ours and not self.rearming.explains(update):
                self.external_closes.note(update)
        else:
            self.rearming.opened(update)

    def on_fired(
        self,
        update: OrderUpdate,
        but_not: Collection[str] | None = None,
        *,
        settled: bool = False,
    ) -> bool:
        """Take in an order that the exchange made of a stop or target it keeps. False if it is of none of ours."""
        return self._fired.take(update, but_not, settled=settled)

    def is_settling(self, protection: Protection) -> bool:
        """Whether it is being looked into whose stop an order of the protection's side was."""
        return self._fired.is_settling(protection)

    def explained(self, update: OrderUpdate) -> bool:
        """Whether an order is that of a close of a protection that has ended unexplained."""
        return self.rearming.explains(update)

    def closed_elsewhere(self, update: OrderUpdate) -> None:
        """Somebody else's order closed contracts: it may be why a position is gone."""
        self.external_closes.note(update)

    def _take_in(self, protection: Protection, update: OrderUpdate) -> None:
        """Record how far our closing order is, and what the application is told of it, as one unit."""
        record = CloseObserved(
            protection.id,
            update.client_order_id,
            update.order_id,
            update.deal_size,
            update.deal_avg_price if update.deal_size else None,
            update.final,
        )
        self._store.record(record, *self._signalling.close_told(protection, record, update))

    def on_position(self, update: PositionUpdate, *, was_read: bool = False) -> None:
        """Take in what is held of one side of a symbol: pushed, or read, which may have been answered with nothing."""
        if not self._positions.observe(update):
            known = self._positions.get(update.symbol, update.side)
            if was_read or known is None or known.size != update.size:
                self._exchange.doubt_clock()  # it is old, or that clock was set back
            return
        key = (update.symbol, update.side)
        side, now, owed = self.evidence.on(*key), trio.current_time(), self.index.owed_on(*key)
        if update.size:
            side.held(update, now, owed, was_read=was_read)
            self.rearming.on_position(update, was_read=was_read)
        else:
            side.flat(now, owed, was_read=was_read)
        if not self.index.closing_on(*key) and update.size < self.index.owed_on(*key):
            self._agreement.doubt()
        for protection in self.index.alive_on(update.symbol, update.side):
            id = protection.id
            if update.size:
                self._follow(protection, update.size)
            else:
                self.confirm(id)

    def confirm(self, id: str) -> None:
        """The position under a protection is said to be gone: ask until that is certain. Does not block."""
        armed = self._store.state.protections[id].state is ProtectionState.ARMED
        if armed and id not in self._being_confirmed:
            self._being_confirmed.add(id)
            self._in_flight.start(self._confirming.confirm_gone, id)

    def is_gone(self, protection: Protection) -> bool:
        """Whether all that speaks for the protection's contracts being held has been contradicted long enough."""
        return self.evidence.on(protection.symbol, protection.side).is_gone(trio.current_time())

    def could_not_read(self, symbol: str, failure: ExchangeError) -> None:
        """A read of the positions failed, which says nothing of them."""
        self._counters.add("positions_read_failed", symbol=symbol, why=failure)

    async def observe_positions(self, symbol: str, urgency: Urgency = Urgency.READ) -> None:
        """Read both sides of a symbol at the exchange and take in what is held. Raises ExchangeError."""
        found = {
            update.side: update
            for update in await self._exchange.positions(symbol, urgency=urgency)
        }
        for side in PositionSide:
            update = found.get(side) or PositionUpdate(symbol=symbol, side=side, size=0)
            self.on_position(update, was_read=True)

    async def learn_position(self, symbol: str) -> None:
        """Try to read both sides of a symbol for a close. Who asks while that goes on shares what comes of it."""
        asked_at = trio.current_time()
        async with self._learning.setdefault(symbol, trio.Lock()):
            if self._learnt_at.get(symbol, -inf) < asked_at:
                try:
                    await self.observe_positions(symbol, Urgency.CLOSE)
                except ExchangeError as failure:
                    self.could_not_read(symbol, failure)
                self._learnt_at[symbol] = trio.current_time()

    def cover(self, id: str, size: int) -> None:
        """Have a protection cover `size` contracts from here on, and arm it if it waited for them."""
        protection = self._store.state.protections[id]
        before = protection.remaining
        self._store.record(*covering(protection, size, self._now_ms()))
        log.info("protection_size_changed", id=id, size=size, before=before)

    def loses(self, news: Keeps) -> bool:
        """Whether it says that a stop or target, or one for a part, is not kept that was."""
        before = self._store.state.protections[news.id]
        return (
            (before.exchange_stop_loss is not None and news.stop_loss is None)
            or (before.exchange_take_profit is not None and news.take_profit is None)
            or not set(before.exchange_parts) <= {*news.parts, *news.plans}
        )

    def keeps(self, news: Keeps) -> None:
        """Take in which stop and target of a protection the exchange keeps. The engine goes on watching its own."""
        id, stop_loss, take_profit = news.id, news.stop_loss, news.take_profit
        before = self._store.state.protections[id]
        legs = (stop_loss, take_profit, news.plans, news.parts)
        self._store.record(ProtectionKept(id, self._now_ms(), *legs))
        facts = {
            "id": id,
            "stop_loss": plain_or_none(stop_loss),
            "take_profit": plain_or_none(take_profit),
        }
        if (stop_loss, take_profit) == (before.exchange_stop_loss, before.exchange_take_profit):
            return
        if before.exchange_stop_loss is not None and stop_loss is None:
            was = plain_or_none(before.exchange_stop_loss)
            log.warning("exchange_stop_missing", was=was, **facts)
            self._counters.count("exchange_stop_missing")
        else:
            log.info("exchange_stops_changed", **facts)

    def closed_before(self, id: str, attempt: int, update: OrderUpdate) -> None:
        """The exchange has a close of a protection that the journal does not know of: it is gone on with from there."""
        protection = self._store.state.protections[id]
        if protection.close is not None and protection.close.attempt >= attempt:
            return  # it was found by whoever closes, meanwhile
        close_known = Close(
            attempt=attempt,
            client_order_id=update.client_order_id,
            size=update.size or update.deal_size,
            intended_ms=self._now_ms(),
        )
        records: list[Record] = [CloseIntended(id, close_known)]
        why = "closed before the start"
        armed = protection.state is ProtectionState.ARMED
        if armed:
            records.insert(0, ProtectionMoved(id, self._now_ms(), ProtectionState.CLOSING, why))
        self._store.record(*records)
        log.warning("close_found_at_exchange", id=id, closed=update.deal_size)
        self._counters.count("close_found_at_exchange")
        self.on_update(update, settled=update.final)

    def resume(self, id: str) -> None:
        """Take a protection up where the last process left it."""
        protection = self._store.state.protections[id]
        if protection.state.final:
            return
        self.index.keep(protection)

    # What a close found out

    def acted_there(self, id: str, size: int) -> None:
        """The exchange's own stop or target has closed `size` contracts, as the position shows, and no order does."""
        protection = self._store.state.protections[id]
        self._counters.count("exchange_stop_fire_inferred")
        log.warning("exchange_stop_fire_inferred", id=id, size=size)
        if size >= protection.remaining:
            self._acted[id] = THERE.get(
                protection.closing_for or CloseReason.STOP_LOSS, CloseReason.EXCHANGE_STOP_LOSS
            )
        else:
            covered, now_ms = protection.covered - size, self._now_ms()
            self._store.record(ProtectionCovers(id, covered, now_ms))

    def all_acted_there(self, id: str) -> bool:
        """Whether all that the protection covered is held to be closed by the exchange."""
        return id in self._acted

    def gone(self, id: str) -> None:
        """The position is gone, and the protection with it."""
        protection = self._store.state.protections[id]
        if protection.state.final:
            return
        side = self.evidence.on(protection.symbol, protection.side)
        self._fired.ended(protection)
        unexplained = protection.remaining > 0 and not side.explained
        others = self.rearming.ended(protection) if unexplained else None
        elsewhere = self.external_closes.last(protection.symbol, protection.side)
        reason, price, order_id = how_it_ended(protection, self._acted.pop(id, None), elsewhere)
        tick = self._prices.last(protection.symbol)
        self._store.record(
            ProtectionMoved(
                id,
                self._now_ms(),
                ProtectionState.CLOSED,
                reason.value,
                close_price=price,
                others_held=others,
                unexplained=unexplained,
            ),
            *self._notifications.of_protection(
                protection,
                "closed",
                reason=reason,
                close_order_id=order_id,
                **close_price(protection, reason, price, None if tick is None else tick.last),
                size=protection.closed or protection.covered,
                **self._money(protection, reason),
            ),
        )
        log.info("position_closed", id=id, reason=reason.value, price=plain_or_none(price))

    def _money(self, protection: Protection, reason: CloseReason) -> Mapping[str, object]:
        """What it came to, as far as that is known. Whatever is wrong with that, the position is gone."""
        with self._errors.surviving("money of a position", id=protection.id):
            return self._came_to(protection, reason)
        return {}

    def confirmed(self, id: str) -> None:
        """Whether the position is gone is no longer being asked."""
        self._being_confirmed.discard(id)

    def close_failed(self, protection: Protection, error: str) -> None:
        """Tell that a close did not go through. It goes on being tried."""
        self._store.record(
            *self._notifications.of_protection(
                protection,
                "close_failed",
                reason=protection.closing_for,
                error=error,
            )
        )

    # Bookkeeping

    def _follow(self, protection: Protection, held: int) -> None:
        """Keep a monitored position's protection as large as the position; its end is decided elsewhere."""
        if protection.entry_id is None and protection.state in (
            ProtectionState.PENDING_FILL,
            ProtectionState.ARMED,
        ):
            records = covering(protection, held, self._now_ms())
            if records:
                self._store.record(*records)
