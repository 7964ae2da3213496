"""What the engine knows and has promised: the fold over the journal's records. It decides nothing and does no IO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from functools import singledispatchmethod
from typing import Any

from attrs import evolve

from ..model.futures_orders import FuturesOrder
from ..model.halting import Halt
from ..model.lifecycle import (
    ENTRY_MOVES,
    EntryState,
    move,
)
from ..model.notifications import DeadLetter, Notification
from ..model.orders import EntryOrder, Moment
from ..model.positions import Protection
from .archive import Archive
from .codec import subject_of, unpacking
from .protection_fold import protection_after
from .records import (
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

__all__ = ["State"]


class State:
    """All entry orders, protections and exchange orders by id, what is owed to the application, what users view.

    Read it freely; change it through `Store.record` only.
    """

    def __init__(self) -> None:
        self.orders: Archive[EntryOrder] = Archive(unpacking(EntryOrder))
        self.protections: Archive[Protection] = Archive(unpacking(Protection))
        self.futures_orders: Archive[FuturesOrder] = Archive(unpacking(FuturesOrder))
        """Every order of the account that the exchange spoke of, by its id there."""
        self.owed: dict[str, Notification] = {}
        self.dead: dict[str, DeadLetter] = {}
        self.viewed: set[str] = set()
        self.paused_ms: int | None = None
        """Since when entries are paused; None while they are not."""
        self.halt: Halt | None = None
        """The kill switch, from its use until the entries are resumed."""
        self.entry_by_client_id: dict[str, str] = {}
        self.protection_by_client_id: dict[str, str] = {}
        """Also by the exchange's order ids, all digits as ours never are, of what it closed of them itself."""
        self.protection_by_entry: dict[str, str] = {}
        self.futures_by_client_id: dict[str, str] = {}

    def entry_of(self, client_order_id: str) -> EntryOrder | None:
        """The entry order that sent this client order id, in whichever attempt."""
        return self.orders.get(self.entry_by_client_id.get(client_order_id, ""))

    def closing_of(self, client_order_id: str) -> Protection | None:
        """The protection whose close was sent under this client order id, in whichever attempt."""
        return self.protections.get(self.protection_by_client_id.get(client_order_id, ""))

    def fired_for(self, order_id: str) -> Protection | None:
        """The protection whose stop or target at the exchange that order, by its id there, was made of."""
        return self.protections.get(self.protection_by_client_id.get(order_id, ""))

    def is_entry(self, client_order_id: str) -> bool:
        """Whether an entry order sent this client order id. It reads no disk, as `entry_of` may."""
        return self.entry_by_client_id.get(client_order_id, "") in self.orders

    def is_closing(self, client_order_id: str) -> bool:
        """Whether a close was sent under this client order id. It reads no disk, as `closing_of` may."""
        return self.protection_by_client_id.get(client_order_id, "") in self.protections

    def is_fired(self, order_id: str) -> bool:
        """Whether that order was made of a protection's stop or target. It reads no disk, as `fired_for` may."""
        return self.protection_by_client_id.get(order_id, "") in self.protections

    def concerns(self, symbol: str) -> bool:
        """Whether we have anything in a symbol: an order that has not ended, or a protection."""
        return any(each.symbol == symbol for each in self.orders.alive()) or any(
            each.symbol == symbol for each in self.protections.alive()
        )

    def protection_of(self, entry_id: str) -> Protection | None:
        """The protection that covers the fills of an entry order."""
        return self.protections.get(self.protection_by_entry.get(entry_id, ""))

    def futures_order_of(self, id: str) -> FuturesOrder | None:
        """The exchange's order of this id, or of this client order id. Raises ValueError if it cannot be read."""
        order = self.futures_orders.get(id)
        return order or self.futures_orders.get(self.futures_by_client_id.get(id, ""))

    def apply_all(self, records: Sequence[Record]) -> None:
        """Take `records` in, all of them or none. Raises what `apply` raises, changing nothing.

        One record by itself changes all or nothing. Several are tried on a copy of what they speak of first.
        """
        if len(records) > 1:
            trial = State()
            for record in records:
                subject, id = subject_of(record)
                homes = _HOMES.get(subject)
                for mine, theirs in homes(self, trial) if homes is not None else ():
                    if id in mine:
                        theirs[id] = mine[id]
            for record in records:
                trial.apply(record)
        for record in records:
            self.apply(record)

    @singledispatchmethod
    def apply(self, record: Record) -> None:
        """Take `record` in. Raises `IllegalMove`, changing nothing, if the lifecycle does not allow it."""
        raise TypeError(f"no such record: {record!r}")

    @apply.register
    def _(self, record: EntryAccepted) -> None:
        order = record.order
        self.orders[order.id] = evolve(
            order, history=(Moment(order.state.value, order.accepted_ms),)
        )

    @apply.register
    def _(self, record: EntryIntended) -> None:
        order = self._moved(record.id, EntryState.SUBMITTING, record.at_ms)
        self.entry_by_client_id[record.client_order_id] = record.id
        self.orders[record.id] = evolve(
            order,
            client_order_id=record.client_order_id,
            price=record.price,
            sent_size=record.size,
            submitted_ms=record.at_ms,
            signed_ms=record.signed_ms,
            intended_there_ms=(
                min(order.intended_there_ms or record.there_ms, record.there_ms)
                if order.client_order_id == record.client_order_id
                else record.there_ms
            ),
            exchange_order_id="",
            announced=False,
            submit_only=False,
            update_time_ms=0,
        )

    @apply.register
    def _(self, record: EntrySigned) -> None:
        self.orders[record.id] = evolve(self.orders[record.id], signed_ms=record.signed_ms)

    @apply.register
    def _(self, record: EntryObserved) -> None:
        order = self._moved(record.id, record.to, record.at_ms, record.reason)
        self.orders[record.id] = evolve(
            order,
            exchange_order_id=record.exchange_order_id or order.exchange_order_id,
            filled=record.filled,
            average_price=record.average_price or order.average_price,
            update_time_ms=record.update_time_ms,
            submit_only=order.submit_only and not record.update_time_ms,
        )

    @apply.register
    def _(self, record: EntryMoved) -> None:
        order = self._moved(record.id, record.to, record.at_ms, record.reason)
        if record.spent:
            order = evolve(
                order,
                spent=order.spent + 1,
                taken=order.taken + record.taken,
                client_order_id="",
                exchange_order_id="",
            )
        self.orders[record.id] = order

    @apply.register
    def _(self, record: EntryAnnounced) -> None:
        self.orders[record.id] = evolve(
            self.orders[record.id], announced=True, submit_only=record.submit_only
        )

    @apply.register
    def _(self, record: EntryCancelAsked) -> None:
        self.orders[record.id] = evolve(self.orders[record.id], cancel_asked=True)

    @apply.register
    def _(self, record: EntryForgotten) -> None:
        del self.orders[record.id]

    @apply.register
    def _(self, record: ProtectionForgotten) -> None:
        forgotten = self.protections.pop(record.id)
        self.protection_by_entry.pop(forgotten.entry_id or "", None)

    @apply.register
    def _(self, record: ProtectionOpened) -> None:
        made = record.protection
        self.protections[made.id] = evolve(
            made, history=(Moment(made.state.value, made.created_ms),)
        )
        if made.entry_id is not None:
            self.protection_by_entry[made.entry_id] = made.id

    @apply.register
    def _(
        self,
        record: ProtectionCovers
        | ProtectionLevelled
        | ProtectionKept
        | ProtectionMoved
        | CloseObserved,
    ) -> None:
        self.protections[record.id] = protection_after(self.protections[record.id], record)

    @apply.register
    def _(self, record: CloseIntended) -> None:
        self.protection_by_client_id[record.close.client_order_id] = record.id
        self.protections[record.id] = protection_after(self.protections[record.id], record)

    @apply.register
    def _(self, record: FiredObserved) -> None:
        after = protection_after(self.protections[record.id], record)
        self.protection_by_client_id[record.order.order_id] = record.id
        self.protections[record.id] = after

    @apply.register
    def _(self, record: FuturesOrderSeen) -> None:
        order = record.order
        self.futures_orders[order.order_id] = order
        if order.client_order_id.split() == [order.client_order_id]:  # as ids of the exchange are
            self.futures_by_client_id[order.client_order_id] = order.order_id

    @apply.register
    def _(self, record: NotificationOwed) -> None:
        self.dead.pop(record.notification.id, None)
        self.owed[record.notification.id] = record.notification

    @apply.register
    def _(self, record: NotificationSettled) -> None:
        notification = self.owed.pop(record.id, None)
        if notification is not None and not record.delivered:
            self.dead[record.id] = DeadLetter(notification, record.at_ms, record.why)

    @apply.register
    def _(self, record: ViewChanged) -> None:
        if record.subscribed:
            self.viewed.update(record.topics)
        else:
            self.viewed.difference_update(record.topics)

    @apply.register
    def _(self, record: EntriesPaused) -> None:
        if not record.paused:
            self.paused_ms = self.halt = None
        elif self.paused_ms is None:
            self.paused_ms = record.at_ms

    @apply.register
    def _(self, record: EntriesHalted) -> None:
        now = self.halt
        if now is None:
            self.halt = Halt(record.level, record.at_ms)
        elif record.level.includes(now.level):
            self.halt = Halt(record.level, now.since_ms)

    def _moved(self, id: str, to: EntryState, at_ms: int, reason: str = "") -> EntryOrder:
        now = self.orders[id]
        move(ENTRY_MOVES, now.state, to)
        history = now.history
        if to is not now.state or reason:
            history = (*history, Moment(to.value, at_ms, reason))
        return evolve(now, state=to, reason=reason or now.reason, history=history)


Homes = Iterable[tuple[MutableMapping[str, Any], MutableMapping[str, Any]]]
_HOMES: Mapping[str, Callable[[State, State], Homes]] = {
    "order": lambda a, b: ((a.orders, b.orders),),
    "protection": lambda a, b: ((a.protections, b.protections),),
    "futures_order": lambda a, b: ((a.futures_orders, b.futures_orders),),
    "notification": lambda a, b: ((a.owed, b.owed), (a.dead, b.dead)),
}
"""By what a record speaks of: where that is, in two states."""
