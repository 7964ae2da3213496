"""The records of order signals: what is owed to the application when something is learned of an order.

What the bodies say is `signals`; here is whom they are owed to, and in which lane. While signals are off nothing is
made, for what makes them stands in the way of an order.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from ...model.decimals import plain_or_none
from ...model.events import OrderUpdate
from ...model.orders import EntryOrder
from ...model.positions import FiredOrder, Protection
from ...settings import Settings
from ...store import Store
from ...store.records import CloseObserved, EntryObserved, NotificationOwed
from .notifications import Notifications
from .signal_forms import Signal
from .signals import close_signals, entry_signals, fired_signals, refused_signals, withdrawn_signals

__all__ = ["Signalling"]


@frozen(kw_only=True)
class Signalling:
    """Makes the records of order signals."""

    _notifications: Notifications
    _now_ms: Callable[[], int]
    _settings: Settings
    _store: Store

    def entry_told(
        self, order: EntryOrder, record: EntryObserved, update: OrderUpdate
    ) -> list[NotificationOwed]:
        """The records of telling what `record`, made of `update`, says of an entry order."""
        return self._owed(order.id, entry_signals(order, record, update) if self._on() else [])

    def entry_withdrawn(
        self, order: EntryOrder, update: OrderUpdate, why: str
    ) -> list[NotificationOwed]:
        """The records of telling that the exchange took the latest attempt away, unfilled."""
        return self._owed(order.id, withdrawn_signals(order, update, why) if self._on() else [])

    def entry_refused(self, order: EntryOrder, reason: str, error: str) -> list[NotificationOwed]:
        """The records of telling that the exchange did not take the latest attempt, and that none follows."""
        return self._owed(order.id, refused_signals(order, reason, error) if self._on() else [])

    def close_told(
        self, protection: Protection, record: CloseObserved, update: OrderUpdate | None = None
    ) -> list[NotificationOwed]:
        """The records of telling what `record`, made of `update`, says of a closing order of ours."""
        if not self._on():
            return []
        parent, leverage = self._opened_by(protection)
        return self._owed(
            _lane(protection), close_signals(protection, record, parent, leverage, update)
        )

    def fired_told(
        self, protection: Protection, order: FiredOrder, update: OrderUpdate
    ) -> list[NotificationOwed]:
        """The records of telling what `update` says of an order that the exchange made of a stop or target of ours."""
        if not self._on():
            return []
        parent, leverage = self._opened_by(protection)
        made = fired_signals(protection, order, update, parent, leverage, self._now_ms())
        return self._owed(_lane(protection), made)

    def _on(self) -> bool:
        return self._settings.order_signal_url is not None

    def _opened_by(self, protection: Protection) -> tuple[str, str | None]:
        """The client order id of what opened the position, and its leverage.

        The application requires a parent of every close. A position that was opened elsewhere is monitored under the id
        of the order that opened it: if the exchange told of that order, its client order id is the parent, otherwise
        the id as it was given, or for want of one the id of the monitored position. All three are ids that the
        application gave.
        """
        entry = self._store.state.orders.get(protection.entry_id or "")
        if entry is not None:
            return entry.client_order_id or entry.id, plain_or_none(entry.request.leverage)
        if protection.entry_id is not None:
            return protection.entry_id, None
        given = protection.request.order_id if protection.request is not None else None
        if not given:
            return protection.id, None
        try:
            order = self._store.state.futures_order_of(given)
        except ValueError:  # what is kept of it cannot be read
            order = None
        if order is None:
            return given, None
        leverage = None if order.leverage is None else str(order.leverage)
        return order.client_order_id or given, leverage

    def _owed(self, lane: str, bodies: list[Signal]) -> list[NotificationOwed]:
        return [
            record for body in bodies for record in self._notifications.order_signal(lane, body)
        ]


def _lane(protection: Protection) -> str:
    return protection.entry_id or protection.id
