"""Order signals of the account's orders that are not the engine's: the application submits some itself.

The book of the exchange's orders says when there is news. What was told last is kept with the order, so that nothing is
told twice, also after a restart. An order that the engine hears of only once it has ended is told if it ended of late,
or if it was pushed; other ends are history, which a listing may bring at any time.

A close that the exchange made of a stop or target may turn out to be of a protection of ours, which is then told with
its parent. Where we have something on that side it is held back for some seconds first. So is every order
that is first heard of before the engine agrees with the exchange: it may be one of ours that the journal has lost.

Bounded: while `MOST_OWED` such signals are owed, further ones are counted and left out. An order of which something was
left out is told as it stands with its next news.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import evolve

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...model.events import OrderUpdate
from ...model.futures_orders import FuturesOrder
from ...settings import Settings
from ...store import Store
from ...store.records import FuturesOrderSeen, NotificationOwed, NotificationSettled, Record
from ..account.working import WorkingOrders
from ..agreement import Agreement
from ..closes.attribution import made_there
from ..event_errors import EventErrors
from ..identity import is_ours
from ..timers import Timers
from .account_signals import foreign_signals, foreign_status
from .notifications import Notifications
from .signal_forms import Status

__all__ = ["ForeignSignals"]

MOST_OWED = 1_000
LANE = "account "
"""Before the exchange's order id: the ids that callers give have their own lanes."""
ENDED_OF_LATE_MS = 600_000
HELD_BACK_S = 5.0
"""How long it may take to find out whose stop it was: it reads up to four times, half a second apart."""
HELD_BACK = "held back"
LOOKED_BACK_MS = 86_400_000
"""How long ago an order may have been held back that the end of the engine kept from being told."""
MILLISECONDS_FROM = 100_000_000_000
PAGE = 25


