"""The nouns of trading: sides, orders, fills. Immutable, with no logic but arithmetic."""

from __future__ import annotations

import enum
from decimal import Decimal

from attrs import frozen

ZERO = Decimal(0)


class Side(enum.IntEnum):
    """What an order does. In one-way mode 2 and 3 are reduce-only."""

    BUY_OPEN_LONG = 1
    BUY_CLOSE_SHORT = 2
    SELL_CLOSE_LONG = 3
    SELL_OPEN_SHORT = 4

    @property
    def is_buy(self) -> bool:
        return self in (Side.BUY_OPEN_LONG, Side.BUY_CLOSE_SHORT)

    @property
    def is_close(self) -> bool:
        return self in (Side.BUY_CLOSE_SHORT, Side.SELL_CLOSE_LONG)

    @property
    def direction(self) -> Direction:
        """The side of the position that the order opens or closes."""
        long = self in (Side.BUY_OPEN_LONG, Side.SELL_CLOSE_LONG)
        return Direction.LONG if long else Direction.SHORT


class Direction(enum.IntEnum):
    """The side of a position, with the numbers of `position_type`."""

    LONG = 1
    SHORT = 2

    @classmethod
    def named(cls, side: str) -> Direction:
        """`long` or `short` (ValueError)."""
        try:
            return cls[side.upper()]
        except KeyError:
            raise ValueError(f"side must be long or short, not {side!r}") from None

    @property
    def sign(self) -> int:
        return 1 if self is Direction.LONG else -1

    @property
    def opposite(self) -> Direction:
        return Direction.SHORT if self is Direction.LONG else Direction.LONG

    @property
    def closing_side(self) -> Side:
        return Side.SELL_CLOSE_LONG if self is Direction.LONG else Side.BUY_CLOSE_SHORT


class Mode(enum.IntEnum):
    """How long an order works: until cancelled, all or nothing, now or not at all, or only as a maker."""

    GTC = 1
    FOK = 2
    IOC = 3
    MAKER_ONLY = 4


class State(enum.IntEnum):
    """An order's state on the wire. FINISHED covers filled, cancelled and expired."""

    PENDING = 1
    WORKING = 2
    FINISHED = 4


class Action(enum.IntEnum):
    """Why an order is pushed."""

    MATCHED = 1
    SUBMITTED = 2
    CANCELLED = 3
    CANCELLED_BY_LIQUIDATION = 4
    CANCELLED_BY_ADL = 5
    PARTIAL_LIQUIDATION = 6
    BANKRUPTCY = 7


@frozen(kw_only=True)
class Trigger:
    """What an order waits for, or what set it off: a price on the way up or down, or a turn of it.

    `plan_id` is the id of the plan order or trailing order. `executive_price` is None for the market. `callback_rate`,
    in percent, is a trailing order's: it is active from `price` on, and set off when the price has turned by so much
    of the best since.
    """

    plan_id: int
    price: Decimal
    rises: bool
    price_type: int = 1
    executive_price: Decimal | None = None
    callback_rate: Decimal | None = None


@frozen(kw_only=True)
class OrderRequest:
    """A submit-order that passed every check of form; `price` is None for a market order."""

    symbol: str
    side: Side
    size: int
    type: str = "limit"
    price: Decimal | None = None
    mode: Mode = Mode.GTC
    client_order_id: str = ""
    leverage: int | None = None
    open_type: str | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    stop_price_type: int = 1
    target_price_type: int = 1
    trigger: Trigger | None = None


@frozen(kw_only=True)
class Order:
    """An order the exchange took. `deal_value` is the sum of price times size over its fills.

    `shown_price` is what a market order shows in place of a price.
    """

    order_id: int
    symbol: str
    side: Side
    type: str
    size: int
    price: Decimal | None
    mode: Mode
    client_order_id: str
    leverage: int
    open_type: str
    position_mode: str
    state: State
    create_ms: int
    update_ms: int
    deal_size: int = 0
    deal_value: Decimal = ZERO
    plan_order_id: str = ""
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    stop_price_type: int = 1
    target_price_type: int = 1
    trigger: Trigger | None = None
    shown_price: Decimal = ZERO

    @property
    def remaining(self) -> int:
        return self.size - self.deal_size

    @property
    def deal_avg_price(self) -> Decimal:
        return self.deal_value / self.deal_size if self.deal_size else ZERO

    @property
    def is_working(self) -> bool:
        return self.state is not State.FINISHED


@frozen(kw_only=True)
class Fill:
    """One execution of an order. `fee` is a cost and positive; `realised` is before fees."""

    trade_id: int
    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    price: Decimal
    size: int
    fee: Decimal
    realised: Decimal
    is_maker: bool
    leverage: int
    at_ms: int


def crosses(request: OrderRequest, last: Decimal) -> bool:
    """Whether a limit order is better than the last price, so that it matches as it arrives."""
    assert request.price is not None
    return request.price > last if request.side.is_buy else request.price < last


def reaches(order: Order, price: Decimal) -> bool:
    """Whether a trade at `price` fills a resting order."""
    if order.price is None:
        return True
    return price <= order.price if order.side.is_buy else price >= order.price


def priority(order: Order) -> tuple[bool, Decimal, int]:
    """Market orders first, then the best price, then the oldest."""
    price = order.price or ZERO
    return order.price is not None, -price if order.side.is_buy else price, order.order_id


def entered(
    request: OrderRequest,
    *,
    order_id: int,
    leverage: int,
    open_type: str,
    position_mode: str,
    now_ms: int,
    shown_price: Decimal = ZERO,
) -> Order:
    """A request that was taken, as an order that does not work yet."""
    trigger = request.trigger
    came_from_plan = trigger is not None and trigger.plan_id != order_id
    return Order(
        order_id=order_id,
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        size=request.size,
        price=request.price,
        mode=request.mode,
        client_order_id=request.client_order_id,
        leverage=leverage,
        open_type=open_type,
        position_mode=position_mode,
        state=State.PENDING,
        create_ms=now_ms,
        update_ms=now_ms,
        plan_order_id=str(trigger.plan_id) if trigger and came_from_plan else "",
        stop_price=request.stop_price,
        target_price=request.target_price,
        stop_price_type=request.stop_price_type,
        target_price_type=request.target_price_type,
        trigger=request.trigger,
        shown_price=shown_price,
    )
