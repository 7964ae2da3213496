"""The whole room against the fake exchange: what is held is subscribed, what is pushed is heard."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from bitmart_engine.counters import Counters
from bitmart_engine.model.errors import BadRequest, Unavailable
from bitmart_engine.model.events import Kline, OrderUpdate, PositionUpdate, Trade
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import (
    ORDERS,
    POSITIONS,
    Streams,
    kline_topic,
    open_streams,
    trade_topic,
)
from bitmart_engine.streams.subscriptions import (
    MAX_CONNECTIONS,
    MONITORS,
    TOPICS_PER_CONNECTION,
)

from .fake import WALL_START_MS, FakeExchange, bar, deflated, settings, with_account

BTC = kline_topic("BTCUSDT", Timeframe.M1)


def many(number: int) -> list[str]:
    return [trade_topic(f"SYM{n}USDT") for n in range(number)]


async def test_a_held_topic_is_subscribed_and_what_is_pushed_is_heard(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        with streams.bus.listen(Kline) as klines:
            streams.hold("me", [BTC])
            await trio.sleep(1)
            assert exchange.last.topics == {BTC}
            assert exchange.addresses == [("exchange.test", 80, False)]
            assert exchange.last.path == "/api?protocol=1.1"
            assert b"Host: exchange.test\r\n" in exchange.last.client.greeting
            assert exchange.last.headers["user-agent"].startswith("bitmart-engine/")
            assert streams.last_data_at(BTC) is None
            await exchange.last.push(BTC, {"symbol": "BTCUSDT", "items": [bar("65000.10")]})
            kline = await klines.receive()
        price = Decimal("65000.10")
        assert kline == Kline(
            "BTCUSDT",
            Timeframe.M1,
            WALL_START_MS // 1000,
            price,
            price,
            price,
            price,
            Decimal(12),
        )
        tick = await streams.ticks.receive()
        assert (tick.last, tick.at) == (price, 1)
        assert streams.last_data_at(BTC) == 1
        assert streams.statistics().public_connected
    assert exchange.open_sockets == 0
    assert exchange.last.close_code == 1000


async def test_wss_is_dialled_with_tls_on_its_own_port(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    changed = settings(public_ws_uri="wss://exchange.test:9443")
    async with open_streams(changed, exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
    assert exchange.addresses == [("exchange.test", 9443, True)]
    assert exchange.last.path == "/"
    assert b"Host: exchange.test:9443\r\n" in exchange.last.client.greeting


async def test_text_with_a_newline_and_binary_frames_are_understood(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.answer = lambda text: text + "\n"
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [trade_topic("A"), trade_topic("B")])
        await trio.sleep(1)
        with streams.bus.listen(Trade, symbol="A") as trades:
            await exchange.last.send(
                deflated('{"group":"futures/trade:A@100ms","data":[{"deal_price":"1"}]}')
            )
            assert await trades.receive() == Trade("A", 0, Decimal(1), Decimal(0))
        assert streams.statistics().connections[0].state == "up"
    assert counters.counts() == {}


async def test_a_frame_that_is_none_is_counted_and_the_next_one_is_read(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [trade_topic("A")])
        await trio.sleep(1)
        for message in ("ping", '{"success":false,"error":"Invalid message"}', b"\xff", "{}"):
            await exchange.last.send(message)
        await exchange.last.push("futures/trade:NOBODY", [{"deal_price": "1"}])
        await exchange.last.push(trade_topic("A"), [{"deal_price": "2"}])
        assert (await streams.ticks.receive()).last == 2
    assert counters.counts() == {
        "frame_malformed": 2,
        "frame_unexpected": 2,
        "push_of_unwanted_topic": 1,
    }
    assert len(exchange.sessions) == 1


async def test_data_before_its_acknowledgement_is_not_dropped(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.ignores[BTC] = 1
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        await exchange.last.push(BTC, bar("5"))
        assert (await streams.ticks.receive()).last == 5
        assert streams.statistics().connections[0].state == "subscribing"


async def test_a_spike_between_two_reads_of_a_slow_reader_is_in_the_merged_tick(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC, trade_topic("BTCUSDT")])
        await trio.sleep(1)
        await exchange.last.push(BTC, {"items": [bar("100", "110", "1")]})
        await exchange.last.push(BTC, {"items": [bar("101", "115", "1")]})
        await exchange.last.push(trade_topic("BTCUSDT"), [{"deal_price": "90", "trade_id": 1}])
        await exchange.last.push(trade_topic("BTCUSDT"), [{"deal_price": "99", "trade_id": 2}])
        await trio.sleep(1)
        tick = await streams.ticks.receive()
        assert (tick.last, tick.high, tick.low) == (99, 115, 90)
        assert streams.statistics().ticks_merged == 3
        assert type(tick.high) is Decimal


async def test_a_price_read_elsewhere_becomes_a_tick(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.observe("BTCUSDT", Decimal(7))
        assert streams.ticks.take_nowait("BTCUSDT") is not None


async def test_klines_and_trades_of_many_symbols_come_in_small_frames_with_a_pause(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    changed = settings(subscribe_batch=100, subscribe_delay_ms=300)
    topics = [kline_topic(f"A{'X' * 50}{n}USDT", Timeframe.H1) for n in range(100)]
    async with open_streams(changed, exchange.world, counters) as streams:
        streams.hold("me", topics)
        await trio.sleep(10)
        said = exchange.last.said("subscribe")
        assert [topic for _, args in said for topic in args] == topics
        assert len(said) == 5
        assert all(len(text.encode()) < 2000 for _, text in exchange.last.frames)
        assert all(b[0] - a[0] > 0.299 for a, b in itertools.pairwise(said))


async def test_at_most_the_batch_is_in_one_frame(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", many(45))
        await trio.sleep(5)
        assert [len(args) for _, args in exchange.last.said("subscribe")] == [20, 20, 5]


async def test_250_topics_are_spread_over_3_connections_and_an_emptied_one_is_closed(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        topics = many(250)
        streams.hold("me", topics)
        await trio.sleep(10)
        assert sorted(len(session.topics) for session in exchange.sessions) == [50, 100, 100]
        assert [each.channels for each in streams.statistics().connections] == [100, 100, 50]
        carries = {topic: session for session in exchange.sessions for topic in session.topics}
        streams.release("me", topics[100:200])
        await trio.sleep(10)
        assert exchange.open_sockets == 2
        assert carries[topics[100]].client.closed
        assert carries[topics[100]].close_code == 1000
        assert [each.name for each in streams.statistics().connections] == ["public-1", "public-3"]
        streams.hold("me", ["futures/trade:NEW"])
        await trio.sleep(10)
        assert "futures/trade:NEW" in carries[topics[249]].topics
        streams.release("me")
        await trio.sleep(10)
        assert exchange.open_sockets == 0
        assert streams.statistics().connections == ()
        assert not streams.statistics().public_connected
        streams.hold("me", ["futures/trade:NEW"])
        await trio.sleep(1)
        assert exchange.last.topics == {"futures/trade:NEW"}


async def test_what_another_holder_still_needs_stays_subscribed(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("a", [BTC, trade_topic("A")])
        streams.hold("b", [BTC])
        streams.hold("b", [BTC])
        await trio.sleep(1)
        streams.release("a")
        streams.release("a")
        await trio.sleep(1)
        assert exchange.last.topics == {BTC}
        assert exchange.last.said("unsubscribe") == [(1, [trade_topic("A")])]
        assert (streams.held_by("a"), streams.held_by("b")) == (frozenset(), {BTC})
        assert streams.wanted == {BTC}
        assert [args for _, args in exchange.last.said("subscribe")] == [[BTC, trade_topic("A")]]


async def test_a_topic_taken_over_before_it_was_released_is_never_unsubscribed(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("a", [BTC, trade_topic("A")])
        await trio.sleep(1)
        streams.release("a", [BTC])
        streams.hold("b", [BTC])
        await trio.sleep(1)
        assert exchange.last.said("unsubscribe") == []
        assert exchange.last.topics == {BTC, trade_topic("A")}


async def test_more_than_bitmart_allows_is_refused_whole(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.dial_hangs = True
    room = (MAX_CONNECTIONS - 1) * TOPICS_PER_CONNECTION
    async with open_streams(settings(), exchange.world, counters) as streams:
        with pytest.raises(Unavailable, match="do not fit on 499 connections of 100"):
            streams.hold("me", many(room + 1))
        assert streams.wanted == frozenset()
        assert streams.statistics().connections == ()


async def test_what_is_no_channel_is_refused_whole(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        with pytest.raises(BadRequest):
            streams.hold("me", [BTC, "no channel"])
        assert streams.wanted == frozenset()


async def test_a_refused_topic_is_reported_and_not_asked_for_again(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    bad = trade_topic("NOSUCH")
    exchange.refuses[bad] = f"Invalid channel: not found {bad}"
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC, bad])
        await trio.sleep(600)
        assert dict(streams.refused) == {bad: f"Invalid channel: not found {bad}"}
        assert streams.statistics().refused == streams.refused
        assert exchange.last.topics == {BTC}
        assert len(exchange.last.said("subscribe")) == 1
        assert streams.statistics().connections[0].state == "up"
        streams.resubscribe(bad)
        await trio.sleep(1)
        assert len(exchange.last.said("subscribe")) == 2
        exchange.refuses.clear()
        streams.renew(bad, "somebody asks")
        await trio.sleep(10)
        assert streams.refused == {}
        assert exchange.last.topics == {BTC, bad}
        assert len(exchange.sessions) == 2
    assert counters.counts()["subscription_refused"] == 2


async def test_what_monitors_need_comes_back_after_every_channel_was_refused_for_a_while(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    needed, viewed = [BTC, *many(45)], trade_topic("VIEWED")
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold(MONITORS, needed)
        streams.hold("me", [viewed])
        await trio.sleep(40)
        exchange.refuses.update(dict.fromkeys([*needed, viewed], "Invalid channel: not found"))
        await exchange.last.drop()
        await trio.sleep(30)
        assert set(streams.refused) == {*needed, viewed}
        exchange.refuses.clear()
        await trio.sleep(30)
        assert exchange.last.topics == set(needed)
        assert set(streams.refused) == {viewed}
        frames = [args for _, args in exchange.last.said("subscribe")]
        assert len(frames) <= 5 * 3, "they are asked for together"


async def test_a_channel_that_is_refused_for_ever_is_asked_for_once_a_minute(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.refuses[BTC] = "Invalid channel: not found"
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold(MONITORS, [BTC])
        await trio.sleep(3600)
        assert 60 <= len(exchange.last.said("subscribe")) <= 130
        assert len(exchange.sessions) == 1
        exchange.refuses.clear()
        await trio.sleep(61)
        assert exchange.last.topics == {BTC}


async def test_a_refused_channel_is_asked_for_again_as_soon_as_a_monitor_needs_it(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.refuses[BTC] = "Invalid channel: not found"
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(60)
        assert exchange.open_sockets == 0
        exchange.refuses.clear()
        streams.hold(MONITORS, [BTC])
        await trio.sleep(1)
        assert exchange.last.topics == {BTC}


async def test_a_refused_unsubscription_is_counted_and_no_more(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC, trade_topic("A")])
        await trio.sleep(1)
        exchange.refuses[BTC] = "no"
        streams.release("me", [BTC])
        await trio.sleep(60)
        assert counters.counts() == {"unsubscription_refused": 1}
        assert len(exchange.sessions) == 1


async def test_a_refusal_is_forgotten_with_its_topic(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    bad = trade_topic("NOSUCH")
    exchange.refuses[bad] = "no"
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC, bad])
        await trio.sleep(1)
        streams.release("me", [bad])
        assert streams.refused == {}


async def test_a_connection_with_nothing_but_refusals_is_closed_until_something_is_wanted(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    bad = trade_topic("NOSUCH")
    exchange.refuses[bad] = "no"
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [bad])
        await trio.sleep(3600)
        assert len(exchange.sessions) == 1
        assert exchange.open_sockets == 0
        (connection,) = streams.statistics().connections
        assert (connection.state, connection.last_error) == (
            "closed",
            "every subscription was refused",
        )
        assert streams.refused == {bad: "no"}
        streams.hold("me", [BTC])
        await trio.sleep(1)
        assert exchange.last.topics == {BTC}
        assert streams.refused == {bad: "no"}


async def test_a_subscription_without_an_answer_is_sent_again_after_five_seconds(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.ignores[BTC] = 2
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC, trade_topic("A")])
        await trio.sleep(60)
        said = exchange.last.said("subscribe")
        assert [args for _, args in said] == [[BTC, trade_topic("A")], [BTC], [BTC]]
        assert [at for at, _ in said] == pytest.approx([0, 5, 10])
        assert streams.statistics().connections[0].state == "up"
    assert counters.counts() == {"subscription_sent_again": 2}


async def test_resubscribing_happens_on_the_same_connection(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        streams.resubscribe(BTC)
        await trio.sleep(1)
        assert exchange.last.said("unsubscribe") == [(1, [BTC])]
        assert exchange.last.said("subscribe")[1:] == [(pytest.approx(1.2), [BTC])]
        assert exchange.last.topics == {BTC}
        for nobodys in ("futures/trade:X", ORDERS):
            streams.resubscribe(nobodys)
            streams.renew(nobodys, "no reason")
        await trio.sleep(60)
        assert len(exchange.sessions) == 1


async def test_a_channel_that_was_let_go_starts_afresh(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC, trade_topic("A")])
        await trio.sleep(1)
        await exchange.last.push(BTC, bar("100"))
        await streams.ticks.receive()
        streams.release("me", [BTC])
        streams.hold("me", [BTC])
        assert streams.last_data_at(BTC) is None
        await trio.sleep(1)
        await exchange.last.push(BTC, bar("101", "999", "1"))
        tick = await streams.ticks.receive()
        assert (tick.last, tick.high, tick.low) == (101, 101, 101)


async def test_orders_and_positions_arrive_after_the_login(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(with_account(), exchange.world, counters) as streams:
        with streams.bus.listen(OrderUpdate, PositionUpdate) as account:
            streams.hold("engine", [ORDERS, POSITIONS])
            await trio.sleep(1)
            session = exchange.private()
            assert session.path == "/user?protocol=1.1"
            assert session.topics == {ORDERS, POSITIONS}
            order = {"action": 2, "order": {"order_id": "1", "symbol": "B", "state": 2}}
            await session.push(ORDERS, [order, {"action": 2}, {**order, "action": 1}])
            await session.push(POSITIONS, [{"symbol": "B", "hold_volume": "1", "position_type": 1}])
            heard = [await account.receive() for _ in range(3)]
        assert [type(each) for each in heard] == [OrderUpdate, OrderUpdate, PositionUpdate]
    assert counters.counts() == {"push_malformed": 1}


async def test_nothing_is_held_after_closing_and_releasing_is_harmless(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    kept: list[Streams] = []
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        kept.append(streams)
    with pytest.raises(trio.ClosedResourceError):
        kept[0].hold("me", [trade_topic("A")])
    kept[0].release("me")
    with kept[0].bus.listen(Trade) as trades:
        assert [each async for each in trades] == []
