"""What the application is told, and promised, of an entry order: the records of it, without deciding anything."""

from __future__ import annotations

from decimal import Decimal

from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...model.positions import Protection
from ...store.records import EntryAnnounced, ProtectionOpened, Record
from ..desk import Desk
from .callbacks import entry_price, quantity_as_sent

__all__ = ["announcement", "promised_protection", "told_of_end"]


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
    desk: Desk,
    order: EntryOrder,
    exchange_order_id: str,
    *,
    submit_only: bool,
    average_price: Decimal | None = None,
) -> list[Record]:
    """The records of telling `placed`. `average_price` is that of what has filled already, if anything has."""
    tick = desk.prices.last(order.symbol)
    last = None if tick is None else tick.last
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
        *desk.tell_of_order(order, "placed", **facts),
    ]


def told_of_end(
    desk: Desk, order: EntryOrder, to: EntryState, reason: str, error: str
) -> list[Record]:
    """The records of telling how an order ended of which the exchange holds nothing."""
    endings: dict[EntryState, tuple[str, dict[str, object]]] = {
        EntryState.CANCELLED: ("cancelled", {"filled_size": 0}),
        EntryState.EXPIRED: ("timeout", {"reason": reason}),
        EntryState.REJECTED: ("failed", {"reason": reason, "error": error}),
    }
    event, facts = endings[to]
    return list(desk.tell_of_order(order, event, **facts))
