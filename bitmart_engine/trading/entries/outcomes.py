"""What is recorded and told when it is decided what became of an entry order. Pure: functions that return effects.

An effect is a record, or something that becomes records: a callback, a signal, a change of the order's protection. The
effects of one decision are one unit in the journal, in the order given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from ...model.events import OrderUpdate
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...store.records import EntryMoved, EntryObserved, Record
from .steps import Announced, Crossed, GivenBack, IdTaken, Outcome, Rejected, Settled

__all__ = [
    "Announce", "Count", "Cover", "Effect", "Effects", "EndProtection", "SignalProgress", "SignalRefused",
    "SignalWithdrawn", "Tell", "TellEnd", "back_to_waiting", "called_unknown", "cancelled",
    "concluded", "crossed", "expired", "opened",
]  # fmt: skip

CROSSING_TRIES = 3
"""How often a maker-only order may be refused for crossing before it is rejected."""
IDS_TRIED = 5
"""How many client order ids may turn out to be other orders' before the order is rejected."""


@frozen
class Announce:
    """Tell `placed`. `average_price` is that of what has filled already, if anything has."""

    exchange_order_id: str
    submit_only: bool
    average_price: Decimal | None = None


@frozen
class Tell:
    """Tell an event of an order that the exchange has or had."""

    event: str
    facts: Mapping[str, object]


@frozen
class TellEnd:
    """Tell how an order ended of which the exchange holds nothing."""

    to: EntryState
    reason: str
    error: str = ""


@frozen
class SignalProgress:
    """Signal what `record`, made of `update`, says of the order."""

    record: EntryObserved
    update: OrderUpdate


@frozen
class SignalWithdrawn:
    """Signal that the exchange took the latest attempt away, unfilled."""

    update: OrderUpdate
    why: str


@frozen
class SignalRefused:
    """Signal that the exchange did not take the latest attempt, and that none follows."""

    reason: str
    error: str


@frozen
class Cover:
    """Protect `filled` contracts in all; `there_ms` is the exchange's time of what told so, 0 if that is not known.

    `since_ms` is since when, by the exchange's clock, some of them may have filled unheard; 0 if none has.
    """

    filled: int
    there_ms: int
    since_ms: int = 0


@frozen
class EndProtection:
    """The order has ended with `filled` contracts: without any, its protection waits for nothing."""

    filled: int


@frozen
class Count:
    """Count, for the operator, what happened to the order, and why."""

    what: str
    why: str


Effect = (
    Record | Count | Announce | Tell | TellEnd | SignalProgress | SignalWithdrawn | SignalRefused | Cover
    | EndProtection
)  # fmt: skip
Effects = tuple[Effect, ...]


def concluded(order: EntryOrder, outcome: Outcome, now_ms: int) -> Effects:
    """What follows from how the journey of an order to the exchange ended."""
    match outcome:
        case Announced(submit_only) if not order.announced and order.exchange_order_id:
            return (Announce(order.exchange_order_id, submit_only),)
        case Crossed(why):
            return crossed(order, why, now_ms)
        case IdTaken(by):
            return _id_taken(order, by, now_ms)
        case Rejected(reason, error):
            return _rejected(order, reason, error, now_ms)
        case GivenBack(why):
            return back_to_waiting(order, why, now_ms)
        case Settled(refusal) if refusal:
            return (Count("refused_order_seen", refusal),)
    return ()


def opened(order: EntryOrder, exchange_order_id: str, now_ms: int) -> Effects:
    """The exchange took the order. A push may have said so, and more, before."""
    if order.state in (EntryState.SUBMITTING, EntryState.UNKNOWN):
        return (EntryObserved(order.id, now_ms, EntryState.OPEN, exchange_order_id, order.filled),)
    return ()


def called_unknown(order: EntryOrder, why: str, now_ms: int) -> Effects:
    """Nobody knows whether the exchange took the order."""
    if order.state is EntryState.SUBMITTING:
        return (EntryMoved(order.id, now_ms, EntryState.UNKNOWN, why),)
    return ()


def crossed(order: EntryOrder, why: str, now_ms: int, update: OrderUpdate | None = None) -> Effects:
    """A maker-only order would have matched at once: try again while the zone is worth it, but not for ever.

    `update` is what took it away, where the exchange had taken it first.
    """
    crossing = f"would have crossed: {why}"
    told: Effects = () if update is None else (SignalWithdrawn(update, crossing),)
    if order.spent - order.taken + 1 < CROSSING_TRIES:
        return (*told, *back_to_waiting(order, crossing, now_ms, spent=True))
    error = f"refused {CROSSING_TRIES} times: {why}"
    refused = update is None  # else the end of the latest attempt is told already
    return (*told, *_rejected(order, "post_only_rejected", error, now_ms, refused=refused))


def _id_taken(order: EntryOrder, by: OrderUpdate | None, now_ms: int) -> Effects:
    """The client order id is another order's, which was not refused: the next one, but not for ever."""
    what = "an order of the past" if by is None else f"{by.symbol} order {by.order_id}"
    why = f"client order id {order.client_order_id} is that of {what}"
    told = Count("client_order_id_taken", why)
    if order.taken + 1 < IDS_TRIED:
        return (told, *back_to_waiting(order, why, now_ms, spent=True, taken=True))
    error = f"{IDS_TRIED} ids are taken: {why}"
    return (told, *_rejected(order, "id_taken", error, now_ms, refused=False))


def _rejected(
    order: EntryOrder, reason: str, error: str, now_ms: int, *, refused: bool = True
) -> Effects:
    """The order is not wanted, and asking again would not help. `refused`: if it was sent, then that is why."""
    if order.state.final:
        return ()
    ended = _ended(order, EntryState.REJECTED, reason, now_ms, error=error, spent=True)
    if refused and order.state.at_exchange:
        return (*ended, SignalRefused(reason, error))
    return ended


def back_to_waiting(
    order: EntryOrder, why: str, now_ms: int, *, spent: bool = False, taken: bool = False
) -> Effects:
    """The exchange has no order of ours: watch the zone again, or end what has nothing left to wait for."""
    if order.cancel_asked:
        return cancelled(order, now_ms, spent=spent)
    if now_ms >= order.deadline_ms:
        return expired(order, now_ms, spent=spent)
    return (EntryMoved(order.id, now_ms, EntryState.WAITING, why, spent, taken),)


def cancelled(order: EntryOrder, now_ms: int, *, spent: bool = False) -> Effects:
    """The user wants the order no longer."""
    return _ended(order, EntryState.CANCELLED, "cancelled by the user", now_ms, spent=spent)


def expired(order: EntryOrder, now_ms: int, *, spent: bool = False) -> Effects:
    """The order has waited long enough."""
    why = "the price was not in the zone in time"
    return _ended(order, EntryState.EXPIRED, why, now_ms, spent=spent)


def _ended(
    order: EntryOrder,
    to: EntryState,
    reason: str,
    now_ms: int,
    *,
    error: str = "",
    spent: bool = False,
) -> Effects:
    """An end that the engine itself decides on; the exchange holds nothing."""
    return (
        EntryMoved(order.id, now_ms, to, error or reason, spent),
        EndProtection(order.filled),
        TellEnd(to, reason, error),
    )
