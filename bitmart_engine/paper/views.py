"""REST rows: what the exchange writes about orders, plan orders, fills, positions and the balance. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from .account import ONE_WAY, Account
from .books import Books
from .instruments import wire_decimal
from .orders import ZERO, Direction, Fill, Mode, Order, State
from .pending import Waiting
from .plans import Plan
from .positions import MAINTENANCE_RATE, Position
from .wire import Json, amount, order_price

REST_TYPES = {
    "stop_loss": "planorder",
    "take_profit": "planorder",
    "plan_order": "planorder",
    "trailing_order": "trailing",
}
MAX_NOTIONAL = "10000000"

TRANSFER, REALISED, FUNDING, COMMISSION, LIQUIDATION = 1, 2, 3, 4, 5
FLOW_TYPES = {
    TRANSFER: "Transfer",
    REALISED: "Realized PNL",
    FUNDING: "Funding Fee",
    COMMISSION: "Commission Fee",
    LIQUIDATION: "Liquidation Clearance",
}


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
    if one.target_price is not None:
        row["preset_take_profit_price"] = wire_decimal(one.target_price)
        row["preset_take_profit_price_type"] = one.target_price_type
    if one.stop_price is not None:
        row["preset_stop_loss_price"] = wire_decimal(one.stop_price)
        row["preset_stop_loss_price_type"] = one.stop_price_type
    if one.trigger is None:
        return row
    if one.trigger.callback_rate is not None:
        row["activation_price"] = wire_decimal(one.trigger.price)
        row["activation_price_type"] = one.trigger.price_type
        row["callback_rate"] = wire_decimal(one.trigger.callback_rate)
    else:
        at = one.trigger.executive_price
        row["trigger_price"] = wire_decimal(one.trigger.price)
        row["execution_price"] = "Market" if at is None else wire_decimal(at)
        row["executive_order_id"] = str(one.order_id)
    return row


def trade(fill: Fill, fee_sign: int) -> Json:
    """A fill. A cost in `paid_fees` has its own sign, unlike the order push's `fee`."""
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
        "paid_fees": amount(fill.fee * fee_sign),
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


def waiting(one: Waiting) -> Json:
    """A plan order that is to open or close, as `current-plan-order` shows it."""
    order, trigger = one.order, one.trigger
    row: Json = {
        "order_id": str(order.order_id),
        "client_order_id": order.client_order_id,
        "executive_price": wire_decimal(trigger.executive_price or ZERO),
        "trigger_price": wire_decimal(trigger.price),
        "size": str(order.size),
        "symbol": order.symbol,
        "state": int(order.state),
        "side": int(order.side),
        "mode": int(order.mode),
        "position_mode": order.position_mode,
        "price_way": 1 if trigger.rises else 2,
        "price_type": trigger.price_type,
        "plan_category": one.plan_category,
        "type": "plan",
        "leverage": str(order.leverage),
        "open_type": order.open_type,
        "create_time": order.create_ms,
        "update_time": order.update_ms,
    }
    if order.target_price is not None:
        row["preset_take_profit_price"] = wire_decimal(order.target_price)
        row["preset_take_profit_price_type"] = order.target_price_type
    if order.stop_price is not None:
        row["preset_stop_loss_price"] = wire_decimal(order.stop_price)
        row["preset_stop_loss_price_type"] = order.stop_price_type
    return row


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
        "max_notional_value": MAX_NOTIONAL,
    }


def position_risk(held: Position, account: Account, last: Mapping[str, Decimal]) -> Json:
    """A row of `position-risk`. Its time is in seconds, whatever the documents' table says."""
    leverage = account.leverage[held.symbol]
    isolated = account.open_type[held.symbol] == "isolated"
    price = last[held.symbol]
    return {
        "symbol": held.symbol,
        "position_amt": str(held.size),
        "mark_price": wire_decimal(price),
        "unrealized_profit": amount(held.unrealised(price)),
        "liquidation_price": wire_decimal(held.liquidation_price(leverage)),
        "leverage": str(leverage),
        "max_notional_value": MAX_NOTIONAL,
        "margin_type": account.open_type[held.symbol].capitalize(),
        "isolated_margin": amount(held.margin(leverage)) if isolated else "0",
        "position_side": held.direction.name.capitalize(),
        "notional": amount(price * held.size * held.contract_size),
        "update_time": held.update_ms // 1000,
        "account": "futures",
    }


def transactions(books: Books) -> list[tuple[int, int, Json]]:
    """What moved the balance, the newest first: when in ms, the flow type, and the row."""
    flows: list[tuple[int, int, str, Decimal, int]] = [
        (one.at_ms, TRANSFER, "", one.amount, one.transfer_id) for one in books.account.transfers
    ]
    for fill in books.fills:
        liquidated = books.orders[fill.order_id].type == "liquidate"
        kind = LIQUIDATION if liquidated else REALISED
        if fill.realised:
            flows.append((fill.at_ms, kind, fill.symbol, fill.realised, fill.trade_id))
        if fill.fee:
            flows.append((fill.at_ms, COMMISSION, fill.symbol, -fill.fee, fill.trade_id))
    flows.sort(key=lambda flow: (flow[0], flow[4]), reverse=True)
    return [
        (
            at_ms,
            kind,
            {
                "symbol": symbol,
                "type": FLOW_TYPES[kind],
                "flow_type": kind,
                "amount": f"{value:.8f}",
                "asset": "USDT",
                "account": "futures",
                "time": str(at_ms),
                "tran_id": str(number),
            },
        )
        for at_ms, kind, symbol, value, number in flows
    ]


def assets(books: Books) -> Json:
    """The one asset. Equity is the balance and what is not realised yet."""
    standing = books.account_view
    unrealised = standing.unrealised()
    return {
        "currency": "USDT",
        "available_balance": amount(standing.available()),
        "frozen_balance": amount(standing.order_margin()),
        "position_deposit": amount(books.account.position_margin()),
        "equity": amount(books.balance + unrealised),
        "unrealized": amount(unrealised),
    }
