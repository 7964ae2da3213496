"""The private REST calls about plan orders: list, place, move and cancel stops and targets. Synchronous.

Only closing at the market is simulated: `category` limit, and a price to close at where nothing says market, are
refused (40011). Which code the real exchange has for a trigger that the price has passed already is not established;
here it is 40011.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from . import views
from .books import Books
from .codes import Refusal
from .instruments import PaperInstrument, digits
from .orders import ZERO, Side
from .plans import KINDS, Plan
from .rest_public import seconds
from .validation import client_order_id_of, enumeration, instrument_of, price_of, size_of, whole
from .wire import Json

Params = Mapping[str, Any]
MAX_PLANS = 100
PART, WHOLE_POSITION = 1, 2


class PlanDesk:
    """Answers the account's owner about plan orders; who that is has been checked before."""

    def __init__(self, books: Books, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._now_ms = now_ms
        self._instruments = books.account.instruments
        self.keyed: dict[str, Callable[[Params], object]] = {
            "/contract/private/current-plan-order": self.current,
        }
        self.signed: dict[str, Callable[[Params], object]] = {
            "/contract/private/submit-tp-sl-order": self.submit,
            "/contract/private/modify-tp-sl-order": self.modify,
            "/contract/private/cancel-plan-order": self.cancel,
        }

    def current(self, query: Params) -> list[Json]:
        """Plan orders that wait, the newest first. All of them are of the type profit_loss, and close at the market."""
        symbol = instrument_of(query, self._instruments).symbol if query.get("symbol") else None
        limit = min(MAX_PLANS, seconds(query, "limit", default=MAX_PLANS))
        kind, plan_type = query.get("type"), query.get("plan_type")
        if kind not in (None, "", "limit", "market"):
            raise Refusal(40042)
        if plan_type not in (None, "", "plan", "profit_loss"):
            raise Refusal(40011)
        if kind == "limit" or plan_type == "plan":
            return []
        waiting = sorted(self._books.plans.waiting(symbol), key=lambda each: -each.plan_id)
        return [views.plan(plan, self._books.account) for plan in waiting[:limit]]

    def submit(self, body: Params) -> Json:
        """Take one leg for a position that is there (40021), for no more than is held (40020)."""
        instrument = instrument_of(body, self._instruments)
        kind = body.get("type")
        if kind not in KINDS:
            raise Refusal(40042)
        side = enumeration(body.get("side"), Side, 40041)
        if not side.is_close:
            raise Refusal(40041)
        category = plan_category(body.get("plan_category") or WHOLE_POSITION)
        held = self._books.account.position(instrument.symbol, side.direction).size
        size = None
        if category == PART:
            given = body.get("size") not in (None, "")
            size = size_of(body, instrument, "limit") if given else held
        trigger = trigger_of(body, instrument)
        client_order_id = client_order_id_of(body)
        executive_price = executive_price_of(body, category, required=True)
        price_type = price_type_of(body)
        if client_order_id and self._books.plans.by_client_id(client_order_id):
            raise Refusal(40050)
        if not held:
            raise Refusal(40021)
        if (size or 0) > held:
            raise Refusal(40020)
        now_ms = self._now_ms()
        plan = Plan(
            plan_id=self._books.ledger.new_order_id(),
            kind=str(kind),
            symbol=instrument.symbol,
            direction=side.direction,
            trigger_price=trigger,
            size=size,
            client_order_id=client_order_id,
            price_type=price_type,
            executive_price=executive_price,
            create_ms=now_ms,
            update_ms=now_ms,
        )
        self._enter(plan)
        return {"order_id": str(plan.plan_id), "client_order_id": client_order_id}

    def modify(self, body: Params) -> Json:
        """Move the trigger of one leg, preset or not; how many contracts it covers stays."""
        instrument = instrument_of(body, self._instruments)
        plan = self._named(body, instrument.symbol)
        if plan is None:
            raise Refusal(40011)
        category = PART if plan.size is not None else WHOLE_POSITION
        if body.get("plan_category") and plan_category(body["plan_category"]) != category:
            raise Refusal(40011)
        moved = attrs.evolve(
            plan,
            trigger_price=trigger_of(body, instrument),
            price_type=price_type_of(body),
            executive_price=executive_price_of(body, category, required=category == PART),
            update_ms=self._now_ms(),
        )
        self._enter(moved)
        return {"order_id": str(plan.plan_id)}

    def cancel(self, body: Params) -> Json:
        """Cancel one plan order by either id; without an id, every one of the symbol."""
        symbol = instrument_of(body, self._instruments).symbol
        one = self._named(body, symbol)
        for plan in self._books.plans.waiting(symbol) if one is None else [one]:
            self._books.plans.cancel(plan.plan_id)
        return {}

    def _enter(self, plan: Plan) -> None:
        if plan.triggered(self._books.last[plan.symbol]):
            raise Refusal(40011, "The trigger price has been passed")
        self._books.plans.put(plan)

    def _named(self, body: Params, symbol: str) -> Plan | None:
        """The plan order that a body names (40035, 40037); None if it names none."""
        order_id, client_id = body.get("order_id"), body.get("client_order_id")
        if not order_id and not client_id:
            return None
        if order_id:
            number = digits(str(order_id))
            plan, missing = None if number is None else self._books.plans.by_id(number), 40035
        else:
            plan, missing = self._books.plans.by_client_id(str(client_id)), 40037
        if plan is None or plan.symbol != symbol:
            raise Refusal(missing)
        return plan


def plan_category(value: object) -> int:
    """1 for a number of contracts, 2 for the whole position (40011)."""
    category = whole(value)
    if category not in (PART, WHOLE_POSITION):
        raise Refusal(40011)
    return category


def price_type_of(body: Params) -> int:
    """1 for the last price, 2 for the fair one (40011)."""
    price_type = whole(body.get("price_type"))
    if price_type not in (1, 2):
        raise Refusal(40011)
    return price_type


def trigger_of(body: Params, instrument: PaperInstrument) -> Decimal:
    """The trigger price (40011, 40043)."""
    price = price_of(body, "trigger_price", instrument, required=True)
    assert price is not None
    return price


def executive_price_of(body: Params, category: int, *, required: bool) -> Decimal:
    """The price to close at, shown and never used; 0 is the market (40011 for a close at a limit)."""
    value = body.get("executive_price")
    if value in (None, ""):
        if required:
            raise Refusal(40011)
        return ZERO
    text = str(value)
    if not text.replace(".", "", 1).isdecimal() or not text.isascii():
        raise Refusal(40011)
    price = Decimal(text)
    how = body.get("category") or ("market" if category == WHOLE_POSITION or not price else "limit")
    if how != "market":
        raise Refusal(40011)
    return price
