"""Entries whose stop was passed, or whose target was reached, before they filled are not sent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bitmart_engine.model.events import Tick
from bitmart_engine.paper.wire import trades
from bitmart_engine.trading.entries.entering import PassedLevels
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry, open_stage

DIP = {"entry_zone_min": 64000, "entry_zone_max": 64500, "stop_loss": 61000}


def in_one_push(stage, *prices):
    """Trades that the exchange tells in one frame."""
    broadcast, told = stage.paper._broadcast, []
    broadcast.trade = told.append
    for price in prices:
        stage.move(price)
    del broadcast.trade
    stage.paper.hub.publish("futures/trade:BTCUSDT", trades(told))


@pytest.mark.parametrize("type", ["market", "limit"])
async def test_an_entry_is_not_sent_when_the_price_went_through_the_zone_and_its_stop_at_once(
    autojump_clock, type
):
    async with open_stage() as stage:
        await stage.place(type=type, **DIP)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle()
        in_one_push(stage, 64200, 60000)
        await stage.until(lambda: stage.state() == "rejected", within=2)
        await stage.until(lambda: stage.receiver.names() == ["failed"])
        (failed,) = stage.receiver.events()
        assert failed["reason"] == "skipped"
        assert failed["error"] == "the price passed its stop 61000 before the entry filled"
        assert stage.order().reason == failed["error"]
        assert (stage.sent(), stage.guarded()) == ([], "released")


async def test_a_market_entry_needs_the_last_price_inside_its_zone(autojump_clock):
    async with open_stage() as stage:
        await stage.place(type="market", **DIP)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle()
        in_one_push(stage, 64200, 63900)
        await stage.settle()
        assert (stage.state(), stage.sent()) == ("waiting", [])
        stage.move(64100)
        await stage.until(lambda: stage.state() == "filled")


async def test_a_target_that_is_reached_while_the_entry_waits_makes_it_worthless(autojump_clock):
    async with open_stage() as stage:
        await stage.place(take_profit=66000, **DIP)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle()
        stage.move(66010)
        await stage.until(lambda: stage.state() == "rejected")
        assert stage.order().reason == "the price reached its target 66000 before the entry filled"
        stage.move(64200)
        await stage.settle()
        assert stage.sent() == []


@pytest.mark.parametrize("prices", [(65000, 66010, 64200), (65000, 60000, 64200)])
async def test_an_entry_that_says_so_is_sent_anyway(autojump_clock, prices):
    async with open_stage() as stage:
        await stage.place(take_profit=66000, enter_anyway=True, **DIP)
        await stage.until(stage.prices_come)
        for price in prices:
            stage.move(price)
            await stage.settle()
        await stage.until(lambda: stage.state() == "open")


async def test_a_short_is_skipped_the_other_way_round(autojump_clock):
    async with open_stage() as stage:
        await stage.place(
            side="short",
            entry_zone_min=65500,
            entry_zone_max=65600,
            stop_loss=67000,
            take_profit=64000,
        )
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle()
        stage.move(67500)
        await stage.until(lambda: stage.state() == "rejected")
        assert "passed its stop 67000" in stage.order().reason


@pytest.mark.parametrize(("first", "then"), [(60000, 61500), (67000, 65500)])
async def test_an_entry_that_begins_beyond_a_level_was_meant_so(autojump_clock, first, then):
    async with open_stage() as stage:
        stage.move(first)
        await stage.place(take_profit=66000, **DIP)
        await stage.until(stage.prices_come)
        for price in (first, then, first, 64200):
            stage.move(price)
            await stage.settle()
        await stage.until(lambda: stage.state() == "open")


def test_a_level_counts_from_the_first_price_on_its_right_side_and_waits_with_its_entry():
    levels = PassedLevels()
    request, _ = checked_entry(entry(), BTC)

    def tick(last, low=None, high=None):
        last = Decimal(last)
        return Tick("BTCUSDT", last, Decimal(high or last), Decimal(low or last), 1.0)

    levels.watch(request)
    assert levels.passed(tick(65200, low=60000)) == []
    levels.rest("a")
    assert levels.passed(tick(60000)) == []
    levels.watch(request)
    assert [id for id, _ in levels.passed(tick(60000))] == ["a"]
    levels.forget("a")
    assert levels.passed(tick(60000)) == []
