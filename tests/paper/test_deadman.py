"""cancel-all-after: a timer that a client winds up so that its orders die with it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from .conftest import Visit, Visiting

AFTER = "/contract/private/cancel-all-after"


async def wind(visit: Visit, timeout_s: int, symbol: str = "BTCUSDT") -> Any:
    return await visit.owner.do(AFTER, {"symbol": symbol, "timeout": timeout_s})


def working(visit: Visit) -> list[str]:
    return [order.symbol for order in visit.books.ledger.working()]


async def test_when_it_runs_out_every_order_of_the_symbol_is_cancelled_and_pushed(
    visiting: Visiting, autojump_clock: Any
) -> None:
    async with visiting(memory=True) as visit, visit.private("futures/order") as listener:
        await visit.owner.submit(price="64000")
        await visit.owner.submit(price="63000")
        await visit.owner.submit(symbol="ETHUSDT", price="3000")
        now_s = visit.exchange.now_ms() // 1000
        assert await wind(visit, 10) == {
            "result": True,
            "set_time": now_s,
            "cancel_time": now_s + 10,
        }
        await trio.sleep(9.9)
        assert len(working(visit)) == 3
        await trio.sleep(0.2)
        assert working(visit) == ["ETHUSDT"]
        events = [(await listener.hear_about("futures/order"))[0]["action"] for _ in range(5)]
        assert events == [2, 2, 2, 3, 3]
        await visit.owner.submit(price="64000")
        await trio.sleep(60)
        assert len(working(visit)) == 2


async def test_every_call_starts_it_anew_and_0_stops_it(
    visiting: Visiting, autojump_clock: Any
) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(price="64000")
        await wind(visit, 5)
        await trio.sleep(4)
        await wind(visit, 5)
        await trio.sleep(4)
        assert working(visit)
        assert (await wind(visit, 0))["cancel_time"] == 0
        await trio.sleep(60)
        assert working(visit)


async def test_each_symbol_has_its_own(visiting: Visiting, autojump_clock: Any) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(price="64000")
        await visit.owner.submit(symbol="ETHUSDT", price="3000")
        await wind(visit, 20)
        await wind(visit, 10, "ETHUSDT")
        await trio.sleep(11)
        assert working(visit) == ["BTCUSDT"]
        await trio.sleep(10)
        assert working(visit) == []


@pytest.mark.parametrize("covers", [False, True])
async def test_whether_plan_orders_go_too_is_a_parameter(
    visiting: Visiting, autojump_clock: Any, covers: bool
) -> None:
    async with visiting(memory=True, cancel_all_after_plans=covers) as visit:
        await visit.owner.submit(type="market", preset_stop_loss_price="60000")
        plan = {
            "symbol": "BTCUSDT",
            "side": 1,
            "type": "market",
            "size": 1,
            "leverage": "10",
            "open_type": "isolated",
            "trigger_price": "60000",
            "price_way": 2,
            "price_type": 1,
        }
        await visit.owner.do("/contract/private/submit-plan-order", plan)
        await wind(visit, 5)
        await trio.sleep(6)
        rows = await visit.owner.read("/contract/private/current-plan-order")
        assert len(rows) == (0 if covers else 2)


@pytest.mark.parametrize("timeout_s", [-1, 1, 4, "5", None, True, 10**6])
async def test_five_seconds_are_the_least(visiting: Visiting, timeout_s: Any) -> None:
    async with visiting(memory=True) as visit:
        body = {"symbol": "BTCUSDT", "timeout": timeout_s}
        assert await visit.owner.refused(AFTER, body) == (400, 40011)
