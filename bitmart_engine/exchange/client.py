"""BitMart's REST API as typed methods: what the engine asks of the exchange, and nothing about why.

Every method is one request (`find_order`, `klines` and `positions` may be more) and either succeeds or raises an
`ExchangeError`. The client never retries, never remembers an order or a position, and never turns a query that failed
into an answer. Each method checkpoints. Cancelling a write leaves its outcome unknown.

A request waits until its endpoint has room for it. `urgency` says who goes first when there is not enough: what it is
by default follows from what is asked, and whoever closes a position passes `Urgency.CLOSE` for all that it needs.

What needs no account is in `market`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any, Literal, final

import msgspec
import trio
from attrs import frozen

from ..model.decimals import plain
from ..model.events import OrderUpdate, PositionUpdate
from ..model.sides import PositionSide
from ..settings import SettingError, Settings
from ..tally import Tally
from ..world import World
from .budget import Urgency
from .calls import Calls
from .errors import CutShort
from .judge import CANCEL, ORDER, SUBMIT
from .market import MarketClient
from .orders import SubmitOrder, encode_order
from .rows import (
    Balance,
    PlanOrder,
    PositionSettings,
    balance_of,
    order_of,
    plan_order_of,
    position_of,
    read_rows,
    reading,
    settings_of,
)
from .transport import KeptConnections
from .turns import EndpointStatistics
from .wire import fields_of, needed, text_of

__all__ = ["ExchangeClient", "ExchangeStatistics", "open_exchange"]

OPEN_ORDERS = "/contract/private/get-open-orders"
PLAN_ORDERS = "/contract/private/current-plan-order"
HISTORY = "/contract/private/order-history"
TRADES = "/contract/private/trades"
CANCEL_PLAN = "/contract/private/cancel-plan-order"
POSITIONS = "/contract/private/position-v2"
ASSETS = "/contract/private/assets-detail"
LEVERAGE = "/contract/private/submit-leverage"
GET_MODE = "/contract/private/get-position-mode"
SET_MODE = "/contract/private/set-position-mode"

MOST_OPEN_ORDERS = 100
"""In one answer, and there is no second page. Source: fact sheet 5.3."""
MOST_PLAN_ORDERS = 100
MOST_HISTORY = 200
MOST_TRADED_LOOKED_AT = 3


@frozen(kw_only=True)
class ExchangeStatistics:
    """How the requests to the exchange stand."""

    endpoints: Mapping[str, EndpointStatistics]
    """By path, those that were asked at least once."""
    clock_offset_ms: int | None
    """How far the exchange's clock is ahead of ours; None before it was measured."""


