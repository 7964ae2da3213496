"""Why a protection has ended, at which price and by which order: told from what closed its contracts. Pure."""

from __future__ import annotations

from decimal import Decimal

from ...model.positions import CloseReason, Protection
from .external_closes import ExternalClose

__all__ = ["how_it_ended"]


def how_it_ended(
    protection: Protection, acted: CloseReason | None, elsewhere: ExternalClose | None
) -> tuple[CloseReason, Decimal | None, str]:
    """The reason, the price and the exchange's order id; None and empty where they are not known.

    Our own close comes first, then what the exchange's stop or target has closed; `acted` is which of the two is held
    to have closed everything though no order shows that. Else it was `elsewhere`, the last close of somebody else's.
    """
    close = protection.close
    there = [each for each in protection.fired if each.filled]
    if close is not None and protection.closed > sum(each.filled for each in there):
        reason = protection.closing_for or CloseReason.CLOSED_ELSEWHERE
        return reason, close.average_price, close.exchange_order_id
    if there:
        return there[-1].reason, there[-1].average_price, there[-1].order_id
    if acted is not None:
        return acted, None, ""
    if elsewhere is not None:
        return elsewhere.reason, elsewhere.price, elsewhere.order_id
    return CloseReason.CLOSED_ELSEWHERE, None, ""
