"""Prices that stop coming: noticed, resubscribed, reconnected, and priced over REST meanwhile."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bitmart_engine import MonitorPosition
from tests.support.stage import open_stage

DETAILS = "/contract/public/details"


def asked_over_rest(stage) -> int:
    return sum(each.path == DETAILS for each in stage.paper.requests)


async def test_a_frozen_channel_is_resubscribed_and_the_stop_still_fires(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.freeze("*", until="resubscribe")
        await stage.settle(12)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)
        assert len(stage.dials) == 2


async def test_a_channel_that_stays_frozen_is_reconnected(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.freeze("futures/klineBin1m:BTCUSDT", until="reconnect")
        stage.paper.freeze("futures/trade:BTCUSDT", until="reconnect")
        await stage.settle(40)
        assert len(stage.dials) == 3
        stage.move(64990)
        await stage.settle(2)
        assert stage.engine.prices()["BTCUSDT"][2] is False
        connection = stage.engine.streams().connections[0]
        assert "no prices of BTCUSDT" in connection.last_error


async def test_a_stale_symbol_is_priced_over_rest_and_its_stop_fires(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.freeze("*", until="forever")
        await stage.settle(15)
        assert stage.engine.prices()["BTCUSDT"][2] is True
        assert stage.engine.dropped()["prices_stale"] == 1
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=5)


async def test_a_dead_stream_does_not_keep_an_order_from_its_zone(autojump_clock):
    async with open_stage() as stage:
        stage.paper.refuse_dials()
        await stage.place(entry_zone_max=64995)
        await stage.settle(15)
        stage.move(64995)
        await stage.until(lambda: len(stage.sent()) == 1, within=5)


async def test_a_market_in_which_nobody_trades_is_not_reconnected_all_the_time(autojump_clock):
    async with open_stage() as stage:
        await stage.place(entry_zone_max=64995, timeout_seconds=Decimal(3600))
        await stage.settle(600)
        assert len(stage.dials) <= 2 + 11


async def test_a_quiet_market_of_several_symbols_does_not_keep_the_engine_from_listening(
    autojump_clock,
):
    async with open_stage() as stage:
        for symbol, low in (("BTCUSDT", 64000), ("ETHUSDT", 3100), ("SOLUSDT", 140)):
            zone = {"entry_zone_min": low, "entry_zone_max": low + 1}
            levels = {"stop_loss": None, "take_profit": None, "timeout_seconds": Decimal(3600)}
            await stage.place(symbol, symbol=symbol, **zone, **levels)
        deaf_s = 0
        for _ in range(600):
            await stage.settle(1)
            deaf_s += not stage.engine.streams().public_connected
        assert len(stage.dials) <= 2 + 11, (
            "one connection is renewed once a minute, not once for each symbol"
        )
        assert deaf_s <= 11, "what is renewed comes back at once"


async def test_a_symbol_that_nobody_needs_is_not_asked_for(autojump_clock):
    async with open_stage() as stage:
        await stage.place(entry_zone_max=64995)
        await stage.engine.cancel_order("a")
        before = asked_over_rest(stage)
        await stage.settle(60)
        assert asked_over_rest(stage) == before
        assert stage.engine.streams().connections[0].name == "private"


async def test_rest_prices_that_fail_are_counted_and_asked_for_again(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.freeze("*", until="forever")
        stage.paper.fail(DETAILS, times=5)
        await stage.settle(30)
        assert stage.engine.dropped()["rest_price_failed"] == 5
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=5)


@pytest.mark.parametrize("which", ["public", "private", "all"])
async def test_dropped_connections_come_back_with_everything_subscribed(autojump_clock, which):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        subscribed = {topic for each in stage.paper.hub.connections for topic in each.topics}
        stage.paper.drop_connections(which)
        await stage.settle(8)
        now = {topic for each in stage.paper.hub.connections for topic in each.topics}
        assert now == subscribed
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_a_low_from_before_a_stop_was_armed_does_not_fire_it(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.subscribe_klines("BTCUSDT", ["1m"])
        await stage.settle()
        stage.move(65000)
        await stage.settle()
        stage.paper.freeze("futures/klineBin1m:BTCUSDT", until="forever")
        stage.move(64400)
        stage.move(65000)
        stage.paper.unfreeze()
        await stage.bought(exchange_protection=False)
        stage.move(65001)
        await stage.settle(5)
        assert stage.guarded() == "armed"


async def test_a_price_from_before_a_symbol_was_given_up_fires_nothing_when_it_is_armed_again(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought("first", exchange_protection=False)
        stage.move(66100)
        await stage.until(lambda: stage.guarded("first") == "closed")
        await stage.until(lambda: not stage.prices_come())
        stage.move(65000)
        await stage.open_by_hand()
        await stage.engine.monitor_position(
            MonitorPosition(
                id="m", symbol="BTCUSDT", stop_loss=Decimal(64500), take_profit=Decimal(66000)
            )
        )
        await stage.settle(5)
        assert stage.guarded("m") == "armed"
