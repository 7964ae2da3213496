"""Closes that were not ours: by the exchange's own stops, by hand, by liquidation. Why a position is gone, and by whom.

Observations only; what they mean for a protection is the guard's.
"""

from __future__ import annotations

from decimal import Decimal

import trio
from attrs import frozen

from ..model.events import OrderUpdate
from ..model.positions import CloseReason, Protection
from ..model.sides import PositionSide
from .waiters import OrderWaiters

__all__ = ["ForeignClose", "ForeignCloses"]

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
FIRED_THERE = (CloseReason.EXCHANGE_STOP_LOSS, CloseReason.EXCHANGE_TAKE_PROFIT)


@frozen
class ForeignClose:
    """A close that was not ours."""

    reason: CloseReason
    price: Decimal | None


class ForeignCloses:
    """What others closed lately, by side."""

    def __init__(self, waiters: OrderWaiters) -> None:
        self._waiters = waiters
        self._last: dict[tuple[str, PositionSide], ForeignClose] = {}
        self._fired: dict[tuple[str, PositionSide], dict[str, int]] = {}
        """Contracts that the exchange's own stops and targets closed, by order id, until they are accounted for."""

    def note(self, update: OrderUpdate) -> None:
        """An order that is not ours closed something."""
        assert update.side is not None, "it is known to close"
        reason = CLOSED_BY_ACTION.get(update.action or 0) or CLOSED_BY_TYPE.get(
            update.type or "", CloseReason.CLOSED_ELSEWHERE
        )
        key = (update.symbol, update.side.position_side)
        self._last[key] = ForeignClose(reason, update.deal_avg_price)
        if update.final and reason in FIRED_THERE:
            self._fired.setdefault(key, {})[update.order_id] = update.deal_size
            self._waiters.wake(_news_of(*key))

    def last(self, symbol: str, side: PositionSide) -> ForeignClose | None:
        """The latest close on this side, once."""
        return self._last.pop((symbol, side), None)

    def forget(self, symbol: str, side: PositionSide) -> None:
        """The side is flat and nobody closes on it: nothing is left to account for."""
        self._fired.pop((symbol, side), None)

    async def was_quicker(self, protection: Protection, within_s: float) -> bool:
        """Whether a stop or target that the exchange keeps closes just what is left of this protection. A checkpoint.

        Both fire at the same price, and the stream tells of the exchange's within moments. A second close would take
        contracts that are somebody else's, where there are any.
        """
        key = (protection.symbol, protection.side)
        deadline = trio.current_time() + within_s
        while True:
            fired = self._fired.get(key, {})
            for order_id, size in list(fired.items()):
                if size == protection.remaining:
                    del fired[order_id]
                    return True
            left_s = deadline - trio.current_time()
            if left_s <= 0:
                await trio.lowlevel.checkpoint()
                return False
            await self._waiters.wait_news(_news_of(*key), left_s)


def _news_of(symbol: str, side: PositionSide) -> str:
    """What news of the exchange's own stops is waited for by. No client order id has a space."""
    return f"fired {symbol} {side.value}"