class ForeignSignals:
    """What is owed of orders that are not the engine's."""

    def __init__(
        self,
        *,
        agreement: Agreement,
        counters: Counters,
        errors: EventErrors,
        exchange: ExchangeClient,
        notifications: Notifications,
        settings: Settings,
        store: Store,
        working: WorkingOrders,
        now_ms: Callable[[], int],
    ) -> None:
        self._agreement = agreement
        self._counters = counters
        self._errors = errors
        self._exchange = exchange
        self._notifications = notifications
        self._settings = settings
        self._store = store
        self._working = working
        self._now_ms = now_ms
        self._held: dict[str, OrderUpdate | None] = {}
        """By the exchange's order id, what is held back: the latest update, unless an earlier engine held it back."""
        self._due: Timers[str] = Timers()
        self._planned = trio.Event()
        self._owed = {each.id for each in store.state.owed.values() if each.lane.startswith(LANE)}
        store.observe(self._on_record)

    def news(
        self, known: FuturesOrder | None, order: FuturesOrder, update: OrderUpdate
    ) -> list[Record]:
        """The records of `order` as it is known from now on, made of `update`, and of what is told of it.

        `known` is the order before that, if there was one.
        """
        told = "" if known is None or known.told == HELD_BACK else known.told
        order = evolve(order, told=told)
        if self._settings.order_signal_url is None or not order.client_order_id:
            return [FuturesOrderSeen(order)]
        if order.order_id in self._held or (
            not told and not self._is_ours(order, update) and self._may_be_ours(update)
        ):
            self._hold_back(order.order_id, update)
            return [FuturesOrderSeen(evolve(order, told=HELD_BACK))]
        if self._is_ours(order, update) or (known is None and self._is_history(order)):
            return [FuturesOrderSeen(order)]
        return self._told(order, self._submitted_ms(update))

    async def run(self) -> None:
        """Tell what was held back once its time has come, what an earlier engine held back included. Runs as a task."""
        if self._settings.order_signal_url is not None:
            await self._take_up()
        while True:
            now = trio.current_time()
            for order_id in self._due.due(now):
                self._release(order_id)
            self._planned = trio.Event()
            with trio.CancelScope(deadline=self._due.next_at):
                await self._planned.wait()

    async def _take_up(self) -> None:
        """Hold back again what was held back when the engine ended."""
        orders = self._store.state.futures_orders
        since_ms = self._now_ms() - LOOKED_BACK_MS
        ids = [each.id for each in orders.alive()] + orders.ended_since(since_ms)
        for number, id in enumerate(ids):
            if number % PAGE == 0:
                await trio.lowlevel.checkpoint()
            with self._errors.surviving("order that was held back", order_id=id):
                order = orders.get(id)
                if order is not None and order.told == HELD_BACK and id not in self._held:
                    self._hold_back(id, None)

    def _hold_back(self, order_id: str, update: OrderUpdate | None) -> None:
        if order_id not in self._held:
            self._due.schedule(order_id, trio.current_time() + HELD_BACK_S)
            self._planned.set()
        self._held[order_id] = update

    def _release(self, order_id: str) -> None:
        """Tell of an order that was held back, unless it has turned out to be ours, or is history."""
        update = self._held.pop(order_id)
        with self._errors.surviving("order that was held back", order_id=order_id):
            order = self._store.state.futures_orders.get(order_id)
            if order is None:
                return
            order = evolve(order, told="")
            if self._is_ours(order, update) or self._is_history(order):
                self._store.record(FuturesOrderSeen(order))
            else:
                submitted_ms = self._submitted_ms(update) if update is not None else order.seen_ms
                self._store.record(*self._told(order, submitted_ms))

    def _submitted_ms(self, update: OrderUpdate) -> int:
        return update.create_time_ms or update.update_time_ms or self._now_ms()

    def _told(self, order: FuturesOrder, submitted_ms: int) -> list[Record]:
        """The records of telling how `order` stands, unless that is known to the application."""
        status, filled = foreign_status(order), order.filled_size or 0
        now = f"{status.value} {filled}"
        before = order.told.partition(" ")[0]
        ended = before in {each.value for each in Status if each.final}
        if order.told == now or (ended and not status.final):
            return [FuturesOrderSeen(order)]
        bodies = foreign_signals(order, submitted_ms, submit_told=bool(order.told))
        if not bodies:
            self._counters.add("order_signal_incomplete", order_id=order.order_id)
            return [FuturesOrderSeen(order)]
        if len(self._owed) >= MOST_OWED:
            self._counters.add("order_signal_dropped", len(bodies))
            return [FuturesOrderSeen(order)]
        lane = LANE + order.order_id
        owed = [
            record for body in bodies for record in self._notifications.order_signal(lane, body)
        ]
        return [FuturesOrderSeen(evolve(order, told=now)), *owed]

    def _is_ours(self, order: FuturesOrder, update: OrderUpdate | None) -> bool:
        """Whether the engine itself sent the order, or knows that a stop or target of its own became it.

        What fills of an attempt that was given up is not told as the entry's, so it is told as of an order like others.
        """
        state = self._store.state
        entry = state.entry_of(order.client_order_id)
        if entry is not None:
            latest = entry.client_order_id == order.client_order_id
            offset_ms = self._exchange.clock_offset_ms
            if (latest or not order.filled_size) and (
                update is None or is_ours(entry, update, offset_ms)
            ):
                return True
        return state.is_closing(order.client_order_id) or state.is_fired(order.order_id)

    def _may_be_ours(self, update: OrderUpdate) -> bool:
        """Whether it may turn out that the order is of the engine, or of a stop or target that is kept for it."""
        if not self._agreement.reached:
            return True
        if update.side is None or not update.side.closes or not made_there(update):
            return False
        side = update.side.position_side
        state = self._store.state
        return bool(self._working.ours.get((update.symbol, side))) or any(
            (each.symbol, each.side) == (update.symbol, side) for each in state.protections.alive()
        )

    def _is_history(self, order: FuturesOrder) -> bool:
        """Whether the order ended before anybody here heard of it, and not of late."""
        if not order.status.final or order.rank.pushed or order.updated_time_ms is None:
            return False
        ended_ms = order.updated_time_ms
        if ended_ms < MILLISECONDS_FROM:  # history tells whole seconds (fact sheet 7, 11)
            ended_ms *= 1000
        return order.seen_ms - ended_ms > ENDED_OF_LATE_MS

    def _on_record(self, record: Record) -> None:
        if isinstance(record, NotificationOwed) and record.notification.lane.startswith(LANE):
            self._owed.add(record.notification.id)
        elif isinstance(record, NotificationSettled):
            self._owed.discard(record.id)
