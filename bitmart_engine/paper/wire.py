"""WebSocket frames: what the exchange writes. Pure functions from the books' nouns to JSON-ready dictionaries.

Prices, sizes and amounts are strings; enumerations and times are integers, as on the live wire.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from attrs import frozen

from .candles import Bar
from .funding import FUNDING_RATE, LOWER_LIMIT, UPPER_LIMIT, next_funding_ms
from .instruments import wire_decimal
from .orderbook import Book
from .orders import Direction, Fill, Order, Trigger
from .positions import shown
from .pushes import BalancePush, OrderPush, PositionPush

Json = dict[str, Any]

TRIGGER_FIELDS = (
    "trigger_price",
    "trigger_price_type",
    "execution_price",
    "activation_price_type",
    "activation_price",
    "callback_rate",
)

NOT_JSON = (ValueError, ArithmeticError, RecursionError)
"""What reading a text as JSON can raise: it is none, or its numbers or its depth are beyond all bounds."""


@frozen(kw_only=True)
class Trade:
    """A public trade. `buy` says whether the taker bought."""

    trade_id: int
    symbol: str
    price: Decimal
    size: int
    buy: bool
    at_ms: int


def encode(frame: object) -> str:
    """A frame as text."""
    return json.dumps(frame, separators=(",", ":"))


def amount(value: Decimal) -> str:
    """An amount of money, to eight decimals."""
    return wire_decimal(shown(value))


def order_price(order: Order) -> str:
    """An order's price; market orders have none and show 0, or a protective one."""
    return wire_decimal(order.shown_price if order.price is None else order.price)


def kline(symbol: str, bar: Bar, shape: str, ts_offset_s: int) -> Json:
    """A running bar, in `items` as on the wire, or flat as in the documents."""
    if shape == "flat":
        return {"symbol": symbol, **_bar(bar, ts_offset_s)}
    return klines(symbol, [bar], ts_offset_s)


def klines(symbol: str, bars: Sequence[Bar], ts_offset_s: int) -> Json:
    """Several bars in one frame, the oldest first."""
    return {"symbol": symbol, "items": [_bar(bar, ts_offset_s) for bar in bars]}


def _bar(bar: Bar, ts_offset_s: int) -> Json:
    return {
        "o": wire_decimal(bar.open),
        "h": wire_decimal(bar.high),
        "l": wire_decimal(bar.low),
        "c": wire_decimal(bar.close),
        "v": str(bar.volume),
        "ts": bar.ts + ts_offset_s,
    }


def trades(several: Sequence[Trade]) -> list[Json]:
    """Several trades in one frame, the oldest first."""
    return [row for one in several for row in trade(one)]


