"""Order signals: what the application keeps its own book of orders by, in the form of its contract.

Pure: from what is known to the bodies that go out. An order is signalled when it is submitted, when some of it fills
and when it ends, the submit always first: a receiver keeps one record for a client order id and a kind, and makes it of
the first signal. All values are text, as the exchange writes them; a key without a value is left out.

The kind of an order that opens is ENTRY. That of one that closes is what it ends for: STOP_LOSS or TAKE_PROFIT. A close
for another reason (by hand, by liquidation, by another program) is STOP_LOSS, or TAKE_PROFIT where it closes a
protection that has a target and no stop; `context.cause` has the reason itself. Source: the application's contract
(order signals), and the mapping of states in mission 6.

`retry_count` is 0 here: each delivery sets its own. `trace_id` is added where a signal gets its own id.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum

from ..model.decimals import decimal_or_none, plain
from ..model.events import OrderUpdate
from ..model.futures_orders import FuturesOrder
from ..model.lifecycle import EntryState
from ..model.orders import EntryOrder
from ..model.positions import CloseReason, FiredOrder, Protection
from ..model.sides import OrderSide, PositionSide
from ..store.records import CloseObserved, EntryObserved
from .signal_forms import NOTHING_SAID, PAYLOAD_VERSION, SOURCE, Said, moment, without_nothing

__all__ = [
    "Signal",
    "Status",
    "close_signals",
    "entry_signals",
    "fired_signals",
    "foreign_signals",
    "foreign_status",
    "refused_signals",
    "withdrawn_signals",
]

Signal = dict[str, object]

KINDS = {
    CloseReason.STOP_LOSS: "STOP_LOSS",
    CloseReason.TAKE_PROFIT: "TAKE_PROFIT",
    CloseReason.EXCHANGE_STOP_LOSS: "STOP_LOSS",
    CloseReason.EXCHANGE_TAKE_PROFIT: "TAKE_PROFIT",
}
KINDS_BY_TYPE = {"stop_loss": "STOP_LOSS", "take_profit": "TAKE_PROFIT"}
"""The types of orders that the exchange made of a stop or target; it tells no kind of other plans."""
CAUSES_BY_ACTION = {
    **dict.fromkeys((4, 6, 7), CloseReason.LIQUIDATION.value),
    **dict.fromkeys((5, 8, 9), CloseReason.ADL.value),
}
CAUSES_BY_TYPE = {
    "stop_loss": CloseReason.EXCHANGE_STOP_LOSS.value,
    "take_profit": CloseReason.EXCHANGE_TAKE_PROFIT.value,
    "liquidate": CloseReason.LIQUIDATION.value,
    "bankruptcy": CloseReason.LIQUIDATION.value,
    "adl": CloseReason.ADL.value,
    "plan_order": "closed_by_plan",
    "planorder": "closed_by_plan",
}


class Status(Enum):
    """How an order stands, in the application's words. What filled in part and was then cancelled is FILLED, with
    `context.partial`."""

    SUBMITTED = "SUBMITTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"

    @property
    def final(self) -> bool:
        """Whether the order has ended."""
        return self in (Status.FILLED, Status.CANCELLED, Status.REJECTED)


def status_of(*, ended: bool, filled: int) -> Status:
    """The status of an order that the exchange has, or had."""
    if ended:
        return Status.FILLED if filled else Status.CANCELLED
    return Status.PARTIALLY_FILLED if filled else Status.SUBMITTED


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
    return _signal(
        kind="ENTRY",
        status=status,
        order_id=order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=request.side.opening,
        type=request.type.value,
        price="0" if order.price is None else plain(order.price),
        size=order.size,
        leverage=None if request.leverage is None else plain(request.leverage),
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
    return _signal(
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


def foreign_status(order: FuturesOrder) -> Status:
    """The status of an order of the account that is not the engine's."""
    return status_of(ended=order.status.final, filled=order.filled_size or 0)


