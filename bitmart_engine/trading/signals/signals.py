"""Order signals: what the application keeps its own book of orders by, in the form of its contract.

Pure: from what is known to the bodies that go out. An order is signalled when it is submitted, when some of it fills
and when it ends, the submit always first: a receiver keeps one record for a client order id and a kind, and makes it of
the first signal. All values are text, as the exchange writes them; a key without a value is left out.

The kind of an order that opens is ENTRY. That of one that closes is what it ends for: STOP_LOSS or TAKE_PROFIT. A close
for another reason (by hand, say) is STOP_LOSS, or TAKE_PROFIT where it closes a protection that has a target and no
stop; `context.cause` has the reason itself. Orders that are not the engine's are in `account_signals`. Source: the
application's contract (order signals), and the mapping of states in mission 6.

`retry_count` is 0 here: each delivery sets its own. `trace_id` is added where a signal gets its own id.
"""

from __future__ import annotations

from decimal import Decimal

from ...model.decimals import plain
from ...model.events import OrderUpdate
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...model.positions import CloseReason, FiredOrder, Protection
from ...store.records import CloseObserved, EntryObserved
from .signal_forms import Said, Signal, Status, signal_of, status_of

__all__ = [
    "close_signals",
    "entry_signals",
    "fired_signals",
    "refused_signals",
    "withdrawn_signals",
]

KINDS = {
    CloseReason.STOP_LOSS: "STOP_LOSS",
    CloseReason.TAKE_PROFIT: "TAKE_PROFIT",
    CloseReason.EXCHANGE_STOP_LOSS: "STOP_LOSS",
    CloseReason.EXCHANGE_TAKE_PROFIT: "TAKE_PROFIT",
}


def entry_signals(
    order: EntryOrder, record: EntryObserved, update: OrderUpdate | None = None
) -> list[Signal]:
    """What `record`, made of `update`, says of an entry order that was `order` before it.

    The submit is told with the first word of the exchange on the latest attempt.
    """
    late = order.state.final and record.filled > order.filled
    if order.state.final and not late:
        return []
    status = status_of(ended=record.to.final, filled=record.filled)
    average = record.average_price or order.average_price
    partial = record.to is EntryState.CANCELLED and record.filled > 0
    order_id = record.exchange_order_id or order.exchange_order_id
    news = _entry(
        order,
        status,
        order_id,
        update,
        filled=record.filled,
        average=average,
        partial=partial,
        **({"late_fill": True} if late else {}),
    )
    if status is Status.SUBMITTED:
        return [news]
    return [*_submitted_first(order, order_id), news]


def withdrawn_signals(order: EntryOrder, update: OrderUpdate, why: str) -> list[Signal]:
    """An attempt of `order` that the exchange took and then took away unfilled, so that another may follow."""
    news = _entry(order, Status.CANCELLED, update.order_id, update, filled=0, reason=why)
    return [*_submitted_first(order, update.order_id), news]


def refused_signals(order: EntryOrder, reason: str, error: str) -> list[Signal]:
    """The exchange did not take the latest attempt of `order`, and none follows."""
    return [_entry(order, Status.REJECTED, "", None, filled=0, reason=reason, error=error)]


def _submitted_first(order: EntryOrder, order_id: str) -> list[Signal]:
    """The submit, where the exchange has not spoken of the latest attempt before."""
    if order.update_time_ms:
        return []
    return [_entry(order, Status.SUBMITTED, order_id, None, filled=0)]


def _entry(
    order: EntryOrder,
    status: Status,
    order_id: str,
    update: OrderUpdate | None,
    *,
    filled: int,
    average: Decimal | None = None,
    **ours: object,
) -> Signal:
    request = order.request
    leverage = None if request.leverage is None else plain(request.leverage)
    if leverage is None and update is not None and update.leverage != "0":
        leverage = update.leverage
    return signal_of(
        kind="ENTRY",
        status=status,
        order_id=order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=request.side.opening,
        type=request.type.value,
        price="0" if order.price is None else plain(order.price),
        size=order.size,
        leverage=leverage,
        submitted_ms=order.submitted_ms or order.accepted_ms,
        said=Said.of(update.raw if update is not None else b""),
        filled=filled,
        average=average,
        metadata=request.metadata,
        ours={"id": order.id, "attempt": order.spent + 1, **ours},
    )


