"""Plan orders over REST: what waits at the exchange to close a position, and what becomes of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .conftest import Visit, Visiting

PLANS = "/contract/private/current-plan-order"
PLACE = "/contract/private/submit-tp-sl-order"
MODIFY = "/contract/private/modify-tp-sl-order"
CANCEL_PLAN = "/contract/private/cancel-plan-order"


def stop(**fields: Any) -> dict[str, Any]:
    """A stop for the whole long position, at 64000 unless told otherwise."""
    return {
        "symbol": "BTCUSDT",
        "type": "stop_loss",
        "side": 3,
        "trigger_price": "64000",
        "executive_price": "0",
        "price_type": 1,
        **fields,
    }


def part(size: int, **fields: Any) -> dict[str, Any]:
    return stop(plan_category=1, size=size, **fields)


async def listed(visit: Visit, **query: Any) -> list[tuple[str, str, str]]:
    """Kind, trigger and size of what waits, the oldest first."""
    rows = await visit.owner.read(PLANS, **query)
    return [(row["type"], row["trigger_price"], row["size"]) for row in reversed(rows)]


def held(visit: Visit) -> int:
    return sum(position.size for position in visit.books.positions.values())


async def test_a_preset_is_a_plan_order_from_its_orders_first_fill_on(visiting: Visiting) -> None:
    async with visiting(memory=True, liquidity=4) as visit:
        await visit.owner.submit(
            price="64500",
            preset_stop_loss_price="64000.0",
            preset_take_profit_price="66000",
            preset_take_profit_price_type=2,
        )
        assert await listed(visit) == []
        visit.exchange.set_price("BTCUSDT", 64500)
        assert await listed(visit) == [("stop_loss", "64000", "4"), ("take_profit", "66000", "4")]
        first = {row["order_id"] for row in await visit.owner.read(PLANS)}
        visit.exchange.set_price("BTCUSDT", 64500)
        assert await listed(visit) == [("stop_loss", "64000", "8"), ("take_profit", "66000", "8")]
        assert {row["order_id"] for row in await visit.owner.read(PLANS)} == first


async def test_a_row_has_the_documented_fields_and_types(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market", preset_stop_loss_price="64000.5")
        (row,) = await visit.owner.read(PLANS, symbol="BTCUSDT")
        order_id, now_ms = row.pop("order_id"), row.pop("update_time")
        assert isinstance(order_id, str)
        assert order_id.isdigit()
        assert row == {
            "client_order_id": "",
            "executive_price": "0",
            "trigger_price": "64000.5",
            "size": "10",
            "symbol": "BTCUSDT",
            "state": 2,
            "side": 3,
            "mode": 1,
            "position_mode": "hedge_mode",
            "price_way": 2,
            "price_type": 1,
            "plan_category": 1,
            "type": "stop_loss",
            "leverage": "10",
            "open_type": row["open_type"],
            "create_time": now_ms,
        }


async def test_the_list_is_filtered_by_symbol_kind_and_limit(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        await visit.owner.do(PLACE, stop())
        await visit.owner.do(PLACE, stop(type="take_profit", trigger_price="66000"))
        both = [("stop_loss", "64000", "10"), ("take_profit", "66000", "10")]
        for query in ({}, {"plan_type": "profit_loss"}, {"type": "market"}, {"limit": "200"}):
            assert await listed(visit, **query) == both
        assert await listed(visit, limit="1") == both[1:]
        for query in ({"plan_type": "plan"}, {"type": "limit"}, {"symbol": "ETHUSDT"}):
            assert await listed(visit, **query) == []
        for query, code in (
            ({"plan_type": "some"}, 40011),
            ({"type": "some"}, 40042),
            ({"symbol": "NOPE"}, 40034),
            ({"limit": "few"}, 40011),
        ):
            assert (await visit.owner.get(PLANS, **query)).json()["code"] == code


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "way", "quiet", "moved"),
    [
        (1, "stop_loss", "64000", 2, "64000.1", "64000"),
        (1, "take_profit", "66000", 1, "65999.9", "66000"),
        (4, "stop_loss", "66000", 1, "65999.9", "66000"),
        (4, "take_profit", "64000", 2, "64000.1", "63000"),
    ],
)
async def test_a_tp_sl_order_closes_the_whole_position_whatever_its_size_is_by_then(
    visiting: Visiting, side: int, kind: str, trigger: str, way: int, quiet: str, moved: str
) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market", side=side)
        closing = 3 if side == 1 else 2
        placed = await visit.owner.do(
            PLACE, stop(type=kind, side=closing, trigger_price=trigger, client_order_id="leg1")
        )
        assert placed["client_order_id"] == "leg1"
        await visit.owner.submit(type="market", side=side, size=5)
        (row,) = await visit.owner.read(PLANS)
        assert (row["order_id"], row["size"]) == (placed["order_id"], "15")
        assert (row["price_way"], row["plan_category"], row["side"]) == (way, 2, closing)
        visit.exchange.set_price("BTCUSDT", Decimal(quiet))
        assert held(visit) == 15
        visit.exchange.set_price("BTCUSDT", Decimal(moved))
        assert held(visit) == 0
        assert await listed(visit) == []
        close = list(visit.books.orders.values())[-1]
        assert (close.type, close.plan_order_id) == (kind, placed["order_id"])


async def test_a_part_is_closed_and_never_more_than_is_held(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        await visit.owner.do(PLACE, part(4))
        await visit.owner.do(PLACE, part(8, trigger_price="63000"))
        await visit.owner.do(PLACE, stop(plan_category=1, trigger_price="62000"))
        assert [size for _, _, size in await listed(visit)] == ["4", "8", "10"]
        visit.exchange.set_price("BTCUSDT", 64000)
        assert held(visit) == 6
        visit.exchange.set_price("BTCUSDT", 63000)
        assert held(visit) == 0
        assert await listed(visit) == []


async def test_one_leg_of_a_preset_takes_the_other_with_it(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        presets = {"preset_stop_loss_price": "64000", "preset_take_profit_price": "66000"}
        await visit.owner.submit(type="market", **presets)
        await visit.owner.submit(type="market", size=3)
        visit.exchange.set_price("BTCUSDT", 66000)
        assert (held(visit), await listed(visit)) == (3, [])


async def test_plans_are_gone_with_their_position_and_only_with_theirs(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market", preset_stop_loss_price="64000")
        await visit.owner.submit(type="market", side=4, preset_stop_loss_price="66000")
        await visit.owner.do(PLACE, stop(trigger_price="63000"))
        assert len(await listed(visit)) == 3
        visit.exchange.close_position_by_hand("BTCUSDT", "long")
        assert await listed(visit) == [("stop_loss", "66000", "10")]


async def test_a_leg_is_moved_and_acts_where_it_is_now(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market", preset_stop_loss_price="64000")
        (row,) = await visit.owner.read(PLANS)
        changed = {"symbol": "BTCUSDT", "trigger_price": "64200", "price_type": 2}
        by_id = {**changed, "order_id": row["order_id"], "executive_price": "0"}
        assert await visit.owner.do(MODIFY, by_id) == {"order_id": row["order_id"]}
        assert await listed(visit) == [("stop_loss", "64200", "10")]
        await visit.owner.do(PLACE, stop(client_order_id="mine"))
        await visit.owner.do(MODIFY, {**changed, "client_order_id": "mine", "plan_category": 2})
        visit.exchange.set_price("BTCUSDT", 64200)
        assert held(visit) == 0


async def test_plan_orders_are_cancelled_by_either_id_or_all_together(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        first = (await visit.owner.do(PLACE, part(4)))["order_id"]
        await visit.owner.do(PLACE, part(4, trigger_price="63000", client_order_id="mine"))
        for trigger in ("62000", "61000"):
            await visit.owner.do(PLACE, stop(trigger_price=trigger))
        await visit.owner.do(CANCEL_PLAN, {"symbol": "BTCUSDT", "order_id": first})
        assert [trigger for _, trigger, _ in await listed(visit)] == ["63000", "62000", "61000"]
        await visit.owner.do(CANCEL_PLAN, {"symbol": "BTCUSDT", "client_order_id": "mine"})
        assert [trigger for _, trigger, _ in await listed(visit)] == ["62000", "61000"]
        await visit.owner.do(CANCEL_PLAN, {"symbol": "ETHUSDT"})
        assert len(await listed(visit)) == 2
        assert await visit.owner.do(CANCEL_PLAN, {"symbol": "BTCUSDT"}) == {}
        assert await listed(visit) == []
        visit.exchange.set_price("BTCUSDT", 60000)
        assert held(visit) == 10


async def test_a_preset_that_was_cancelled_comes_back_for_what_fills_later(
    visiting: Visiting,
) -> None:
    async with visiting(memory=True, liquidity=4) as visit:
        await visit.owner.submit(price="65000", preset_stop_loss_price="64000")
        visit.exchange.set_price("BTCUSDT", 65000)
        await visit.owner.do(CANCEL_PLAN, {"symbol": "BTCUSDT"})
        visit.exchange.set_price("BTCUSDT", 65000)
        assert await listed(visit) == [("stop_loss", "64000", "4")]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"symbol": "NOPE"}, 40034),
        ({"type": "plan"}, 40042),
        ({"side": 1}, 40041),
        ({"side": "3"}, 40041),
        ({"side": 2}, 40021),
        ({"trigger_price": ""}, 40011),
        ({"trigger_price": "64000.05"}, 40043),
        ({"trigger_price": "65000"}, 40011),
        ({"executive_price": None}, 40011),
        ({"executive_price": "x"}, 40011),
        ({"executive_price": "63900.05", "plan_category": 1}, 40043),
        ({"category": "stop"}, 40011),
        ({"category": "limit"}, 40011),
        ({"price_type": None}, 40011),
        ({"price_type": 3}, 40011),
        ({"plan_category": 3}, 40011),
        ({"plan_category": 1, "size": "some"}, 40011),
        ({"plan_category": 1, "size": 0}, 40044),
        ({"plan_category": 1, "size": 11}, 40020),
        ({"client_order_id": "not-so"}, 40048),
        ({"client_order_id": "a" * 33}, 40049),
        ({"client_order_id": "used"}, 40050),
    ],
)
async def test_what_cannot_be_placed_is_refused_and_changes_nothing(
    visiting: Visiting, changed: dict[str, Any], code: int
) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        await visit.owner.do(PLACE, stop(client_order_id="used"))
        assert (await visit.owner.refused(PLACE, stop(**changed)))[1] == code
        assert await listed(visit) == [("stop_loss", "64000", "10")]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"client_order_id": None}, 40011),
        ({"client_order_id": "none"}, 40037),
        ({"order_id": "77"}, 40035),
        ({"order_id": "soon"}, 40035),
        ({"symbol": "ETHUSDT"}, 40037),
        ({"trigger_price": "66000"}, 40011),
        ({"plan_category": 2}, 40011),
        ({"executive_price": None}, 40011),
    ],
)
async def test_what_cannot_be_moved_or_cancelled_is_refused_and_changes_nothing(
    visiting: Visiting, changed: dict[str, Any], code: int
) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        await visit.owner.do(PLACE, part(4, client_order_id="mine"))
        body = {
            "symbol": "BTCUSDT",
            "client_order_id": "mine",
            "trigger_price": "64100",
            "executive_price": "0",
            "price_type": 1,
            **changed,
        }
        assert (await visit.owner.refused(MODIFY, body))[1] == code
        if code in (40035, 40037):
            assert (await visit.owner.refused(CANCEL_PLAN, body))[1] == code
        assert await listed(visit) == [("stop_loss", "64000", "4")]


async def test_an_executive_price_that_is_not_used_is_shown(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        await visit.owner.do(PLACE, stop(executive_price="63900.5"))
        await visit.owner.do(PLACE, part(3, executive_price="63900", category="market"))
        rows = await visit.owner.read(PLANS)
        assert [row["executive_price"] for row in rows] == ["63900", "63900.5"]
