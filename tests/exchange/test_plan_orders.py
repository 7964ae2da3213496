"""Plan orders: what waits at the exchange for a price."""

from decimal import Decimal

import httpx
import pytest

from bitmart_engine.exchange import CutShort, OutcomeUnknown, PlanOrder, SubmitOrder, Urgency
from bitmart_engine.model.sides import OrderSide

from .test_paper import BUY, meet

PATH = "/contract/private/current-plan-order"


def row(**fields):
    return {
        "order_id": "220908185908509",
        "client_order_id": "",
        "executive_price": "0",
        "trigger_price": "64500.0",
        "size": "10",
        "symbol": "BTCUSDT",
        "state": 4,
        "side": 3,
        "mode": 1,
        "position_mode": "hedge_mode",
        "price_way": 2,
        "price_type": 1,
        "plan_category": 1,
        "type": "stop_loss",
        "leverage": "0",
        "open_type": "isolated",
        "create_time": 1662368173000,
        "update_time": 1662368173000,
        **fields,
    }


@pytest.mark.parametrize("said", [None, "-", "2024-01-01 00:00:00", True, []])
async def test_a_stop_whose_time_cannot_be_read_is_a_stop(fake, client, said):
    fake.says(PATH, [row(create_time=said)])
    (stop,) = await client.plan_orders()
    assert (stop.trigger_price, stop.create_time_ms) == (Decimal(64500), None)


async def test_a_stop_is_read(fake, client):
    fake.says(PATH, [row()])
    assert await client.plan_orders() == [
        PlanOrder(
            order_id="220908185908509",
            client_order_id="",
            symbol="BTCUSDT",
            side=OrderSide.SELL_CLOSE_LONG,
            kind="stop_loss",
            trigger_price=Decimal(64500),
            size=10,
            create_time_ms=1662368173000,
        )
    ]
    assert fake.params == {"limit": "100"}
    await client.plan_orders("BTCUSDT", plan_type="profit_loss", urgency=Urgency.CLOSE)
    assert fake.params == {"symbol": "BTCUSDT", "plan_type": "profit_loss", "limit": "100"}


@pytest.mark.parametrize(
    ("fields", "kind", "size"),
    [
        ({"type": "take_profit"}, "take_profit", 10),
        ({"type": "Stop_Loss", "plan_category": "2"}, "stop_loss", None),
        ({"size": "0"}, "stop_loss", None),
        ({"size": None, "plan_category": None}, "stop_loss", None),
        ({"type": "plan", "plan_category": 2}, "plan", 10),
        ({"type": "market", "size": 3}, "plan", 3),
        ({"type": None, "state": "active"}, "plan", 10),
    ],
)
async def test_the_kind_and_the_size_are_what_the_row_says(fake, client, fields, kind, size):
    fake.says(PATH, [row(**fields)])
    (one,) = await client.plan_orders()
    assert (one.kind, one.size) == (kind, size)


async def test_an_empty_list_is_an_answer(fake, client):
    fake.says(PATH, [])
    assert await client.plan_orders() == []


@pytest.mark.parametrize("data", [None, ..., {}])
async def test_anything_but_a_list_of_plan_orders_is_no_answer(fake, client, data):
    fake.says(PATH, data)
    with pytest.raises(OutcomeUnknown):
        await client.plan_orders()


@pytest.mark.parametrize(
    "bad",
    [
        {"order_id": ""},
        {"symbol": None},
        {"side": 5},
        {"side": None},
        {"trigger_price": "-"},
        {"trigger_price": "0"},
        {"size": "0.5"},
    ],
)
async def test_a_row_that_cannot_be_read_fails_the_query_rather_than_look_absent(fake, client, bad):
    fake.says(PATH, [row(), row(**bad)])
    with pytest.raises(OutcomeUnknown):
        await client.plan_orders()


async def test_a_list_that_is_full_may_be_cut_short(fake, client):
    fake.says(PATH, [row()] * 100)
    with pytest.raises(OutcomeUnknown, match="ask by symbol"):
        await client.plan_orders()


@pytest.mark.parametrize("sockets", [False, True])
async def test_the_presets_of_an_order_are_plan_orders_once_it_is_filled(sockets):
    async with meet(sockets=sockets) as (paper, client):
        await client.submit_order(
            SubmitOrder(
                symbol=BUY.symbol,
                side=BUY.side,
                size=BUY.size,
                client_order_id="in2",
                price=BUY.price,
                preset_stop_loss=Decimal("63000.5"),
                preset_take_profit=Decimal(66000),
            )
        )
        assert await client.plan_orders() == []
        paper.set_price("BTCUSDT", 64000)
        found = await client.plan_orders("BTCUSDT", plan_type="profit_loss")
        assert {(one.kind, one.trigger_price, one.side, one.size) for one in found} == {
            ("stop_loss", Decimal("63000.5"), OrderSide.SELL_CLOSE_LONG, 10),
            ("take_profit", Decimal(66000), OrderSide.SELL_CLOSE_LONG, 10),
        }
        assert await client.plan_orders(plan_type="plan") == []
        assert await client.plan_orders("ETHUSDT") == []
        paper.close_position_by_hand("BTCUSDT", "long")
        assert await client.plan_orders() == []


async def test_plans_that_one_answer_does_not_hold_are_read_in_parts(fake, client):
    async def answer(request):
        asked = request.url.params
        assert asked["plan_type"] == "profit_loss"
        kinds = [asked["type"]] if "type" in asked else ["limit", "market"]
        rows = [row(order_id=f"{kind}{number}") for kind in kinds for number in range(80)]
        return httpx.Response(200, json={"code": 1000, "data": rows[:100]})

    fake.does(PATH, answer)
    assert len(await client.plan_orders("BTCUSDT", plan_type="profit_loss")) == 160
    with pytest.raises(CutShort) as cut:
        await client.plan_orders(plan_type="profit_loss")
    assert len(cut.value.found) == 100
