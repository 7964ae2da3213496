"""What an update from the exchange means for an entry order. A pure decision.

Updates come twice, late, and in any order: over the stream, over REST, before and after the answer to the submit. The
filled size is cumulative and never shrinks, and an end is never undone, so applying the same updates in any order, any
number of times, gives the same order.

Somebody may amend the order at the exchange to be larger than what was asked for. All that fills under it counts, for
all of it has to be protected; it is filled once what the exchange has of it is, and cancelled if it ends before that.
"""

from __future__ import annotations

from ...model.events import OrderUpdate
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...store.records import EntryObserved

__all__ = ["observed", "refused_for_crossing", "whole"]

CROSSING_CANCEL_WITHIN_MS = 1_500
"""How soon after it was made a maker-only order that would cross is taken away again; nobody's hand is that quick."""


def whole(order: EntryOrder, update: OrderUpdate) -> int:
    """How many contracts the order is filled with: what was asked for, or more if the exchange has more of it."""
    return max(order.size, update.size or 0)


def observed(order: EntryOrder, update: OrderUpdate, now_ms: int) -> EntryObserved | None:
    """The record that `update` makes of `order`; None if it says nothing new."""
    filled = max(order.filled, update.deal_size)
    if update.deal_size >= whole(order, update) or order.state is EntryState.FILLED:
        to = EntryState.FILLED
    elif order.state.final:
        to = EntryState.CANCELLED if filled > order.filled else order.state
    elif update.final:
        to = EntryState.CANCELLED
    else:
        to = EntryState.PARTIALLY_FILLED if filled else EntryState.OPEN
    update_time_ms = max(order.update_time_ms, update.update_time_ms or 1)
    late = bool(order.state.final and filled > order.filled)
    news = (
        to is not order.state
        or filled > order.filled
        or not order.exchange_order_id
        or not order.update_time_ms
    )
    if not news:
        return None
    return EntryObserved(
        id=order.id,
        at_ms=now_ms,
        to=to,
        exchange_order_id=update.order_id,
        filled=filled,
        average_price=update.deal_avg_price if update.deal_size >= filled and filled else None,
        update_time_ms=update_time_ms,
        reason="late fill" if late else "",
    )


def refused_for_crossing(order: EntryOrder, update: OrderUpdate) -> bool:
    """Whether `update` is the exchange taking a maker-only order away because it would have matched at once.

    How BitMart says so is not established (fact sheet 5.4): as a refusal, or as a cancel that follows at once.
    """
    if not (
        order.request.maker_only and update.final and not update.deal_size and not order.filled
    ):
        return False
    if order.cancel_asked or order.state.final or order.submitted_ms is None:
        return False
    if update.create_time_ms is not None and update.update_time_ms is not None:
        return update.update_time_ms - update.create_time_ms <= CROSSING_CANCEL_WITHIN_MS
    return False
