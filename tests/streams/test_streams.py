"""The whole room against the fake exchange: what is held is subscribed, what is pushed is heard."""

from __future__ import annotations

from decimal import Decimal

import trio
from trio.testing import MockClock

from bitmart_engine.model.events import Kline
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import kline_topic, open_streams
from bitmart_engine.tally import Tally

from .fake import FakeExchange, bar, settings

BTC = kline_topic("BTCUSDT", Timeframe.M1)


async def test_a_held_topic_is_subscribed_and_what_is_pushed_is_heard(
    exchange: FakeExchange, tally: Tally, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, tally) as streams:
        with streams.bus.listen(Kline) as klines:
            streams.hold("me", [BTC])
            await trio.sleep(1)
            assert exchange.last.topics == {BTC}
            assert exchange.addresses == [("exchange.test", 80, False)]
            assert exchange.last.path == "/api?protocol=1.1"
            assert exchange.last.headers["user-agent"].startswith("bitmart-engine/")
            await exchange.last.push(BTC, {"symbol": "BTCUSDT", "items": [bar("65000.10", ts=60)]})
            kline = await klines.receive()
        price = Decimal("65000.10")
        assert kline == Kline("BTCUSDT", Timeframe.M1, 60, price, price, price, price, Decimal(12))
        tick = await streams.ticks.receive()
        assert (tick.last, tick.at) == (price, 1)
        assert streams.last_data_at(BTC) == 1
        assert streams.statistics().public_connected
    assert exchange.open_sockets == 0
    assert exchange.last.close_code == 1000
