"""What happens: market prices, and what the exchange says of our orders and positions.

These are the normalized events that are fanned out to monitors and readers. Times are integers in the unit their name
says (`_s` seconds, `_ms` milliseconds); prices and volumes are `Decimal`; sizes are whole contracts.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum

from attrs import evolve, field, frozen

from .sides import OrderSide, PositionSide
from .timeframes import Timeframe

__all__ = [
    "PLANNED",
    "AccountFrame",
    "BalanceUpdate",
    "Event",
    "Fill",
    "Kline",
    "OrderState",
    "OrderUpdate",
    "PositionUpdate",
    "PrivateLost",
    "PrivateReady",
    "Tick",
    "Trade",
    "plan_order_id",
]


@frozen
class Kline:
    """One bar as it stands. The running bar comes again and again with the same `open_time_s`.

    Once a later bar of the channel has started it comes once more, `closed`, before that bar does. Bars that the stream
    missed come when the exchange's history tells them, `backfilled` and `closed`, in order among themselves; live bars
    do not wait for them.
    """

    symbol: str
    timeframe: Timeframe
    open_time_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    """In contracts."""
    closed: bool = False
    """Whether a later bar has started. After a gap a bar may be told closed as it was last seen, and told again,
    `backfilled`, if history knows more of it."""
    backfilled: bool = False
    """Whether it was read from history, because the stream missed it or its end."""


@frozen
class Trade:
    """One public trade of a symbol, of anybody."""

    symbol: str
    trade_id: int
    """0 if it was not told."""
    price: Decimal
    size: Decimal
    at_ms: int | None = None
    """When it was made, by the exchange's clock; None if it was not told."""


@frozen
class PastTrade:
    """A public trade as history tells it: `at_s` is Unix time in whole seconds, for it tells no finer."""

    symbol: str
    price: Decimal
    at_s: int


@frozen
class Tick:
    """A price observation: the last price, and the extremes since the previous observation of the symbol.

    `low <= last <= high` always holds. `at` is the receive time on Trio's clock, in seconds.
    """

    symbol: str
    last: Decimal
    high: Decimal
    low: Decimal
    at: float
    gap_since: float | None = None
    """When the stream last told of the symbol before a gap (Trio's clock), if this is the first it tells after one: its
    extremes may then be as old as that. None if the stream went on."""
    last_ms: int | None = None
    """When the last price was made (the exchange's clock), if that was some seconds before it arrived; None if it
    arrived in time, or nobody knows."""
    oldest_ms: int | None = None
    """The same of the oldest of its prices."""
    unconfirmed: bool = False
    """Whether its extremes are far from the last price and no second source has confirmed them: they count for stops
    only."""
    rechecked: bool = False
    """Whether it is an earlier price, looked at again by something that was armed after it."""

    def merge(self, later: Tick) -> Tick:
        """This tick and the `later` one as one: the last price wins, the extremes widen."""
        gap = later.gap_since if self.gap_since is None else self.gap_since
        if later.gap_since is not None and gap is not None:
            gap = min(gap, later.gap_since)
        oldest = later.oldest_ms if self.oldest_ms is None else self.oldest_ms
        if later.oldest_ms is not None and oldest is not None:
            oldest = min(oldest, later.oldest_ms)
        return Tick(
            later.symbol,
            later.last,
            max(self.high, later.high),
            min(self.low, later.low),
            later.at,
            gap,
            later.last_ms,
            oldest,
            self.unconfirmed or later.unconfirmed,
        )

    def only_last(self) -> Tick:
        """The price now, without what was before."""
        return evolve(
            self, high=self.last, low=self.last, oldest_ms=self.last_ms, unconfirmed=False
        )


class OrderState(IntEnum):
    """BitMart's order state. 4 covers filled, cancelled and expired; compare `deal_size` with `size`."""

    APPROVAL = 1
    CHECK = 2
    FINISH = 4


@frozen
class Fill:
    """One match of an order, as the exchange numbers it."""

    trade_id: int
    price: Decimal
    size: int
    fee: Decimal | None = None
    """As it was told, with whatever sign; None where it was not told."""
    fee_currency: str | None = None


@frozen(kw_only=True)
class OrderUpdate:
    """What the exchange says of one order: from `futures/order`, or read over REST.

    Everything but `order_id`, `symbol` and `state` may be missing; None means that nothing was said, not zero.
    `deal_size` is the cumulative filled size in contracts. `action` is the push's 1 to 9 (fact sheet 4.3).
    """

    order_id: str
    symbol: str
    state: OrderState
    client_order_id: str = ""
    side: OrderSide | None = None
    type: str | None = None
    action: int | None = None
    price: Decimal | None = None
    size: int | None = None
    deal_size: int = 0
    deal_size_known: bool = True
    """False where the exchange did not say it: then `deal_size` is 0 and proves nothing."""
    deal_avg_price: Decimal | None = None
    leverage: str | None = None
    open_type: str | None = None
    position_mode: str | None = None
    create_time_ms: int | None = None
    update_time_ms: int | None = None
    last_fill: Fill | None = None
    plan_order_id: str = ""
    """The plan order (a stop or target that the exchange kept, say) that the exchange made this order of."""
    trigger_price: Decimal | None = None
    """The price that this plan order waited for."""
    raw: bytes = field(default=b"", repr=False, eq=False)

    @property
    def final(self) -> bool:
        """Whether the exchange says that nothing more will happen to this order."""
        return self.state is OrderState.FINISH

    @property
    def filled(self) -> bool:
        """Whether the whole size was filled."""
        return self.final and self.size is not None and self.deal_size >= self.size


PLANNED = "PLAN_"
"""How the client order ids of orders begin that the exchange made of a plan."""


def plan_order_id(said: str, client_order_id: str) -> str:
    """The id of the plan order that an order was made of: as it is said, or as its client order id names it.

    Orders that the exchange makes of a plan are named `PLAN_` and the plan's id (fact sheet 4.3); only pushes have a
    field for it.
    """
    if said.strip("-0"):
        return said
    return client_order_id[len(PLANNED) :] if client_order_id.startswith(PLANNED) else ""


@frozen(kw_only=True)
class PositionUpdate:
    """What the exchange holds for one side of a symbol: from `futures/position`, or read over REST.

    `size` is in contracts and never negative; 0 says that the side is flat.
    """

    symbol: str
    side: PositionSide
    size: int
    entry_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    update_time_ms: int | None = None
    open_time_ms: int | None = None
    """Since when the side has been held without a break, where the exchange says so."""


@frozen(kw_only=True)
class BalanceUpdate:
    """The futures account in one currency, in units of it: from `futures/asset`, or read over REST. None: not said."""

    currency: str
    available: Decimal
    frozen: Decimal | None = None
    """Held back by working orders."""
    position_deposit: Decimal | None = None
    """The margin of what is held."""


@frozen
class AccountFrame:
    """A push of orders or positions as the exchange sent it. `data` is its JSON, an array as a rule."""

    group: str
    """As it was sent."""
    channel: str
    """What it was subscribed by."""
    data: bytes = field(repr=False)


@frozen
class PrivateReady:
    """The private stream is logged in and subscribed: from here on pushes arrive, so a snapshot may be taken."""

    at: float


@frozen
class PrivateLost:
    """The private stream, which was ready, is down: from here on pushes are missed."""

    at: float


Event = Kline | Trade | OrderUpdate | PositionUpdate | BalanceUpdate | PrivateReady
