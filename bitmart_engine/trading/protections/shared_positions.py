"""One order's part of a position that others hold parts of too, when the exchange keeps a stop for it.

A close takes contracts of a side, whoever's they are. Of a position that an order holds alone, the exchange's stop and
the engine's close together take no more than there is. Of one that is shared, the later of the two would take the
others' contracts; so there the engine takes away what the exchange keeps before it closes (see
`closes.cancel_exchange_stops`), and no entry joins the side meanwhile. Decisions only.
"""

from __future__ import annotations

from typing import Protocol

import trio
from attrs import frozen

from ...exchange.client import ExchangeClient
from ...model.events import PositionUpdate
from ...model.positions import CloseReason, Protection
from ...model.sides import PositionSide
from ...store import Store
from ..account.positions import PositionBook
from ..account.working import WorkingOrders
from ..agreement import Agreement
from ..market.prices import Prices
from .evidence import ROUNDED_MS, Evidence
from .index import ProtectionIndex

__all__ = ["SharedPositions", "Sides", "exchange_may_close"]


class Sides(Protocol):
    """What is known of the sides of symbols: which protections are alive, and what speaks for contracts being held."""

    @property
    def index(self) -> ProtectionIndex: ...

    @property
    def evidence(self) -> Evidence: ...


KNOWN_FOR_S = 12.0
"""How long what was said of a position holds: the exchange pushes it at every change, and every 10 s."""
KNOWN_BLIND_FOR_S = 1.0
"""The same without the private stream, when any order may fill unheard."""


@frozen(kw_only=True)
class SharedPositions:
    """Whether others have a part in a protection's position."""

    _agreement: Agreement
    _exchange: ExchangeClient
    _positions: PositionBook
    _prices: Prices
    _store: Store
    _working: WorkingOrders
    _sides: Sides

    def is_shared(self, protection: Protection) -> bool:
        """Whether somebody else holds contracts of the position, or an order that would may fill at any moment.

        What was held before the close counts too: by now the exchange's own stop may have closed ours, and what is left
        looks like ours. Where nothing of the position is known, or only what was, somebody may. So may somebody where
        it was not seen what the exchange did: it may have closed ours, and others have opened as much since.
        """
        key = (protection.symbol, protection.side)
        others = [
            each
            for each in self._sides.index.alive_on(*key)
            if each.id != protection.id and each.entry_id
        ]
        if any(each.remaining for each in others):
            return True
        if self._working.ours.get(key, set()) - {protection.entry_id}:
            return True
        if protection.kept_at_exchange and not self._agreement.reached:
            return True
        if protection.others_held:
            return True
        held = self._positions.get(*key)
        if held is None or not self.is_known(protection):
            return True
        return held.size > protection.remaining or self._opened_since(held, protection)

    def is_alone(self, protection: Protection) -> bool | None:
        """Whether all that is held of the side is an order's that has ended, and no order is known that may add to it.

        Then it makes no difference whether the exchange's stop or a close comes first: the later of the two finds
        nothing, and is refused. Without the private stream, or before the first comparison, that is not known well
        enough. None: it was so when the position was spoken of last, which is too long ago.
        """
        entry = self._store.state.orders.get(protection.entry_id or "")
        held = self._positions.get(protection.symbol, protection.side)
        if entry is None or not entry.state.final or protection.exchange_parts:
            return False
        if held is None or held.size != protection.remaining:
            return False
        if not (self._agreement.seeing and self._agreement.reached):
            return False
        may_add = any(
            each.symbol == protection.symbol
            and (each.side is None or each.side is protection.side.opening)
            for each in self._working.foreign
        )
        if may_add:
            return False
        if not self.is_known(protection):
            return None
        return not self.is_shared(protection)

    def is_known(self, protection: Protection) -> bool:
        """Whether what is known of the protection's position may still be so.

        By now its own stop at the exchange may have closed it, and somebody else have opened contracts.
        """
        said_at = self._sides.evidence.on(protection.symbol, protection.side).said_at
        return trio.current_time() - said_at <= (
            KNOWN_FOR_S if self._agreement.seeing else KNOWN_BLIND_FOR_S
        )

    def _opened_since(self, held: PositionUpdate, protection: Protection) -> bool:
        """Whether the position may have been opened after the order began to fill, by the exchange's clock.

        Then nothing was held in between: the exchange's own stop has closed ours, unheard, and this is somebody else's.
        Where that clock was set back since, what was opened later may be dated earlier.
        """
        opened_ms, filled_ms = held.open_time_ms, protection.filled_there_ms
        if not opened_ms or not filled_ms:
            return False
        if abs(opened_ms - filled_ms) <= ROUNDED_MS:
            return False
        return opened_ms > filled_ms or opened_ms >= self._exchange.earliest_ms(filled_ms)

    def fires_there_too(self, protection: Protection) -> bool:
        """Whether the exchange keeps what is being closed for, and it is reached there too."""
        stop, target = protection.exchange_stop_loss, protection.exchange_take_profit
        tick = self._prices.fresh(protection.symbol)
        if protection.closing_for is CloseReason.STOP_LOSS and stop is not None:
            reached = tick is not None and protection.side.loses_at(tick.last, stop)
            return reached or stop == protection.stop_loss
        if protection.closing_for is CloseReason.TAKE_PROFIT and target is not None:
            reached = tick is not None and protection.side.wins_at(tick.last, target)
            return reached or target == protection.take_profit
        return False


def exchange_may_close(symbol: str, side: PositionSide, sides: Sides) -> bool:
    """Whether a close is under way on this side that the exchange may make too: nothing should join it now."""
    return any(each.kept_at_exchange for each in sides.index.closing_on(symbol, side))
