"""Ids and symbols without end, from the exchange, from callers and from a journal that has them already."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from attrs import evolve

from bitmart_engine.model.errors import BadRequest
from bitmart_engine.model.futures_orders import upsert
from bitmart_engine.store.records import EntryObserved, FuturesOrderSeen
from bitmart_engine.streams.order_events import order_event
from bitmart_engine.trading.requests import MonitorPosition
from tests.support.stage import entry, open_stage, open_theatre

MONSTER = "7" * 70_000
NEVER = {"entry_zone_min": 50000, "entry_zone_max": 50010, "stop_loss": None}


@pytest.mark.parametrize("field", ["order_id", "symbol", "client_order_id"])
async def test_an_order_push_without_end_is_counted_and_leaves_nothing_behind(
    autojump_clock, field
):
    async with open_stage() as stage:
        await stage.bought()
        row = {"order_id": "1", "symbol": "BTCUSDT", "state": 2, "size": "1", field: MONSTER}
        before = dict(stage.engine.state.futures_orders)
        stage.paper.hub.publish("futures/order", [{"action": 2, "order": row}])
        await stage.settle(120)
        assert stage.engine.dropped()["push_malformed"] == 1
        assert dict(stage.engine.state.futures_orders) == before
        assert stage.guarded() == "armed"
        assert not stage.engine.not_ready()


async def test_a_journal_that_holds_an_id_without_end_starts_and_its_stops_fire(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought()
            await stage.place("b")
            await stage.until(lambda: stage.state("b") == "open")
            core = stage.engine._core
            for name in ("order_id", "symbol"):
                row = {"order_id": "8", "symbol": "BTCUSDT", "state": 2, "size": "1"}
                seen = upsert(None, order_event(json.dumps(row).encode()))
                core.store.record(FuturesOrderSeen(evolve(seen, **{name: MONSTER})))
            core.store.record(
                EntryObserved(
                    "b", theatre.world.wall_ms(), stage.order("b").state, exchange_order_id=MONSTER
                )
            )
            await core.promises.keep()
        async with theatre.engine() as stage:
            assert MONSTER in stage.engine.state.futures_orders
            await stage.until(lambda: not stage.engine.not_ready())
            await stage.settle(180)
            assert stage.guarded() == "armed"
            stage.move(64400)
            await stage.until(lambda: stage.guarded() == "closed")


@pytest.mark.parametrize("symbol", ["B" * 41, MONSTER, "", "BTC\nUSDT", "\ud800"], ids=range(5))
async def test_a_symbol_that_none_can_be_is_the_callers_fault(autojump_clock, symbol):
    async with open_stage() as stage:
        engine = stage.engine
        watched = {"id": "m", "symbol": symbol, "stop_loss": Decimal(1)}
        for ask in (
            lambda: engine.place_order(entry("a", symbol=symbol)),
            lambda: engine.monitor_position(MonitorPosition(**watched)),
            lambda: engine.subscribe_klines(symbol, ["1m"]),
            lambda: engine.recent_klines(symbol, "1m"),
        ):
            with pytest.raises(BadRequest) as raised:
                await ask()
            assert raised.value.field == "$.symbol"


@pytest.mark.parametrize("order_id", ["7" * 65, MONSTER, "\ud800", "7\n"], ids=range(4))
async def test_an_order_id_that_none_can_be_is_the_callers_fault(autojump_clock, order_id):
    async with open_stage() as stage:
        with pytest.raises(BadRequest) as raised:
            await stage.engine.monitor_position(
                MonitorPosition(
                    id="m", symbol="BTCUSDT", order_id=order_id, stop_loss=Decimal(60000)
                )
            )
        assert raised.value.field == "$.order_id"


async def test_the_long_id_of_an_order_that_is_known_may_be_named(autojump_clock):
    async with open_stage() as stage:
        await stage.place("x" * 300, **NEVER, take_profit=None)
        request = MonitorPosition(
            id="m", symbol="BTCUSDT", order_id="x" * 300, stop_loss=Decimal(49000)
        )
        await stage.engine.monitor_position(request)
