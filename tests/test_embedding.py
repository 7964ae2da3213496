"""The engine asked from Python refuses and converts as it does over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bitmart_engine import BadRequest, MonitorPosition, PlaceOrder
from bitmart_engine.model.sides import PositionSide

from .stage import open_stage

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
