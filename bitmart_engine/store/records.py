"""The records of the journal: intents, decisions and observations, each a plain value with its wall-clock time.

A record says what happened, not what to do about it. `state.State` is the fold over them.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from ..model.futures_orders import FuturesOrder
from ..model.halting import HaltLevel
from ..model.lifecycle import EntryState, ProtectionState
from ..model.notifications import Notification
from ..model.orders import EntryOrder
from ..model.positions import Close, CloseReason, FiredOrder, Protection

__all__ = [
    "CloseIntended",
    "CloseObserved",
    "EntriesHalted",
    "EntriesPaused",
    "EntryAccepted",
    "EntryAnnounced",
    "EntryCancelAsked",
    "EntryForgotten",
    "EntryIntended",
    "EntryMoved",
    "EntryObserved",
    "EntrySigned",
    "FiredObserved",
    "FuturesOrderSeen",
    "NotificationOwed",
    "NotificationSettled",
    "ProtectionCovers",
    "ProtectionForgotten",
    "ProtectionKept",
    "ProtectionLevelled",
    "ProtectionMoved",
    "ProtectionOpened",
    "Record",
    "ViewChanged",
]


@frozen
class EntryAccepted:
    """An entry order was promised."""

    order: EntryOrder


@frozen
class EntryIntended:
    """A submit is about to go out. Written before it does."""

    id: str
    at_ms: int
    client_order_id: str
    price: Decimal | None
    size: int | None = None
    """Contracts; None in older journals: those of the request."""
    there_ms: int = 0
    """The exchange's time; 0 where that is not known."""
    signed_ms: int = 0
    """The timestamp that it is signed with, by the exchange's clock; 0 where that is not decided before."""


@frozen
class EntrySigned:
    """The submit is signed with another timestamp than was intended. Written before it goes out."""

    id: str
    at_ms: int
    signed_ms: int


@frozen
class EntryObserved:
    """The exchange said how far the order is. `filled` is cumulative, in contracts."""

    id: str
    at_ms: int
    to: EntryState
    exchange_order_id: str
    filled: int = 0
    average_price: Decimal | None = None
    update_time_ms: int = 0
    reason: str = ""


@frozen
class EntryMoved:
    """The engine itself moved the order: back to waiting, expired, rejected, cancelled before it went out, unknown.

    `spent` says that the exchange answered its client order id with no, so that the next submit needs another;
    `taken` that it is the id of another order.
    """

    id: str
    at_ms: int
    to: EntryState
    reason: str = ""
    spent: bool = False
    taken: bool = False


@frozen
class EntryAnnounced:
    """The application was told `placed`; `submit_only` if only the submit's answer was known by then."""

    id: str
    submit_only: bool


@frozen
class EntryCancelAsked:
    """The user wants the order gone; it may be at the exchange."""

    id: str
    at_ms: int


@frozen
class EntryForgotten:
    """A promise that could not be kept safe was not given: there is no such order."""

    id: str


@frozen
class ProtectionOpened:
    """A protection was promised, waiting for its fill or its position."""

    protection: Protection


@frozen
class ProtectionCovers:
    """How many contracts the protection covers from now on."""

    id: str
    covered: int
    at_ms: int = 0
    there_ms: int = 0
    """The exchange's time of the first fill, where that is what the record is of."""
    since_ms: int = 0
    """The exchange's time since which it may have filled, unheard, before that; 0 where no fill went unheard."""


@frozen
class ProtectionLevelled:
    """Stop and target, as they are from now on."""

    id: str
    at_ms: int
    stop_loss: Decimal | None
    take_profit: Decimal | None


@frozen
class ProtectionKept:
    """The exchange listed, or no longer lists, the stop and the target of it; None: it keeps no such order."""

    id: str
    at_ms: int
    stop_loss: Decimal | None
    take_profit: Decimal | None
    plans: tuple[str, ...] = ()
    """The ids of these orders, as far as they are known."""
    parts: tuple[str, ...] = ()
    """The ids of stops and targets that it keeps for a part of the contracts only."""


@frozen
class ProtectionMoved:
    """The protection changed its state. `closing_for` says what fired it, `close_price` where it ended."""

    id: str
    at_ms: int
    to: ProtectionState
    reason: str = ""
    closing_for: CloseReason | None = None
    close_price: Decimal | None = None
    others_held: int | None = None
    """When it fires or ends: contracts of its side that were not of our orders before. None: that is not known."""
    unexplained: bool = False
    """When it ends: nobody was seen to close what it covered."""


@frozen
class CloseIntended:
    """A closing order is about to go out. Written before it does."""

    id: str
    close: Close


@frozen
class CloseObserved:
    """The exchange said how far the closing order is. `filled` is cumulative; what it adds is counted as closed."""

    id: str
    client_order_id: str
    exchange_order_id: str
    filled: int
    average_price: Decimal | None
    final: bool


@frozen
class FiredObserved:
    """The exchange said how far an order is that it made of the stop or target it keeps of the protection.

    What it adds to what was known of this order is counted as closed.
    """

    id: str
    order: FiredOrder


@frozen
class ProtectionForgotten:
    """A protection that was promised together with an order that was forgotten."""

    id: str


@frozen
class FuturesOrderSeen:
    """The exchange said something new of an order of the account, of whomever it is: the order as it is known now."""

    order: FuturesOrder


@frozen
class NotificationOwed:
    """The application has to be told; also again, after it was given up."""

    notification: Notification


@frozen
class NotificationSettled:
    """The application was told; or it cannot be, and `why` says so: then it is a dead letter."""

    id: str
    delivered: bool
    at_ms: int = 0
    why: str = ""
    answer: str = ""
    """What its receiver said last, such as `HTTP 200`; empty if it said nothing, and in older journals."""
    attempts: int = 0
    """How often it was sent since the last start; 0 in older journals."""


@frozen
class ViewChanged:
    """A user subscribed to (or unsubscribed from) channels through the control API."""

    topics: tuple[str, ...]
    subscribed: bool


@frozen
class EntriesPaused:
    """A user paused the entries, or resumed them: whether orders that wait for their zone may go out.

    Resuming ends what was halted as well.
    """

    at_ms: int
    paused: bool


@frozen
class EntriesHalted:
    """A user used the kill switch, or raised its level: nothing new is opened until the entries are resumed."""

    at_ms: int
    level: HaltLevel


Record = (
    EntriesHalted
    | EntriesPaused
    | EntryAccepted
    | EntryIntended
    | EntrySigned
    | EntryObserved
    | EntryMoved
    | EntryAnnounced
    | EntryCancelAsked
    | EntryForgotten
    | ProtectionOpened
    | ProtectionCovers
    | ProtectionForgotten
    | ProtectionKept
    | ProtectionLevelled
    | ProtectionMoved
    | CloseIntended
    | CloseObserved
    | FiredObserved
    | FuturesOrderSeen
    | NotificationOwed
    | NotificationSettled
    | ViewChanged
)
