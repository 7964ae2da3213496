"""Closes that were not ours: by hand, by liquidation, by a stop of somebody's. Why a position is gone, and by whom.

Observations only; what they mean for a protection is decided in `protections`. Closes by the stops that the exchange
keeps for our own orders are told apart by `closes.attribution`.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from ...model.events import OrderUpdate
from ...model.positions import CloseReason
from ...model.sides import PositionSide

__all__ = ["ExternalClose", "ExternalCloses"]

CLOSED_BY_ACTION = {
    **dict.fromkeys((4, 6, 7), CloseReason.LIQUIDATION),
    **dict.fromkeys((5, 8, 9), CloseReason.ADL),
}
CLOSED_BY_TYPE = {
    "stop_loss": CloseReason.EXCHANGE_STOP_LOSS,
    "take_profit": CloseReason.EXCHANGE_TAKE_PROFIT,
    "liquidate": CloseReason.LIQUIDATION,
    "bankruptcy": CloseReason.LIQUIDATION,
    "adl": CloseReason.ADL,
}


@frozen
class ExternalClose:
    """A close that was not ours."""

    reason: CloseReason
    price: Decimal | None
    order_id: str = ""


class ExternalCloses:
    """What others closed last, by side."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, PositionSide], ExternalClose] = {}

    def note(self, update: OrderUpdate) -> None:
        """An order that is not ours closed something."""
        assert update.side is not None, "it is known to close"
        reason = CLOSED_BY_ACTION.get(update.action or 0) or CLOSED_BY_TYPE.get(
            update.type or "", CloseReason.CLOSED_ELSEWHERE
        )
        self._last[update.symbol, update.side.position_side] = ExternalClose(
            reason, update.deal_avg_price, update.order_id
        )

    def last(self, symbol: str, side: PositionSide) -> ExternalClose | None:
        """The latest close on this side, once."""
        return self._last.pop((symbol, side), None)
