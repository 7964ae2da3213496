"""An account with more working orders than one answer holds, and one with rows that cannot be read."""

from __future__ import annotations

import hmac
import json

import httpx
import pytest

from bitmart_engine.exchange import Urgency
from tests.support.stage import SUBMIT, open_stage

OPEN_ORDERS = "/contract/private/get-open-orders"
POSITIONS = "/contract/private/position-v2"
PLANS = "/contract/private/current-plan-order"
OPENING = (1, 4)
NEVER = {"entry_zone_min": 50000, "entry_zone_max": 50010, "stop_loss": None, "take_profit": None}


async def rest_by_hand(paper, number: int, symbol: str = "BTCUSDT", price: str = "40000") -> None:
    """So many limit orders that no engine knows of, far from the market."""
    config = paper.config
    async with httpx.AsyncClient(transport=paper.rest_transport()) as http:
        for _ in range(number):
            body = json.dumps(
                {"symbol": symbol, "side": 1, "size": 1, "type": "limit", "price": price}
            )
            at = str(paper.now_ms())
            signed = f"{at}#{config.api_memo}#{body}".encode()
            headers = {
                "X-BM-KEY": config.api_key,
                "X-BM-TIMESTAMP": at,
                "X-BM-SIGN": hmac.new(config.api_secret.encode(), signed, "sha256").hexdigest(),
            }
            answer = await http.post(f"http://paper{SUBMIT}", content=body, headers=headers)
            assert answer.json()["code"] == 1000, answer.text


async def test_beside_three_hundred_orders_of_one_symbol_the_engine_agrees_and_trades(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought()
        await stage.place("waits", **NEVER)
        await rest_by_hand(stage.paper, 300)
        stage.paper.drop_connections("private")
        await stage.settle(0.1)
        assert stage.engine.not_ready()
        await stage.until(lambda: not stage.engine.not_ready(), within=15)
        found = stage.engine._core.comparing.latest
        assert found.foreign_orders_at_least
        assert found.foreign_orders >= 95
        assert not found.unknown
        assert stage.guarded() == "armed"
        await stage.place("more")
        stage.move(65000)
        await stage.until(lambda: stage.state("more") in ("open", "filled"))
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=30)


async def test_an_order_of_ours_beyond_the_listed_hundred_is_read_by_its_id(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        await rest_by_hand(stage.paper, 150)
        listed = await stage.engine._core.exchange._open_orders("BTCUSDT", Urgency.READ)
        mine = stage.order().exchange_order_id
        assert mine not in {each.order_id for each in listed}
        stage.network.arrived.clear()
        assert await stage.engine._core.comparing.refresh()
        assert "/contract/private/order" in stage.network.arrived
        assert stage.state() == "open"
        stage.move(64900)
        await stage.until(lambda: stage.state() == "filled")


@pytest.mark.parametrize("path", [OPEN_ORDERS, POSITIONS])
async def test_an_unreadable_row_of_a_symbol_in_which_we_have_nothing_keeps_nobody_from_trading(
    autojump_clock, path
):
    async with open_stage() as stage:
        await stage.open_by_hand(symbol="ETHUSDT")
        await rest_by_hand(stage.paper, 1, "ETHUSDT", "1000")
        await stage.until(lambda: stage.held("ETHUSDT") == 10)
        stage.paper.alter_answer(path, "unreadable_row", times=1000, symbol="ETHUSDT")
        stage.paper.drop_connections("private")
        await stage.settle(0.1)
        await stage.until(lambda: not stage.engine.not_ready())
        await stage.bought()
        await stage.settle(70)
        assert stage.guarded() == "armed"
        assert not stage.engine.not_ready()
        assert stage.engine.dropped()["foreign_row_unreadable"] > 0
        if path == POSITIONS:
            assert stage.held("ETHUSDT") == 10, "what was not learned is not said to be gone"


@pytest.mark.parametrize("path", [OPEN_ORDERS, POSITIONS])
async def test_an_unreadable_row_of_our_symbol_is_named_by_readyz(autojump_clock, path):
    async with open_stage() as stage:
        await stage.bought()
        await stage.place("b", **NEVER)
        await rest_by_hand(stage.paper, 1)
        stage.paper.alter_answer(path, "unreadable_row", times=1000, symbol="BTCUSDT")
        stage.paper.drop_connections("private")
        await stage.settle(20)
        missing = "; ".join(stage.engine.not_ready())
        assert path in missing
        assert "unreadable" in missing
        assert stage.guarded() == "armed"
