"""What a record makes of a protection: the part of the fold that is also asked before anything is recorded. Pure."""

from __future__ import annotations

from attrs import evolve

from ..model.lifecycle import PROTECTION_MOVES, ProtectionState, move
from ..model.orders import Moment
from ..model.positions import Protection
from .records import (
    CloseIntended,
    CloseObserved,
    FiredObserved,
    ProtectionCovers,
    ProtectionKept,
    ProtectionLevelled,
    ProtectionMoved,
)

__all__ = ["ProtectionRecord", "protection_after"]

MOST_FILL_TIMES = 100
"""How many of the latest fills of a protection's order keep their times."""

ProtectionRecord = (
    ProtectionCovers
    | ProtectionLevelled
    | ProtectionKept
    | ProtectionMoved
    | CloseIntended
    | CloseObserved
    | FiredObserved
)


def protection_after(now: Protection, record: ProtectionRecord) -> Protection:
    """The protection once `record` is taken in. Raises `IllegalMove` if the lifecycle does not allow it."""
    match record:
        case ProtectionCovers():
            return _covers(now, record)
        case ProtectionLevelled():
            moved = record.stop_loss != now.stop_loss
            return evolve(
                now,
                stop_loss=record.stop_loss,
                take_profit=record.take_profit,
                levelled_ms=record.at_ms if moved else now.levelled_ms,
            )
        case ProtectionKept():
            return evolve(
                now,
                exchange_stop_loss=record.stop_loss,
                exchange_take_profit=record.take_profit,
                exchange_plans=record.plans,
                exchange_parts=record.parts,
            )
        case ProtectionMoved():
            return _moved(now, record)
        case CloseIntended():
            return evolve(now, close=record.close)
        case CloseObserved():
            return _closed(now, record)
        case FiredObserved():
            return _fired(now, record)


def _covers(now: Protection, record: ProtectionCovers) -> Protection:
    further = now.filled_further_ms
    if now.filled_there_ms and record.there_ms:
        further = (*further, record.there_ms)[-MOST_FILL_TIMES:]
    return evolve(
        now,
        covered=record.covered,
        covered_ms=record.at_ms,
        filled_there_ms=now.filled_there_ms or record.there_ms,
        filled_since_ms=now.filled_since_ms if now.filled_there_ms else record.since_ms,
        filled_further_ms=further,
    )


def _moved(now: Protection, record: ProtectionMoved) -> Protection:
    to = move(PROTECTION_MOVES, now.state, record.to)
    arms = to is ProtectionState.ARMED and now.state is not to
    return evolve(
        now,
        state=to,
        levelled_ms=record.at_ms if arms else now.levelled_ms,
        reason=record.reason or now.reason,
        closing_for=record.closing_for or now.closing_for,
        close_price=record.close_price or now.close_price,
        others_held=now.others_held if record.others_held is None else record.others_held,
        unexplained=record.unexplained,
        history=(*now.history, Moment(to.value, record.at_ms, record.reason)),
    )


def _closed(now: Protection, record: CloseObserved) -> Protection:
    close = now.close
    if close is None or close.client_order_id != record.client_order_id:
        raise ValueError(f"{record.client_order_id} is not the close of {record.id}")
    filled = max(close.filled, record.filled)
    return evolve(
        now,
        closed=now.closed + filled - close.filled,
        close=evolve(
            close,
            exchange_order_id=record.exchange_order_id or close.exchange_order_id,
            filled=filled,
            average_price=record.average_price or close.average_price,
            final=close.final or record.final,
        ),
    )


def _fired(now: Protection, record: FiredObserved) -> Protection:
    order = record.order
    known = next((each for each in now.fired if each.order_id == order.order_id), None)
    before = known.filled if known is not None else 0
    if known is not None:
        order = evolve(
            order,
            filled=max(before, order.filled),
            average_price=order.average_price or known.average_price,
            final=known.final or order.final,
        )
    return evolve(
        now,
        closed=now.closed + order.filled - before,
        fired=(*(each for each in now.fired if each is not known), order),
    )
