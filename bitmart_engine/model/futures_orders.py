"""The exchange's orders as the application books them: the normalized order event, the `FuturesOrder`, the upsert.

Everything that is said of an order is taken in, whoever's order it is: pushed or read over REST, in any order, any
number of times. The newest word on a field counts, by the exchange's `update_time`; what an event leaves out stays as
it was known. So `upsert` is a join: any events, in any order, with any of them repeated, add up to the same order.

An event without a time of its own can be placed in one case only: nothing comes after the end, so one that says that
the order has ended is the newest. Any other counts as the oldest. Of two with the same time the one that has come
further wins: the ended one, then the one that filled more, then the pushed one before the one that was read.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from zlib import crc32

from attrs import evolve, field, fields, frozen

from .decimals import decimal_or_none, to_contracts
from .events import OrderState
from .orders import Moment
from .sides import OrderSide

__all__ = [
    "FuturesOrder",
    "FuturesStatus",
    "OrderAction",
    "OrderEvent",
    "Rank",
    "Said",
    "name_of",
    "upsert",
]

AFTER_ALL_MS = 2**62
BEFORE_ALL_MS = -1


class OrderAction(IntEnum):
    """Why an order was pushed. It says nothing of the order's state: read that, and the filled size."""

    MATCH_DEAL = 1
    SUBMIT_ORDER = 2
    CANCEL_ORDER = 3
    LIQUIDATE_CANCEL_ORDER = 4
    ADL_CANCEL_ORDER = 5
    PART_LIQUIDATE = 6
    BANKRUPTCY_ORDER = 7
    PASSIVE_ADL_MATCH_DEAL = 8
    ACTIVE_ADL_MATCH_DEAL = 9


class FuturesStatus(Enum):
    """How an order stands in the application's book. What filled in part and was then cancelled is `filled`."""

    PENDING = "pending"
    FILLED = "filled"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more happens to the order."""
        return self is not FuturesStatus.PENDING


def name_of(codes: type[IntEnum], code: int | None) -> str | None:
    """What the exchange calls a code; None where there is none, or an unknown one."""
    return next((each.name for each in codes if each == code), None)


@frozen(kw_only=True)
class OrderEvent:
    """One order event in the normalized flat form: numbers as they were sent, as text; None where nothing was said.

    `action`, `side` (1 to 4), `state` (1, 2, 4) and `position_mode` (1 hedge, 2 one-way) are the exchange's codes.
    An order that was read over REST has no action.
    """

    order_id: str
    symbol: str
    action: int | None = None
    client_order_id: str = ""
    side: int | None = None
    type: str | None = None
    state: int | None = None
    price: str | None = None
    size: str | None = None
    deal_avg_price: str | None = None
    deal_size: str | None = None
    leverage: str | None = None
    open_type: str | None = None
    position_mode: int | None = None
    update_time_ms: int | None = None
    raw_data: str = field(default="", repr=False)
    """The event as it came, JSON."""

    @property
    def action_name(self) -> str | None:
        """`MATCH_DEAL`, say; None where nothing, or nothing known, was said."""
        return name_of(OrderAction, self.action)

    @property
    def side_name(self) -> str | None:
        """`BUY_OPEN_LONG`, say."""
        return name_of(OrderSide, self.side)

    @property
    def state_name(self) -> str | None:
        """`APPROVAL`, `CHECK` or `FINISH`."""
        return name_of(OrderState, self.state)

    def flat(self) -> dict[str, str | int | None]:
        """The documented form: fifteen fields, in the document's order."""
        return {name: getattr(self, name) for name in FLAT}


FLAT = (
    "action",
    "order_id",
    "client_order_id",
    "symbol",
    "side",
    "type",
    "state",
    "price",
    "size",
    "deal_avg_price",
    "deal_size",
    "leverage",
    "open_type",
    "position_mode",
    "update_time_ms",
)


@frozen(order=True)
class Rank:
    """How new an event's word is; the greater one counts. `check` only makes the order a total one."""

    at_ms: int
    final: bool
    filled: int
    pushed: bool
    check: int


@frozen
class Said:
    """A field whose value is older than the newest event, and how old it is."""

    name: str
    rank: Rank


