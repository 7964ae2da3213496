"""Plan orders that open or close by themselves, and trailing orders: what waits for a price, and what it becomes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .conftest import Visit, Visiting

PRIVATE = "/contract/private"
PLAN, TRAIL = f"{PRIVATE}/submit-plan-order", f"{PRIVATE}/submit-trail-order"
PLANS = f"{PRIVATE}/current-plan-order"
ORDER = "futures/order"


def plan(**fields: Any) -> dict[str, Any]:
    """A plan order to buy ten at 64500 once the price is at or below 64400, unless told otherwise."""
    return {
        "symbol": "BTCUSDT",
        "type": "limit",
        "side": 1,
        "leverage": "10",
        "open_type": "isolated",
        "size": 10,
        "trigger_price": "64400",
        "executive_price": "64500",
        "price_way": 2,
        "price_type": 1,
        **fields,
    }


def trail(**fields: Any) -> dict[str, Any]:
    """A trailing order that sells to open, active at 66000, set off by a turn of one percent."""
    return {
        "symbol": "BTCUSDT",
        "side": 4,
        "leverage": "10",
        "open_type": "isolated",
        "size": 10,
        "activation_price": "66000",
        "callback_rate": "1",
        "activation_price_type": 1,
        **fields,
    }


def last_order(visit: Visit) -> Any:
    return list(visit.books.orders.values())[-1]


def move(visit: Visit, *prices: object) -> None:
    for price in prices:
        visit.exchange.set_price("BTCUSDT", Decimal(str(price)))


async def test_a_plan_order_enters_an_order_named_after_it_when_its_price_comes(
    visiting: Visiting,
) -> None:
    async with visiting(memory=True) as visit, visit.private(ORDER) as listener:
        plan_id = (await visit.owner.do(PLAN, plan(preset_stop_loss_price="63000")))["order_id"]
        assert isinstance(plan_id, int)
        assert await listener.hears_nothing()
        move(visit, "64400.1")
        assert not visit.books.orders
        move(visit, 64400)
        order = last_order(visit)
        assert order.order_id != plan_id
        events = [await listener.hear_about(ORDER) for _ in range(2)]
        told = events[-1][0]["order"]
        assert (told["client_order_id"], told["plan_order_id"]) == (
            f"PLAN_{plan_id}",
            str(plan_id),
        )
        assert (told["type"], told["deal_avg_price"], told["deal_size"]) == (
            "plan_order",
            "64400",
            "10",
        )
        assert (told["trigger_price"], told["trigger_price_type"], told["execution_price"]) == (
            "64400",
            "last_price",
            "64500",
        )
        (row,) = await visit.owner.read(f"{PRIVATE}/order-history", symbol="BTCUSDT")
        assert (row["type"], row["client_order_id"]) == ("planorder", f"PLAN_{plan_id}")
        assert (row["trigger_price"], row["execution_price"]) == ("64400", "64500")
        assert row["executive_order_id"] == str(order.order_id)
        (preset,) = await visit.owner.read(PLANS)
        assert (preset["type"], preset["trigger_price"]) == ("stop_loss", "63000")


async def test_at_the_market_on_the_way_up(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit, visit.private(ORDER) as listener:
        body = plan(type="market", executive_price=None, trigger_price="66000", price_way=1)
        await visit.owner.do(PLAN, body)
        move(visit, "65999.9", "66500")
        assert last_order(visit).deal_avg_price == 66500
        assert (await listener.hear_about(ORDER))[0]["order"]["execution_price"] == "market"


async def test_a_limit_beyond_the_market_rests(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.do(PLAN, plan(executive_price="64000"))
        move(visit, 64400)
        (row,) = await visit.owner.read(f"{PRIVATE}/get-open-orders")
        assert (row["price"], row["deal_size"]) == ("64000", "0")


async def test_a_plan_orders_row_has_the_documented_fields(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        body = plan(preset_take_profit_price="66000", preset_take_profit_price_type=2)
        plan_id = (await visit.owner.do(PLAN, body))["order_id"]
        (row,) = await visit.owner.read(PLANS, plan_type="plan", type="limit", symbol="BTCUSDT")
        assert row.pop("create_time") == row.pop("update_time")
        assert row == {
            "order_id": str(plan_id),
            "client_order_id": "",
            "executive_price": "64500",
            "trigger_price": "64400",
            "size": "10",
            "symbol": "BTCUSDT",
            "state": 2,
            "side": 1,
            "mode": 1,
            "position_mode": "hedge_mode",
            "price_way": 2,
            "price_type": 1,
            "plan_category": 1,
            "type": "plan",
            "leverage": "10",
            "open_type": "isolated",
            "preset_take_profit_price": "66000",
            "preset_take_profit_price_type": 2,
        }
        for query in ({"plan_type": "profit_loss"}, {"type": "market"}, {"symbol": "ETHUSDT"}):
            assert await visit.owner.read(PLANS, **query) == []


async def test_a_plan_order_and_its_presets_are_moved(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        plan_id = (await visit.owner.do(PLAN, plan(client_order_id="mine")))["order_id"]
        moved = {"symbol": "BTCUSDT", "trigger_price": "64300", "price_type": 2, "type": "market"}
        changed = await visit.owner.do(
            f"{PRIVATE}/modify-plan-order", {**moved, "order_id": str(plan_id)}
        )
        assert changed == {"order_id": str(plan_id)}
        presets = {"symbol": "BTCUSDT", "client_order_id": "mine", "preset_stop_loss_price": "1000"}
        await visit.owner.do(f"{PRIVATE}/modify-preset-plan-order", presets)
        presets = {"symbol": "BTCUSDT", "order_id": plan_id, "preset_stop_loss_price_type": 2}
        await visit.owner.do(f"{PRIVATE}/modify-preset-plan-order", presets)
        (row,) = await visit.owner.read(PLANS)
        assert (row["trigger_price"], row["price_type"], row["executive_price"]) == (
            "64300",
            2,
            "0",
        )
        assert (row["preset_stop_loss_price"], row["preset_stop_loss_price_type"]) == ("1000", 2)


async def test_plan_orders_are_cancelled_by_either_id_or_with_all_of_the_symbol(
    visiting: Visiting,
) -> None:
    cancel = f"{PRIVATE}/cancel-plan-order"
    async with visiting(memory=True) as visit:
        plan_id = (await visit.owner.do(PLAN, plan()))["order_id"]
        await visit.owner.do(PLAN, plan(client_order_id="named"))
        await visit.owner.do(cancel, {"symbol": "BTCUSDT", "order_id": str(plan_id)})
        await visit.owner.do(cancel, {"symbol": "BTCUSDT", "client_order_id": "named"})
        assert await visit.owner.read(PLANS) == []
        assert (await visit.owner.refused(cancel, {"symbol": "BTCUSDT", "order_id": str(plan_id)}))[
            1
        ] == 40035
        await visit.owner.submit(type="market", preset_stop_loss_price="60000")
        await visit.owner.do(PLAN, plan())
        assert len(await visit.owner.read(PLANS)) == 2
        await visit.owner.do(cancel, {"symbol": "ETHUSDT"})
        assert len(await visit.owner.read(PLANS)) == 2
        await visit.owner.do(cancel, {"symbol": "BTCUSDT"})
        assert await visit.owner.read(PLANS) == []
        move(visit, 60000)
        assert [order.size for order in visit.books.orders.values()] == [10]


async def test_a_plan_order_that_cannot_be_entered_when_its_price_comes_is_gone(
    visiting: Visiting,
) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.do(PLAN, plan(side=3, size=10))
        move(visit, 64400)
        assert not visit.books.orders
        assert await visit.owner.read(PLANS) == []


async def test_plan_orders_can_be_pushed_while_they_wait(visiting: Visiting) -> None:
    async with (
        visiting(memory=True, plan_order_push=True) as visit,
        visit.private(ORDER) as listener,
    ):
        plan_id = (await visit.owner.do(PLAN, plan(executive_price="64000")))["order_id"]
        (event,) = await listener.hear_about(ORDER)
        assert (event["action"], event["order"]["state"], event["order"]["type"]) == (
            2,
            2,
            "plan_order",
        )
        assert event["order"]["order_id"] == str(plan_id)
        body = {"symbol": "BTCUSDT", "order_id": str(plan_id)}
        await visit.owner.do(f"{PRIVATE}/cancel-plan-order", body)
        (event,) = await listener.hear_about(ORDER)
        assert (event["action"], event["order"]["state"]) == (3, 4)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"symbol": "NOPE"}, 40034),
        ({"side": 5}, 40041),
        ({"type": "stop_loss"}, 40042),
        ({"size": None}, 40011),
        ({"leverage": None}, 40040),
        ({"open_type": None}, 40045),
        ({"leverage": "1000"}, 40029),
        ({"trigger_price": None}, 40011),
        ({"trigger_price": "64000.05"}, 40043),
        ({"executive_price": None}, 40011),
        ({"price_way": 3}, 40011),
        ({"price_way": None}, 40011),
        ({"price_type": 3}, 40011),
        ({"plan_category": 3}, 40011),
        ({"client_order_id": "used"}, 40050),
        ({"mode": 4, "type": "market"}, 40011),
    ],
)
async def test_a_plan_order_that_is_wrong_is_refused(
    visiting: Visiting, changed: dict[str, Any], code: int
) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.do(PLAN, plan(client_order_id="used"))
        assert (await visit.owner.refused(PLAN, plan(**changed)))[1] == code
        assert len(await visit.owner.read(PLANS)) == 1


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("modify-plan-order", {}, 40011),
        ("modify-plan-order", {"order_id": "77"}, 40035),
        ("modify-plan-order", {"client_order_id": "none"}, 40037),
        ("modify-preset-plan-order", {"order_id": "77"}, 40035),
        ("cancel-trail-order", {"order_id": "77"}, 40035),
    ],
)
async def test_what_is_not_there_cannot_be_changed(
    visiting: Visiting, path: str, body: dict[str, Any], code: int
) -> None:
    async with visiting(memory=True) as visit:
        moved = {"symbol": "BTCUSDT", "trigger_price": "64300", "price_type": 1, "type": "market"}
        assert (await visit.owner.refused(f"{PRIVATE}/{path}", {**moved, **body}))[1] == code


@pytest.mark.parametrize(
    ("side", "active", "quiet", "turned"),
    [
        (4, "66000", ["65999.9", "60000", "66500", "65900"], "65835"),
        (1, "64000", ["64000.1", "70000", "63500", "64100"], "64135"),
    ],
)
async def test_a_trailing_order_follows_the_best_price_and_is_entered_when_it_turns(
    visiting: Visiting, side: int, active: str, quiet: list[str], turned: str
) -> None:
    async with visiting(memory=True) as visit, visit.private(ORDER) as listener:
        body = trail(side=side, activation_price=active)
        order_id = (await visit.owner.do(TRAIL, body))["order_id"]
        assert isinstance(order_id, int)
        (event,) = await listener.hear_about(ORDER)
        order = event["order"]
        assert (event["action"], order["type"], order["order_id"]) == (
            2,
            "trailing_order",
            str(order_id),
        )
        assert (order["activation_price"], order["activation_price_type"]) == (active, "last_price")
        assert (order["callback_rate"], order["trigger_price"]) == ("1", "-")
        move(visit, *quiet)
        assert not visit.books.orders
        (row,) = await visit.owner.read(f"{PRIVATE}/get-open-orders", type="trailing")
        assert row == await visit.owner.order(order_id)
        assert (row["type"], row["activation_price"], row["callback_rate"]) == (
            "trailing",
            active,
            "1",
        )
        assert (row["state"], row["activation_price_type"]) == (2, 1)
        move(visit, turned)
        row = await visit.owner.order(order_id)
        assert (row["state"], row["deal_avg_price"], row["deal_size"]) == (4, turned, "10")
        assert (row["type"], row["client_order_id"]) == ("trailing", "")
        assert await visit.owner.read(f"{PRIVATE}/get-open-orders") == []


async def test_a_trailing_order_is_cancelled_and_then_in_the_history(visiting: Visiting) -> None:
    cancel = f"{PRIVATE}/cancel-trail-order"
    async with visiting(memory=True) as visit, visit.private(ORDER) as listener:
        order_id = (await visit.owner.do(TRAIL, trail()))["order_id"]
        await listener.hear()
        await visit.owner.do(cancel, {"symbol": "BTCUSDT", "order_id": str(order_id)})
        (event,) = await listener.hear_about(ORDER)
        assert (event["action"], event["order"]["state"]) == (3, 4)
        (row,) = await visit.owner.read(f"{PRIVATE}/order-history", symbol="BTCUSDT")
        assert (row["order_id"], row["type"], row["state"]) == (str(order_id), "trailing", 4)
        await visit.owner.do(TRAIL, trail())
        await visit.owner.do(cancel, {"symbol": "BTCUSDT"})
        assert not len(visit.books.pending)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"callback_rate": "0.09"}, 40011),
        ({"callback_rate": "5.1"}, 40011),
        ({"callback_rate": "NaN"}, 40011),
        ({"callback_rate": None}, 40011),
        ({"activation_price": None}, 40011),
        ({"activation_price_type": 3}, 40011),
        ({"leverage": None}, 40040),
        ({"size": 0}, 40044),
    ],
)
async def test_a_trailing_order_that_is_wrong_is_refused(
    visiting: Visiting, changed: dict[str, Any], code: int
) -> None:
    async with visiting(memory=True) as visit:
        assert (await visit.owner.refused(TRAIL, trail(**changed)))[1] == code


async def test_a_stop_may_close_at_a_limit(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        stop = {
            "symbol": "BTCUSDT",
            "type": "stop_loss",
            "side": 3,
            "trigger_price": "64000",
            "executive_price": "64100",
            "price_type": 1,
            "plan_category": 1,
            "category": "limit",
        }
        await visit.owner.do(f"{PRIVATE}/submit-tp-sl-order", stop)
        assert len(await visit.owner.read(PLANS, type="limit")) == 1
        move(visit, 64000)
        (row,) = await visit.owner.read(f"{PRIVATE}/get-open-orders")
        assert (row["price"], row["side"], row["deal_size"]) == ("64100", 3, "0")
        move(visit, 64100)
        assert not visit.books.positions