def trade(one: Trade) -> list[Json]:
    at = datetime.fromtimestamp(one.at_ms // 1000, UTC)
    return [
        {
            "trade_id": one.trade_id,
            "symbol": one.symbol,
            "deal_price": wire_decimal(one.price),
            "deal_vol": str(one.size),
            "way": 1 if one.buy else 5,
            "m": not one.buy,
            "created_at": f"{at:%Y-%m-%dT%H:%M:%S}.{one.at_ms % 1000:03d}000000Z",
        }
    ]


def ticker(symbol: str, last: Decimal, tick_size: Decimal, day: Bar) -> Json:
    change = shown(last / day.open - 1)
    price = wire_decimal(last)
    return {
        "symbol": symbol,
        "last_price": price,
        "volume_24": str(day.volume),
        "range": wire_decimal(change),
        "mark_price": price,
        "index_price": price,
        "ask_price": wire_decimal(last + tick_size),
        "ask_vol": "1000",
        "bid_price": wire_decimal(last - tick_size),
        "bid_vol": "1000",
    }


def book_ticker(symbol: str, best: Book, now_ms: int) -> Json:
    (bid, bid_size), (ask, ask_size) = best.bids[0] if best.bids else (0, 0), best.asks[0]
    return {
        "symbol": symbol,
        "best_bid_price": wire_decimal(Decimal(bid)),
        "best_bid_vol": str(bid_size),
        "best_ask_price": wire_decimal(ask),
        "best_ask_vol": str(ask_size),
        "ms_t": now_ms,
    }


def funding(symbol: str, now_ms: int) -> Json:
    """A funding rate. `fundingTime` is about now, as on the live wire; the settlement is `nextFundingTime`."""
    return {
        "symbol": symbol,
        "fundingRate": FUNDING_RATE,
        "fundingTime": now_ms,
        "nextFundingRate": FUNDING_RATE,
        "nextFundingTime": next_funding_ms(now_ms),
        "funding_upper_limit": UPPER_LIMIT,
        "funding_lower_limit": LOWER_LIMIT,
        "ts": now_ms,
    }


def order_event(push: OrderPush, fee_sign: int) -> Json:
    """One element of a `futures/order` frame."""
    order = push.order
    return {
        "action": int(push.action),
        "order": {
            "order_id": str(order.order_id),
            "client_order_id": order.client_order_id,
            "price": order_price(order),
            "size": str(order.size),
            "symbol": order.symbol,
            "state": int(order.state),
            "side": int(order.side),
            "type": "market" if order.type == "liquidate" else order.type,
            "leverage": str(order.leverage),
            "open_type": order.open_type,
            "deal_avg_price": amount(order.deal_avg_price),
            "deal_size": str(order.deal_size),
            "create_time": order.create_ms,
            "update_time": order.update_ms,
            "plan_order_id": order.plan_order_id,
            "last_trade": last_trade(push.fill, fee_sign) if push.fill else None,
            **trigger_fields(order.trigger),
            "position_mode": order.position_mode,
        },
    }


def trigger_fields(trigger: Trigger | None) -> Json:
    """What set an order off, or is to; `-` where that does not apply."""
    fields: Json = dict.fromkeys(TRIGGER_FIELDS, "-")
    if trigger is None:
        return fields
    price_type = "last_price" if trigger.price_type == 1 else "fair_price"
    if trigger.callback_rate is not None:
        fields["activation_price"] = wire_decimal(trigger.price)
        fields["activation_price_type"] = price_type
        fields["callback_rate"] = wire_decimal(trigger.callback_rate)
        return fields
    fields["trigger_price"] = wire_decimal(trigger.price)
    fields["trigger_price_type"] = price_type
    at = trigger.executive_price
    fields["execution_price"] = "market" if at is None else wire_decimal(at)
    return fields


def last_trade(fill: Fill, fee_sign: int) -> Json:
    return {
        "lastTradeID": fill.trade_id,
        "fillQty": str(fill.size),
        "fillPrice": wire_decimal(fill.price),
        "fee": amount(fill.fee * fee_sign),
        "feeCcy": "USDT",
    }


def position_event(push: PositionPush, *, signed: bool = False) -> Json:
    """One element of a `futures/position` frame; `signed` is one idea of what it is like in one-way mode."""
    held = push.position
    sign = held.direction.sign if signed else 1
    return {
        "symbol": held.symbol,
        "hold_volume": str(sign * held.size),
        "position_type": int(Direction.LONG if signed else held.direction),
        "open_type": 1 if push.open_type == "isolated" else 2,
        "frozen_volume": str(push.frozen_size),
        "close_volume": str(held.close_size),
        "hold_avg_price": wire_decimal(held.entry_price),
        "close_avg_price": wire_decimal(held.close_avg_price),
        "open_avg_price": wire_decimal(held.open_avg_price),
        "liquidate_price": wire_decimal(held.liquidation_price(push.leverage)),
        "create_time": held.open_ms,
        "update_time": held.update_ms,
        "position_mode": push.position_mode,
    }


def asset(push: BalancePush) -> Json:
    """The `futures/asset:USDT` object."""
    return {
        "currency": "USDT",
        "available_balance": amount(push.available),
        "position_deposit": amount(push.position_margin),
        "frozen_balance": amount(push.order_margin),
    }
