"""What the books tell the account's owner. Each push is a snapshot, so that sending it later changes nothing."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from .orders import Action, Fill, Order
from .positions import Position


@frozen(kw_only=True)
class OrderPush:
    """Something happened to an order: the order as it was right then."""

    action: Action
    order: Order
    fill: Fill | None = None


@frozen(kw_only=True)
class PositionPush:
    """A position changed; a size of 0 is said once, when it closes."""

    position: Position
    frozen_size: int
    leverage: int
    open_type: str
    position_mode: str


@frozen(kw_only=True)
class BalancePush:
    """The balance, or what is locked of it, changed."""

    available: Decimal
    position_margin: Decimal
    order_margin: Decimal


Push = OrderPush | PositionPush | BalancePush
