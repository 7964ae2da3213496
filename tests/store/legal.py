"""Any legal history: units of records, each drawn from what the state allows just then."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import evolve
from hypothesis import strategies as st

from bitmart_engine.model.futures_orders import OrderEvent, upsert
from bitmart_engine.model.halting import HaltLevel
from bitmart_engine.model.lifecycle import ENTRY_MOVES, PROTECTION_MOVES, EntryState
from bitmart_engine.model.positions import Close, CloseReason, FiredOrder
from bitmart_engine.store import State
from bitmart_engine.store.records import (
    CloseIntended,
    CloseObserved,
    EntriesHalted,
    EntriesPaused,
    EntryAccepted,
    EntryAnnounced,
    EntryCancelAsked,
    EntryForgotten,
    EntryIntended,
    EntryMoved,
    EntryObserved,
    EntrySigned,
    FiredObserved,
    FuturesOrderSeen,
    NotificationOwed,
    NotificationSettled,
    ProtectionCovers,
    ProtectionForgotten,
    ProtectionKept,
    ProtectionLevelled,
    ProtectionMoved,
    ProtectionOpened,
    Record,
    ViewChanged,
)

from .stories import entry, notification, protection

PRICES = st.sampled_from([None, Decimal("65000.1"), Decimal("64999.90")])
WHY = st.sampled_from(["", "because"])


class History:
    """Draws legal records, and keeps the state that they add up to."""

    def __init__(self, draw: Callable[[st.SearchStrategy[object]], object], now_ms: int) -> None:
        self._draw = draw
        self._named = 0
        self.now_ms = now_ms
        self.live = State()

    def unit(self) -> tuple[Record, ...]:
        """One to three records, already in `live`."""
        self.now_ms += self._pick([1, 1000, 86_400_000])
        taken = []
        for _ in range(self._pick([1, 2, 3])):
            record = self._record()
            self.live.apply(record)
            taken.append(record)
        return tuple(taken)

    def _pick(self, among):  # type: ignore[no-untyped-def] # any sequence, any item
        return self._draw(st.sampled_from(list(among)))

    def _name(self) -> str:
        self._named += 1
        return f"n{self._named}"

    def _record(self) -> Record:
        actions = [self._accept, self._open_protection, self._owe, self._view, self._see]
        if self.live.orders:
            actions += [self._entry] * 4
        if self.live.protections:
            actions += [self._protection] * 4
        if self.live.owed:
            actions += [self._settle] * 2
        record: Record = self._pick(actions)()
        return record

    def _accept(self) -> Record:
        return EntryAccepted(entry(self._name(), self.now_ms))

    def _open_protection(self) -> Record:
        free = [id for id in self.live.orders if self.live.protection_of(id) is None]
        entry_id = self._pick([*free, None])
        id = self._name() if entry_id is None or entry_id in self.live.protections else entry_id
        return ProtectionOpened(evolve(protection(id, self.now_ms), entry_id=entry_id))

    def _owe(self) -> Record:
        if self.live.dead and self._pick([True, False]):
            return NotificationOwed(self.live.dead[self._pick(self.live.dead)].notification)
        lane = self._pick([*self.live.orders, "elsewhere"])
        return NotificationOwed(notification(self._name(), lane, self.now_ms))

    def _settle(self) -> Record:
        delivered = self._pick([True, False])
        return NotificationSettled(self._pick(self.live.owed), delivered, self.now_ms, "refused")

    def _see(self) -> Record:
        id = self._pick([*self.live.futures_orders, self._name()])
        event = OrderEvent(
            order_id=id,
            symbol="BTCUSDT",
            client_order_id=f"c{id}",
            state=self._pick([1, 2, 4]),
            update_time_ms=self.now_ms,
            raw_data=f'{{"order_id":"{id}"}}',
        )
        order = upsert(self.live.futures_orders.get(id), event)
        if order is None:
            return self._view()
        return FuturesOrderSeen(evolve(order, seen_ms=self.now_ms))

    def _view(self) -> Record:
        if self._pick([False] * 3 + [True]):
            if self._pick([False] * 3 + [True]):
                return EntriesHalted(self.now_ms, self._pick(list(HaltLevel)))
            return EntriesPaused(self.now_ms, self._pick([True, False]))
        return ViewChanged((self._pick("abc"), self._pick("abc")), self._pick([True, False]))

    def _entry(self) -> Record:
        order = self.live.orders[self._pick(self.live.orders)]
        sent = self.live.entry_by_client_id.values()
        if (
            order.id not in sent
            and order.state is EntryState.WAITING
            and self._pick([False] * 3 + [True])
        ):
            return EntryForgotten(order.id)
        to = self._pick([order.state, *ENTRY_MOVES[order.state]])
        if order.state is EntryState.WAITING and to is EntryState.SUBMITTING:
            id = order.client_order_id or self._name()
            signed_ms = self._pick([0, self.now_ms])
            return EntryIntended(order.id, self.now_ms, id, self._draw(PRICES), signed_ms=signed_ms)
        why = self._draw(WHY)
        kind = self._pick(["observed", "moved", "announced", "cancel", "signed"])
        if kind == "signed":
            return EntrySigned(order.id, self.now_ms, self.now_ms)
        if kind == "observed":
            filled = order.filled + self._pick([0, 1, 5])
            price = self._draw(PRICES)
            return EntryObserved(
                order.id, self.now_ms, to, self._pick(["", "77"]), filled, price, self.now_ms, why
            )
        if kind == "moved":
            return EntryMoved(order.id, self.now_ms, to, why, self._pick([False, True]))
        if kind == "announced":
            return EntryAnnounced(order.id, self._pick([False, True]))
        return EntryCancelAsked(order.id, self.now_ms)

    def _protection(self) -> Record:
        guard = self.live.protections[self._pick(self.live.protections)]
        sent = self.live.protection_by_client_id.values()
        if guard.id not in sent and self._pick([False] * 7 + [True]):
            return ProtectionForgotten(guard.id)
        kinds = ["covers", "levelled", "kept", "moved", "moved", "close", "closed", "fired"]
        kind = self._pick(kinds)
        if kind == "covers":
            return ProtectionCovers(guard.id, self._pick([0, 5, 10]), self.now_ms)
        if kind == "levelled":
            stop, target = self._draw(PRICES), self._draw(PRICES)
            return ProtectionLevelled(guard.id, self.now_ms, stop, target)
        if kind == "kept":
            stop, target = self._draw(PRICES), self._draw(PRICES)
            ids = self._pick([(), ("91", "92")])
            parts = self._pick([(), ("93",)])
            return ProtectionKept(guard.id, self.now_ms, stop, target, ids, parts)
        if kind == "fired":
            order = FiredOrder(
                order_id=self._pick([*(each.order_id for each in guard.fired), f"9{self._name()}"]),
                reason=self._pick(
                    [CloseReason.EXCHANGE_STOP_LOSS, CloseReason.EXCHANGE_TAKE_PROFIT]
                ),
                size=self._pick([None, 10]),
                filled=self._pick([0, 4, 10]),
                average_price=self._draw(PRICES),
                final=self._pick([True, False]),
            )
            return FiredObserved(guard.id, order)
        if kind == "closed" and guard.close is not None:
            filled = self._pick([0, 3, 10])
            sent, done = guard.close.client_order_id, self._pick([True, False])
            return CloseObserved(guard.id, sent, "78", filled, self._draw(PRICES), done)
        if kind == "close":
            close = Close(attempt=1, client_order_id=self._name(), size=10, intended_ms=self.now_ms)
            return CloseIntended(guard.id, close)
        to = self._pick([guard.state, *PROTECTION_MOVES[guard.state]])
        reason = self._pick([None, *CloseReason])
        return ProtectionMoved(
            guard.id, self.now_ms, to, self._draw(WHY), reason, self._draw(PRICES)
        )
