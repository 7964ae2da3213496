"""The private REST calls about plan orders that open or close, and about trailing orders. Synchronous.

They are listed and cancelled in `rest_plans.py` (plan orders) and with the open orders (trailing ones). Whether a
trigger that the price has passed already is refused is not established: here the order waits for the next trade.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from .books import Books
from .codes import Refusal
from .instruments import PaperInstrument, digits
from .orders import Mode, Order, OrderRequest, Side, State, Trigger
from .pending import PLAN_ORDER, TRAILING_ORDER, Waiting
from .rest_plans import plan_category, price_type_of, trigger_of
from .validation import instrument_of, order_request, preset_of, price_of, whole
from .wire import Json

Params = Mapping[str, Any]
UP, DOWN = 1, 2
CALLBACK_RATES = Decimal("0.1"), Decimal(5)


class PendingDesk:
    """Answers the account's owner about orders that wait for a price; who that is has been checked before."""

    def __init__(self, books: Books, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._now_ms = now_ms
        self._instruments = books.account.instruments
        self.signed: dict[str, Callable[[Params], object]] = {
            "/contract/private/submit-plan-order": self.submit_plan,
            "/contract/private/modify-plan-order": self.modify_plan,
            "/contract/private/modify-preset-plan-order": self.modify_presets,
            "/contract/private/submit-trail-order": self.submit_trail,
            "/contract/private/cancel-trail-order": self.cancel_trail,
        }

    def submit_plan(self, body: Params) -> Json:
        """Take a plan order: what it enters when its price comes is an order like any other."""
        limit = (body.get("type") or "limit") == "limit"
        request = order_request(
            {**body, "price": body.get("executive_price") if limit else None}, self._instruments
        )
        settings_of(request)
        way = whole(body.get("price_way"))
        if way not in (UP, DOWN):
            raise Refusal(40011)
        category = plan_category(body.get("plan_category") or 1)
        self._books.check_client_id(request.client_order_id, self._now_ms())
        trigger = Trigger(
            plan_id=self._books.ledger.new_order_id(),
            price=trigger_of(body, self._instruments[request.symbol]),
            rises=way == UP,
            price_type=price_type_of(body),
            executive_price=request.price,
        )
        order = self._order(request, trigger, PLAN_ORDER)
        self._books.wait(Waiting(order=order, plan_category=category))
        return {"order_id": order.order_id}

    def modify_plan(self, body: Params) -> Json:
        """Move a plan order's trigger, and the price it enters at."""
        instrument = instrument_of(body, self._instruments)
        one = self._named(body, instrument)
        limit = (body.get("type") or "limit") == "limit"
        at = price_of(body, "executive_price", instrument, required=limit)
        trigger = attrs.evolve(
            one.trigger,
            price=trigger_of(body, instrument),
            price_type=price_type_of(body),
            executive_price=at if limit else None,
        )
        self._change(one, trigger=trigger)
        return {"order_id": str(one.order_id)}

    def modify_presets(self, body: Params) -> Json:
        """Change the stop and the target that a plan order goes out with; what is not given stays."""
        instrument = instrument_of(body, self._instruments)
        one = self._named(body, instrument)
        changes: dict[str, Any] = {}
        for name, ours in (("stop_loss", "stop"), ("take_profit", "target")):
            price = preset_of(body, f"preset_{name}_price", instrument, one.order.side)
            if price is not None:
                changes[f"{ours}_price"] = price
            if body.get(f"preset_{name}_price_type"):
                changes[f"{ours}_price_type"] = whole(body[f"preset_{name}_price_type"])
        self._change(one, **changes)
        return {"order_id": str(one.order_id)}

    def submit_trail(self, body: Params) -> Json:
        """Take a trailing order: active from a price on, entered at the market when the price turns."""
        request = order_request({**body, "type": "market", "mode": None}, self._instruments)
        settings_of(request)
        instrument = self._instruments[request.symbol]
        price = price_of(body, "activation_price", instrument, required=True)
        assert price is not None
        if whole(body.get("activation_price_type")) not in (1, 2):
            raise Refusal(40011)
        trigger = Trigger(
            plan_id=self._books.ledger.new_order_id(),
            price=price,
            rises=not request.side.is_buy,
            price_type=whole(body["activation_price_type"]),
            callback_rate=callback_rate_of(body),
        )
        order = self._order(request, trigger, TRAILING_ORDER)
        self._books.wait(Waiting(order=order))
        return {"order_id": order.order_id}

    def cancel_trail(self, body: Params) -> Json:
        """Cancel one trailing order; without an id, every one of the symbol."""
        symbol = instrument_of(body, self._instruments).symbol
        given = body.get("order_id")
        if not given:
            for one in self._books.pending.waiting(symbol, trailing=True):
                self._books.withdraw(one.order_id, self._now_ms())
            return {}
        named = self._by_id(given)
        if named is None or not named.is_trailing or named.order.symbol != symbol:
            raise Refusal(40035)
        self._books.withdraw(named.order_id, self._now_ms())
        return {}

    # -- the machinery ------------------------------------------------------------------------

    def _order(self, request: OrderRequest, trigger: Trigger, kind: str) -> Order:
        """The order as it is told while it waits."""
        account, now_ms = self._books.account, self._now_ms()
        leverage, open_type = account.settings_for(request)
        return Order(
            order_id=trigger.plan_id,
            symbol=request.symbol,
            side=request.side,
            type=kind,
            size=request.size,
            price=request.price,
            mode=request.mode,
            client_order_id=request.client_order_id,
            leverage=leverage,
            open_type=open_type,
            position_mode=account.position_mode,
            state=State.WORKING,
            create_ms=now_ms,
            update_ms=now_ms,
            stop_price=request.stop_price,
            target_price=request.target_price,
            stop_price_type=request.stop_price_type,
            target_price_type=request.target_price_type,
            trigger=trigger,
        )

    def _change(self, one: Waiting, **changes: Any) -> None:
        order = attrs.evolve(one.order, update_ms=self._now_ms(), **changes)
        self._books.wait(attrs.evolve(one, order=order))

    def _by_id(self, order_id: object) -> Waiting | None:
        number = digits(str(order_id))
        return None if number is None else self._books.pending.by_id(number)

    def _named(self, body: Params, instrument: PaperInstrument) -> Waiting:
        """The plan order that a body names (40035, 40037; 40011 if it names none)."""
        order_id, client_id = body.get("order_id"), body.get("client_order_id")
        if order_id:
            one, missing = self._by_id(order_id), 40035
        elif client_id:
            one, missing = self._books.pending.by_client_id(str(client_id)), 40037
        else:
            raise Refusal(40011)
        if one is None or one.is_trailing or one.order.symbol != instrument.symbol:
            raise Refusal(missing)
        return one


def settings_of(request: OrderRequest) -> None:
    """Leverage and margin type, which an order that is to open must bring (40040, 40045)."""
    if request.side in (Side.BUY_OPEN_LONG, Side.SELL_OPEN_SHORT):
        if request.leverage is None:
            raise Refusal(40040)
        if request.open_type is None:
            raise Refusal(40045)
    if request.mode is Mode.MAKER_ONLY and request.price is None:
        raise Refusal(40011)


def callback_rate_of(body: Params) -> Decimal:
    """The callback rate in percent, from 0.1 to 5 (40011)."""
    value = body.get("callback_rate")
    if not isinstance(value, str | int | Decimal) or isinstance(value, bool):
        raise Refusal(40011)
    try:
        rate = Decimal(value)
    except ArithmeticError:
        raise Refusal(40011) from None
    least, most = CALLBACK_RATES
    if not rate.is_finite() or not least <= rate <= most:
        raise Refusal(40011)
    return rate