@frozen(kw_only=True)
class FuturesOrder:
    """One order at the exchange, of whomever it is. Sizes in contracts; price and average price as they were sent."""

    order_id: str
    symbol: str
    client_order_id: str = ""
    side: int | None = None
    type: str | None = None
    exchange_state: int | None = None
    price: str | None = None
    size: int | None = None
    filled_size: int | None = None
    deal_avg_price: str | None = None
    open_type: str | None = None
    position_mode: int | None = None
    leverage: int | None = None
    updated_time_ms: int | None = None
    raw_data: str = field(default="", repr=False)
    """The newest event as it came, JSON."""
    rank: Rank
    older: tuple[Said, ...] = ()
    seen_ms: int = field(default=0, eq=False)
    """When the engine last learned something new of it, unix ms."""
    told: str = field(default="", eq=False)
    """What the application was told last of an order that is not the engine's: a status and the filled size. Empty
    where it was told nothing."""

    @property
    def status(self) -> FuturesStatus:
        """The document's mapping of state and filled size; an order of which no end is known is pending."""
        if self.exchange_state != OrderState.FINISH:
            return FuturesStatus.PENDING
        return FuturesStatus.FILLED if self.filled_size else FuturesStatus.CANCELLED

    @property
    def partial(self) -> bool:
        """Whether it ended with a part of it filled, and a part not."""
        filled = self.filled_size or 0
        return self.status.final and self.size is not None and 0 < filled < self.size

    @property
    def id(self) -> str:
        """What it is shelved by."""
        return self.order_id

    @property
    def state(self) -> FuturesStatus:
        """What an archive asks of the things on it."""
        return self.status

    @property
    def history(self) -> tuple[Moment, ...]:
        """Only the last moment is kept: what an archive asks for the end of a thing."""
        return (Moment(self.status.value, self.seen_ms),)


def upsert(known: FuturesOrder | None, event: OrderEvent) -> FuturesOrder | None:
    """The order with `event` taken in; None if that says nothing new. `known` is the order of the same id, if any.

    Raises ValueError for an event whose sizes are not numbers.
    """
    news = _alone(event)
    if known is None:
        return news
    if news.rank == known.rank:  # the very event that was taken in last
        return None
    joined = _joined(known, news)
    return None if joined == known else joined


def _alone(event: OrderEvent) -> FuturesOrder:
    """The order as one event tells it."""
    filled = _whole(event.deal_size)
    final = event.state == OrderState.FINISH
    at_ms = event.update_time_ms
    if at_ms is None:
        at_ms = AFTER_ALL_MS if final else BEFORE_ALL_MS
    return FuturesOrder(
        order_id=event.order_id,
        symbol=event.symbol.upper(),
        client_order_id=event.client_order_id,
        side=event.side,
        type=_lower(event.type),
        exchange_state=event.state,
        price=event.price,
        size=_whole(event.size),
        filled_size=filled,
        deal_avg_price=event.deal_avg_price,
        open_type=_lower(event.open_type),
        position_mode=event.position_mode,
        leverage=_whole(event.leverage),
        updated_time_ms=event.update_time_ms,
        raw_data=event.raw_data,
        rank=Rank(
            at_ms,
            final,
            filled or 0,
            event.action is not None,
            crc32(repr(event).encode() + event.raw_data.encode()),
        ),
    )


JOINED = tuple(
    each.name
    for each in fields(FuturesOrder)
    if each.name
    not in ("order_id", "symbol", "updated_time_ms", "raw_data", "rank", "older", "seen_ms", "told")
)


def _joined(one: FuturesOrder, other: FuturesOrder) -> FuturesOrder:
    """Both together: of every field the newest word."""
    newest, oldest = (one, other) if one.rank >= other.rank else (other, one)
    ranks, others = _ranks(newest), _ranks(oldest)
    values: dict[str, Any] = {}
    older: list[Said] = []
    for name in JOINED:
        rank = ranks.get(name)
        beside = others.get(name)
        if beside is not None and (rank is None or beside > rank):
            values[name] = getattr(oldest, name)
            rank = beside
        if rank is not None and rank != newest.rank:
            older.append(Said(name, rank))
    times = [each.updated_time_ms for each in (one, other) if each.updated_time_ms is not None]
    return evolve(
        newest,
        **values,
        updated_time_ms=max(times, default=None),
        older=tuple(older),
        seen_ms=0,
        told=one.told or other.told,
    )


def _ranks(order: FuturesOrder) -> dict[str, Rank]:
    """How new each field is that anything was said of."""
    older = {each.name: each.rank for each in order.older}
    return {
        name: older.get(name, order.rank)
        for name in JOINED
        if getattr(order, name) not in (None, "")
    }


def _whole(text: str | None) -> int | None:
    number: Decimal | None = decimal_or_none(text)
    return None if number is None else to_contracts(number)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()