def foreign_signals(
    order: FuturesOrder, submitted_ms: int, *, submit_told: bool, parent: str = ""
) -> list[Signal]:
    """What is known of an order of the account that is not the engine's: its submit too unless `submit_told`.

    Empty while something is missing that a signal has to have: then a later event may say it. What a foreign close was
    opened by is not known unless `parent` says so. Then the plan order names it that the exchange made the close of
    (`PLAN_` and its id is its client order id), or for want of that its own id: a key that no entry order has.
    """
    if not order.client_order_id or order.side not in (1, 2, 3, 4) or not order.type:
        return []
    if not order.size:
        return []
    side, said = OrderSide(order.side), Said.of(order.raw_data.encode())
    filled, status = order.filled_size or 0, foreign_status(order)
    limit = decimal_or_none(order.price) if order.type != "market" else None
    kind, cause = _of_foreign(order, side, said)

    def signal(status: Status, filled: int, said: Said) -> Signal:
        return _signal(
            kind=kind,
            status=status,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            parent=(parent or said.plan_order_id or order.order_id) if side.closes else "",
            symbol=order.symbol,
            side=side,
            type=order.type or "",
            price="0" if limit is None else plain(limit),
            size=order.size or 0,
            leverage=None if order.leverage is None else str(order.leverage),
            submitted_ms=submitted_ms,
            said=said,
            filled=filled,
            average=decimal_or_none(order.deal_avg_price),
            metadata={},
            ours={
                "foreign": True,
                "cause": cause,
                "partial": order.partial if status is Status.FILLED else None,
            },
        )

    if status is Status.SUBMITTED:
        return [] if submit_told else [signal(status, 0, said)]
    first = [] if submit_told else [signal(Status.SUBMITTED, 0, NOTHING_SAID)]
    return [*first, signal(status, filled, said)]


def _of_foreign(order: FuturesOrder, side: OrderSide, said: Said) -> tuple[str, str | None]:
    """The kind of an order that is not the engine's, and its cause if it closes."""
    if not side.closes:
        return "ENTRY", None
    type = order.type or ""
    cause = CAUSES_BY_ACTION.get(said.action or 0) or CAUSES_BY_TYPE.get(type)
    if cause is None:
        cause = "closed_by_plan" if said.plan_order_id else CloseReason.CLOSED_ELSEWHERE.value
    return KINDS_BY_TYPE.get(type, "STOP_LOSS"), cause


def _signal(
    *,
    kind: str,
    status: Status,
    order_id: str,
    client_order_id: str,
    symbol: str,
    side: OrderSide,
    type: str,
    price: str,
    size: int,
    leverage: str | None,
    submitted_ms: int,
    said: Said,
    filled: int,
    average: Decimal | None,
    metadata: Mapping[str, object],
    ours: Signal,
    parent: str = "",
) -> Signal:
    """One body: the contract's keys, with what is the engine's own in `context`."""
    position_side = side.position_side
    context: Signal = {
        "source": SOURCE,
        "action": said.action_name,
        "state": said.state_name,
        "deal_size": str(filled),
        "deal_avg_price": plain(average) if average is not None and filled else "0",
        "trigger_price": said.trigger_price,
        "executive_price": said.executive_price,
        **ours,
        "metadata": dict(metadata) or None,
    }
    return without_nothing(
        {
            "kind": kind,
            "status": status.value,
            "order_id": order_id,
            "client_order_id": client_order_id,
            "parent_client_order_id": parent,
            "symbol": symbol,
            "side": str(int(side)),
            "type": type,
            "price": price,
            "size": str(size),
            "leverage": leverage,
            "submitted_at": moment(submitted_ms),
            "context": without_nothing(context),
            "plan": metadata.get("plan"),
            "position": {
                "symbol": symbol,
                "side": "LONG" if position_side is PositionSide.LONG else "SHORT",
            },
            "exchange_response": said.response,
            "retry_count": 0,
            "payload_version": PAYLOAD_VERSION,
        }
    )
