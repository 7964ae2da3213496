"""Prices from before, and prices far from the last: they close nothing and send nothing, and no stop is lost."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import trio

from bitmart_engine import MonitorPosition
from bitmart_engine.model.events import Tick
from bitmart_engine.model.positions import CloseReason
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.entries.zones import Zone, ZoneBook
from bitmart_engine.trading.protections.stops import Levels, StopBook
from tests.support.stage import open_stage, open_theatre

DETAILS = "/contract/public/details"
KLINES = "/contract/public/kline"
TRADE, BAR = "futures/trade:BTCUSDT", "futures/klineBin1m:BTCUSDT"


def tell(stage, topic, *rows):
    """A push that the exchange's market knows nothing of."""
    data = {"symbol": "BTCUSDT", "items": list(rows)} if topic == BAR else list(rows)
    stage.paper.hub.publish(topic, data)


def trade(stage, price, ago_s=0.0, id=9_900_000, **fields):
    at_ms = stage.paper.now_ms() - round(ago_s * 1000)
    row = {"trade_id": id, "symbol": "BTCUSDT", "deal_price": str(price), "deal_vol": "1"}
    return {**row, "create_time_mill": at_ms, **fields}


def bar(stage, price, ago_s=0.0, low=None):
    opened_s = (stage.paper.now_ms() // 1000 - int(ago_s)) // 60 * 60
    row = dict.fromkeys("ohlc", str(price))
    return {**row, "l": str(low or price), "v": "999999", "ts": opened_s}


def asked_for_price(stage):
    return sum(each.path == DETAILS for each in stage.paper.requests)


async def guarded(stage, **changes):
    """A position with a stop at 64500, and an order that waits from 60000 to 60100."""
    await stage.bought(exchange_protection=False, take_profit=66000, **changes)
    await stage.place("waits", entry_zone_min=60000, entry_zone_max=60100, stop_loss=59000)
    await stage.settle(1)


def untouched(stage):
    return (stage.guarded(), stage.state("waits"), len(stage.submits(2, 3))) == (
        "armed",
        "waiting",
        0,
    )


# From before


@pytest.mark.parametrize("ago_s", [30, 3600, 86_400, 86_400 * 500])
@pytest.mark.parametrize("after", ["subscribing", "a reconnect", "a minute"])
async def test_trades_and_bars_from_before_move_nothing(autojump_clock, ago_s, after):
    async with open_stage() as stage:
        await guarded(stage)
        if after == "a minute":
            await stage.settle(60)
            stage.move(65000)
        elif after == "a reconnect":
            stage.paper.drop_connections("public")
            await stage.settle(1)
            await stage.until(stage.prices_come)
        for price in (64400, 60050, 66100):
            tell(stage, TRADE, trade(stage, price, ago_s))
            tell(stage, BAR, bar(stage, price, ago_s + 120))
        await stage.settle(2)
        assert untouched(stage)
        assert stage.engine.dropped()["price_of_another_time"] >= 3
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_past_trades_that_a_subscription_begins_with_move_nothing(autojump_clock):
    async with open_stage({"trades_on_subscribe": 50, "bars_on_subscribe": 50}) as stage:
        for price in (64400, 60050, 66100, 64900):
            stage.move(price)
            await stage.settle(30)
        stage.move(65000)
        await stage.settle(3600)
        await stage.place("waits", entry_zone_min=60000, entry_zone_max=60100, stop_loss=59000)
        await stage.settle(5)
        assert stage.state("waits") == "waiting"
        await stage.bought(exchange_protection=False)
        stage.paper.drop_connections("public")
        await stage.settle(10)
        assert untouched(stage)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_while_the_stream_tells_only_what_was_the_price_is_asked_for_over_rest(
    autojump_clock,
):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.freeze("futures/", until="forever")
        before = asked_for_price(stage)
        stage.paper.unfreeze()
        stage.paper.hub._faults.frozen.clear()
        tell(stage, TRADE, trade(stage, 65100, 3600))
        await stage.settle(0.5)
        assert asked_for_price(stage) == before + 1


async def test_a_stream_that_is_late_by_a_while_still_fires_stops(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        await stage.settle(60)
        stage.paper.freeze(BAR, until="forever")
        tell(stage, TRADE, trade(stage, 65000, 20))
        await stage.settle(1)
        tell(stage, TRADE, trade(stage, 64400, 19, id=9_900_001))
        await stage.until(lambda: stage.guarded() == "closed", within=1)


async def test_a_late_price_from_before_a_stop_was_moved_does_not_fire_it(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        await stage.settle(60)
        stage.paper.freeze(BAR, until="forever")
        await stage.engine.change_protection("a", stop_loss=Decimal(64900))
        tell(stage, TRADE, trade(stage, 64800, 20))
        await stage.settle(1)
        assert stage.guarded() == "armed"
        stage.move(64800)
        await stage.until(lambda: stage.guarded() == "closed", within=1)


async def test_a_trade_a_little_out_of_order_fires_a_stop_and_no_target(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        stage.move(65010)
        await stage.settle(0.1)
        stage.paper.freeze(BAR, until="forever")
        tell(stage, TRADE, trade(stage, 66100, 1))
        await stage.settle(1)
        assert stage.guarded() == "armed"
        assert stage.engine.prices()["BTCUSDT"][0].last == 65010
        tell(stage, TRADE, trade(stage, 64400, 2))
        await stage.until(lambda: stage.guarded() == "closed", within=1)
        assert stage.protection().reason == "stop_loss"


async def test_an_exchange_whose_clock_is_far_from_ours_is_understood(autojump_clock):
    async with open_stage({"clock_skew_ms": 7_200_000}) as stage:
        await guarded(stage)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_a_rest_price_that_was_asked_for_before_the_stream_told_one_is_not_the_last(
    autojump_clock,
):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.freeze("*", until="resubscribe")
        stage.move(64900)
        stage.paper.delay(DETAILS, 30, times=100, after=True)
        await stage.settle(25)
        stage.move(65000)
        await stage.settle(25)
        assert stage.engine.prices()["BTCUSDT"][0].last == 65000


def test_a_price_counts_for_what_was_armed_before_it():
    def tick(last, low, last_ms=None, oldest_ms=None):
        prices = Decimal(last), Decimal(last), Decimal(low)
        return Tick("X", *prices, 9, None, last_ms, oldest_ms)

    stops, zones = StopBook(), ZoneBook()
    stops.arm(Levels("s", "X", PositionSide.LONG, Decimal(90), Decimal(200), 100_000))
    zones.arm(Zone("z", "X", Decimal(80), Decimal(90), 100_000))
    before = tick(85, 85, 94_999, 94_999)
    assert (stops.triggered(before), zones.entered(before)) == ([], [])
    above = tick(300, 85, 94_999, 94_999)
    assert (stops.triggered(above), zones.entered(above)) == ([], [])
    low_before = tick(100, 85, None, 94_999)
    assert (stops.triggered(low_before), zones.entered(low_before)) == ([], [])
    late = tick(85, 85, 95_000, 95_000)
    assert stops.triggered(late) == [("s", CloseReason.STOP_LOSS)]
    assert zones.entered(late) == ["z"]


# Far from the last


@pytest.mark.parametrize("topic", [TRADE, BAR])
@pytest.mark.parametrize("price", [1, 51_000, 79_000, 10_000_000])
async def test_one_print_far_from_the_last_moves_nothing(autojump_clock, topic, price):
    async with open_stage() as stage:
        await guarded(stage)
        tell(stage, topic, trade(stage, price) if topic == TRADE else bar(stage, price))
        await stage.settle(5)
        assert untouched(stage)
        assert stage.engine.prices()["BTCUSDT"][0].last == 65000
        counts = stage.engine.dropped()
        assert counts["price_far_from_last"] >= 1
        assert counts["price_stray"] >= 1
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_a_low_of_a_bar_far_from_the_last_moves_nothing(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        tell(stage, BAR, bar(stage, 65000, low=5))
        tell(stage, BAR, bar(stage, 65001, low=5))
        await stage.settle(5)
        assert untouched(stage)


async def test_a_low_far_from_the_last_of_a_bar_that_is_back_moves_nothing_though_nobody_else_tells(
    autojump_clock,
):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.fail(DETAILS, times=100_000)
        stage.paper.fail(KLINES, times=100_000)
        tell(stage, BAR, bar(stage, 65000, low=5))
        await stage.settle(5)
        assert untouched(stage)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


@pytest.mark.parametrize("lost", [0, 1])
async def test_one_print_far_from_the_last_waits_for_an_answer_that_is_under_way(
    autojump_clock, lost
):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.freeze(BAR, until="forever")
        for path in (DETAILS, KLINES):
            if lost:  # the first answer never comes, and the next in time
                stage.paper.delay(path, 9, times=1, after=True)
            else:
                stage.paper.delay(path, 1.5, times=100, after=True)
        tell(stage, TRADE, trade(stage, 50_000))
        await stage.settle(5)
        assert untouched(stage)
        assert stage.engine.dropped()["price_stray"] >= 1


async def test_a_crash_fires_stops_within_seconds_though_no_answer_comes(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.freeze(BAR, until="forever")
        for path in (DETAILS, KLINES):
            stage.paper.delay(path, 9, times=100, after=True)
        stage.move(50_000)
        await stage.until(lambda: stage.guarded() in ("closing", "closed"), within=3.5)


async def test_a_crash_that_a_second_channel_tells_is_acted_on_at_once(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.fail(DETAILS, times=100_000)
        stage.paper.fail(KLINES, times=100_000)
        tell(stage, TRADE, trade(stage, 40_000))
        tell(stage, BAR, bar(stage, 40_010))
        await stage.until(lambda: stage.guarded() in ("closing", "closed"), within=0.1)


async def test_a_crash_that_only_rest_confirms_is_acted_on_at_once(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.freeze(BAR, until="forever")
        stage.move(40_000)
        await stage.until(lambda: stage.guarded() == "closed", within=0.5)


async def test_a_crash_that_nobody_else_tells_of_fires_stops_after_a_second_and_enters_nothing(
    autojump_clock,
):
    async with open_stage() as stage:
        await guarded(stage)
        await stage.place("low", entry_zone_min=39_000, entry_zone_max=41_000, stop_loss=30_000)
        await stage.settle(1)
        stage.paper.fail(DETAILS, times=100_000)
        stage.paper.fail(KLINES, times=100_000)
        stage.paper.freeze(BAR, until="forever")
        stage.move(40_000)
        await stage.settle(0.9)
        assert stage.guarded() == "armed"
        await stage.until(lambda: stage.guarded() == "closed", within=1)
        await stage.settle(5)
        assert stage.state("low") == "waiting"
        stage.paper.clear_faults()
        await stage.until(lambda: stage.state("low") != "waiting", within=3)


async def test_a_rise_far_beyond_the_target_closes_once_it_is_confirmed(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.fail(DETAILS, times=8)
        stage.paper.fail(KLINES, times=8)
        stage.paper.freeze(BAR, until="forever")
        stage.move(90_000)
        await stage.settle(2)
        assert stage.guarded() == "armed"
        await stage.until(lambda: stage.guarded() == "closed", within=30)
        assert stage.protection().reason == "take_profit"


async def test_a_crash_that_rest_tells_two_seconds_late_fires_the_stop(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.freeze(BAR, until="forever")
        exchange = stage.engine._core.exchange
        real, crashed_at = exchange.last_price, trio.current_time()

        async def cached(symbol, **more):
            price = await real(symbol, **more)
            return price if trio.current_time() - crashed_at > 1.9 else Decimal(65000)

        async def no_bars(*args, **more):
            return []

        exchange.last_price, exchange.klines = cached, no_bars
        stage.move(40_000)
        await stage.until(lambda: stage.guarded() == "closed", within=4)


async def test_without_a_measured_clock_trades_from_before_move_nothing_either(autojump_clock):
    past = {"trades_on_subscribe": 50, "bars_on_subscribe": 50}
    async with open_theatre(past) as theatre:
        theatre.paper.fail("/system/time", times=100_000)
        async with theatre.engine() as stage:
            for price in (64400, 60050, 66100, 65000):
                stage.move(price)
                await stage.settle(20)
            await stage.settle(30)
            assert stage.engine.exchange().clock_offset_ms is None
            zone = {"entry_zone_min": 60000, "entry_zone_max": 60100, "stop_loss": 59000}
            await stage.place("waits", **zone)
            await stage.settle(5)
            assert stage.state("waits") == "waiting"
            stage.move(60050)
            await stage.until(lambda: stage.state("waits") != "waiting", within=3)


async def test_a_wick_that_the_bar_tells_seconds_later_fires_the_stop(autojump_clock):
    async with open_stage({"kline_interval_s": 3}) as stage:
        await guarded(stage)
        await stage.settle(3)
        stage.move(40_000)
        stage.move(65_000)
        await stage.until(lambda: stage.guarded() == "closed", within=4)


async def test_an_absurd_price_over_rest_alone_moves_nothing(autojump_clock):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.freeze("futures/trade", until="forever")
        stage.paper.freeze("futures/kline", until="forever")
        real = stage.engine._core.exchange.last_price

        async def absurd(symbol, **more):
            await real(symbol, **more)
            return Decimal(10)

        stage.engine._core.exchange.last_price = absurd
        stage.paper.candles["BTCUSDT"].add(Decimal(65000), 1, stage.paper.now_ms() // 1000)
        await stage.settle(11)
        stage.paper.candles["BTCUSDT"].add(Decimal(65000), 1, stage.paper.now_ms() // 1000)
        await stage.settle(1)
        assert untouched(stage)


async def test_how_far_is_a_setting(autojump_clock):
    async with open_stage(price_jump_percent=1) as stage:
        await guarded(stage)
        tell(stage, TRADE, trade(stage, 64_300))
        await stage.settle(5)
        assert untouched(stage)


# Channels that are refused


@pytest.mark.parametrize("seconds", [15, 30, 120])
async def test_prices_orders_and_positions_come_back_after_every_channel_was_refused(
    autojump_clock, seconds
):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.refuse_channels()
        stage.paper.drop_connections()
        await stage.settle(seconds)
        assert "orders and positions not subscribed yet" in str(stage.engine.not_ready())
        stage.paper.refuse_channels(on=False)
        await stage.until(lambda: {TRADE, BAR} <= stage.paper.subscriptions, within=65)
        await stage.until(lambda: stage.engine.not_ready() == [], within=65)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_a_wall_clock_that_was_set_does_not_keep_the_engine_from_logging_in(
    autojump_clock,
):
    async with open_stage() as stage:
        await guarded(stage)
        stage.paper.set_clock_skew(3_600_000)
        stage.paper.drop_connections("private")
        await stage.until(lambda: not stage.engine.streams().authenticated)
        await stage.until(lambda: stage.engine.streams().authenticated, within=20)


@pytest.mark.parametrize("pong", ["text", "action"])
async def test_a_pong_of_another_form_drops_no_connection(autojump_clock, pong):
    async with open_stage({"pong": pong}) as stage:
        await stage.settle(300)
        assert len(stage.dials) == 1
        await trio.lowlevel.checkpoint()
        assert "frame_malformed" not in stage.engine.dropped()
        assert json.dumps(dict(stage.engine.dropped())).count("frame_unexpected") == 0


async def test_what_is_held_is_known_though_the_exchanges_clock_was_set_back_since_it_was_told_flat(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(70)
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle(1)
        stage.paper.set_clock_skew(-600_000)
        await stage.bought("b", exchange_protection=False)
        await stage.settle(10)
        assert stage.held() == 10
        stage.move(64400)
        await stage.until(lambda: stage.guarded("b") == "closed", within=5)


async def test_what_is_held_is_known_soon_where_only_positions_tell_that_the_clock_was_set_back(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(70)
        stage.paper.set_clock_skew(-600_000)
        await stage.open_by_hand(size=5)
        await stage.until(lambda: stage.held() == 15, within=30)


@pytest.mark.parametrize("measured", [True, False])
async def test_a_stop_is_watched_though_the_exchanges_clock_was_set_back(autojump_clock, measured):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(70)
        stage.paper.set_clock_skew(-600_000)
        if measured:
            await stage.engine._core.exchange.measure_clock()
        stage.move(65000)
        await stage.settle(30)
        stage.move(64400)
        stage.move(65000)
        await stage.until(lambda: stage.guarded() == "closed", within=2)


async def test_a_position_that_is_pushed_again_as_it_was_does_not_have_the_clock_measured(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(70)
        assert "exchange_clock_doubted" not in stage.engine.counters.counts()


async def test_a_price_of_when_a_symbol_was_watched_long_ago_fires_no_stop(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle(200)
        stage.move(40000)  # nobody watches
        await stage.settle(200)
        await stage.open_by_hand(side=4, size=3)
        await stage.until(lambda: stage.held(side="short") == 3, within=70)
        short = {"symbol": "BTCUSDT", "side": "short", "stop_loss": Decimal(41000)}
        await stage.engine.monitor_position(MonitorPosition(id="p", **short))
        await stage.settle(30)
        assert stage.guarded("p") == "armed"
