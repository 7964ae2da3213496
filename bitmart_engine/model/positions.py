"""Protections: the stop-loss and take-profit kept over a position, or over a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum

from attrs import Factory, frozen

from .lifecycle import ProtectionState
from .orders import Moment
from .sides import PositionSide

__all__ = ["Close", "CloseReason", "FiredOrder", "MonitorRequest", "Protection"]


class CloseReason(Enum):
    """Why a position is gone, or is being closed."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    MANUAL = "manual"
    EXCHANGE_STOP_LOSS = "exchange_stop_loss"
    EXCHANGE_TAKE_PROFIT = "exchange_take_profit"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    CLOSED_ELSEWHERE = "closed_elsewhere"


@frozen(kw_only=True)
class Close:
    """One closing order of ours. Each attempt has a client order id of its own."""

    attempt: int
    client_order_id: str
    size: int
    intended_ms: int
    exchange_order_id: str = ""
    filled: int = 0
    average_price: Decimal | None = None
    final: bool = False


@frozen(kw_only=True)
class FiredOrder:
    """An order that the exchange made of the stop or the target that it keeps, and how far it is."""

    order_id: str
    reason: CloseReason
    size: int | None = None
    """Contracts that it was made for; None where that was not said, or an earlier version noted it."""
    filled: int = 0
    average_price: Decimal | None = None
    final: bool = False


@frozen(kw_only=True)
class MonitorRequest:
    """What was asked for with a position to monitor, as it was asked: to know a repeated request by."""

    id: str
    symbol: str
    order_id: str | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    side: PositionSide | None = None
    size: int | None = None
    callback_url: str | None = None
    metadata: Mapping[str, object] = Factory(dict)


@frozen(kw_only=True, weakref_slot=False)
class Protection:
    """A protection as it stands. Changed only by the records of the store.

    `entry_id` names the entry order whose fills it covers; without one it covers the position itself, up to `size`
    contracts if that was asked for. `covered` and `closed` are contracts; what is left to close is their difference.
    """

    id: str
    symbol: str
    side: PositionSide
    created_ms: int
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    entry_id: str | None = None
    request: MonitorRequest | None = None
    """Set for a position that the user asked to monitor."""
    size: int | None = None
    callback_url: str | None = None
    metadata: Mapping[str, object] = Factory(dict)
    exchange_stop_loss: Decimal | None = None
    """The stop that went out with the order and is kept by the exchange, as far as is known; None where it is not."""
    exchange_take_profit: Decimal | None = None
    exchange_plans: tuple[str, ...] = ()
    """The ids of the plan orders by which it keeps them, where they could be told from those of other orders."""
    exchange_parts: tuple[str, ...] = ()
    """The ids of those that it made for a fill of the order and that are for a part of the contracts only."""

    engine_id: str = ""
    """The random name of the engine that promised it, which the client order ids of its closes are derived from."""

    state: ProtectionState = ProtectionState.PENDING_FILL
    covered: int = 0
    covered_ms: int = 0
    """When that changed last: a position may take a while to be listed."""
    levelled_ms: int = 0
    """Since when its stop counts: when it was armed, or its stop moved. 0 in a journal from before this was kept."""
    closed: int = 0
    """By our own closing orders and by the exchange's."""
    closing_for: CloseReason | None = None
    close: Close | None = None
    fired: tuple[FiredOrder, ...] = ()
    """What the exchange itself closed of it, by the stop or the target that it keeps."""
    close_price: Decimal | None = None
    others_held: int | None = None
    """Contracts of its side that were not of our orders before it fired; None where that is not known."""
    unexplained: bool = False
    """Whether it ended though nobody was seen to close what it covered."""
    filled_there_ms: int = 0
    """When the exchange says that its order began to fill; 0 where it did not say."""
    filled_since_ms: int = 0
    """Since when, by the exchange's clock, it may have filled before that, unheard; 0 where nothing went unheard."""
    filled_further_ms: tuple[int, ...] = ()
    """When the exchange says that it filled further, each time: with each fill it makes a stop and a target."""
    reason: str = ""
    history: tuple[Moment, ...] = ()

    @property
    def remaining(self) -> int:
        """Contracts that are covered and not closed yet."""
        return max(self.covered - self.closed, 0)

    @property
    def kept_at_exchange(self) -> bool:
        """Whether the exchange may close it, or a part of it, by itself, as far as is known."""
        return self.kept_whole_at_exchange or bool(self.exchange_parts)

    @property
    def kept_whole_at_exchange(self) -> bool:
        """Whether it keeps a stop or a target for all of it, as far as is known."""
        return self.exchange_stop_loss is not None or self.exchange_take_profit is not None
