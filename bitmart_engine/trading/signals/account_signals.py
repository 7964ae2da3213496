"""The signals of orders of the account that are not the engine's: which kind, why, and opened by what.

Pure. An order that opens is ENTRY. One that closes is of the kind of the stop or target that the exchange made it of.
Every other close is STOP_LOSS, for the application knows no other word for a close that reached no target;
`context.cause` says what it was: `liquidation`, `adl`, `closed_by_plan` (of a plan of which the exchange does not tell
whether it was a stop), or `closed_elsewhere`. Source: the application's contract (order signals).
"""

from __future__ import annotations

from ...model.decimals import decimal_or_none, plain
from ...model.futures_orders import FuturesOrder
from ...model.positions import CloseReason
from ...model.sides import OrderSide
from .signal_forms import NOTHING_SAID, Said, Signal, Status, signal_of, status_of

__all__ = ["foreign_signals", "foreign_status"]

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


def foreign_status(order: FuturesOrder) -> Status:
    """The status of an order of the account that is not the engine's."""
    return status_of(ended=order.status.final, filled=order.filled_size or 0)


def foreign_signals(order: FuturesOrder, submitted_ms: int, *, submit_told: bool) -> list[Signal]:
    """What is known of an order of the account that is not the engine's: its submit too unless `submit_told`.

    Empty while something is missing that a signal has to have: then a later event may say it. Which order opened what a
    foreign close closes is not known: its parent is the plan order that the exchange made it of, or for want of one the
    order itself, by its id at the exchange. Neither is the client order id of an entry, so none is taken for it.
    """
    if not order.client_order_id or order.side not in (1, 2, 3, 4) or not order.type:
        return []
    if not order.size:
        return []
    side, said = OrderSide(order.side), Said.of(order.raw_data.encode())
    filled, status = order.filled_size or 0, foreign_status(order)
    limit = decimal_or_none(order.price) if order.type != "market" else None
    kind, cause = _of_foreign(order, side, said)
    parent = (said.plan_order_id or order.order_id) if side.closes else ""

    def signal(status: Status, filled: int, said: Said) -> Signal:
        return signal_of(
            kind=kind,
            status=status,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            parent=parent,
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
