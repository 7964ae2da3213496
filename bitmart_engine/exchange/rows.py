"""How a row of an answer becomes one of our nouns.

A field that says nothing is None. What a row cannot be without (an order's id and state, a position's size) is read
strictly: a row that lacks it raises `Unreadable`, and fails the query that it is part of, because a row left out would
look like an order that is gone. Pure functions; nothing here does IO.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any, Literal, TypeVar

import msgspec
from attrs import frozen

from ..model.decimals import plain, to_contracts
from ..model.events import Kline, OrderState, OrderUpdate, PastTrade, PositionUpdate, plan_order_id
from ..model.fills import AccountFill, Liquidity
from ..model.instruments import Instrument
from ..model.sides import OrderSide, PositionSide
from ..model.timeframes import Timeframe
from .wire import (
    Unreadable,
    bounded_row,
    count_of,
    decimal_of,
    fields_of,
    needed,
    needed_decimal,
    needed_price,
    positive_of,
    reading,
    rows_of,
    symbol_of,
    text_of,
    time_of,
    whole_of,
)

__all__ = [
    "Balance",
    "LeftOut",
    "Listed",
    "PlanKind",
    "PlanOrder",
    "PositionSettings",
    "account_fill_of",
    "balance_of",
    "instrument_of",
    "kline_of",
    "order_of",
    "past_trade_of",
    "plan_order_of",
    "position_of",
    "positions_of",
    "read_rows",
    "settings_of",
]

T = TypeVar("T")
UNLIMITED = 1_000_000_000
"""Contracts in one order where no limit is told, or one below a single contract: then the exchange has to say no."""
PlanKind = Literal["stop_loss", "take_profit", "plan"]
LIQUIDITY = {each.value: each for each in Liquidity}
PROTECTING: Mapping[str, PlanKind] = {"stop_loss": "stop_loss", "take_profit": "take_profit"}


class LeftOut(ValueError):
    """A contract that the engine does not trade, and why."""


@frozen(kw_only=True)
class Balance:
    """The futures account in one currency, in units of it."""

    currency: str
    available: Decimal
    frozen: Decimal
    position_deposit: Decimal
    equity: Decimal
    unrealized: Decimal
    bonus: Decimal | None = None
    """None where the exchange does not say it: no document of it has it."""


@frozen(kw_only=True)
class PositionSettings:
    """What a symbol is set to, and what is held of it in contracts. None: the exchange did not say."""

    symbol: str
    leverage: Decimal | None
    open_type: str | None
    """`isolated` or `cross`."""
    position_mode: str | None
    """`hedge_mode` or `one_way_mode`."""
    held: Mapping[PositionSide, int]
    """Both sides are always there; 0 is flat."""


@frozen(kw_only=True)
class PlanOrder:
    """An order that waits at the exchange for a price: a stop or a target of a position, or a plan to trade."""

    order_id: str
    client_order_id: str
    symbol: str
    side: OrderSide
    """What it does when it acts: a stop of a long closes it, with side 3."""
    kind: PlanKind
    """`plan` too for what does not say that it is a stop or a target."""
    trigger_price: Decimal
    size: int | None
    """Contracts. None: the whole position, whatever its size is by then."""
    create_time_ms: int | None = None


class Listed(list[T]):
    """The rows of a list, and the symbols that are none of ours of which a row could not be read."""

    left_out: frozenset[str] = frozenset()


def read_rows(
    path: str,
    data: msgspec.Raw,
    convert: Callable[[msgspec.Raw], T],
    concerns: Callable[[str], bool] = lambda symbol: True,
) -> Listed[T]:
    """Every row of a list, converted. One that cannot be fails them all, for it would look like one that is gone.

    But for a row that names a symbol which does not concern us: its symbol is among `left_out`. Raises OutcomeUnknown.
    """
    read: Listed[T] = Listed()
    left_out = set()
    with reading(path):
        for row in rows_of(data):
            try:
                read.append(convert(row))
            except Unreadable:
                symbol = _symbol_at_least(row)
                if symbol is None or concerns(symbol):
                    raise
                left_out.add(symbol)
    read.left_out = frozenset(left_out)
    return read


def _symbol_at_least(row: msgspec.Raw) -> str | None:
    """The symbol of a row of which something else cannot be read; None if that cannot be read either."""
    try:
        return symbol_of(fields_of(row))
    except Unreadable:
        return None


def order_of(raw: msgspec.Raw) -> OrderUpdate:
    """One order, as `order`, `get-open-orders` and `order-history` show it. Raises Unreadable."""
    row = fields_of(bounded_row(raw))
    number = whole_of(row.get("state"))
    if number not in (1, 2, 4):
        raise Unreadable("an order whose state is unknown")
    state = OrderState(number)
    deal_size = count_of(row.get("deal_size"))
    side = whole_of(row.get("side"))
    client_order_id = text_of(row.get("client_order_id"))
    return OrderUpdate(
        order_id=text_of(needed(row, "order_id")),
        symbol=symbol_of(row),
        state=state,
        client_order_id=client_order_id,
        side=OrderSide(side) if side in (1, 2, 3, 4) else None,
        type=text_of(row.get("type")).lower() or None,
        price=decimal_of(row.get("price")),
        size=count_of(row.get("size")),
        deal_size=deal_size or 0,
        deal_size_known=deal_size is not None,
        deal_avg_price=decimal_of(row.get("deal_avg_price")),
        leverage=_number_text(row.get("leverage")),
        open_type=text_of(row.get("open_type")).lower() or None,
        position_mode=text_of(row.get("position_mode")) or None,
        create_time_ms=time_of(row.get("create_time")),
        update_time_ms=time_of(row.get("update_time")),
        plan_order_id=plan_order_id("", client_order_id),
        trigger_price=positive_of(row.get("trigger_price")),
        raw=bytes(raw),
    )


def plan_order_of(raw: msgspec.Raw) -> PlanOrder:
    """One row of `current-plan-order`: that it is listed says that it waits. Raises Unreadable.

    Its `state` is not looked at: the sources contradict each other, and so they do about what `type` says.
    """
    row = fields_of(bounded_row(raw))
    side = whole_of(row.get("side"))
    if side not in (1, 2, 3, 4):
        raise Unreadable("a plan order without a side")
    trigger_price = positive_of(row.get("trigger_price"))
    if trigger_price is None:
        raise Unreadable("a plan order without a trigger_price")
    size = count_of(row.get("size")) or 0
    kind = PROTECTING.get(text_of(row.get("type")).lower(), "plan")
    whole_position = kind != "plan" and (not size or whole_of(row.get("plan_category")) == 2)
    return PlanOrder(
        order_id=text_of(needed(row, "order_id")),
        client_order_id=text_of(row.get("client_order_id")),
        symbol=symbol_of(row),
        side=OrderSide(side),
        kind=kind,
        trigger_price=trigger_price,
        size=None if whole_position else size,
        create_time_ms=_time_or_none(row.get("create_time")),
    )


def _time_or_none(raw: Any) -> int | None:
    """A time that nobody needs to know; None too where it cannot be read, as its form is not established."""
    try:
        return time_of(raw)
    except Unreadable:
        return None


def positions_of(raw: msgspec.Raw) -> tuple[dict[str, Any], list[PositionUpdate]]:
    """One row of `position-v2`: its fields, and what `position_of` makes of them. Raises Unreadable."""
    row = fields_of(raw)
    return row, position_of(row)


def position_of(row: Mapping[str, Any]) -> list[PositionUpdate]:
    """What one row of `position-v2` says: one side, or both for a one-way row, of which one at least is flat.

    `current_amount` says how much there is; a one-way row tells the side by the sign. Raises Unreadable.
    """
    symbol = symbol_of(row)
    amount = decimal_of(row.get("current_amount"))
    if amount is None:
        amount = needed_decimal(row, "position_amount")
    size = whole_of(abs(amount))
    if size is None:
        raise Unreadable(f"a position of {amount} contracts")

    named = text_of(row.get("position_side")).lower()
    if named in ("long", "short"):
        held = PositionSide(named)
        sides = [held]
    elif named == "both":
        signed = decimal_of(row.get("position_amount")) or amount
        held = PositionSide.SHORT if min(signed, amount) < 0 else PositionSide.LONG
        sides = list(PositionSide)
    else:
        raise Unreadable("a position without a side")

    entry = positive_of(row.get("entry_price")) or positive_of(row.get("open_avg_price"))
    return [
        PositionUpdate(
            symbol=symbol,
            side=side,
            size=size if side is held else 0,
            entry_price=entry if size and side is held else None,
            liquidation_price=(
                positive_of(row.get("liquidation_price")) if size and side is held else None
            ),
            update_time_ms=time_of(row.get("timestamp")),
            open_time_ms=(
                time_of(row.get("open_timestamp")) or None if size and side is held else None
            ),
        )
        for side in sides
    ]


def settings_of(symbol: str, rows: list[dict[str, Any]]) -> PositionSettings:
    """What the rows of one symbol say together. A side that is held speaks before one that is flat."""
    held = dict.fromkeys(PositionSide, 0)
    speaking: dict[str, Any] = {}
    for row in rows:
        sizes = {each.side: each.size for each in position_of(row)}
        for side, size in sizes.items():
            held[side] += size
        if not speaking or any(sizes.values()):
            speaking = row
    modes = {"both": "one_way_mode", "long": "hedge_mode", "short": "hedge_mode"}
    return PositionSettings(
        symbol=symbol,
        leverage=positive_of(speaking.get("leverage")),
        open_type=text_of(speaking.get("open_type")).lower() or None,
        position_mode=modes.get(text_of(speaking.get("position_side")).lower()),
        held=held,
    )


def _number_text(value: Any) -> str | None:
    """A number as plain text; None where there is none."""
    number = decimal_of(value)
    return None if number is None else plain(number)


def _needed_time(row: Mapping[str, Any], name: str) -> int:
    """A time that the row is nothing without; a fraction is dropped."""
    at = time_of(int(needed_decimal(row, name)))
    assert at is not None
    return at


def balance_of(currency: str, rows: list[dict[str, Any]]) -> Balance:
    """The account in `currency`. A currency that is not listed is one of which there is nothing."""
    row = next((each for each in rows if each.get("currency") == currency), None)

    def amount(name: str) -> Decimal:
        return Decimal(0) if row is None else needed_decimal(row, name)

    return Balance(
        currency=currency,
        available=amount("available_balance"),
        frozen=amount("frozen_balance"),
        position_deposit=amount("position_deposit"),
        equity=amount("equity"),
        unrealized=amount("unrealized"),
        bonus=None if row is None else decimal_of(row.get("bonus")),
    )


def kline_of(symbol: str, timeframe: Timeframe, row: Mapping[str, Any]) -> Kline:
    """One bar. Raises Unreadable."""
    return Kline(
        symbol=symbol,
        timeframe=timeframe,
        open_time_s=_needed_time(row, "timestamp"),
        open=needed_price(row, "open_price"),
        high=needed_price(row, "high_price"),
        low=needed_price(row, "low_price"),
        close=needed_price(row, "close_price"),
        volume=decimal_of(row.get("volume")) or Decimal(0),
    )


def past_trade_of(symbol: str, row: Mapping[str, Any]) -> PastTrade:
    """One public trade of the past; that its price is called so is not established. Raises Unreadable."""
    return PastTrade(symbol, needed_price(row, "price"), _needed_time(row, "time"))


def instrument_of(row: Mapping[str, Any]) -> Instrument:
    """One contract. Raises Unreadable, and LeftOut for one that the engine's arithmetic does not fit."""
    symbol = text_of(needed(row, "symbol"))
    symbol_of(row)  # no longer than a symbol is
    if text_of(row.get("quote_currency")).upper() == "USD":
        raise LeftOut("contract_coin_margined")
    step = decimal_of(row.get("vol_precision", row.get("volume_precision")))
    if step is not None and step > 1:
        raise LeftOut("contract_size_step_unsupported")
    tick_size, contract_size = (
        positive_of(row.get("price_precision")),
        positive_of(row.get("contract_size")),
    )
    if tick_size is None or contract_size is None:
        raise Unreadable("a contract without tick size or contract size")
    max_size = to_contracts(needed_decimal(row, "max_volume")) or UNLIMITED
    market_max = to_contracts(decimal_of(row.get("market_max_volume")) or Decimal(0))
    return Instrument(
        symbol=symbol,
        tick_size=tick_size,
        contract_size=contract_size,
        min_size=max(1, int(needed_decimal(row, "min_volume").to_integral_value(ROUND_CEILING))),
        max_size=max_size,
        market_max_size=market_max if market_max > 0 else max_size,
        min_leverage=positive_of(row.get("min_leverage")) or Decimal(1),
        max_leverage=needed_decimal(row, "max_leverage"),
        trading=text_of(row.get("status") or "Trading").lower() == "trading",
    )


def account_fill_of(data: msgspec.Raw) -> AccountFill:
    """A fill of the account's, as the list of trades has it. Whose it is, nobody has asked yet."""
    row = fields_of(data)
    side = whole_of(row.get("side"))
    return AccountFill(
        id=text_of(needed(row, "trade_id")),
        symbol=symbol_of(row),
        side=OrderSide(side) if side in set(OrderSide) else None,
        price=needed_price(row, "price"),
        size=to_contracts(needed_decimal(row, "vol")),
        at_ms=needed_time(row, "create_time"),
        exchange_order_id=text_of(needed(row, "order_id")),
        fee=decimal_of(row.get("paid_fees")),
        liquidity=LIQUIDITY.get(text_of(row.get("exec_type")).lower()),
        realised=decimal_of(row.get("realised_profit")),
    )


def needed_time(row: Mapping[str, Any], name: str) -> int:
    """A time, in the unit of its field, that the row is nothing without."""
    at = time_of(needed(row, name))
    if at is None:
        raise Unreadable(f"a row whose {name} is no time")
    return at
