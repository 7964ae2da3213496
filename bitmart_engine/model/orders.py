"""Entry orders: what the user asked for, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Literal

from attrs import Factory, frozen

from .lifecycle import EntryState
from .sides import PositionSide

__all__ = ["EntryOrder", "EntryRequest", "Moment", "OrderType"]


class OrderType(Enum):
    """How an entry order goes out."""

    LIMIT = "limit"
    MARKET = "market"


@frozen(weakref_slot=False)
class Moment:
    """A state that was entered, when (unix ms), and why."""

    state: str
    at_ms: int
    reason: str = ""


def farthest(side: PositionSide, zone_min: Decimal, zone_max: Decimal, stop: Decimal) -> Decimal:
    """How far the stop is from the edge of the zone that is farthest from it."""
    return zone_max - stop if side is PositionSide.LONG else stop - zone_min


@frozen(kw_only=True, weakref_slot=False)
class EntryRequest:
    """What was asked for, checked and on the instrument's grid. It never changes."""

    id: str
    symbol: str
    side: PositionSide
    zone_min: Decimal
    zone_max: Decimal
    size: int
    """Whole contracts."""
    quantity: Decimal
    """The same in the base currency."""
    type: OrderType = OrderType.LIMIT
    post_only: bool = True
    leverage: Decimal | None = None
    open_type: Literal["isolated", "cross"] = "isolated"
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    exchange_protection: bool = True
    timeout_seconds: Decimal
    asked_quantity: Decimal | None = None
    """What was asked for in the base currency; None where contracts were asked for, and in older journals."""
    asked: str = ""
    """A digest of the request as it was asked, to know a repeated one by; empty in older journals."""
    enter_anyway: bool = False
    """Whether it is sent too if its stop was passed, or its target reached, before."""
    resting_timeout_seconds: Decimal | None = None
    """How long it may rest at the exchange; None: as long as it takes."""
    entry_zone_tolerance_percent: Decimal = Decimal(0)
    """By how much of each of its bounds the zone was widened. `zone_min` and `zone_max` have it in them."""
    quantity_unit: Literal["base", "contracts"] = "base"
    """What `quantity` counted where that was given. Where it was contracts, they are `size`."""
    risk_amount: Decimal | None = None
    """What may be lost at the stop, in the quote currency, where the size was asked for by that."""
    callback_url: str | None = None
    metadata: Mapping[str, object] = Factory(dict)

    @property
    def risk(self) -> Decimal | None:
        """What is lost at the stop if all of it fills at the edge of the zone that is farthest from it, in the quote
        currency, without fees; None without a stop."""
        if self.stop_loss is None:
            return None
        return self.quantity * farthest(self.side, self.zone_min, self.zone_max, self.stop_loss)

    @property
    def margin(self) -> Decimal | None:
        """What it binds at the highest price of its zone, in the quote currency; None without a leverage."""
        return None if self.leverage is None else self.quantity * self.zone_max / self.leverage

    @property
    def counts_quantity(self) -> bool:
        """Whether `quantity` was given, and not `size`; not known of older journals."""
        return self.asked_quantity is not None or self.quantity_unit == "contracts"

    @property
    def protected(self) -> bool:
        """Whether a fill of this order has a stop or a target to be guarded by."""
        return self.stop_loss is not None or self.take_profit is not None

    @property
    def maker_only(self) -> bool:
        """Whether the order must not match at once."""
        return self.post_only and self.type is OrderType.LIMIT

    def contains(self, price: Decimal) -> bool:
        """Whether `price` is in the entry zone, its ends included."""
        return self.zone_min <= price <= self.zone_max

    def clamp(self, price: Decimal) -> Decimal:
        """The price in the zone that is nearest to `price`."""
        return min(max(price, self.zone_min), self.zone_max)


@frozen(kw_only=True, weakref_slot=False)
class EntryOrder:
    """An entry order as it stands. Changed only by the records of the store."""

    request: EntryRequest
    accepted_ms: int
    deadline_ms: int
    state: EntryState = EntryState.WAITING
    spent: int = 0
    """How many client order ids the exchange has answered with no. One that it has not answered is used again."""
    taken: int = 0
    """How many of them were those of other orders."""
    engine_id: str = ""
    """The random name of the engine that accepted it, which its client order ids are derived from. Empty in journals
    from before there was one."""
    accepted_there_ms: int = 0
    """The exchange's time when it was accepted; 0 where that was not known."""
    intended_there_ms: int = 0
    """The exchange's time when the latest client order id was first intended; 0 where that was not known."""
    client_order_id: str = ""
    price: Decimal | None = None
    """The limit price of the latest attempt; None for market orders."""
    sent_size: int | None = None
    """The contracts of the latest attempt, where they are not those of the request: contract sizes change."""
    submitted_ms: int | None = None
    signed_ms: int = 0
    """What the latest submit is signed with, by the exchange's clock; 0 where that was not decided before it left."""
    exchange_order_id: str = ""
    announced: bool = False
    """Whether `placed` was told for the latest attempt."""
    submit_only: bool = False
    """Whether all that is known of the exchange's order is the answer to the submit."""
    filled: int = 0
    average_price: Decimal | None = None
    update_time_ms: int = 0
    cancel_asked: bool = False
    reason: str = ""
    history: tuple[Moment, ...] = ()

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def size(self) -> int:
        """The contracts that the latest attempt is for."""
        return self.request.size if self.sent_size is None else self.sent_size

    @property
    def symbol(self) -> str:
        return self.request.symbol
