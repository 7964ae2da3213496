"""The engine asked from Python refuses and converts as it does over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from bitmart_engine import BadRequest, Conflict, MonitorPosition, PlaceOrder, Unavailable
from bitmart_engine.model.sides import PositionSide

from .support.stage import open_stage, open_theatre

ZONE: dict[str, Any] = {"entry_zone_min": "64990", "entry_zone_max": 65010.0, "size": 10}


async def test_long_in_capitals_opens_a_long(autojump_clock):
    async with open_stage() as stage:
        asked = PlaceOrder(id="a", symbol="btcusdt", side="LONG", stop_loss="64500.5", **ZONE)
        placed = await stage.engine.place_order(asked)
        assert placed.order.request.side is PositionSide.LONG
        assert placed.order.request.stop_loss == Decimal("64500.5")


async def test_levels_are_moved_by_whatever_says_a_number(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        moved = await stage.engine.change_protection("a", stop_loss="64400.5", take_profit=66100)
        assert (moved.stop_loss, moved.take_profit) == (Decimal("64400.5"), Decimal(66100))
        for wrong in ("soon", True, [1], float("nan"), object()):
            with pytest.raises(BadRequest) as caught:
                await stage.engine.change_protection("a", stop_loss=wrong)
            assert caught.value.field == "$.stop_loss"


async def test_ids_symbols_and_timeframes_that_are_no_text_are_refused_by_field(autojump_clock):
    async with open_stage() as stage:
        engine = stage.engine
        asks: list[tuple[Any, str]] = [
            (lambda: engine.cancel_order(5), "$.id"),
            (lambda: engine.change_protection(None, stop_loss=1), "$.id"),
            (lambda: engine.release_protection(b"a"), "$.id"),
            (lambda: engine.close_position(["a"]), "$.id"),
            (lambda: engine.subscribe_klines(7, ["1m"]), "$.symbol"),
            (lambda: engine.subscribe_klines("BTCUSDT", [5]), "$.tfs"),
            (lambda: engine.recent_klines("BTCUSDT", "1m", True), "limit"),
            (lambda: engine.recent_klines("BTCUSDT", "1m", "10"), "limit"),
            (lambda: engine.recent_klines(None, "1m"), "$.symbol"),
            (lambda: engine.place_order({"id": "a"}), None),
            (lambda: engine.monitor_position(PlaceOrder(id="a", symbol="X", side="buy", **ZONE)), None),
        ]  # fmt: skip
        for ask, field in asks:
            with pytest.raises(BadRequest) as caught:
                await ask()
            assert caught.value.field == field


async def test_a_side_is_not_guessed_of_positions_that_could_not_be_read(autojump_clock):
    async with open_stage() as stage:
        await stage.settle()
        stage.paper.fail("/contract/private/position-v2", status=502, times=10_000)
        asked = MonitorPosition(id="m", symbol="BTCUSDT", stop_loss=60000)
        with pytest.raises(Unavailable, match="not known which side"):
            await stage.engine.monitor_position(asked)
        stage.paper.clear_faults()
        with pytest.raises(BadRequest, match="no position of BTCUSDT is open yet"):
            await stage.engine.monitor_position(asked)


async def test_a_close_before_anything_was_read_does_not_say_that_nothing_is_held(autojump_clock):
    paths = ("position-v2", "get-open-orders")
    async with open_theatre() as theatre:
        for path in paths:
            theatre.paper.fail(f"/contract/private/{path}", status=502, times=10_000)
        async with theatre.engine() as stage:
            asked = MonitorPosition(id="m", symbol="BTCUSDT", side="long", stop_loss=60000)
            await stage.engine.monitor_position(asked)
            assert not stage.engine.positions_known
            with pytest.raises(Unavailable, match="not known yet"):
                await stage.engine.close_position("m")
            theatre.paper.clear_faults()
            await stage.until(lambda: stage.engine.positions_known)
            with pytest.raises(Conflict, match="nothing is held yet"):
                await stage.engine.close_position("m")


async def test_the_uptime_goes_on_when_the_wall_clock_is_set_back(autojump_clock):
    async with open_theatre() as theatre:
        wall = [2_000_000_000_000]
        theatre.world = evolve(theatre.world, wall_ms=lambda: wall[0])
        async with theatre.engine() as stage:
            before = stage.engine.uptime_s
            wall[0] -= 3_600_000
            await stage.settle(5)
            assert stage.engine.uptime_s - before == pytest.approx(5)


async def test_one_timeframe_may_stand_alone(autojump_clock):
    async with open_stage() as stage:
        channels = await stage.engine.subscribe_klines("btcusdt", "1m")
        assert channels == ["futures/klineBin1m:BTCUSDT"]


async def test_a_position_is_monitored_by_text_and_numbers_alike(autojump_clock):
    async with open_stage() as stage:
        await stage.open_by_hand(side=4)
        await stage.until(lambda: stage.held(side="short"))
        asked = MonitorPosition(id="m", symbol="BTCUSDT", side="Sell", stop_loss="66000")
        assert (await stage.engine.monitor_position(asked)).protection.side is PositionSide.SHORT
