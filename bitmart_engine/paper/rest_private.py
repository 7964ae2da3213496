"""The private REST calls: orders and fills, and what the other desks answer. Synchronous: parameters in, `data` out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import views
from .books import Books
from .codes import NoPage, Refusal
from .deadman import LEAST_S, DeadMan
from .delays import Delays
from .instruments import digits, wire_decimal
from .orders import Order
from .rest_account import AccountDesk
from .rest_pending import PendingDesk
from .rest_plans import PlanDesk
from .rest_public import seconds
from .validation import instrument_of, optional_symbol, order_request, price_of, size_of
from .wire import Json

Params = Mapping[str, Any]
MAX_ROWS = 200
MAX_OPEN_ORDERS = 100
DAY_S = 86_400


class PrivateDesk:
    """Answers the account's owner; who that is has been checked before."""

    def __init__(
        self, books: Books, now_ms: Callable[[], int], delays: Delays, deadman: DeadMan
    ) -> None:
        self._books = books
        self._now_ms = now_ms
        self._instruments = books.account.instruments
        self._delays = delays
        self._deadman = deadman
        plans, pending = PlanDesk(books, now_ms), PendingDesk(books, now_ms)
        account = AccountDesk(books, now_ms)
        self.keyed: dict[str, Callable[[Params], object]] = {
            "/contract/private/order": self.order,
            "/contract/private/get-open-orders": self.open_orders,
            "/contract/private/order-history": self.order_history,
            "/contract/private/trades": self.trades,
            **account.keyed,
            **plans.keyed,
        }
        self.signed: dict[str, Callable[[Params], object]] = {
            "/contract/private/submit-order": self.submit_order,
            "/contract/private/cancel-order": self.cancel_order,
            "/contract/private/cancel-orders": self.cancel_orders,
            "/contract/private/modify-limit-order": self.modify_limit_order,
            "/contract/private/cancel-all-after": self.cancel_all_after,
            **account.signed,
            **pending.signed,
            **plans.signed,
        }

    # -- reading ------------------------------------------------------------------------------

    def order(self, query: Params) -> Json:
        """One order by its id; 40035 while it is not visible yet, and when it is not any more."""
        symbol = instrument_of(query, self._instruments).symbol
        order = self._by_id(query.get("order_id"))
        if order is None or order.symbol != symbol:
            raise Refusal(40035)
        now_ms, config = self._now_ms(), self._books.config
        if now_ms < order.create_ms + self._delays.order_visibility:
            raise NoPage if config.order_invisible_as == "http" else Refusal(40035)
        readable_s = config.finished_readable_s
        if readable_s and not order.is_working and now_ms > order.update_ms + readable_s * 1000:
            raise Refusal(40035)
        return views.order(order)

    def open_orders(self, query: Params) -> list[Json]:
        """Working orders and trailing orders that wait, the newest first."""
        symbol = optional_symbol(query, self._instruments)
        limit = min(MAX_OPEN_ORDERS, seconds(query, "limit", default=MAX_OPEN_ORDERS))
        kind, state = query.get("type"), query.get("order_state")
        trailing = [one.order for one in self._books.pending.waiting(symbol, trailing=True)]
        rows = [
            order
            for order in [*self._books.ledger.working(symbol), *trailing]
            if order.create_ms <= self._listed_ms()
            and (not kind or kind == order.type.removesuffix("_order"))
            and (state != "partially_filled" or order.deal_size)
        ]
        return [views.order(order) for order in newest(rows)[:limit]]

    def order_history(self, query: Params) -> list[Json]:
        """Finished orders of a symbol, the newest first."""
        symbol = instrument_of(query, self._instruments).symbol
        start_s, end_s = self._period(query)
        rows = [
            order
            for order in self._books.orders.values()
            if order.symbol == symbol
            and not order.is_working
            and self._is_listed(order.update_ms)
            and start_s * 1000 <= order.create_ms < (end_s + 1) * 1000
            and asked_for(query, str(order.order_id), order.client_order_id)
        ]
        return [views.order(order) for order in newest(rows)[:MAX_ROWS]]

    def trades(self, query: Params) -> list[Json]:
        """Fills, the newest first."""
        symbol = optional_symbol(query, self._instruments)
        start_s, end_s = self._period(query)
        sign = self._books.config.paid_fees_sign
        rows = [
            fill
            for fill in reversed(self._books.fills)
            if symbol in (None, fill.symbol)
            and self._is_listed(fill.at_ms)
            and start_s * 1000 <= fill.at_ms < (end_s + 1) * 1000
            and asked_for(query, str(fill.order_id), fill.client_order_id)
        ]
        return [views.trade(fill, sign) for fill in rows[:MAX_ROWS]]

    # -- acting -------------------------------------------------------------------------------

    def submit_order(self, body: Params) -> Json:
        """Take an order. The reply says that it was taken, not that it filled."""
        request = order_request(body, self._instruments)
        order = self._books.submit(request, self._now_ms())
        price = "market price" if order.price is None else wire_decimal(order.price)
        return {"order_id": order.order_id, "price": price}

    def cancel_order(self, body: Params) -> Json:
        """Cancel one order by either id; without an id, every working order of the symbol."""
        symbol = instrument_of(body, self._instruments).symbol
        order = self._named(body, symbol)
        if order is None:
            return self.cancel_orders(body)
        if not order.is_working:
            raise Refusal(40036)
        self._books.cancel(order.order_id, self._now_ms())
        return {}

    def cancel_orders(self, body: Params) -> Json:
        """Cancel every working order of the symbol."""
        symbol = instrument_of(body, self._instruments).symbol
        for order in self._books.ledger.working(symbol):
            self._books.cancel(order.order_id, self._now_ms())
        return {}

    def modify_limit_order(self, body: Params) -> Json:
        """Give a resting limit order another price or size; the order keeps its id."""
        instrument = instrument_of(body, self._instruments)
        order = self._named(body, instrument.symbol)
        if order is None:
            raise Refusal(40011)
        price = price_of(body, "price", instrument)
        size = None
        if body.get("size") not in (None, ""):
            size = size_of(body, instrument, "limit")
        if price is None and size is None:
            raise Refusal(40011)
        if not order.is_working or order.price is None:
            raise Refusal(40036)
        self._books.amend(order.order_id, price, size, self._now_ms())
        return {"order_id": order.order_id, "client_order_id": order.client_order_id}

    def cancel_all_after(self, body: Params) -> Json:
        """Start the symbol's dead-man timer, or stop it with 0. Times are in seconds."""
        symbol = instrument_of(body, self._instruments).symbol
        timeout_s = body.get("timeout")
        if not isinstance(timeout_s, int) or isinstance(timeout_s, bool):
            raise Refusal(40011)
        if timeout_s != 0 and not LEAST_S <= timeout_s <= DAY_S:
            raise Refusal(40011)
        self._deadman.start(symbol, timeout_s)
        now_s = self._now_ms() // 1000
        cancel_s = now_s + timeout_s if timeout_s else 0
        return {"result": True, "set_time": now_s, "cancel_time": cancel_s}

    # -- looking up ---------------------------------------------------------------------------

    def _named(self, body: Params, symbol: str) -> Order | None:
        """The order that a body names (40035, 40037); None if it names none."""
        order_id, client_id = body.get("order_id"), body.get("client_order_id")
        if not order_id and not client_id:
            return None
        if order_id:
            number, missing = digits(str(order_id)), 40035
            order = None if number is None else self._books.orders.get(number)
        else:
            order, missing = self._books.ledger.by_client_id(str(client_id)), 40037
        if order is None or order.symbol != symbol:
            raise Refusal(missing)
        return order

    def _by_id(self, order_id: object) -> Order | None:
        """An order, or a trailing order that waits."""
        number = digits(str(order_id))
        if number is None:
            return None
        waiting = self._books.pending.by_id(number)
        if waiting is not None and waiting.is_trailing:
            return waiting.order
        return self._books.orders.get(number)

    def _listed_ms(self) -> int:
        """What happened later than this is in no list yet."""
        return self._now_ms() - self._delays.listing

    def _is_listed(self, at_ms: int) -> bool:
        """Whether it is old enough to be listed. So is what was dated before the clock was set back."""
        return at_ms <= self._listed_ms() or at_ms > self._now_ms()

    def _period(self, query: Params) -> tuple[int, int]:
        """The seconds asked about; the last seven days unless told."""
        now_s = self._now_ms() // 1000
        end_s = seconds(query, "end_time", default=now_s)
        return seconds(query, "start_time", default=end_s - 7 * DAY_S), end_s


def asked_for(query: Params, order_id: str, client_order_id: str) -> bool:
    """Whether the ids of a query, where it has any, are these."""
    return query.get("order_id") in (None, "", order_id) and query.get("client_order_id") in (
        None,
        "",
        client_order_id,
    )


def newest(orders: Iterable[Order]) -> list[Order]:
    return sorted(orders, key=lambda order: order.order_id, reverse=True)
