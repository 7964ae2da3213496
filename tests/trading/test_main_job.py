"""The main job, on the whole engine: zone, order, fill, protection, close, callback."""

from __future__ import annotations

from decimal import Decimal

from tests.support.stage import open_stage


async def test_from_the_zone_to_the_closed_callback(autojump_clock):
    async with open_stage() as stage:
        await stage.place(leverage=Decimal(10), metadata={"plan": "7"})
        assert stage.state() == "waiting"
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        assert stage.guarded() == "pending_fill"
        stage.move(64995)
        await stage.until(lambda: stage.state() == "filled")
        assert stage.guarded() == "armed"
        assert stage.protection().covered == 10

        await stage.engine.change_protection("a", stop_loss=Decimal(64900))
        stage.move(64890)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.until(lambda: len(stage.receiver.requests) == 3)

        placed, filled, closed = stage.receiver.events()
        assert (placed["event"], placed["status"]) == ("placed", "placed")
        assert (placed["quantity"], placed["quantity_text"]) == (0.01, "0.01")
        assert (placed["order_id"], placed["size"]) == ("a", 10)
        assert (placed["entry_price"], placed["entry_price_text"]) == (65000, "65000")
        assert placed["metadata"] == {"plan": "7"}
        assert (filled["event"], filled["filled_size"]) == ("filled", 10)
        assert (filled["average_price"], filled["average_price_text"]) == (65000, "65000")
        assert (
            closed["status"],
            closed["position_id"],
            closed["reason"],
            closed["closed_by"],
            closed["close_price"],
            closed["close_price_text"],
        ) == (
            "closed",
            "a",
            "stop_loss",
            "engine",
            64890,
            "64890",
        )
        assert closed["close_order_id"] == stage.protection().close.exchange_order_id
        assert all(position.size == 0 for position in stage.paper.books.positions.values())


async def test_a_target_closes_with_profit(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.move(66000)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason in ("take_profit", "exchange_take_profit")
        assert stage.held() == 0


async def test_a_market_order_is_told_with_a_price_that_is_a_number(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(type="market")
        await stage.until(lambda: "filled" in stage.receiver.names())
        placed = stage.receiver.events()[0]
        assert (placed["status"], placed["entry_price"]) == ("placed", 65000)
