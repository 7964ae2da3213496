"""Whose stop it was: orders that the exchange makes of the stops and targets it keeps, told from one another. Pure.

The exchange closes a position by its side; which order's contracts those were, it does not say. It does say of which
plan order it made the closing order, and the plan orders it lists are known for the protections they belong to once the
two were compared (`keeping`). Before that, the close is held to be of a protection with a level at the very price that
the plan waited for; where that is not said, of one whose level the price reached. Of several, of one with just as many
contracts. Two that this cannot tell apart are alike, and it does not matter which is closed by the stop of which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from ...model.events import OrderUpdate
from ...model.lifecycle import ProtectionState
from ...model.positions import CloseReason, FiredOrder, Protection
from ..clock_tolerance import MAY_BE_SINCE_MS

__all__ = ["Earliest", "fired_news", "made_there", "never_set_back", "observed_there", "whose"]

STOP, TARGET = CloseReason.EXCHANGE_STOP_LOSS, CloseReason.EXCHANGE_TAKE_PROFIT
BY_TYPE = {"stop_loss": STOP, "take_profit": TARGET}
MADE_THERE = ("stop_loss", "take_profit", "plan_order", "planorder")
"""The types of such orders, as they are pushed and as they are read over REST."""
SAME_CLOSE = {STOP: CloseReason.STOP_LOSS, TARGET: CloseReason.TAKE_PROFIT}
NEVER = Decimal("Infinity")


def made_there(update: OrderUpdate) -> bool:
    """Whether the exchange itself made this order, of a stop, a target or another plan that it kept."""
    return bool(update.plan_order_id) or update.type in MADE_THERE


Earliest = Callable[[int], int]
"""The earliest time that the exchange can have written since its clock showed one, which may have been set back. ms."""


def never_set_back(there_ms: int) -> int:
    """What that is of a clock that goes on evenly."""
    return there_ms


def whose(
    update: OrderUpdate,
    protections: Iterable[Protection],
    clock_ahead_ms: int | None = 0,
    earliest_ms: Earliest = never_set_back,
) -> tuple[Protection, CloseReason] | None:
    """The protection whose stop or target at the exchange made the closing order `update`, and which of the two.

    `clock_ahead_ms` says how far the exchange's clock is ahead of ours; None where that is not known. Returns None if
    it was of none of them, or cannot be told (yet).
    """
    if update.side is None or not update.side.closes:
        return None
    on_side = [
        each
        for each in protections
        if (each.symbol, each.side) == (update.symbol, update.side.position_side)
        and each.state in (ProtectionState.ARMED, ProtectionState.CLOSING)
    ]
    for each in on_side:
        if update.plan_order_id in (*each.exchange_plans, *each.exchange_parts):
            return each, _reason(update, each)
    if not update.deal_size and update.trigger_price is None:
        return None
    guesses = [
        (_rank(update, each, reason), each.created_ms, each.id, each, reason)
        for each in on_side
        for reason in (STOP, TARGET)
        if each.remaining and BY_TYPE.get(update.type or "", reason) is reason
        if not (update.plan_order_id and _all_known(each))
        if _made_since(update, each, clock_ahead_ms, earliest_ms)
        if _reached(update, each, reason)
    ]
    if not guesses:
        return None
    *_, protection, reason = min(guesses, key=lambda guess: guess[:3])
    return protection, reason


def fired_news(protection_id: str) -> str:
    """What news of the exchange's own closes of a protection is waited for by. No client order id has a space."""
    return f"fired {protection_id}"


def observed_there(update: OrderUpdate, reason: CloseReason) -> FiredOrder:
    """What `update` says of an order that the exchange made."""
    return FiredOrder(
        order_id=update.order_id,
        reason=reason,
        size=update.size,
        filled=update.deal_size,
        average_price=update.deal_avg_price if update.deal_size else None,
        final=update.final,
    )


def _level(protection: Protection, reason: CloseReason) -> Decimal | None:
    return protection.exchange_stop_loss if reason is STOP else protection.exchange_take_profit


def _all_known(protection: Protection) -> bool:
    """Whether the ids of all that the exchange keeps of it are known: then another id is another's."""
    legs = (protection.exchange_stop_loss, protection.exchange_take_profit)
    return len(protection.exchange_plans) >= sum(leg is not None for leg in legs)


def _made_since(
    update: OrderUpdate, protection: Protection, clock_ahead_ms: int | None, earliest_ms: Earliest
) -> bool:
    """Whether the order was made after the protection was: its fill may have been seen much later.

    When the exchange says that the protection's order began to fill, and when it made this one, are times of one clock:
    a stop is made with the first fill, and acts after it. Where that fill went unheard it may have acted ever since the
    order was sent. Only where it did not say so is our time taken for its: by how far its clock is ahead now, which may
    have been set since.
    """
    made_ms = update.create_time_ms
    if made_ms is None:
        return True
    filled_ms = protection.filled_since_ms or protection.filled_there_ms
    if filled_ms:
        return made_ms >= earliest_ms(filled_ms)
    return clock_ahead_ms is None or (
        made_ms >= protection.created_ms + clock_ahead_ms - MAY_BE_SINCE_MS
    )


def _reached(update: OrderUpdate, protection: Protection, reason: CloseReason) -> bool:
    """Whether the level that the exchange keeps may have been what made the order."""
    level, price = _level(protection, reason), update.deal_avg_price
    if level is None:
        return False
    if update.trigger_price is not None:
        return level == update.trigger_price
    if protection.closing_for is SAME_CLOSE[reason] and protection.state is ProtectionState.CLOSING:
        return True
    if price is None:
        return False
    side = protection.side
    return side.loses_at(price, level) if reason is STOP else side.wins_at(price, level)


def _rank(
    update: OrderUpdate, protection: Protection, reason: CloseReason
) -> tuple[bool, bool, bool, Decimal]:
    """The lower the likelier: room for that size, the same size, none at work yet, a level near the price.

    There is room for what no other order of its stops is closing already.
    """
    at_work = [
        each for each in protection.fired if each.order_id != update.order_id and not each.final
    ]
    room = protection.remaining - sum(max((each.size or 0) - each.filled, 0) for each in at_work)
    size = update.size or update.deal_size
    level, price = _level(protection, reason), update.deal_avg_price
    away = abs(price - level) if price is not None and level is not None else NEVER
    return (size > room, size != room, bool(at_work), away)


def _reason(update: OrderUpdate, protection: Protection) -> CloseReason:
    """Which of the two levels it was, where the order is known to be of this protection."""
    if update.type in BY_TYPE:
        return BY_TYPE[update.type]
    if update.trigger_price is not None:
        return TARGET if update.trigger_price == protection.exchange_take_profit else STOP
    if protection.exchange_take_profit is None:
        return STOP
    if protection.exchange_stop_loss is None:
        return TARGET
    price = update.deal_avg_price
    if price is None:
        return STOP
    to_stop = abs(price - protection.exchange_stop_loss)
    return STOP if to_stop <= abs(price - protection.exchange_take_profit) else TARGET
