"""What an update from the exchange means for an entry order. A pure decision.

Updates come twice, late, and in any order: over the stream, over REST, before and after the answer to the submit. The
filled size is cumulative and never shrinks, and an end is never undone, so applying the same updates in any order, any
number of times, gives the same order.

Somebody may amend the order at the exchange to be larger than what was asked for. All that fills under it counts, for
all of it has to be protected; it is filled once what the exchange has of it is, and cancelled if it ends before that.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from ...model.events import OrderUpdate
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...store.records import EntryIntended, EntryObserved, Record
from ..identity import is_ours
from .outcomes import (
    Announce,
    Cover,
    Effect,
    Effects,
    EndProtection,
    SignalProgress,
    Tell,
    crossed,
)

__all__ = [
    "Meaning", "Unaccounted", "adopted", "believed", "contradicted", "meaning_of", "observed",
    "refused_for_crossing", "whole",
]  # fmt: skip

CROSSING_CANCEL_WITHIN_MS = 1_500
"""How soon after it was made a maker-only order that would cross is taken away again; nobody's hand is that quick."""


class Meaning(Enum):
    """What an update is for the order whose client order id it bears."""

    FOREIGN = "of an order that is not ours"
    PAST = "of an earlier attempt, and nothing has come of it"
    PAST_FILL = "a fill of an earlier attempt, while another one counts"
    FOUND = "a fill of an earlier attempt, while the order waits: that is its fill"
    CLAIM = "an end with contracts unfilled, which is to be confirmed"
    CERTAIN = "to be believed"


@frozen
class Unaccounted:
    """Contracts held on the order's side that no order of ours is known to have brought."""

    before: int = 0
    """At the submit."""
    now: int = 0


def meaning_of(
    order: EntryOrder,
    update: OrderUpdate,
    held: Unaccounted,
    *,
    pushed: bool,
    clock_ahead_ms: int | None,
) -> Meaning:
    """What `update` means for `order`.

    An end with contracts unfilled is a claim if it was `pushed`, or if something contradicts it: it is read until that
    is settled. What it says of fills counts at once.
    """
    if not is_ours(order, update, clock_ahead_ms):
        return Meaning.FOREIGN
    if update.client_order_id != order.client_order_id:
        if not update.deal_size:
            return Meaning.PAST
        waits = order.state is EntryState.WAITING and update.deal_size > order.filled
        return Meaning.FOUND if waits else Meaning.PAST_FILL
    short = update.final and update.deal_size < whole(order, update) and not order.state.final
    if short and (pushed or contradicted(update, held)):
        return Meaning.CLAIM
    return Meaning.CERTAIN


def contradicted(update: OrderUpdate, held: Unaccounted) -> bool:
    """Whether something speaks against an end with contracts unfilled, as `update` tells it."""
    untold_fill = not update.deal_size and (update.deal_avg_price or update.last_fill)
    return not update.deal_size_known or held.now > held.before or bool(untold_fill)


def adopted(order: EntryOrder, update: OrderUpdate, now_ms: int) -> tuple[Record, ...]:
    """The records of the exchange having an attempt of the order that was not known: from here on it is the latest."""
    size, there_ms = update.size or order.size, update.create_time_ms or 0
    return (
        EntryIntended(order.id, now_ms, update.client_order_id, update.price, size, there_ms),
        EntryObserved(order.id, now_ms, EntryState.OPEN, update.order_id, order.filled),
    )


def believed(order: EntryOrder, update: OrderUpdate, now_ms: int) -> Effects:
    """What follows from what is certain of the latest attempt of the order; nothing, if it is no news."""
    if refused_for_crossing(order, update):
        return crossed(order, "cancelled by the exchange at once", now_ms, update)
    record = observed(order, update, now_ms)
    return () if record is None else _progressed(order, record, update)


def _progressed(order: EntryOrder, record: EntryObserved, update: OrderUpdate) -> Effects:
    """A record of progress, with all that follows from it."""
    effects: list[Effect] = [record]
    average = record.average_price or order.average_price
    grown = record.filled > order.filled
    if not order.announced:
        effects.append(Announce(record.exchange_order_id, False, average))
    fill: dict[str, object] = {
        "exchange_order_id": record.exchange_order_id,
        "filled_size": record.filled,
        "average_price": average,
    }
    if record.reason == "late fill":
        fill["late_fill"] = True
    if grown:
        told_ms = record.update_time_ms if record.update_time_ms > 1 else 0
        since_ms = 0 if _heard_whole(order, update) else order.intended_there_ms
        effects.append(Cover(record.filled, told_ms, since_ms))
        full = record.to is EntryState.FILLED
        effects.append(Tell("filled" if full else "partially_filled", fill))
    if record.to is EntryState.CANCELLED and not order.state.final:
        effects.append(Tell("cancelled", fill))
    effects.append(SignalProgress(record, update))
    if record.to.final:
        effects.append(EndProtection(record.filled))
    return tuple(effects)


def _heard_whole(order: EntryOrder, update: OrderUpdate) -> bool:
    """Whether all that `update` tells of more than was known is the one fill that it came of."""
    return update.last_fill is not None and update.last_fill.size == update.deal_size - order.filled


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