@final
class ExchangeClient(MarketClient):
    """BitMart's REST API over one transport: the market, and an account.

    Made by `open_exchange`. Safe to use from many tasks at once.
    """

    def __init__(self, calls: Calls, tally: Tally) -> None:
        super().__init__(calls, tally)
        self._order_observers: list[Callable[[OrderUpdate], None]] = []

    def observe_orders(self, observer: Callable[[OrderUpdate], None]) -> None:
        """Have `observer` called, synchronously, with every order that any query reads, of whomever it is."""
        self._order_observers.append(observer)

    # The exchange's clock, and how much we ask of it

    def now_ms(self) -> int:
        """The exchange's time, Unix time in ms: our wall clock put right by what was measured last."""
        return self._calls.clock.now_ms()

    @property
    def clock_offset_ms(self) -> int | None:
        """How far the exchange's clock is ahead of ours; None before it was measured."""
        return self._calls.clock.offset_ms

    def doubt_clock(self) -> None:
        """A refused login, say, may come of a wrong offset: have it measured soon. Does not block."""
        self._calls.clock.doubt()

    async def measure_clock(self) -> int:
        """Measure that offset now, by three requests; also done at start, hourly, and when a timestamp is refused."""
        return await self._calls.clock.measure()

    def statistics(self) -> ExchangeStatistics:
        """How many requests count at each endpoint now, how many wait, and whether it is paused."""
        return ExchangeStatistics(
            endpoints=self._calls.turns.statistics(), clock_offset_ms=self.clock_offset_ms
        )

    # Orders

    async def submit_order(
        self,
        order: SubmitOrder,
        *,
        urgency: Urgency | None = None,
        still_wanted: Callable[[], bool] = lambda: True,
    ) -> str:
        """Send `order`, once; its order id at the exchange. Success means accepted, not filled.

        An order that closes is urgent by itself, and never waits behind one that opens. One that opens may wait for
        many seconds: `still_wanted` is asked when its turn has come, and a no is NotSent.

        Raises Refused (nothing was taken), NotSent (nothing left), or OutcomeUnknown: then `find_order` before
        anything else.
        """
        if urgency is None:
            urgency = Urgency.CLOSE if order.side.closes else Urgency.OPEN
        data = await self._calls.post(
            SUBMIT, encode_order(order), urgency=urgency, still_wanted=still_wanted
        )
        with reading(SUBMIT):
            return text_of(needed(fields_of(data), "order_id"))

    async def cancel_order(
        self,
        symbol: str,
        *,
        order_id: str | None = None,
        client_order_id: str | None = None,
        urgency: Urgency = Urgency.CANCEL,
    ) -> None:
        """Ask for the cancel of one order. Success means asked for; what became of it, the order says.

        Raises ValueError without an id: BitMart would cancel every order of the symbol.
        """
        if not order_id and not client_order_id:
            raise ValueError("cancel_order needs an order_id or a client_order_id")
        body = {"symbol": symbol}
        if order_id:
            body["order_id"] = order_id
        if client_order_id:
            body["client_order_id"] = client_order_id
        await self._calls.post(CANCEL, msgspec.json.encode(body), urgency=urgency)

    async def order(
        self, symbol: str, order_id: str, *, urgency: Urgency = Urgency.READ
    ) -> OrderUpdate:
        """One order. Refused with Meaning.NO_SUCH_ORDER is no proof of absence right after a submit."""
        data = await self._private(ORDER, urgency, symbol=symbol, order_id=order_id)
        with reading(ORDER):
            found = order_of(data)
        return self._heard([found])[0]

    async def open_orders(
        self, symbol: str | None = None, *, urgency: Urgency = Urgency.READ
    ) -> list[OrderUpdate]:
        """All working orders. Raises CutShort where the answer is full."""
        found = await self._open_orders(symbol, urgency)
        if len(found) >= MOST_OPEN_ORDERS:
            raise CutShort(f"{len(found)} orders or more, ask by symbol", OPEN_ORDERS)
        return found

    async def order_history(
        self,
        symbol: str,
        *,
        client_order_id: str | None = None,
        order_id: str | None = None,
        start_s: int | None = None,
        end_s: int | None = None,
        urgency: Urgency = Urgency.READ,
    ) -> list[OrderUpdate]:
        """Finished orders, at most 200: those of the last 7 days, or from `start_s` to `end_s` (90 days at most)."""
        data = await self._private(
            HISTORY,
            urgency,
            symbol=symbol,
            client_order_id=client_order_id,
            order_id=order_id,
            start_time=start_s,
            end_time=end_s,
        )
        return self._heard(read_rows(HISTORY, data, order_of))

    async def find_order(
        self, symbol: str, client_order_id: str, *, urgency: Urgency = Urgency.READ
    ) -> OrderUpdate | None:
        """The order with that client order id: working, finished or traded in the last 7 days.

        None says that the exchange knows none right now: all three lists were read, and none was cut short. Anything
        less raises. Absence is about now: an order that is still on its way may show up later.
        """
        if not client_order_id:
            raise ValueError("find_order needs a client_order_id")
        working = await self._open_orders(symbol, urgency)
        finished: list[OrderUpdate] = []
        found = _with_id(working, client_order_id)
        if found is None:
            finished = await self.order_history(
                symbol, client_order_id=client_order_id, urgency=urgency
            )
            found = _with_id(finished, client_order_id)
        if found is None and len(working) >= MOST_OPEN_ORDERS:
            raise CutShort("more open orders than one answer holds", OPEN_ORDERS)
        if found is None and len(finished) >= MOST_HISTORY:
            raise CutShort("more finished orders than one answer holds", HISTORY)
        return found or await self._traded(symbol, client_order_id, urgency)

    async def _traded(
        self, symbol: str, client_order_id: str, urgency: Urgency
    ) -> OrderUpdate | None:
        """The order with that client order id, if a trade of it is listed while it is not.

        The rows name the order by the exchange's id only, and whether they are of the client order id that was asked
        for has been so since 2025-12 (fact sheet 7.1): the orders themselves say whose they are.
        """
        data = await self._private(TRADES, urgency, symbol=symbol, client_order_id=client_order_id)
        rows = read_rows(TRADES, data, fields_of)
        ids = dict.fromkeys(text_of(row.get("order_id")) for row in rows)
        for order_id in list(filter(None, ids))[:MOST_TRADED_LOOKED_AT]:
            order = await self.order(symbol, order_id, urgency=urgency)
            if order.client_order_id == client_order_id:
                return order
        return None

    async def plan_orders(
        self,
        symbol: str | None = None,
        *,
        plan_type: Literal["plan", "profit_loss"] | None = None,
        urgency: Urgency = Urgency.READ,
    ) -> list[PlanOrder]:
        """What waits at the exchange for a price; with `plan_type` profit_loss the stops and targets of positions.

        Raises CutShort where the answer is full.
        """
        data = await self._private(
            PLAN_ORDERS, urgency, symbol=symbol, plan_type=plan_type, limit=MOST_PLAN_ORDERS
        )
        found = read_rows(PLAN_ORDERS, data, plan_order_of)
        if len(found) >= MOST_PLAN_ORDERS:
            raise CutShort(f"{len(found)} plan orders or more, ask by symbol", PLAN_ORDERS)
        return found

    async def cancel_plan_order(
        self, symbol: str, order_id: str, *, urgency: Urgency = Urgency.CANCEL
    ) -> None:
        """Take away one order that waits for a price. Raises ValueError without an id: that would cancel them all."""
        if not order_id:
            raise ValueError("cancel_plan_order needs an order_id")
        body = {"symbol": symbol, "order_id": order_id}
        await self._calls.post(CANCEL_PLAN, msgspec.json.encode(body), urgency=urgency)

    # Positions and the account

    async def positions(
        self, symbol: str | None = None, *, urgency: Urgency = Urgency.READ
    ) -> list[PositionUpdate]:
        """What is held: every side with contracts; for one `symbol` both its sides, a flat one with size 0."""
        rows = await self._position_rows(symbol, urgency)
        with reading(POSITIONS):
            updates = [each for row in rows for each in position_of(row)]
        if symbol is None:
            return [each for each in updates if each.size]
        sides = {each.side: each for each in sorted(updates, key=lambda each: each.size)}
        return [
            sides.get(side) or PositionUpdate(symbol=symbol, side=side, size=0)
            for side in PositionSide
        ]

    async def position_settings(
        self, symbol: str, *, urgency: Urgency = Urgency.READ
    ) -> PositionSettings:
        """The leverage, the margin mode and the position mode of `symbol`, and what is held on each side."""
        rows = await self._position_rows(symbol, urgency)
        with reading(POSITIONS):
            return settings_of(symbol, rows)

    async def submit_leverage(
        self,
        symbol: str,
        leverage: Decimal,
        open_type: str,
        *,
        urgency: Urgency = Urgency.OPEN,
    ) -> None:
        """Set the leverage and the margin mode (`isolated` or `cross`) of `symbol`."""
        body = {"symbol": symbol, "leverage": plain(leverage), "open_type": open_type}
        await self._calls.post(LEVERAGE, msgspec.json.encode(body), urgency=urgency)

    async def position_mode(self, *, urgency: Urgency = Urgency.READ) -> str:
        """`hedge_mode` or `one_way_mode`, of the whole account."""
        data = await self._private(GET_MODE, urgency)
        with reading(GET_MODE):
            return text_of(needed(fields_of(data), "position_mode"))

    async def set_position_mode(self, mode: str, *, urgency: Urgency = Urgency.OPEN) -> None:
        """Set the position mode of the whole account. Refused while any position or order is open."""
        body = msgspec.json.encode({"position_mode": mode})
        await self._calls.post(SET_MODE, body, urgency=urgency)

    async def balance(self, currency: str = "USDT", *, urgency: Urgency = Urgency.READ) -> Balance:
        """The futures account in `currency`; all zero where the account does not list it."""
        rows = read_rows(ASSETS, await self._private(ASSETS, urgency), fields_of)
        with reading(ASSETS):
            return balance_of(currency, rows)

    # How the above are asked

    async def _private(
        self, path: str, urgency: Urgency, **params: str | int | None
    ) -> msgspec.Raw:
        given = {name: str(value) for name, value in params.items() if value not in (None, "")}
        return await self._calls.get(path, given, private=True, urgency=urgency)

    async def _open_orders(self, symbol: str | None, urgency: Urgency) -> list[OrderUpdate]:
        data = await self._private(OPEN_ORDERS, urgency, symbol=symbol, limit=MOST_OPEN_ORDERS)
        return self._heard(read_rows(OPEN_ORDERS, data, order_of))

    def _heard(self, orders: list[OrderUpdate]) -> list[OrderUpdate]:
        for observer in self._order_observers:
            for each in orders:
                observer(each)
        return orders

    async def _position_rows(self, symbol: str | None, urgency: Urgency) -> list[dict[str, Any]]:
        """The rows of one symbol, or all. BitMart answers a symbol with rows of zeros when it is flat: where it
        answers with none, the whole account is asked before anything is called flat.
        """
        answer = await self._private(POSITIONS, urgency, symbol=symbol)
        rows = read_rows(POSITIONS, answer, fields_of)
        if symbol is None:
            return rows
        if not rows:
            rows = read_rows(POSITIONS, await self._private(POSITIONS, urgency), fields_of)
        with reading(POSITIONS):
            return [row for row in rows if text_of(needed(row, "symbol")).upper() == symbol]


def _with_id(orders: list[OrderUpdate], client_order_id: str) -> OrderUpdate | None:
    return next((each for each in orders if each.client_order_id == client_order_id), None)


@asynccontextmanager
async def open_exchange(
    settings: Settings, world: World, tally: Tally
) -> AsyncIterator[ExchangeClient]:
    """The exchange at `settings.rest_uri`, for as long as the block lasts.

    By itself it only asks for the exchange's time, at once and every hour; nothing waits for that. Without credentials
    only the public methods work. Raises SettingError for a key that no header can carry; what the block itself raises
    comes in an ExceptionGroup.
    """
    if not (settings.api_key.isascii() and settings.api_key.isprintable()):
        raise SettingError("BITMART_API_KEY", "***", "must be printable ASCII")
    make = world.http_transport or partial(KeptConnections, world.dial)
    async with make() as transport, trio.open_nursery() as nursery:
        calls = Calls(settings, world, tally, transport)
        nursery.start_soon(calls.clock.keep)
        yield ExchangeClient(calls, tally)
        nursery.cancel_scope.cancel()
