"""The orders of an account as typed methods of BitMart's REST API: sent, cancelled, read, and read in parts.

One answer holds 100 working orders or plan orders and there is no second page, so what is longer is read by its parts;
where these are too long as well, `CutShort` says so and carries what was read. Otherwise as `client` says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import msgspec

from ..counters import Counters
from ..model.decimals import to_contracts
from ..model.events import OrderUpdate
from ..model.fills import AccountFill
from .budget import Urgency
from .calls import Calls
from .classify import CANCEL, ORDER, SUBMIT
from .errors import CutShort, Meaning, Refused
from .market import MarketClient
from .orders import SubmitOrder, encode_order
from .rows import Listed, PlanOrder, account_fill_of, order_of, plan_order_of, read_rows
from .wire import fields_of, needed, needed_decimal, reading, text_of, whole_of

__all__ = ["MOST_HISTORY", "OrderClient"]

T = TypeVar("T")

OPEN_ORDERS = "/contract/private/get-open-orders"
PLAN_ORDERS = "/contract/private/current-plan-order"
HISTORY = "/contract/private/order-history"
TRADES = "/contract/private/trades"
CANCEL_PLAN = "/contract/private/cancel-plan-order"

MOST_OPEN_ORDERS = 100
"""In one answer, and there is no second page. Source: fact sheet 5.3."""
OPEN_ORDER_TYPES = ("limit", "market", "trailing")
"""The parts in which the working orders of one symbol can be read."""
MOST_PLAN_ORDERS = 100
PLAN_TYPES = ("plan", "profit_loss")
PLAN_ORDER_TYPES = ("limit", "market")
MOST_HISTORY = 200
"""In one answer, too."""
MOST_TRADED_LOOKED_AT = 3
DAY_S = 86_400
LAST_DAYS = 7
"""What the exchange tells of if it is not told from when. Source: fact sheet 5.3."""


class OrderClient(MarketClient):
    """The market, and the orders of an account."""

    def __init__(
        self,
        calls: Calls,
        counters: Counters,
        concerns: Callable[[str], bool] = lambda symbol: True,
    ) -> None:
        super().__init__(calls, counters)
        self._order_observers: list[Callable[[OrderUpdate], None]] = []
        self.concerns = concerns
        """Whether a symbol is one in which we have something: a row of another that cannot be read is counted and left
        out of a list, where one of ours, or one that does not say of what it is, fails the query."""

    def observe_orders(self, observer: Callable[[OrderUpdate], None]) -> None:
        """Have `observer` called, synchronously, with every order that any query reads, of whomever it is."""
        self._order_observers.append(observer)

    # Orders

    async def submit_order(
        self,
        order: SubmitOrder,
        *,
        urgency: Urgency | None = None,
        still_wanted: Callable[[], bool] = lambda: True,
        leaving: Callable[[], None] = lambda: None,
        stamp: Callable[[bool], Awaitable[int]] | None = None,
    ) -> str:
        """Send `order`, once; its order id at the exchange. Success means accepted, not filled.

        An order that closes is urgent by itself, and never waits behind one that opens. One that opens may wait for
        many seconds: `still_wanted` is asked when its turn has come, and a no is NotSent. `leaving` is called when it
        goes to the connection. `stamp` says what it is signed with, and is told whether an earlier timestamp was
        refused; without it that is the time when it leaves.

        Raises Refused (nothing was taken), NotSent (nothing left), or OutcomeUnknown: then `find_order` before
        anything else.
        """
        if urgency is None:
            urgency = Urgency.CLOSE if order.side.closes else Urgency.OPEN
        data = await self._calls.post(
            SUBMIT,
            encode_order(order),
            urgency=urgency,
            still_wanted=still_wanted,
            leaving=leaving,
            stamp=stamp,
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

    async def order_or_past(
        self, symbol: str, order_id: str, *, urgency: Urgency = Urgency.READ
    ) -> OrderUpdate:
        """One order, also where only the history has it still. Raises what `order` raises.

        How long `order` knows one that has ended is not established. Source: fact sheet 8.4.
        """
        try:
            return await self.order(symbol, order_id, urgency=urgency)
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
            past = await self.order_history(symbol, order_id=order_id, urgency=urgency)
            found = next((each for each in past if each.order_id == order_id), None)
            if found is None:
                raise refusal from None
            return found

    async def open_orders(
        self, symbol: str | None = None, *, urgency: Urgency = Urgency.READ
    ) -> list[OrderUpdate]:
        """All working orders. Raises CutShort, with those that were found, where not all could be read.

        There is no second page. Of one symbol, what does not fit one answer is read in parts, by type.
        """
        found = await self._open_orders(symbol, urgency)
        if len(found) < MOST_OPEN_ORDERS:
            return found
        orders = {each.order_id: each for each in found}
        cut = symbol is None
        for type in OPEN_ORDER_TYPES if symbol is not None else ():
            part = await self._open_orders(symbol, urgency, type=type)
            orders.update((each.order_id, each) for each in part)
            cut = cut or len(part) >= MOST_OPEN_ORDERS
        if not cut:
            return list(orders.values())
        why = "ask by symbol" if symbol is None else f"more than one answer holds of {symbol}"
        raise CutShort(f"at least {len(orders)} orders, {why}", OPEN_ORDERS, orders.values())

    def _last_days(self) -> tuple[int, int]:
        """A period in seconds, by the exchange's clock: the last days, and the one to come."""
        now_s = self._calls.clock.now_ms() // 1000
        return now_s - LAST_DAYS * DAY_S, now_s + DAY_S

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
        """Finished orders, at most 200: those of the last 7 days, or from `start_s` to `end_s` (90 days at most).

        What has a time to come is among them: it was dated before the exchange's clock was set back. A period that ends
        in the future is taken (fact sheet 7, 30); without one, such an order would be hidden until its time has come.
        """
        since_s, until_s = self._last_days()
        data = await self._private(
            HISTORY,
            urgency,
            symbol=symbol,
            client_order_id=client_order_id,
            order_id=order_id,
            start_time=since_s if start_s is None else start_s,
            end_time=until_s if end_s is None else end_s,
        )
        return self._heard(self._read_rows(HISTORY, data, order_of, symbol))

    async def find_order(
        self,
        symbol: str,
        client_order_id: str,
        *,
        type: Literal["limit", "market"] | None = None,
        fits: Callable[[OrderUpdate], bool] = lambda order: True,
        urgency: Urgency = Urgency.READ,
    ) -> OrderUpdate | None:
        """The order with that client order id that `fits`: working, finished or traded in the last 7 days.

        None says that the exchange knows none right now: all three lists were read, and none was cut short. Anything
        less raises. Absence is about now: an order that is still on its way may show up later. Where more orders work
        than can be read, those of its `type` do.
        """
        if not client_order_id:
            raise ValueError("find_order needs a client_order_id")
        cut: CutShort | None = None
        try:
            working = await self.open_orders(symbol, urgency=urgency)
        except CutShort as failure:
            working, cut = list(failure.found), failure
        finished: list[OrderUpdate] = []
        found = _with_id(working, client_order_id, fits)
        if found is None:
            finished = await self.order_history(
                symbol, client_order_id=client_order_id, urgency=urgency
            )
            found = _with_id(finished, client_order_id, fits)
        if found is None and len(finished) >= MOST_HISTORY:
            raise CutShort("more finished orders than one answer holds", HISTORY, finished)
        found = found or await self._traded(symbol, client_order_id, fits, urgency)
        if found is None and cut is not None:
            part = await self._open_orders(symbol, urgency, type=type) if type else []
            found = _with_id(part, client_order_id, fits)
            if found is None and (type is None or len(part) >= MOST_OPEN_ORDERS):
                raise cut
        return found

    async def traded_size(
        self, symbol: str, order_id: str, *, urgency: Urgency = Urgency.READ
    ) -> int:
        """Contracts that the trades of one order, by its id at the exchange, add up to. Raises CutShort."""
        since_s, until_s = self._last_days()
        data = await self._private(
            TRADES,
            urgency,
            symbol=symbol,
            order_id=order_id,
            start_time=since_s,
            end_time=until_s,
        )
        rows = self._read_rows(TRADES, data, fields_of, symbol)
        if len(rows) >= MOST_HISTORY:
            raise CutShort(f"{len(rows)} trades of one order or more", TRADES)
        with reading(TRADES):
            sizes = [
                needed_decimal(row, "vol")
                for row in rows
                if text_of(row.get("order_id")) == order_id
            ]
        return sum(map(to_contracts, sizes))

    async def traded_orders(
        self, symbol: str | None = None, *, since_s: int, urgency: Urgency = Urgency.READ
    ) -> list[tuple[str, str]]:
        """Symbol and id, at the exchange, of the order of every trade that opened something since. Raises CutShort."""
        _, until_s = self._last_days()
        data = await self._private(
            TRADES, urgency, symbol=symbol, start_time=since_s, end_time=until_s
        )
        rows = self._read_rows(TRADES, data, fields_of, symbol)
        if len(rows) >= MOST_HISTORY:
            raise CutShort(f"{len(rows)} trades or more, ask by symbol", TRADES)
        with reading(TRADES):
            return [
                (text_of(needed(row, "symbol")).upper(), text_of(needed(row, "order_id")))
                for row in rows
                if whole_of(row.get("side")) not in (2, 3)
            ]

    async def account_fills(
        self, *, start_s: int, end_s: int | None = None, urgency: Urgency = Urgency.OPEN
    ) -> list[AccountFill]:
        """The fills of the account in a time, of whomever: at most 200, so that many may not be all.

        What is asked for history's sake waits behind everything else.
        """
        data = await self._private(TRADES, urgency, start_time=start_s, end_time=end_s)
        return self._read_rows(TRADES, data, account_fill_of, None)

    async def _traded(
        self,
        symbol: str,
        client_order_id: str,
        fits: Callable[[OrderUpdate], bool],
        urgency: Urgency,
    ) -> OrderUpdate | None:
        """The order with that client order id, if a trade of it is listed while it is not.

        The rows name the order by the exchange's id only, and whether they are of the client order id that was asked
        for has been so since 2025-12 (fact sheet 7.1): the orders themselves say whose they are.
        """
        since_s, until_s = self._last_days()
        data = await self._private(
            TRADES,
            urgency,
            symbol=symbol,
            client_order_id=client_order_id,
            start_time=since_s,
            end_time=until_s,
        )
        ids = dict.fromkeys(
            self._read_rows(
                TRADES, data, lambda row: text_of(fields_of(row).get("order_id")), symbol
            )
        )
        for order_id in list(filter(None, ids))[:MOST_TRADED_LOOKED_AT]:
            order = await self.order(symbol, order_id, urgency=urgency)
            if order.client_order_id == client_order_id and fits(order):
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

        Raises CutShort, with those that were found, where not all could be read. Of one symbol, what does not fit one
        answer is read in parts.
        """
        found = await self._plan_orders(symbol, urgency, plan_type=plan_type)
        if len(found) < MOST_PLAN_ORDERS:
            return found
        plans = {each.order_id: each for each in found}
        cut = symbol is None
        kinds = (plan_type,) if plan_type else PLAN_TYPES
        parts = [(kind, type) for kind in kinds for type in PLAN_ORDER_TYPES] if symbol else []
        for kind, type in parts:
            part = await self._plan_orders(symbol, urgency, plan_type=kind, type=type)
            plans.update((each.order_id, each) for each in part)
            cut = cut or len(part) >= MOST_PLAN_ORDERS
        if not cut:
            return list(plans.values())
        why = "ask by symbol" if symbol is None else f"more than one answer holds of {symbol}"
        raise CutShort(f"at least {len(plans)} plan orders, {why}", PLAN_ORDERS, plans.values())

    async def cancel_plan_order(
        self, symbol: str, order_id: str, *, urgency: Urgency = Urgency.CANCEL
    ) -> None:
        """Take away one order that waits for a price. Raises ValueError without an id: that would cancel them all."""
        if not order_id:
            raise ValueError("cancel_plan_order needs an order_id")
        body = {"symbol": symbol, "order_id": order_id}
        await self._calls.post(CANCEL_PLAN, msgspec.json.encode(body), urgency=urgency)

    # How the above are asked

    async def _private(
        self, path: str, urgency: Urgency, **params: str | int | None
    ) -> msgspec.Raw:
        given = {name: str(value) for name, value in params.items() if value not in (None, "")}
        return await self._calls.get(path, given, private=True, urgency=urgency)

    def _read_rows(
        self,
        path: str,
        data: msgspec.Raw,
        convert: Callable[[msgspec.Raw], T],
        symbol: str | None,
    ) -> Listed[T]:
        """The rows of a list that was asked for `symbol`, which is what concerns us then, or for all."""
        concerns = self.concerns if symbol is None else symbol.__eq__
        rows = read_rows(path, data, convert, concerns)
        for each in sorted(rows.left_out):
            self._counters.add("foreign_row_unreadable", path=path, symbol=each)
        return rows

    async def _open_orders(
        self, symbol: str | None, urgency: Urgency, *, type: str | None = None
    ) -> list[OrderUpdate]:
        """One answer: 100 of them may not be all."""
        data = await self._private(
            OPEN_ORDERS, urgency, symbol=symbol, type=type, limit=MOST_OPEN_ORDERS
        )
        return self._heard(self._read_rows(OPEN_ORDERS, data, order_of, symbol))

    async def _plan_orders(
        self,
        symbol: str | None,
        urgency: Urgency,
        *,
        plan_type: str | None,
        type: str | None = None,
    ) -> list[PlanOrder]:
        """One answer: 100 of them may not be all."""
        data = await self._private(
            PLAN_ORDERS,
            urgency,
            symbol=symbol,
            plan_type=plan_type,
            type=type,
            limit=MOST_PLAN_ORDERS,
        )
        return self._read_rows(PLAN_ORDERS, data, plan_order_of, symbol)

    def _heard(self, orders: list[OrderUpdate]) -> list[OrderUpdate]:
        for observer in self._order_observers:
            for each in orders:
                observer(each)
        return orders


def _with_id(
    orders: list[OrderUpdate], client_order_id: str, fits: Callable[[OrderUpdate], bool]
) -> OrderUpdate | None:
    with_id = (each for each in orders if each.client_order_id == client_order_id)
    return next((each for each in with_id if fits(each)), None)