def close_signals(
    protection: Protection,
    record: CloseObserved,
    parent: str,
    leverage: str | None = None,
    update: OrderUpdate | None = None,
) -> list[Signal]:
    """What `record`, made of `update`, says of the closing order of a protection that stood so before it.

    `parent` is the client order id of what opened the position. The submit is told with the first word of the exchange
    on this attempt, its answer included.
    """
    close = protection.close
    assert close is not None, "what is observed was sent"
    order_id = record.exchange_order_id or close.exchange_order_id
    if not order_id:
        return []  # the exchange did not take it: there is no such order

    def signal(status: Status, filled: int, said: OrderUpdate | None) -> Signal:
        return _closing(
            protection,
            protection.closing_for,
            status,
            parent,
            said,
            order_id=order_id,
            client_order_id=record.client_order_id,
            size=close.size,
            leverage=leverage,
            submitted_ms=close.intended_ms,
            filled=filled,
            average=record.average_price or close.average_price,
            attempt=close.attempt,
        )

    made = []
    filled = max(close.filled, record.filled)
    status = status_of(ended=record.final, filled=filled)
    if not record.final and record.filled <= close.filled:
        status = Status.SUBMITTED  # at most: what filled was told
    if not close.exchange_order_id:
        made.append(signal(Status.SUBMITTED, 0, update if status is Status.SUBMITTED else None))
    if status is not Status.SUBMITTED:
        made.append(signal(status, filled, update))
    return made


def fired_signals(
    protection: Protection,
    order: FiredOrder,
    update: OrderUpdate,
    parent: str,
    leverage: str | None = None,
    now_ms: int = 0,
) -> list[Signal]:
    """What `update` says of `order`, which the exchange made of the stop or the target that it keeps.

    `parent` is the client order id of what opened the position. Nothing for an order without a client order id.
    """
    if not update.client_order_id:
        return []
    known = any(each.order_id == order.order_id for each in protection.fired)
    status = status_of(ended=order.final, filled=order.filled)

    def signal(status: Status, filled: int, said: OrderUpdate | None) -> Signal:
        return _closing(
            protection,
            order.reason,
            status,
            parent,
            said,
            order_id=order.order_id,
            client_order_id=update.client_order_id,
            size=update.size or order.filled or protection.remaining,
            leverage=leverage or update.leverage,
            submitted_ms=update.create_time_ms or update.update_time_ms or now_ms,
            filled=filled,
            average=order.average_price,
        )

    made = []
    if not known:
        made.append(signal(Status.SUBMITTED, 0, update if status is Status.SUBMITTED else None))
    if status is not Status.SUBMITTED:
        made.append(signal(status, order.filled, update))
    return made


def _closing(
    protection: Protection,
    reason: CloseReason | None,
    status: Status,
    parent: str,
    update: OrderUpdate | None,
    *,
    order_id: str,
    client_order_id: str,
    size: int,
    leverage: str | None,
    submitted_ms: int,
    filled: int,
    average: Decimal | None,
    **ours: object,
) -> Signal:
    """What the signals of all closes of a protection have in common."""
    cause = reason or CloseReason.MANUAL
    only_target = protection.stop_loss is None and protection.take_profit is not None
    otherwise = "TAKE_PROFIT" if only_target else "STOP_LOSS"
    return signal_of(
        kind=KINDS.get(cause, otherwise),
        status=status,
        order_id=order_id,
        client_order_id=client_order_id,
        parent=parent,
        symbol=protection.symbol,
        side=protection.side.closing,
        type="market",
        price="0",
        size=size,
        leverage=leverage,
        submitted_ms=submitted_ms,
        said=Said.of(update.raw if update is not None else b""),
        filled=filled,
        average=average,
        metadata=protection.metadata,
        ours={
            "id": protection.id,
            "cause": cause.value,
            "partial": status.final and 0 < filled < size,
            **ours,
        },
    )
