"""REST rows: what the exchange writes about orders, plan orders, fills, positions and the balance. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from .account import ONE_WAY, Account
from .books import Books
from .instruments import wire_decimal
from .orders import Direction, Fill, Mode, Order, State
from .plans import Plan
from .positions import MAINTENANCE_RATE, Position
from .wire import Json, amount, order_price

REST_TYPES = {"stop_loss": "planorder", "take_profit": "planorder"}


def order(one: Order) -> Json:
    """An order, as `order`, `get-open-orders` and `order-history` show it."""
    row: Json = {
        "order_id": str(one.order_id),
        "client_order_id": one.client_order_id,
        "symbol": one.symbol,
        "type": REST_TYPES.get(one.type, one.type),
        "leverage": str(one.leverage),
        "open_type": one.open_type,
        "position_mode": one.position_mode,
        "account": "futures",
        "price": order_price(one),
        "size": str(one.size),
        "deal_avg_price": amount(one.deal_avg_price),
        "deal_size": str(one.deal_size),
        "state": int(one.state),
        "side": int(one.side),
        "create_time": one.create_ms,
        "update_time": one.update_ms,
    }
    if one.trigger_price is not None:
        row["trigger_price"] = wire_decimal(one.trigger_price)
    if one.target_price is not None:
        row["preset_take_profit_price"] = wire_decimal(one.target_price)
        row["preset_take_profit_price_type"] = one.target_price_type
    if one.stop_price is not None:
        row["preset_stop_loss_price"] = wire_decimal(one.stop_price)
        row["preset_stop_loss_price_type"] = one.stop_price_type
    return row


def trade(fill: Fill) -> Json:
    """A fill. `paid_fees` is a cost and positive here, unlike the order push's `fee`."""
    return {
        "order_id": str(fill.order_id),
        "trade_id": str(fill.trade_id),
        "symbol": fill.symbol,
        "side": int(fill.side),
        "price": wire_decimal(fill.price),
        "vol": str(fill.size),
        "exec_type": "Maker" if fill.is_maker else "Taker",
        "profit": fill.realised > 0,
        "realised_profit": amount(fill.realised),
        "paid_fees": amount(fill.fee),
        "account": "futures",
        "create_time": fill.at_ms,
    }


def plan(one: Plan, account: Account) -> Json:
    """A plan order, as `current-plan-order` shows it. One for the whole position shows what is held right now."""
    whole = one.size is None
    held = account.position(one.symbol, one.direction).size
    return {
        "order_id": str(one.plan_id),
        "client_order_id": one.client_order_id,
        "executive_price": wire_decimal(one.executive_price),
        "trigger_price": wire_decimal(one.trigger_price),
        "size": str(held if whole else one.size),
        "symbol": one.symbol,
        "state": int(State.WORKING),
        "side": int(one.direction.closing_side),
        "mode": int(Mode.GTC),
        "position_mode": account.position_mode,
        "price_way": 1 if one.rises else 2,
        "price_type": one.price_type,
        "plan_category": 2 if whole else 1,
        "type": one.kind,
        "leverage": str(account.leverage[one.symbol]),
        "open_type": account.open_type[one.symbol],
        "create_time": one.create_ms,
        "update_time": one.update_ms,
    }


def _common(held: Position, account: Account, last: Mapping[str, Decimal], now_ms: int) -> Json:
    price = last[held.symbol]
    value = price * held.size * held.contract_size
    entry = held.entry_value * held.contract_size
    return {
        "symbol": held.symbol,
        "leverage": str(account.leverage[held.symbol]),
        "timestamp": now_ms,
        "open_timestamp": held.open_ms,
        "current_fee": amount(held.fees),
        "current_value": amount(value),
        "mark_price": wire_decimal(price),
        "mark_value": amount(value),
        "position_value": amount(entry),
        "position_cross": "0",
        "maintenance_margin": amount(entry * MAINTENANCE_RATE),
        "close_vol": str(held.close_size),
        "close_avg_price": wire_decimal(held.close_avg_price),
        "open_avg_price": wire_decimal(held.open_avg_price),
        "entry_price": wire_decimal(held.entry_price),
        "current_amount": str(held.size),
        "realized_value": amount(held.realised - held.fees),
        "account": "futures",
    }


def position(held: Position, account: Account, last: Mapping[str, Decimal], now_ms: int) -> Json:
    """A row of `position`."""
    return {
        **_common(held, account, last, now_ms),
        "position_type": int(held.direction),
        "margin_type": account.open_type[held.symbol].capitalize(),
        "position_mode": account.position_mode,
        "unrealized_value": amount(held.unrealised(last[held.symbol])),
    }


def position_v2(held: Position, account: Account, last: Mapping[str, Decimal], now_ms: int) -> Json:
    """A row of `position-v2`. In one-way mode the amount is signed and the side is `both`."""
    one_way = account.position_mode == ONE_WAY
    leverage = account.leverage[held.symbol]
    sign = held.direction.sign if one_way else 1
    return {
        **_common(held, account, last, now_ms),
        "open_type": account.open_type[held.symbol],
        "position_side": "both" if one_way else Direction(held.direction).name.lower(),
        "position_amount": str(sign * held.size),
        "unrealized_pnl": amount(held.unrealised(last[held.symbol])),
        "liquidation_price": wire_decimal(held.liquidation_price(leverage)),
        "initial_margin": amount(held.margin(leverage)),
        "max_notional_value": "10000000",
    }


def assets(books: Books) -> Json:
    """The one asset. Equity is the balance and what is not realised yet."""
    standing = books.standing
    unrealised = standing.unrealised()
    return {
        "currency": "USDT",
        "available_balance": amount(standing.available()),
        "frozen_balance": amount(standing.order_margin()),
        "position_deposit": amount(books.account.position_margin()),
        "equity": amount(books.balance + unrealised),
        "unrealized": amount(unrealised),
    }
