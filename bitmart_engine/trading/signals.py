"""Order signals: what the application keeps its own book of orders by, one for every piece of news of an order.

Pure: from what is known to the body that goes out. Off unless the application's address and the shared secret are set.
Source of the fields: mission 7.2, and the mapping of states in mission 6.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

from ..model.decimals import plain
from ..model.events import OrderUpdate
from ..model.lifecycle import EntryState
from ..model.orders import EntryOrder
from ..model.positions import CloseReason, FiredOrder, Protection
from ..store.records import CloseObserved, EntryObserved

__all__ = ["Signal", "close_signal", "entry_signal", "fired_signal"]

Signal = dict[str, object]

SOURCE = "bitmart-engine"
KINDS = {
    CloseReason.STOP_LOSS: "STOP_LOSS",
    CloseReason.TAKE_PROFIT: "TAKE_PROFIT",
    CloseReason.EXCHANGE_STOP_LOSS: "STOP_LOSS",
    CloseReason.EXCHANGE_TAKE_PROFIT: "TAKE_PROFIT",
}
"""A close that the user asked for is neither: it goes out as `CLOSE`."""


def entry_signal(order: EntryOrder, record: EntryObserved) -> Signal:
    """What `record` says of an entry order that was `order` before it."""
    request = order.request
    average = record.average_price or order.average_price
    late = order.state.final and record.filled > order.filled
    return {
        "kind": "ENTRY",
        "status": _status(ended=record.to.final, filled=record.filled),
        "order_id": record.exchange_order_id or order.exchange_order_id,
        "client_order_id": order.client_order_id,
        "parent_client_order_id": None,
        "symbol": order.symbol,
        "side": int(request.side.opening),
        "type": request.type.value,
        "price": None if order.price is None else plain(order.price),
        "size": str(order.size),
        "deal_size": str(record.filled),
        "deal_avg_price": plain(average) if average is not None and record.filled else "0",
        "leverage": None if request.leverage is None else plain(request.leverage),
        "context": {"plan": request.metadata, "position": order.id, "source": SOURCE},
        "submitted_at": _moment(order.submitted_ms),
        "retry_count": order.spent,
        "trace_id": _trace(order.id),
        "partial": record.to is EntryState.CANCELLED and record.filled > 0,
        **({"late_fill": True} if late else {}),
    }


def close_signal(protection: Protection, record: CloseObserved, entry: EntryOrder | None) -> Signal:
    """What `record` says of a closing order; `entry` is the order that opened what it closes, if that is ours."""
    close = protection.close
    assert close is not None, "what is observed was sent"
    return {
        **_closing(protection, protection.closing_for, entry),
        **_progress(
            record.final, record.filled, close.size, record.average_price or close.average_price
        ),
        "order_id": record.exchange_order_id or close.exchange_order_id,
        "client_order_id": record.client_order_id,
        "size": str(close.size),
        "submitted_at": _moment(close.intended_ms),
        "retry_count": close.attempt - 1,
    }


def fired_signal(
    protection: Protection, order: FiredOrder, update: OrderUpdate, entry: EntryOrder | None
) -> Signal:
    """What `update` says of `order`, which the exchange made of the stop or the target that it keeps."""
    size = update.size or order.filled
    return {
        **_closing(protection, order.reason, entry),
        **_progress(order.final, order.filled, size, order.average_price),
        "order_id": order.order_id,
        "client_order_id": update.client_order_id,
        "size": str(size),
        "submitted_at": _moment(update.create_time_ms),
        "retry_count": 0,
    }


def _closing(
    protection: Protection, reason: CloseReason | None, entry: EntryOrder | None
) -> Signal:
    """What the signals of all closes of a protection have in common."""
    leverage = None if entry is None else entry.request.leverage
    return {
        "kind": KINDS.get(reason, "CLOSE") if reason is not None else "CLOSE",
        "parent_client_order_id": None if entry is None else entry.client_order_id,
        "symbol": protection.symbol,
        "side": int(protection.side.closing),
        "type": "market",
        "price": None,
        "leverage": None if leverage is None else plain(leverage),
        "context": {"plan": protection.metadata, "position": protection.id, "source": SOURCE},
        "trace_id": _trace(protection.entry_id or protection.id),
    }


def _progress(ended: bool, filled: int, size: int, average: Decimal | None) -> Signal:
    return {
        "status": _status(ended=ended, filled=filled),
        "deal_size": str(filled),
        "deal_avg_price": plain(average) if average is not None and filled else "0",
        "partial": ended and 0 < filled < size,
    }


def _status(*, ended: bool, filled: int) -> str:
    if not ended:
        return "pending"
    return "filled" if filled else "cancelled"


def _moment(at_ms: int | None) -> str | None:
    """ISO 8601 in UTC, with milliseconds."""
    if at_ms is None:
        return None
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).replace(microsecond=at_ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(id: str) -> str:
    """The same for an entry order and everything that follows from it."""
    return sha256(id.encode()).hexdigest()[:32]
