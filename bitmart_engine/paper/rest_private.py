"""The private REST calls: orders, fills, positions, settings. Synchronous: parameters in, the reply's `data` out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import views
from .books import Books
from .codes import Refusal
from .instruments import digits, wire_decimal
from .orders import Direction, Order
from .rest_plans import PlanDesk
from .rest_public import seconds
from .validation import instrument_of, leverage_of, open_type_of, order_request
from .wire import Json

Params = Mapping[str, Any]
MAX_ROWS = 200
MAX_OPEN_ORDERS = 100
DAY_S = 86_400


class PrivateDesk:
    """Answers the account's owner; who that is has been checked before."""

    def __init__(self, books: Books, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._now_ms = now_ms
        self._instruments = books.account.instruments
        plans = PlanDesk(books, now_ms)
        self.keyed: dict[str, Callable[[Params], object]] = {
            "/contract/private/order": self.order,
            "/contract/private/get-open-orders": self.open_orders,
            "/contract/private/order-history": self.order_history,
            "/contract/private/trades": self.trades,
            "/contract/private/position": self.position,
            "/contract/private/position-v2": self.position_v2,
            "/contract/private/get-position-mode": self.position_mode,
            "/contract/private/assets-detail": self.assets,
            "/contract/private/trade-fee-rate": self.fee_rate,
            **plans.keyed,
        }
        self.signed: dict[str, Callable[[Params], object]] = {
            "/contract/private/submit-order": self.submit_order,
            "/contract/private/cancel-order": self.cancel_order,
            "/contract/private/cancel-orders": self.cancel_orders,
            "/contract/private/submit-leverage": self.submit_leverage,
            "/contract/private/set-position-mode": self.set_position_mode,
            **plans.signed,
        }

    # -- reading ------------------------------------------------------------------------------

    def order(self, query: Params) -> Json:
        """One order by its id; 40035 while it is not visible yet."""
        symbol = instrument_of(query, self._instruments).symbol
        order = self._by_id(query.get("order_id"))
        if order is None or order.symbol != symbol:
            raise Refusal(40035)
        if self._now_ms() < order.create_ms + self._books.config.order_visibility_delay_ms:
            raise Refusal(40035)
        return views.order(order)

    def open_orders(self, query: Params) -> list[Json]:
        """Working orders, the newest first."""
        symbol = self._optional_symbol(query)
        limit = min(MAX_OPEN_ORDERS, seconds(query, "limit", default=MAX_OPEN_ORDERS))
        kind, state = query.get("type"), query.get("order_state")
        rows = [
            order
            for order in self._books.ledger.working(symbol)
            if kind in (None, "", order.type) and (state != "partially_filled" or order.deal_size)
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
            and start_s * 1000 <= order.create_ms < (end_s + 1) * 1000
            and asked_for(query, str(order.order_id), order.client_order_id)
        ]
        return [views.order(order) for order in newest(rows)[:MAX_ROWS]]

    def trades(self, query: Params) -> list[Json]:
        """Fills, the newest first."""
        symbol = self._optional_symbol(query)
        start_s, end_s = self._period(query)
        rows = [
            fill
            for fill in reversed(self._books.fills)
            if symbol in (None, fill.symbol)
            and start_s * 1000 <= fill.at_ms < (end_s + 1) * 1000
            and asked_for(query, str(fill.order_id), fill.client_order_id)
        ]
        return [views.trade(fill) for fill in rows[:MAX_ROWS]]

    def position(self, query: Params) -> list[Json]:
        """Positions held."""
        symbol = self._optional_symbol(query)
        return [
            views.position(held, self._books.account, self._books.last, self._now_ms())
            for held in self._books.positions.values()
            if symbol in (None, held.symbol)
        ]

    def position_v2(self, query: Params) -> list[Json]:
        """With a symbol its rows, held or not; without one what is held."""
        symbol = self._optional_symbol(query)
        books = self._books
        hedged = books.account.position_mode == "hedge_mode"
        rows = list(books.positions.values())
        if symbol is not None and hedged:
            rows = [books.account.position(symbol, direction) for direction in Direction]
        elif symbol is not None:
            held = [row for row in rows if row.symbol == symbol]
            rows = held or [books.account.position(symbol, Direction.LONG)]
        return [views.position_v2(row, books.account, books.last, self._now_ms()) for row in rows]

    def position_mode(self, query: Params) -> Json:
        return {"position_mode": self._books.account.position_mode}

    def assets(self, query: Params) -> list[Json]:
        return [views.assets(self._books)]

    def fee_rate(self, query: Params) -> Json:
        config = self._books.config
        return {
            "symbol": instrument_of(query, self._instruments).symbol,
            "taker_fee_rate": wire_decimal(config.taker_fee),
            "maker_fee_rate": wire_decimal(config.maker_fee),
        }

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
        order_id, client_id = body.get("order_id"), body.get("client_order_id")
        if not order_id and not client_id:
            return self.cancel_orders(body)
        if order_id:
            order, missing = self._by_id(order_id), 40035
        else:
            order, missing = self._by_client_id(client_id), 40037
        if order is None or order.symbol != symbol:
            raise Refusal(missing)
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

    def submit_leverage(self, body: Params) -> Json:
        account = self._books.account
        instrument = instrument_of(body, self._instruments)
        leverage = leverage_of(body)
        if leverage is None:
            leverage = account.leverage[instrument.symbol]
        open_type = open_type_of(body)
        if open_type is None:
            raise Refusal(40045)
        account.set_leverage(instrument.symbol, leverage, open_type)
        return {
            "symbol": instrument.symbol,
            "leverage": str(leverage),
            "open_type": open_type,
            "max_value": str(instrument.max_leverage),
        }

    def set_position_mode(self, body: Params) -> Json:
        mode = body.get("position_mode")
        if mode not in ("hedge_mode", "one_way_mode"):
            raise Refusal(40011)
        self._books.account.set_position_mode(mode, self._books.ledger.working())
        return {"position_mode": mode}

    # -- looking up ---------------------------------------------------------------------------

    def _by_id(self, order_id: object) -> Order | None:
        number = digits(str(order_id))
        return None if number is None else self._books.orders.get(number)

    def _by_client_id(self, client_id: object) -> Order | None:
        return self._books.ledger.by_client_id(str(client_id))

    def _optional_symbol(self, query: Params) -> str | None:
        return instrument_of(query, self._instruments).symbol if query.get("symbol") else None

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
