"""The fields that BitMart documents, row by row, and what each of them is. Pure data, and one function that compares.

Sections are those of the fact sheet. Fields that may be absent are not in the tables; fields that are not in the tables
may be there. Nothing here knows who answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]
Shape = Mapping[str, Check]


def text(value: Any) -> bool:
    """Any text, an empty one too."""
    return isinstance(value, str)


def word(value: Any) -> bool:
    """A text that says something."""
    return isinstance(value, str) and value != ""


def decimal(value: Any) -> bool:
    """A number as a text, with a sign if need be, without an exponent."""
    return isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) is not None


def digits(value: Any) -> bool:
    """A whole number as a text: ids."""
    return isinstance(value, str) and value.isascii() and value.isdecimal()


def whole(value: Any) -> bool:
    """A whole number as one."""
    return isinstance(value, int) and not isinstance(value, bool)


def seconds(value: Any) -> bool:
    """A Unix time in s."""
    return whole(value) and 1_000_000_000 < value < 100_000_000_000


def milliseconds(value: Any) -> bool:
    """A Unix time in ms."""
    return whole(value) and value > 1_000_000_000_000


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def rows(value: Any) -> bool:
    return isinstance(value, list)


def among(*choices: Any) -> Check:
    """One of a few values, of the very type."""

    def is_one(value: Any) -> bool:
        return any(value == one and type(value) is type(one) for one in choices)

    is_one.__doc__ = f"one of {', '.join(map(repr, choices))}"
    return is_one


def maybe(check: Check) -> Check:
    """None, or what another check takes."""

    def is_none_or(value: Any) -> bool:
        return value is None or check(value)

    is_none_or.__doc__ = f"null, or {described(check)}"
    return is_none_or


def described(check: Check) -> str:
    """A check in words."""
    return (check.__doc__ or check.__name__).split("\n")[0].rstrip(".")


def misfits(row: Any, shape: Shape) -> list[str]:
    """What is not as documented, in words; nothing if all is."""
    if not isinstance(row, dict):
        return [f"not an object but {row!r}"]
    wrong = [f"no {name}" for name in shape if name not in row]
    wrong += [
        f"{name} is {row[name]!r}, not: {described(check)}"
        for name, check in shape.items()
        if name in row and not check(row[name])
    ]
    return wrong


SYMBOL_AND_MODE: Shape = {
    "symbol": word,
    "position_mode": among("hedge_mode", "one_way_mode"),
}

ACK: Shape = {
    "action": word,
    "group": word,
    "success": flag,
}
"""3.2: one acknowledgement, for one topic."""

BAR: Shape = {"o": decimal, "h": decimal, "l": decimal, "c": decimal, "v": decimal, "ts": seconds}
"""4.1: one bar of a kline push."""

TRADE: Shape = {
    "trade_id": whole,
    "symbol": word,
    "deal_price": decimal,
    "deal_vol": decimal,
    "way": among(1, 2, 3, 4, 5, 6, 7, 8),
    "created_at": word,
}
"""4.2: one trade of a push; `m` may be missing in old frames."""

TICKER: Shape = {
    "symbol": word,
    "last_price": decimal,
    "volume_24": decimal,
    "range": decimal,
    "mark_price": decimal,
    "index_price": decimal,
}
"""4.2."""

ORDER_EVENT: Shape = {
    **SYMBOL_AND_MODE,
    "order_id": digits,
    "client_order_id": text,
    "price": decimal,
    "size": decimal,
    "state": among(1, 2, 4),
    "side": among(1, 2, 3, 4),
    "type": among("limit", "market", "plan_order", "trailing_order", "take_profit", "stop_loss"),
    "leverage": decimal,
    "open_type": among("isolated", "cross"),
    "deal_avg_price": decimal,
    "deal_size": decimal,
    "create_time": milliseconds,
    "update_time": milliseconds,
    "plan_order_id": text,
    "trigger_price": word,
    "trigger_price_type": word,
    "execution_price": word,
    "activation_price_type": word,
    "activation_price": word,
    "callback_rate": word,
}
"""4.3: the `order` of one event; `last_trade` is checked where there was a fill."""

LAST_TRADE: Shape = {
    "lastTradeID": whole,
    "fillQty": decimal,
    "fillPrice": decimal,
    "fee": decimal,
    "feeCcy": word,
}
"""4.3."""

POSITION_EVENT: Shape = {
    **SYMBOL_AND_MODE,
    "hold_volume": decimal,
    "position_type": among(1, 2),
    "open_type": among(1, 2),
    "frozen_volume": decimal,
    "close_volume": decimal,
    "hold_avg_price": decimal,
    "close_avg_price": decimal,
    "open_avg_price": decimal,
    "liquidate_price": decimal,
    "create_time": milliseconds,
    "update_time": milliseconds,
}
"""4.4: one row of a push."""

ASSET_EVENT: Shape = {
    "currency": word,
    "available_balance": decimal,
    "position_deposit": decimal,
    "frozen_balance": decimal,
}
"""4.5."""

INSTRUMENT: Shape = {
    "symbol": word,
    "product_type": whole,
    "open_timestamp": whole,
    "base_currency": word,
    "quote_currency": word,
    "last_price": decimal,
    "contract_size": decimal,
    "min_leverage": decimal,
    "max_leverage": decimal,
    "price_precision": decimal,
    "vol_precision": decimal,
    "max_volume": decimal,
    "market_max_volume": decimal,
    "min_volume": decimal,
    "status": word,
    "delist_time": whole,
}
"""5.2: what matters of a row of `details`."""

HISTORY_BAR: Shape = {
    "timestamp": seconds,
    "open_price": decimal,
    "high_price": decimal,
    "low_price": decimal,
    "close_price": decimal,
    "volume": decimal,
}
"""5.2: one bar of `kline`."""

PAST_TRADE: Shape = {"symbol": word, "price": decimal, "qty": decimal, "time": seconds}
"""5.2: one of `market-trade`, as far as it is used. That its price is called so is not established."""

DEPTH: Shape = {"asks": maybe(rows), "bids": maybe(rows), "timestamp": milliseconds, "symbol": word}
"""5.2: an empty side can be null."""

MARKET_TRADE: Shape = {
    "symbol": word,
    "price": decimal,
    "qty": decimal,
    "quote_qty": decimal,
    "time": seconds,
    "is_buyer_maker": flag,
}
"""5.2."""

FUNDING_RATE: Shape = {
    "symbol": word,
    "rate_value": decimal,
    "expected_rate": decimal,
    "funding_time": milliseconds,
}
"""5.2."""

FUNDING_PAST: Shape = {"symbol": word, "funding_rate": decimal, "funding_time": digits}
"""5.2: the time is a text."""

ORDER: Shape = {
    **SYMBOL_AND_MODE,
    "order_id": digits,
    "client_order_id": text,
    "type": word,
    "leverage": decimal,
    "open_type": among("isolated", "cross"),
    "account": word,
    "price": decimal,
    "size": decimal,
    "deal_avg_price": decimal,
    "deal_size": decimal,
    "state": among(1, 2, 4),
    "side": among(1, 2, 3, 4),
    "create_time": milliseconds,
    "update_time": milliseconds,
}
"""5.3: the order object of `order`, `get-open-orders` and `order-history`."""

FILL: Shape = {
    "order_id": digits,
    "trade_id": digits,
    "symbol": word,
    "side": among(1, 2, 3, 4),
    "price": decimal,
    "vol": decimal,
    "exec_type": among("Taker", "Maker"),
    "profit": flag,
    "realised_profit": decimal,
    "paid_fees": decimal,
    "account": word,
    "create_time": milliseconds,
}
"""5.3: a row of `trades`."""

_POSITION: Shape = {
    "symbol": word,
    "leverage": decimal,
    "current_fee": decimal,
    "current_value": decimal,
    "mark_price": decimal,
    "position_value": decimal,
    "maintenance_margin": decimal,
    "close_vol": decimal,
    "close_avg_price": decimal,
    "open_avg_price": decimal,
    "entry_price": decimal,
    "current_amount": decimal,
    "realized_value": decimal,
    "account": word,
    "timestamp": milliseconds,
    "open_timestamp": whole,
}

POSITION: Shape = {
    **_POSITION,
    "position_cross": decimal,
    "mark_value": decimal,
    "margin_type": among("Cross", "Isolated"),
    "position_mode": among("hedge_mode", "one_way_mode"),
    "unrealized_value": decimal,
    "position_type": among(1, 2),
}
"""5.3: a row of `position`."""

POSITION_V2: Shape = {
    **_POSITION,
    "open_type": among("isolated", "cross"),
    "position_side": among("both", "long", "short"),
    "position_amount": decimal,
    "unrealized_pnl": decimal,
    "liquidation_price": decimal,
    "initial_margin": decimal,
    "max_notional_value": decimal,
}
"""5.3: a row of `position-v2`."""

POSITION_RISK: Shape = {
    "symbol": word,
    "position_amt": decimal,
    "mark_price": decimal,
    "unrealized_profit": decimal,
    "liquidation_price": decimal,
    "leverage": decimal,
    "max_notional_value": decimal,
    "margin_type": among("Cross", "Isolated"),
    "isolated_margin": decimal,
    "position_side": among("Long", "Short"),
    "notional": decimal,
    "update_time": whole,
}
"""5.3: a row of `position-risk`; its time is in s in the sample, in ms in the table."""

PLAN: Shape = {
    **SYMBOL_AND_MODE,
    "order_id": digits,
    "client_order_id": text,
    "side": among(1, 2, 3, 4),
    "size": decimal,
    "leverage": decimal,
    "open_type": among("isolated", "cross"),
    "executive_price": text,
    "trigger_price": decimal,
    "price_way": among(1, 2),
    "price_type": among(1, 2),
    "plan_category": whole,
    "type": word,
    "create_time": milliseconds,
    "update_time": milliseconds,
}
"""5.3: a row of `current-plan-order`; its `state` is not to be depended on."""

ASSET: Shape = {
    "currency": word,
    "available_balance": decimal,
    "frozen_balance": decimal,
    "position_deposit": decimal,
    "equity": decimal,
    "unrealized": decimal,
}
"""5.3: a row of `assets-detail`."""

FLOW: Shape = {
    "symbol": text,
    "type": word,
    "amount": decimal,
    "asset": word,
    "account": word,
    "time": digits,
    "tran_id": digits,
}
"""5.3: a row of `transaction-history`, with its time as a text, as the documents have it."""
