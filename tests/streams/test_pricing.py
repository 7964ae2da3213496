"""What becomes a tick, and what is kept out."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import Kline, Tick, Trade
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import kline_topic, trade_topic
from bitmart_engine.streams.ages import Moment
from bitmart_engine.streams.pricing import Pricing
from bitmart_engine.streams.ticks import TickMailbox

from .fake import WALL_START_MS

TRADES, BARS = trade_topic("BTCUSDT"), kline_topic("BTCUSDT", Timeframe.M1)
NOW = Moment(0.0, WALL_START_MS)


def bar(opens_s: int, price: int) -> Kline:
    prices = [Decimal(price)] * 4
    return Kline("BTCUSDT", Timeframe.M1, WALL_START_MS // 1000 + opens_s, *prices, Decimal(1))


def trade(price: int) -> Trade:
    return Trade("BTCUSDT", 1, Decimal(price), Decimal(1), WALL_START_MS)


def taken(mailbox: TickMailbox) -> Tick:
    tick = mailbox.take_nowait("BTCUSDT")
    assert tick is not None
    return tick


@pytest.mark.parametrize("opens_s", [-30, 0])
def test_a_bar_that_began_when_the_clock_was_not_set_back_moves_the_price(opens_s: int) -> None:
    mailbox = TickMailbox()
    pricing = Pricing(mailbox, Counters(), 20)
    assert pricing.kline(bar(opens_s, 100), BARS, NOW)
    assert taken(mailbox).last == 100


def test_a_bar_that_began_at_a_time_dated_twice_moves_nothing_and_a_trade_does() -> None:
    mailbox, counters, doubted = TickMailbox(), Counters(), []
    twice = {WALL_START_MS}
    pricing = Pricing(mailbox, counters, 20, dated_twice=twice.__contains__)
    pricing.doubted = doubted.append
    assert not pricing.kline(bar(0, 100), BARS, NOW)
    assert mailbox.take_nowait("BTCUSDT") is None
    assert doubted == ["BTCUSDT"]
    assert counters.counts()["price_of_another_time"] == 1
    assert pricing.trade(trade(105), TRADES, NOW)
    assert taken(mailbox).last == 105
    assert pricing.kline(bar(-60, 104), BARS, NOW)
