"""BitMart's own Python SDK trades on the paper exchange, and cannot tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import trio

from bitmart_engine.paper import ManualMarket, open_paper_exchange

SESSION = Path(__file__).with_name("sdk_session.py")


async def test_bitmarts_own_sdk_logs_in_subscribes_places_reads_and_cancels():
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
        order = next(iter(exchange.books.orders.values()))
    assert json.loads(done.stdout) == {
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
