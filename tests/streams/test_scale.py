"""Many channels: every timeframe of 500 symbols, over as many connections as that takes and never more than allowed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

import pytest
import trio
from trio.testing import MockClock

from bitmart_engine.counters import Counters
from bitmart_engine.model.errors import Unavailable
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import ORDERS, kline_topic, open_streams, trade_topic
from bitmart_engine.streams.streams import Streams
from bitmart_engine.streams.subscriptions import MONITORS

from .fake import FakeExchange, Session, settings, with_account

SYMBOLS = [f"S{number}USDT" for number in range(500)]


def channels_of(*symbols: str) -> list[str]:
    return [kline_topic(symbol, timeframe) for symbol in symbols for timeframe in Timeframe]


ALL = channels_of(*SYMBOLS)


def view_all(streams: Streams) -> None:
    """As `POST /klines/subscribe` does it: one symbol after the other."""
    for symbol in SYMBOLS:
        streams.hold("view", channels_of(symbol))


def alive(exchange: FakeExchange) -> list[Session]:
    return [session for session in exchange.sessions if not session.client.closed]


def subscribed(exchange: FakeExchange) -> list[str]:
    """Every topic as often as it is subscribed to."""
    return sorted(topic for session in alive(exchange) for topic in session.topics)


async def until_up(streams: Streams, within: float = 30) -> None:
    with trio.fail_after(within):
        while any(each.state != "up" for each in streams.statistics().connections):
            await trio.sleep(0.05)


class CountingExchange(FakeExchange):
    """Knows how many sockets were open at most, the private one included."""

    most = 0

    async def dial(self, host: str, port: int, tls: bool) -> trio.abc.Stream:
        stream = await super().dial(host, port, tls)
        self.most = max(self.most, self.open_sockets)
        return stream


@pytest.fixture
async def counting(nursery: trio.Nursery) -> CountingExchange:
    return CountingExchange(nursery)


def frames_of(session: Session, action: str) -> list[tuple[float, str]]:
    return [(at, text) for at, text in session.frames if json.loads(text)["action"] == action]


def are_paced(frames: Iterable[tuple[float, str]]) -> bool:
    """Whether the frames are as the limits ask: 20 channels, less than 2,000 bytes, 200 ms between two of them."""
    frames = list(frames)
    return (
        all(len(json.loads(text)["args"]) <= 20 for _, text in frames)
        and all(len(text.encode()) < 2000 for _, text in frames)
        and all(b - a > 0.199 for (a, _), (b, _) in itertools.pairwise(frames))
    )


async def test_4500_channels_are_subscribed_in_batches_over_45_connections_in_a_second(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        view_all(streams)
        await until_up(streams)
        assert trio.current_time() <= 1.1
        assert subscribed(exchange) == sorted(ALL)
        assert [len(session.topics) for session in exchange.sessions] == [100] * 45
        assert [each.channels for each in streams.statistics().connections] == [100] * 45
        for session in exchange.sessions:
            assert are_paced(frames_of(session, "subscribe"))
            assert session.opened_at == session.frames[0][0], "subscribed at once"
    assert exchange.open_sockets == 0
    assert counters.counts() == {}


@pytest.mark.parametrize("lost", [[0], [22], [44], [3, 17, 31], range(45)], ids=str)
async def test_4500_channels_survive_the_loss_of_any_of_their_connections(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock, lost: Iterable[int]
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        view_all(streams)
        await until_up(streams)
        before = list(exchange.sessions)
        for number in lost:
            await before[number].drop()
        await trio.sleep(0.1)
        assert len(subscribed(exchange)) == 4500 - 100 * len(list(lost))
        await until_up(streams)
        assert trio.current_time() <= 8, "a pause of 5 s at most, and the second it takes"
        assert subscribed(exchange) == sorted(ALL)
        assert len(exchange.sessions) == 45 + len(list(lost))
        reconnects = [each.reconnects for each in streams.statistics().connections]
        assert sorted(filter(None, reconnects)) == [1] * len(list(lost))
        assert all(are_paced(frames_of(each, "subscribe")) for each in exchange.sessions)


async def test_an_exchange_that_is_slow_to_answer_is_not_asked_everything_again(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.answers_after_s = 0.4
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("view", ALL[:50])
        await until_up(streams)
        assert trio.current_time() == pytest.approx(20, abs=0.5)
        assert [len(args) for _, args in exchange.last.said("subscribe")] == [20, 20, 10]
    assert counters.counts() == {}


async def test_a_subscription_that_was_lost_is_sent_again_in_time_while_later_ones_are_answered(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    lost = trade_topic("BTCUSDT")
    exchange.ignores[lost] = 1
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("armed", [lost])
        for topic in ALL[:40]:
            await trio.sleep(0.5)
            streams.hold("view", [topic])
        asked = [at for at, text in exchange.last.frames if lost in text]
        assert len(asked) == 2
        assert asked[1] - asked[0] == pytest.approx(5, abs=0.25)


async def test_every_other_symbol_is_unsubscribed_in_batches_and_the_rest_goes_on(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        view_all(streams)
        await until_up(streams)
        for symbol in SYMBOLS[::2]:
            streams.release("view", channels_of(symbol))
        await trio.sleep(1.1)
        assert subscribed(exchange) == sorted(channels_of(*SYMBOLS[1::2]))
        assert exchange.open_sockets == 45
        assert all(are_paced(frames_of(each, "unsubscribe")) for each in exchange.sessions)
        for symbol in SYMBOLS[1::2]:
            streams.release("view", channels_of(symbol))
        await trio.sleep(1.1)
        assert exchange.open_sockets == 0
        assert streams.statistics().connections == ()
        view_all(streams)
        await until_up(streams)
        assert subscribed(exchange) == sorted(ALL)
        assert exchange.open_sockets == 45
    assert counters.counts() == {}


async def test_what_is_released_makes_room_on_the_connections_there_are(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        view_all(streams)
        await until_up(streams)
        streams.release("view", channels_of(*SYMBOLS[::2]))
        streams.hold("view", channels_of(*(f"N{number}USDT" for number in range(250))))
        await until_up(streams)
        await trio.sleep(2)
        assert len(subscribed(exchange)) == 4500
        assert len(exchange.sessions) == 45


async def test_a_connection_that_is_being_closed_still_counts(
    counting: CountingExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    topics = [trade_topic(f"S{number}") for number in range(270)]
    async with open_streams(
        with_account(), counting.world, counters, most_connections=4
    ) as streams:
        streams.hold("engine", [ORDERS])
        for round in range(3):
            streams.hold("view", [f"{topic}R{round}" for topic in topics])
            await until_up(streams)
            await trio.sleep(1)
            assert len(subscribed(counting)) == 271
            streams.release("view")
        streams.release("engine")
        streams.hold("engine", [ORDERS])
        await until_up(streams)
    assert counting.most == 4
    assert len(counting.sessions) == 3 * 3 + 2
    assert counters.counts()["connection_waits_for_slot"] > 0


async def test_what_does_not_fit_is_refused_with_what_is_left_and_a_monitor_still_finds_room(
    counting: CountingExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    topics = [trade_topic(f"S{number}") for number in range(181)]
    async with open_streams(settings(), counting.world, counters, most_connections=3) as streams:
        with pytest.raises(Unavailable, match=r"181 more topics do not fit .* 180 are left"):
            streams.hold("view", topics)
        assert streams.wanted == frozenset()
        streams.hold("view", topics[:180])
        with pytest.raises(Unavailable, match="0 are left"):
            streams.hold("view", topics[180:])
        streams.hold(MONITORS, topics[180:])
        await until_up(streams)
        assert subscribed(counting) == sorted(topics)
        assert streams.refused == {}
    assert counting.most == 2


async def test_what_was_viewed_before_and_does_not_fit_is_reported_and_comes_when_there_is_room(
    counting: CountingExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    topics = [trade_topic(f"S{number:03}") for number in range(200)]
    async with open_streams(settings(), counting.world, counters, most_connections=3) as streams:
        streams.hold_what_fits("view", topics)
        await until_up(streams)
        assert subscribed(counting) == topics[:180]
        assert sorted(streams.refused) == topics[180:]
        assert {"no room on the connections that BitMart allows"} == set(streams.refused.values())
        assert counters.counts() == {"channel_without_room": 20}
        streams.hold_what_fits(MONITORS, [topics[199]])
        await trio.sleep(1)
        assert subscribed(counting) == [*topics[:180], topics[199]]
        streams.release("view", topics[:11])
        await until_up(streams)
        await trio.sleep(1)
        assert subscribed(counting) == [*topics[11:190], topics[199]]
        streams.release("view", topics[195:199])
        assert sorted(streams.refused) == topics[190:195]
        streams.release("view")
        streams.release(MONITORS)
        assert streams.refused == {}
        await trio.sleep(2)
    assert counting.most == 2
