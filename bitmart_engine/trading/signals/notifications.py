"""Notifications: the records of what the application is told, built here and nowhere else. They decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import sha256

import msgspec
from attrs import define

from ...model.lifecycle import EntryState
from ...model.notifications import PASSING, Notification
from ...model.orders import EntryOrder
from ...model.positions import Protection
from ...settings import Settings
from ...store.records import EntryAnnounced, NotificationOwed, ProtectionOpened, Record
from .callbacks import entry_price, order_callback, protection_callback, quantity_as_sent

__all__ = ["Notifications", "announcement", "promised_protection", "told_of_end"]


@define
class Notifications:
    """Makes the records of callbacks, order signals, balance signals and raw events."""

    _settings: Settings
    _now_ms: Callable[[], int]
    _told: int = 0

    def of_order(self, order: EntryOrder, event: str, **facts: object) -> list[NotificationOwed]:
        """The record of a callback about an entry order: empty where none was asked for."""
        request = order.request
        body = order_callback(request, event, facts, self._now_ms())
        return self._owed(request.callback_url, request.id, event, body)

    def of_protection(
        self, protection: Protection, event: str, **facts: object
    ) -> list[NotificationOwed]:
        """The record of a callback about a protection: empty where none was asked for."""
        lane = protection.entry_id or protection.id
        body = protection_callback(protection, event, facts, self._now_ms())
        return self._owed(protection.callback_url, lane, event, body)

    def order_signal(self, lane: str, body: Mapping[str, object]) -> list[NotificationOwed]:
        """The record of an order signal: empty while signals are off. Its own id is its `trace_id`."""
        return self._owed(self._settings.order_signal_url, lane, "order_signal", body, traced=True)

    def balance_signal(self, lane: str, body: Mapping[str, object]) -> list[NotificationOwed]:
        """The record of a balance signal: empty while signals are off. Its own id is its `trace_id`."""
        url = self._settings.balance_signal_url
        return self._owed(url, lane, "balance_signal", body, traced=True)

    def raw_event(self, lane: str, body: Mapping[str, object]) -> list[NotificationOwed]:
        """The record of a frame of the exchange to be forwarded: empty where there is nobody to forward it to."""
        url = self._settings.raw_events_uri or None
        return self._owed(url, lane, "raw_event", body, prefix=PASSING)

    def _owed(
        self,
        url: str | None,
        lane: str,
        kind: str,
        body: Mapping[str, object],
        *,
        traced: bool = False,
        prefix: str = "",
    ) -> list[NotificationOwed]:
        if url is None:
            return []
        at_ms = self._now_ms()
        self._told += 1
        seed = f"{lane}:{kind}:{at_ms}:{self._told}".encode("utf-8", "surrogatepass")
        id = prefix + sha256(seed).hexdigest()[:32]
        if traced:
            body = {**body, "trace_id": id}
        notification = Notification(
            id=id,
            lane=lane,
            url=url,
            kind=kind,
            body=msgspec.json.encode(body, enc_hook=str),
            created_ms=at_ms,
        )
        return [NotificationOwed(notification)]


def promised_protection(order: EntryOrder) -> list[Record]:
    """The records of the protection that is accepted with `order`."""
    request = order.request
    if not request.protected:
        return []
    at_exchange = request.exchange_protection
    return [
        ProtectionOpened(
            Protection(
                id=request.id,
                symbol=request.symbol,
                side=request.side,
                created_ms=order.accepted_ms,
                stop_loss=request.stop_loss,
                take_profit=request.take_profit,
                entry_id=request.id,
                callback_url=request.callback_url,
                metadata=request.metadata,
                engine_id=order.engine_id,
                exchange_stop_loss=request.stop_loss if at_exchange else None,
                exchange_take_profit=request.take_profit if at_exchange else None,
            )
        )
    ]


def announcement(
    notifications: Notifications,
    order: EntryOrder,
    exchange_order_id: str,
    *,
    submit_only: bool,
    average_price: Decimal | None = None,
    last: Decimal | None = None,
) -> list[Record]:
    """The records of telling `placed`. `average_price` is that of what has filled already, if anything has; `last` is
    the last price."""
    facts: dict[str, object] = {
        "exchange_order_id": exchange_order_id,
        "client_order_id": order.client_order_id,
        **entry_price(order.request, order.price, average_price or order.average_price, last),
        "quantity": quantity_as_sent(order.request),
        "size": order.size,
    }
    if submit_only:
        facts["submit_only"] = True
    return [
        EntryAnnounced(order.id, submit_only),
        *notifications.of_order(order, "placed", **facts),
    ]


def told_of_end(
    notifications: Notifications, order: EntryOrder, to: EntryState, reason: str, error: str
) -> list[Record]:
    """The records of telling how an order ended of which the exchange holds nothing."""
    endings: dict[EntryState, tuple[str, dict[str, object]]] = {
        EntryState.CANCELLED: ("cancelled", {"filled_size": 0}),
        EntryState.EXPIRED: ("timeout", {"reason": reason}),
        EntryState.REJECTED: ("failed", {"reason": reason, "error": error}),
    }
    event, facts = endings[to]
    return list(notifications.of_order(order, event, **facts))
