"""The private REST calls about plan orders: all are listed and cancelled here, stops and targets placed and moved.

Plan orders that open or close by themselves are placed in `rest_pending.py`. Which code the real exchange has for a
stop or target whose trigger the price has passed already is not established; here it is 40011. Synchronous.
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
from .pending import Waiting
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
        """Plan orders that wait, the newest first: of the type profit_loss, and of the type plan."""
        symbol = instrument_of(query, self._instruments).symbol if query.get("symbol") else None
        limit = min(MAX_PLANS, seconds(query, "limit", default=MAX_PLANS))
        kind, plan_type = query.get("type"), query.get("plan_type")
        if kind not in (None, "", "limit", "market"):
            raise Refusal(40042)
        if plan_type not in (None, "", "plan", "profit_loss"):
            raise Refusal(40011)
        rows: list[tuple[int, bool, Json]] = []
        if plan_type != "plan":
            rows += [
                (each.plan_id, each.at_limit, views.plan(each, self._books.account))
                for each in self._books.plans.waiting(symbol)
            ]
        if plan_type != "profit_loss":
            rows += [
                (each.order_id, each.trigger.executive_price is not None, views.waiting(each))
                for each in self._books.pending.waiting(symbol, trailing=False)
            ]
        wanted = [row for row in rows if not kind or row[1] == (kind == "limit")]
        return [row for _, _, row in sorted(wanted, key=lambda each: -each[0])[:limit]]

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
        executive_price, at_limit = execution_of(body, category, instrument, required=True)
        price_type = price_type_of(body)
        self._books.check_client_id(client_order_id, self._now_ms())
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
            at_limit=at_limit,
            create_ms=now_ms,
            update_ms=now_ms,
        )
        self._enter(plan)
        return {"order_id": str(plan.plan_id), "client_order_id": client_order_id}

    def modify(self, body: Params) -> Json:
        """Move the trigger of one leg, preset or not; how many contracts it covers stays."""
        instrument = instrument_of(body, self._instruments)
        plan = self._named(body, instrument.symbol)
        if not isinstance(plan, Plan):
            raise Refusal(40011 if plan is None else 40035)
        category = PART if plan.size is not None else WHOLE_POSITION
        if body.get("plan_category") and plan_category(body["plan_category"]) != category:
            raise Refusal(40011)
        executive_price, at_limit = execution_of(
            body, category, instrument, required=category == PART
        )
        moved = attrs.evolve(
            plan,
            trigger_price=trigger_of(body, instrument),
            price_type=price_type_of(body),
            executive_price=executive_price,
            at_limit=at_limit,
            update_ms=self._now_ms(),
        )
        self._enter(moved)
        return {"order_id": str(plan.plan_id)}

    def cancel(self, body: Params) -> Json:
        """Cancel one plan order by either id; without an id, every one of the symbol."""
        symbol = instrument_of(body, self._instruments).symbol
        one = self._named(body, symbol)
        pending = self._books.pending.waiting(symbol, trailing=False)
        for plan in self._books.plans.waiting(symbol) if one is None else [one]:
            if isinstance(plan, Plan):
                self._books.plans.cancel(plan.plan_id)
        for waiting in pending if one is None else [one]:
            if isinstance(waiting, Waiting):
                self._books.withdraw(waiting.order_id, self._now_ms())
        return {}

    def _enter(self, plan: Plan) -> None:
        if plan.triggered(self._books.last[plan.symbol]):
            raise Refusal(40011, "The trigger price has been passed")
        self._books.plans.put(plan)

    def _named(self, body: Params, symbol: str) -> Plan | Waiting | None:
        """The plan order that a body names (40035, 40037); None if it names none."""
        order_id, client_id = body.get("order_id"), body.get("client_order_id")
        if not order_id and not client_id:
            return None
        plans, pending = self._books.plans, self._books.pending
        found: Plan | Waiting | None = None
        if order_id:
            number, missing = digits(str(order_id)), 40035
            if number is not None:
                found = plans.by_id(number) or pending.by_id(number)
        else:
            name, missing = str(client_id), 40037
            found = plans.by_client_id(name) or pending.by_client_id(name)
        if isinstance(found, Waiting) and (found.is_trailing or found.order.symbol != symbol):
            found = None
        if found is None or (isinstance(found, Plan) and found.symbol != symbol):
            raise Refusal(missing)
        return found


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


def execution_of(
    body: Params, category: int, instrument: PaperInstrument, *, required: bool
) -> tuple[Decimal, bool]:
    """The price to close at, and whether it is a limit; 0 is the market (40011, 40043 for a limit off the grid).

    A whole position closes at the market unless told otherwise, and then shows the price that it does not use.
    """
    value = body.get("executive_price")
    category_given = body.get("category")
    if category_given not in (None, "", "limit", "market"):
        raise Refusal(40011)
    if value in (None, ""):
        if required or category_given == "limit":
            raise Refusal(40011)
        return ZERO, False
    text = str(value)
    if not text.replace(".", "", 1).isdecimal() or not text.isascii():
        raise Refusal(40011)
    price = Decimal(text)
    how = category_given or ("market" if category == WHOLE_POSITION or not price else "limit")
    if how == "limit":
        return price_of(body, "executive_price", instrument, required=True) or ZERO, True
    return price, False
