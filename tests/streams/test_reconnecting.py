"""Drops of every kind: each is said precisely, each is followed by a pause and by everything that was subscribed."""

from __future__ import annotations

import itertools
import socket
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from bitmart_engine.counters import Counters
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import kline_topic, open_streams, trade_topic
from bitmart_engine.streams.statistics import ConnectionStatistics
from bitmart_engine.streams.streams import Streams
from bitmart_engine.world import TlsFailed

from .fake import WALL_START_MS, FakeExchange, Session, deflated, settings

BTC = kline_topic("BTCUSDT", Timeframe.M1)


def only(streams: Streams) -> ConnectionStatistics:
    (connection,) = streams.statistics().connections
    return connection


async def test_all_subscriptions_come_back_in_batches(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    topics = [trade_topic(f"SYM{n}") for n in range(50)]
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", topics)
        await trio.sleep(40)
        await exchange.last.drop()
        await trio.sleep(10)
        assert len(exchange.sessions) == 2
        assert exchange.last.topics == set(topics)
        assert [len(args) for _, args in exchange.last.said("subscribe")] == [20, 20, 10]
        assert only(streams).reconnects == 1


async def test_every_drop_is_one_log_line_with_its_reason(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    with capture_logs() as lines:
        async with open_streams(settings(), exchange.world, counters) as streams:
            streams.hold("me", [BTC])
            await trio.sleep(40)
            await exchange.last.drop()
            await trio.sleep(1)
    drops = [line for line in lines if line["event"] == "connection_dropped"]
    assert len(drops) == 1
    assert drops[0] == {
        "event": "connection_dropped",
        "log_level": "warning",
        "connection": "public-1",
        "reason": "lost without a close frame",
        "lived_s": 40.0,
        "channels": 1,
        "retry_in_s": drops[0]["retry_in_s"],
    }


async def test_a_drop_in_the_middle_of_subscribing_starts_again_from_the_first(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    topics = [trade_topic(f"SYM{n}") for n in range(50)]

    def on_the_second_frame(session: Session, frame: dict[str, Any]) -> bool:
        return len(exchange.sessions) == 1 and len(session.frames) == 2

    exchange.drops_on = on_the_second_frame
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", topics)
        await trio.sleep(10)
        assert exchange.last.topics == set(topics)
        assert only(streams).last_error == "lost without a close frame"


async def test_a_send_that_was_cut_off_leaves_a_connection_that_is_never_used_again(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        first = exchange.last
        first.client.stuck = True
        streams.hold("me", [trade_topic("A")])
        await trio.sleep(1)
        streams.renew(BTC, "no prices")
        await trio.sleep(0.1)
        assert first.client.closed
        assert first.client.sent_after_stuck == 1  # no close frame after half a frame
        await trio.sleep(5)
        assert exchange.last.topics == {BTC, trade_topic("A")}
        assert only(streams).last_error == "no prices"


async def test_a_send_into_a_broken_connection_is_a_drop(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        exchange.last.client.broken = True
        streams.hold("me", [trade_topic("A")])
        await trio.sleep(1)
        assert only(streams).last_error == "lost without a close frame"
        assert exchange.open_sockets == 0
        await trio.sleep(5)
        assert exchange.last.topics == {BTC, trade_topic("A")}


async def test_a_send_that_never_ends_is_a_dead_connection(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(14)
        exchange.last.client.stuck = True
        await exchange.last.push(BTC, [])
        await trio.sleep(11.5)
        assert only(streams).last_error == "a ping could not be sent within 10 s"
        assert exchange.sessions[0].client.closed


async def test_while_anything_arrives_a_missing_pong_is_no_reason_to_drop(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.answers_pings = False
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        for _ in range(60):
            await trio.sleep(10)
            await exchange.last.push(BTC, [])
        assert len(exchange.sessions) == 1
        assert len(exchange.last.said("ping")) >= 39
        await trio.sleep(21)
        assert only(streams).last_error == "silent for 20 s"


@pytest.mark.parametrize(
    "pong",
    [
        "pong",
        "PONG\n",
        '"pong"',
        "pong+0a1b",
        '{"action":"pong"}',
        '{"group":"System","data":"pong+0a1b"}',
        '{"group":"System","action":"ping","success":true}',
        '{"event":"pong","ts":1}',
        '{"pong":1785726000}',
        b"pong",
        deflated("pong"),
        deflated('{"action":"pong"}'),
    ],
)
async def test_a_pong_of_any_form_keeps_a_connection(
    pong: str | bytes, exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.answers_pings = False
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        for _ in range(20):
            await trio.sleep(15.1)
            await exchange.last.send(pong)
        assert len(exchange.sessions) == 1


async def test_a_pong_of_a_form_that_is_documented_is_not_counted_as_odd(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        for pong in ("pong", '{"action":"pong"}', '{"group":"System","data":"pong+0a1b"}'):
            await exchange.last.send(pong)
        await trio.sleep(1)
    assert counters.counts() == {}


async def test_pings_that_are_answered_keep_a_silent_connection(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(3601)
        assert len(exchange.sessions) == 1
        assert len(exchange.last.said("ping")) == 240
        age = only(streams).last_message_age_s
        assert age is not None
        assert age <= 15


async def test_silence_is_a_dead_connection(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.answers_pings = False
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(21)
        assert only(streams).last_error == "silent for 20 s"


async def test_a_close_says_its_code(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        for code, reason, said in (
            (1009, "too long", "closed: 1009 MESSAGE_TOO_BIG (too long)"),
            (1001, None, "closed: 1001 GOING_AWAY"),
        ):
            streams.hold("me", [BTC])
            await trio.sleep(40)
            await exchange.last.close(code, reason)
            assert only(streams).last_error == said
            assert exchange.open_sockets == 0


async def test_bytes_that_are_no_websocket_are_a_protocol_error(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        await exchange.last.stream.send_all(b"\xff\xff\xff\xff")
        await trio.sleep(0.1)
        assert only(streams).last_error == "closed: 1002 PROTOCOL_ERROR (Invalid opcode 0xf)"
        assert exchange.open_sockets == 0


async def test_a_message_that_is_too_big_ends_the_connection(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        await exchange.last.send("x" * 5_000_000)
        await trio.sleep(0.1)
        assert "1009" in (only(streams).last_error or "")


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (ConnectionRefusedError(111, "x"), "refused", "dial failed: connection refused"),
        (socket.gaierror(-2, "x"), "dns", "dial failed: the host name does not resolve"),
        (TlsFailed("x"), "tls", "dial failed: the TLS handshake failed"),
        (OSError("odd"), None, "dial failed: odd"),
    ],
)
async def test_the_log_line_of_a_failed_dial_has_its_cause(
    exchange: FakeExchange,
    counters: Counters,
    autojump_clock: MockClock,
    error: OSError,
    cause: str | None,
    words: str,
) -> None:
    exchange.dial_error = error
    with capture_logs() as lines:
        async with open_streams(settings(), exchange.world, counters) as streams:
            streams.hold("me", [BTC])
            await trio.sleep(0.1)
    assert (lines[0]["reason"], lines[0].get("cause")) == (words, cause)


async def test_a_failed_dial_says_why(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.dial_error = OSError("connection refused")
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        assert only(streams).state == "connecting"
        await trio.sleep(1)
        assert only(streams).last_error == "dial failed: connection refused"
        assert only(streams).state == "waiting"
        assert only(streams).last_message_age_s is None
        assert only(streams).since_ms == WALL_START_MS
        exchange.dial_error = None
        await trio.sleep(5)
        assert only(streams).state == "up"


async def test_a_dial_that_hangs_is_given_up_after_ten_seconds(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.dial_hangs = True
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(11)
        assert only(streams).last_error == "dial timed out after 10 s"


async def test_a_handshake_that_hangs_is_given_up_after_ten_seconds(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.handshake_hangs = True
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(11)
        assert only(streams).last_error == "handshake timed out after 10 s"
        assert exchange.open_sockets == 0


async def test_a_rejected_handshake_says_its_status(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.rejects_with = 403
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        assert only(streams).last_error == "handshake rejected: HTTP 403"
        assert exchange.open_sockets == 0


async def test_hanging_up_in_the_handshake_is_noticed_at_once(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.hangs_up_in_handshake = True
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        assert only(streams).last_error == "the exchange hung up during the handshake"


async def test_what_is_renewed_comes_back_at_once_and_counts_as_no_failure(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        for _ in range(4):
            await trio.sleep(61)
            streams.renew(BTC, "no prices")
            await trio.sleep(0.1)
            assert exchange.last.topics == {BTC}
        await exchange.last.drop()
        await trio.sleep(5.1)
        assert exchange.last.topics == {BTC}, "the first pause after a failure is the shortest"
    assert len(exchange.sessions) == 6


async def test_a_connection_is_renewed_once_a_minute_for_whichever_of_its_channels(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC, trade_topic("A")])
        await trio.sleep(1)
        for second in range(120):
            streams.renew((BTC, trade_topic("A"))[second % 2], "no prices")
            await trio.sleep(1)
    assert len(exchange.sessions) == 3


async def test_asking_to_reconnect_what_is_on_its_way_changes_nothing(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.handshake_hangs = True
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(9)
        streams.renew(BTC, "no prices")
        await trio.sleep(0.5)
        assert only(streams).state == "connecting"
        await trio.sleep(1)
        streams.renew(BTC, "no prices")
        assert only(streams).last_error == "handshake timed out after 10 s"


async def test_a_handshake_of_garbage_is_given_up(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.handshake_garbage = b"\x00\x01 this is no HTTP\r\n\r\n"
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(11)
        assert only(streams).state == "waiting"
        assert "protocol error" in (only(streams).last_error or "")
        assert exchange.open_sockets == 0


async def test_a_fault_of_our_own_is_logged_counted_and_retried(
    exchange: FakeExchange,
    counters: Counters,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)

        def fail(event: object) -> None:
            raise KeyError("a bug")

        with monkeypatch.context() as patch, capture_logs() as lines:
            patch.setattr(streams.bus, "publish", fail)
            await exchange.last.push(BTC, {"o": "1", "h": "1", "l": "1", "c": "1", "ts": 60})
            await trio.sleep(0.1)
        assert only(streams).last_error == "unexpected KeyError: 'a bug'"
        assert any(line["event"] == "connection_crashed" for line in lines)
        assert exchange.open_sockets == 0
        await trio.sleep(5)
        assert only(streams).state == "up"
    assert counters.counts()["connection_crashed"] == 1


async def test_20_drops_in_a_row_back_off_with_jitter_and_grow_to_the_cap(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.drops_on = lambda session, frame: True
    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        while len(exchange.sessions) < 21:
            await trio.sleep(1)
        assert only(streams).reconnects == 20
    pauses = [b - a for a, b in itertools.pairwise(exchange.dialled_at)]
    for pause, full in zip(pauses, [5, 10, 20, 40] + [60] * 16, strict=True):
        assert full / 2 <= pause <= full + 0.001
    assert len({round(each, 6) for each in pauses}) == 20


async def test_only_a_connection_that_lived_resets_the_backoff(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async def pause_after(lived: float) -> float:
        await trio.sleep(lived)
        await exchange.last.drop()
        dropped_at, before = trio.current_time(), len(exchange.sessions)
        while len(exchange.sessions) == before:
            await trio.sleep(0.01)
        return trio.current_time() - dropped_at

    async with open_streams(settings(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        merely_connected = [await pause_after(5) for _ in range(4)]
        assert merely_connected[3] >= 20
        assert await pause_after(31) <= 5.1
        assert 2.5 <= await pause_after(31) <= 5.1
        assert only(streams).reconnects == 6
