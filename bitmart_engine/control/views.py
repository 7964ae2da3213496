"""Orders, protections and positions as the API shows them. Decimals are plain text, times unix ms, sizes contracts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from attrs import frozen
from msgspec import UNSET, UnsetType

from ..model.events import PositionUpdate
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import EntryOrder, OrderType
from ..model.orders import Moment as MomentKept
from ..model.positions import Close as CloseKept
from ..model.positions import CloseReason, Protection
from ..model.sides import PositionSide
from ..model.urls import shown_url
from .wire import (
    Contracts,
    Count,
    DecimalText,
    Metadata,
    UnixMs,
    about,
    named,
    view_of,
)

__all__ = [
    "Close",
    "Held",
    "Moment",
    "Order",
    "Position",
    "held_view",
    "order_view",
    "protection_view",
]


@frozen(kw_only=True, slots=False)
class Moment:
    """A state that was entered, and why."""

    state: str
    at_ms: UnixMs
    reason: str


@frozen(kw_only=True, slots=False)
class Order:
    """An entry order: what was asked for, how far it has come, and how it got there."""

    id: str
    symbol: str
    side: PositionSide
    state: EntryState
    reason: str
    entry_zone_min: DecimalText
    entry_zone_max: DecimalText
    entry_zone_tolerance_percent: DecimalText
    size: Contracts
    quantity: Annotated[DecimalText, about("the same in the base currency")]
    filled_size: Contracts
    price: DecimalText | None
    average_price: DecimalText | None
    stop_loss: DecimalText | None
    take_profit: DecimalText | None
    leverage: DecimalText | None
    type: OrderType
    post_only: bool
    open_type: Annotated[str, named("OpenType")]
    exchange_protection: bool
    timeout_seconds: DecimalText
    resting_timeout_seconds: DecimalText | None
    enter_anyway: bool
    client_order_id: str | None
    exchange_order_id: str | None
    submit_only: bool
    cancel_asked: bool
    callback_url: str | None
    metadata: Metadata
    accepted_ms: UnixMs
    deadline_ms: UnixMs
    submitted_ms: UnixMs | None
    history: list[Moment] | UnsetType = UNSET


def order_view(order: EntryOrder, *, history: bool = True) -> Order:
    """An entry order, with the history of its states unless told otherwise."""
    asked = order.request
    return view_of(
        Order,
        asked,
        state=order.state,
        reason=order.reason,
        entry_zone_min=asked.zone_min,
        entry_zone_max=asked.zone_max,
        size=order.size,
        filled_size=order.filled,
        price=order.price,
        average_price=order.average_price,
        client_order_id=order.client_order_id or None,
        exchange_order_id=order.exchange_order_id or None,
        submit_only=order.submit_only,
        cancel_asked=order.cancel_asked,
        callback_url=_shown(asked.callback_url),
        accepted_ms=order.accepted_ms,
        deadline_ms=order.deadline_ms,
        submitted_ms=order.submitted_ms,
        history=_history(order.history) if history else UNSET,
    )


@frozen(kw_only=True, slots=False)
class Close:
    """The last closing order of the engine."""

    attempt: Count
    client_order_id: str
    exchange_order_id: str | None
    size: Contracts
    filled_size: Contracts
    average_price: DecimalText | None
    intended_ms: UnixMs
    final: bool


@frozen(kw_only=True, slots=False)
class Position:
    """A protection: the stop-loss and take-profit that are kept over a position, or over part of it."""

    id: str
    symbol: str
    side: PositionSide
    state: ProtectionState
    reason: str
    stop_loss: DecimalText | None
    take_profit: DecimalText | None
    exchange_stop_loss: DecimalText | None
    exchange_take_profit: DecimalText | None
    order_id: str | None
    size: Contracts | None
    covered: Contracts
    closed: Contracts
    remaining: Contracts
    closing_for: CloseReason | None
    close: Close | None
    close_price: DecimalText | None
    callback_url: str | None
    metadata: Metadata
    created_ms: UnixMs
    history: list[Moment] | UnsetType = UNSET


def protection_view(protection: Protection, *, history: bool = True) -> Position:
    """A protection, with the history of its states unless told otherwise."""
    asked = protection.request
    return view_of(
        Position,
        protection,
        order_id=protection.entry_id or (asked.order_id if asked else None),
        close=_close(protection.close),
        callback_url=_shown(protection.callback_url),
        history=_history(protection.history) if history else UNSET,
    )


@frozen(kw_only=True, slots=False)
class Held:
    """A position as the exchange holds it, of whomever it is; `covered` is what protections cover of it."""

    symbol: str
    side: PositionSide
    size: Contracts
    covered: Contracts
    entry_price: DecimalText | None
    liquidation_price: DecimalText | None
    update_time_ms: UnixMs | None


def held_view(position: PositionUpdate, covered: int) -> Held:
    """A position at the exchange, of which protections cover `covered` contracts."""
    return view_of(Held, position, covered=covered)


def _shown(url: str | None) -> str | None:
    """Without the password that one of an older journal may have."""
    return None if url is None else shown_url(url)


def _close(close: CloseKept | None) -> Close | None:
    if close is None:
        return None
    return view_of(
        Close,
        close,
        exchange_order_id=close.exchange_order_id or None,
        filled_size=close.filled,
    )


def _history(moments: Iterable[MomentKept]) -> list[Moment]:
    return [view_of(Moment, each) for each in moments]
