"""Prices from before: what is older than what is known moves nothing, what is a little late counts as an extreme."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import Kline, Trade
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import kline_topic, open_streams, trade_topic
from bitmart_engine.streams.ages import Age, Ages, Moment

from .fake import WALL_START_MS, FakeExchange, bar, settings, wall_ms

TOPIC = trade_topic("BTCUSDT")
BARS = kline_topic("BTCUSDT", Timeframe.M1)
T0_MS = WALL_START_MS


def trade(at_s: float | None, id: int = 0) -> Trade:
    at_ms = None if at_s is None else T0_MS + round(at_s * 1000)
    return Trade("BTCUSDT", id, Decimal(1), Decimal(1), at_ms)


def minute(opens_s: int, timeframe: Timeframe = Timeframe.M1) -> Kline:
    prices = [Decimal(1)] * 4
    return Kline("BTCUSDT", timeframe, T0_MS // 1000 + opens_s, *prices, Decimal(1))


def at(now: float, *, ahead_s: float = 0, measured: bool = True) -> Moment:
    return Moment(now, T0_MS + round((now + ahead_s) * 1000), measured)


@pytest.fixture
def ages() -> Ages:
    """Subscribed a hundred seconds after T0."""
    made = Ages()
    made.subscribed(TOPIC, at(100))
    made.subscribed(BARS, at(100))
    return made


@pytest.mark.parametrize(
    ("made_s", "age"),
    [(-3500, Age.OLD), (94, Age.OLD), (96, Age.NEW), (100.5, Age.NEW), (None, Age.NEW)],
)
def test_what_is_older_than_the_subscription_by_more_than_some_seconds_is_old(
    ages: Ages, made_s: float | None, age: Age
) -> None:
    assert ages.trade(trade(made_s), TOPIC, at(101)) is age


def test_a_bar_is_as_old_as_its_end(ages: Ages) -> None:
    assert ages.kline(minute(-3600), BARS, at(101)) is Age.OLD
    assert ages.kline(minute(0), BARS, at(101)) is Age.OLD
    assert ages.kline(minute(60), BARS, at(101)) is Age.NEW
    assert ages.kline(minute(-3600 + 120, Timeframe.H1), BARS, at(101)) is Age.NEW


def test_a_bar_that_ended_some_seconds_ago_is_late(ages: Ages) -> None:
    assert ages.kline(minute(60), BARS, at(124)) is Age.NEW
    assert ages.kline(minute(60), BARS, at(126)) is Age.LATE


def test_what_is_older_than_the_newest_one_is_late_and_by_more_than_some_seconds_old(
    ages: Ages,
) -> None:
    assert ages.trade(trade(110), TOPIC, at(110)) is Age.NEW
    assert ages.trade(trade(109), TOPIC, at(110)) is Age.LATE
    assert ages.trade(trade(104), TOPIC, at(110)) is Age.OLD
    assert ages.trade(trade(110.1), TOPIC, at(111)) is Age.NEW


def test_trades_of_one_moment_are_ordered_by_their_numbers(ages: Ages) -> None:
    assert ages.trade(trade(110, 7), TOPIC, at(110)) is Age.NEW
    assert ages.trade(trade(110, 6), TOPIC, at(110)) is Age.LATE
    assert ages.trade(trade(110, 8), TOPIC, at(110)) is Age.NEW


def test_without_times_a_lower_number_is_late_and_old_if_it_was_passed_seconds_ago(
    ages: Ages,
) -> None:
    for second in range(30):
        assert ages.trade(trade(None, 1000 + second), TOPIC, at(100 + second)) is Age.NEW
    assert ages.trade(trade(None, 1028), TOPIC, at(130)) is Age.LATE
    assert ages.trade(trade(None, 1010), TOPIC, at(130)) is Age.OLD
    assert ages.trade(trade(None), TOPIC, at(130)) is Age.NEW


def test_a_clock_that_was_not_measured_may_be_wrong_and_what_is_sent_is_in_order_by_itself() -> (
    None
):
    ages = Ages()
    wrong: dict[str, Any] = {"ahead_s": 40, "measured": False}
    ages.subscribed(TOPIC, at(95, **wrong))
    assert ages.trade(trade(101), TOPIC, at(101, **wrong)) is Age.NEW
    assert ages.trade(trade(90), TOPIC, at(101, **wrong)) is Age.OLD
    assert ages.trade(trade(-3600), TOPIC, at(101, **wrong)) is Age.OLD
    assert ages.trade(trade(102), TOPIC, at(102)) is Age.NEW, "measured, and all is well"


@pytest.mark.parametrize("ahead_s", [0, -7200, 7200])
def test_while_the_clock_is_not_measured_what_is_told_right_after_a_subscription_moves_nothing(
    ahead_s: float,
) -> None:
    ages = Ages()
    wrong: dict[str, Any] = {"ahead_s": ahead_s, "measured": False}
    ages.subscribed(TOPIC, at(100, **wrong))
    assert ages.trade(trade(100), TOPIC, at(100, **wrong)) is Age.OLD
    assert ages.trade(trade(-3600), TOPIC, at(104, **wrong)) is Age.OLD
    assert ages.trade(trade(104), TOPIC, at(104)) is Age.NEW, "measured"


def test_while_the_clock_is_not_measured_the_newest_trade_of_a_push_says_how_old_the_others_are() -> (
    None
):
    ages, unmeasured = Ages(), at(101, measured=False)
    ages.subscribed(TOPIC, at(95, measured=False))
    together = [trade(70), trade(97), trade(100)]
    ages.told_together(together, unmeasured)
    judged = [ages.trade(each, TOPIC, unmeasured) for each in together]
    assert judged == [Age.OLD, Age.LATE, Age.NEW]


def test_a_clock_that_is_set_while_a_topic_is_subscribed_makes_nothing_old(ages: Ages) -> None:
    assert ages.trade(trade(110), TOPIC, at(110)) is Age.NEW
    assert ages.trade(trade(111), TOPIC, at(111, ahead_s=3600)) is Age.NEW
    assert ages.trade(trade(112), TOPIC, at(112, ahead_s=-3600)) is Age.NEW
    assert ages.trade(trade(113), TOPIC, at(113)) is Age.NEW


def test_a_time_to_come_makes_nothing_old_that_comes_in_time(ages: Ages) -> None:
    assert ages.trade(trade(10**7), TOPIC, at(101)) is Age.NEW
    assert ages.trade(trade(102), TOPIC, at(102)) is Age.NEW


def test_a_bar_that_has_not_begun_moves_nothing_and_the_running_one_does(ages: Ages) -> None:
    assert ages.kline(minute(3600), BARS, at(101)) is Age.OLD
    assert ages.kline(minute(120), BARS, at(114)) is Age.OLD
    assert ages.kline(minute(120), BARS, at(116)) is Age.NEW, "our clock may be a little behind"


def test_what_was_made_before_a_price_was_asked_for_is_not_the_last_one(ages: Ages) -> None:
    ages.asked("BTCUSDT", T0_MS + 120_000)
    assert ages.trade(trade(110), TOPIC, at(121)) is Age.LATE
    assert ages.trade(trade(120), TOPIC, at(122)) is Age.NEW


# Over a connection


def told(price: int, id: int, ago_s: float, **fields: Any) -> dict[str, Any]:
    """A trade on the wire."""
    at_ms = wall_ms() - round(ago_s * 1000)
    return {"deal_price": str(price), "trade_id": id, "create_time_mill": at_ms, **fields}


@pytest.mark.parametrize("ago_s", [90, 3600, 86_400 * 400])
async def test_a_trade_from_before_moves_nothing_and_is_counted(
    ago_s: float, exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    doubted: list[str] = []
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.pricing.doubted = doubted.append
        streams.hold("me", [BARS, TOPIC])
        await trio.sleep(1)
        await exchange.last.push(TOPIC, [told(90, 6, ago_s)])
        old = bar("90", ts=WALL_START_MS // 1000 - 60 - int(ago_s) // 60 * 60)
        await exchange.last.push(BARS, {"items": [old]})
        await trio.sleep(0.1)
        assert streams.ticks.take_nowait("BTCUSDT") is None
        assert streams.last_data_at(TOPIC) is None
    assert counters.counts() == {"price_of_another_time": 2}
    assert doubted == ["BTCUSDT"] * 2, "REST is asked instead"


async def test_a_trade_out_of_order_widens_the_extremes_and_is_not_the_last_price(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BARS, TOPIC])
        await trio.sleep(8)
        await exchange.last.push(TOPIC, [told(100, 7, 0)])
        await trio.sleep(0.1)
        assert streams.ticks.take_nowait("BTCUSDT") is not None
        await exchange.last.push(TOPIC, [told(90, 6, 1)])
        await trio.sleep(0.1)
        tick = streams.ticks.take_nowait("BTCUSDT")
        assert tick is not None
        assert (tick.last, tick.low, tick.high) == (100, 90, 100)


@pytest.mark.parametrize("volume", ["11", "1"])
async def test_a_push_of_the_running_bar_that_was_overtaken_is_not_the_last_price(
    volume: str, exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BARS])
        await trio.sleep(1)
        await exchange.last.push(BARS, bar("100", "101", "99"))
        await exchange.last.push(BARS, {**bar("95", "101", "95"), "v": volume})
        await trio.sleep(0.1)
        tick = streams.ticks.take_nowait("BTCUSDT")
        assert tick is not None
        assert (tick.last, tick.low) == (100, 95)


async def test_trades_are_ordered_before_the_subscription_is_acknowledged_too(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [TOPIC])
        await trio.sleep(40)
        exchange.ignores[TOPIC] = 1
        await exchange.last.drop()
        await trio.sleep(6)
        await exchange.last.push(TOPIC, [told(90, 6, 20)])
        await trio.sleep(0.1)
        assert streams.ticks.take_nowait("BTCUSDT") is None


async def test_a_price_that_comes_late_says_when_it_was_made(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [TOPIC])
        await trio.sleep(60)
        await exchange.last.push(TOPIC, [told(90, 6, 20)])
        await trio.sleep(0.1)
        tick = streams.ticks.take_nowait("BTCUSDT")
        assert tick is not None
        assert tick.last_ms == tick.oldest_ms == WALL_START_MS + 40_000
