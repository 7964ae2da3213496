"""BitMart's own Python SDK trades on the paper exchange, and cannot tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from bitmart_engine.paper import ManualMarket, Order, open_paper_exchange

from ..conformance import shapes
from ..conformance.shapes import among, decimal, digits, misfits, rows, whole, word

SESSION = Path(__file__).with_name("sdk_session.py")

ONE: dict[str, shapes.Shape] = {
    "get_depth": shapes.DEPTH,
    "get_funding_rate": shapes.FUNDING_RATE,
    "get_open_interest": {"symbol": word, "open_interest": decimal, "open_interest_value": decimal},
    "get_leverage_bracket": {"rules": rows},
    "get_trade_fee_rate": {"symbol": word, "taker_fee_rate": decimal, "maker_fee_rate": decimal},
    "get_position_mode": {"position_mode": among("hedge_mode")},
    "get_order": shapes.ORDER,
    "post_set_position_mode": {"position_mode": among("hedge_mode")},
    "post_submit_leverage": {
        "symbol": word,
        "leverage": decimal,
        "open_type": among("isolated"),
        "max_value": decimal,
    },
    "post_claim": {"currency": word, "amount": decimal},
    "post_transfer": {"currency": word, "amount": decimal},
    "post_submit_order": {"order_id": whole, "price": among("market price")},
    "post_submit_tp_sl_order": {"order_id": digits, "client_order_id": shapes.text},
    "post_modify_tp_sl_order": {"order_id": digits},
    "post_submit_plan_order": {"order_id": whole},
    "post_modify_preset_plan_order": {"order_id": digits},
    "post_submit_trail_order": {"order_id": whole},
    "post_modify_limit_order": {"order_id": whole, "client_order_id": word},
    "post_cancel_all_after": {"result": among(True), "set_time": shapes.seconds},
    "post_cancel_orders": {},
    "post_cancel_plan_order": {},
    "post_cancel_trail_order": {},
}
"""What the methods answer whose data is one object."""

MANY: dict[str, shapes.Shape] = {
    "get_kline": shapes.HISTORY_BAR,
    "get_mark_price_kline": shapes.HISTORY_BAR,
    "get_market_trade": shapes.MARKET_TRADE,
    "get_assets_detail": shapes.ASSET,
    "get_order_history": shapes.ORDER,
    "get_open_order": shapes.ORDER,
    "get_trades": shapes.FILL,
    "get_transaction_history": shapes.FLOW,
    "get_position": shapes.POSITION,
    "get_position_v2": shapes.POSITION_V2,
    "get_position_risk": shapes.POSITION_RISK,
    "get_current_plan_order": shapes.PLAN,
}
"""What the methods answer whose data is an array, row by row."""

LISTED: dict[str, tuple[str, shapes.Shape]] = {
    "get_details": ("symbols", shapes.INSTRUMENT),
    "get_funding_rate_v2": ("list", shapes.FUNDING_RATE),
    "get_fund_rate_history": ("list", shapes.FUNDING_PAST),
    "get_transfer_list": ("records", {"transfer_id": digits, "amount": decimal, "state": word}),
}
"""What the methods answer whose data has an array in it."""


async def session() -> tuple[Any, Order]:
    """What the SDK was told, and the order that it placed."""
    async with open_paper_exchange(market=ManualMarket()) as exchange:
        with trio.fail_after(50):
            done = await trio.run_process(
                [
                    sys.executable,
                    str(SESSION),
                    exchange.rest_uri,
                    exchange.public_ws_uri,
                    exchange.private_ws_uri,
                    exchange.admin_uri,
                ],
                capture_stdout=True,
                stderr=subprocess.DEVNULL,
            )
        return json.loads(done.stdout), next(iter(exchange.books.orders.values()))


async def test_bitmarts_own_sdk_logs_in_subscribes_trades_and_is_answered_as_documented() -> None:
    told, order = await session()
    answers, refused = told.pop("answers"), told.pop("refused")
    assert told == {
        "login": {"action": "access", "success": True},
        "acks": [True, True],
        "pong": "pong+",
        "kline": "65000",
        "placed": 1000,
        "pushed": "sdk1",
        "read": [2, "sdk1", "64000"],
        "open": [True],
        "cancelled": 1000,
        "ended": 4,
        "details": "BTCUSDT",
    }
    assert not order.is_working

    assert answers.pop("headers") == ["Limit", "Mode", "Remaining", "Reset"]
    assert set(answers) == {*ONE, *MANY, *LISTED}
    wrong = {name: misfits(answers[name], shape) for name, shape in ONE.items()}
    for name, shape in MANY.items():
        assert answers[name], name
        wrong[name] = [problem for row in answers[name] for problem in misfits(row, shape)]
    for name, (key, shape) in LISTED.items():
        assert answers[name][key], name
        wrong[name] = [problem for row in answers[name][key] for problem in misfits(row, shape)]
    assert {name: problems for name, problems in wrong.items() if problems} == {}

    assert refused == {
        "unknown symbol": [400, 40012],
        "no order": [400, 40035],
        "nothing to close": [400, 40021],
        "used again": [403, 40050],
        "not simulated": [404, 30000],
        "wrong secret": [401, 30005],
    }


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"order_id": 7}, "order_id is 7, not: A whole number as a text: ids"),
        ({}, "no order_id"),
        ([], "not an object but []"),
    ],
)
def test_a_field_that_is_not_as_documented_is_named(row: Any, problem: str) -> None:
    assert misfits(row, {"order_id": digits}) == [problem]
