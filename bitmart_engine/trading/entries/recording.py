"""The effects of what was decided of an entry order: made records, written as one unit, and logged."""

from __future__ import annotations

from attrs import frozen

from ...counters import Counters
from ...logs import get_logger
from ...model.decimals import plain_or_none
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...store import Store
from ...store.records import EntryMoved, EntryObserved, Record
from ...world import World
from ..market.prices import Prices
from ..protections.protections import Protections
from ..signals.notifications import Notifications, announcement, told_of_end
from ..signals.signalling import Signalling
from .outcomes import (
    Announce,
    Count,
    Cover,
    Effect,
    Effects,
    EndProtection,
    SignalProgress,
    SignalRefused,
    SignalWithdrawn,
    Tell,
    TellEnd,
)

__all__ = ["Recording"]

log = get_logger()


@frozen(kw_only=True)
class Recording:
    """Records what was decided of entry orders."""

    _counters: Counters
    _notifications: Notifications
    _prices: Prices
    _signalling: Signalling
    _store: Store
    _world: World
    _protections: Protections

    def record_effects(self, order: EntryOrder, effects: Effects) -> None:
        """Record what was decided of `order` with all that follows from it. Nothing, if nothing was decided."""
        if not effects:
            return
        records = [record for each in effects for record in self._records(order, each)]
        if any(isinstance(each, Cover) for each in effects):
            self._world.reached("fill seen")
        if records:
            self._store.record(*records)
        for each in effects:
            _log(order, each)

    def _records(self, order: EntryOrder, effect: Effect) -> list[Record]:
        match effect:
            case Count(what, why):
                self._counters.add(what, id=order.id, why=why)
                return []
            case Announce(exchange_order_id, submit_only, price):
                tick = self._prices.last(order.symbol)
                return announcement(
                    self._notifications,
                    order,
                    exchange_order_id,
                    submit_only=submit_only,
                    average_price=price,
                    last=None if tick is None else tick.last,
                )
            case Tell(event, facts):
                return [*self._notifications.of_order(order, event, **facts)]
            case TellEnd(to, reason, error):
                return told_of_end(self._notifications, order, to, reason, error)
            case SignalProgress(record, update):
                return [*self._signalling.entry_told(order, record, update)]
            case SignalWithdrawn(update, why):
                return [*self._signalling.entry_withdrawn(order, update, why)]
            case SignalRefused(reason, error):
                return [*self._signalling.entry_refused(order, reason, error)]
            case Cover(filled, there_ms, since_ms):
                return self._protections.covered(order.id, filled, there_ms, since_ms)
            case EndProtection(filled):
                return self._protections.order_ended(order.id, filled=filled)
        return [effect]


def _log(order: EntryOrder, effect: Effect) -> None:
    """Say what became of the order."""
    match effect:
        case EntryMoved(to=EntryState.UNKNOWN, reason=why):
            log.warning("order_unknown", id=order.id, why=why)
        case EntryObserved(
            update_time_ms=0, exchange_order_id=there
        ):  # by the submit's answer alone
            log.info(
                "order_open", id=order.id, price=plain_or_none(order.price), exchange_order_id=there
            )
        case TellEnd(EntryState.REJECTED, reason, error):
            log.warning("order_rejected", id=order.id, reason=reason, error=error)
        case TellEnd(EntryState.EXPIRED):
            log.info("order_expired", id=order.id)
        case SignalProgress(record):
            if record.to is not order.state or record.filled > order.filled:
                filled = f"{record.filled}/{order.size}"
                log.info(f"order_{record.to.value}", id=order.id, filled=filled)
