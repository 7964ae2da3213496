"""Leaving the block, in every phase: no task, no socket, and not for long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bitmart_engine.counters import Counters
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import ORDERS, kline_topic, open_streams

from .fake import FakeExchange, with_account

BTC = kline_topic("BTCUSDT", Timeframe.M1)


def hang_dial(exchange: FakeExchange) -> None:
    exchange.dial_hangs = True


def hang_handshake(exchange: FakeExchange) -> None:
    exchange.handshake_hangs = True


def ignore_login(exchange: FakeExchange) -> None:
    exchange.ignores_login = True


def ignore_subscriptions(exchange: FakeExchange) -> None:
    exchange.ignores = {BTC: 99, ORDERS: 99}


def fail_dial(exchange: FakeExchange) -> None:
    exchange.dial_error = OSError("no route")


def refuse_login(exchange: FakeExchange) -> None:
    exchange.login_error = "no"


def behave(exchange: FakeExchange) -> None:
    pass


PHASES = [
    (hang_dial, "connecting", "connecting"),
    (hang_handshake, "connecting", "connecting"),
    (ignore_login, "up", "logging_in"),
    (ignore_subscriptions, "subscribing", "subscribing"),
    (fail_dial, "waiting", "waiting"),
    (refuse_login, "up", "login_refused"),
    (behave, "up", "up"),
]


@pytest.mark.parametrize(("trouble", "public", "private"), PHASES)
@pytest.mark.parametrize("cancelled", [False, True])
async def test_leaving_leaves_no_task_and_no_socket(
    exchange: FakeExchange,
    counters: Counters,
    autojump_clock: MockClock,
    trouble: Callable[[FakeExchange], None],
    public: str,
    private: str,
    cancelled: bool,
) -> None:
    trouble(exchange)
    await wait_all_tasks_blocked()
    before = trio.lowlevel.current_statistics().tasks_living
    with trio.CancelScope() as scope:
        async with open_streams(with_account(), exchange.world, counters) as streams:
            streams.hold("me", [BTC, ORDERS])
            await trio.sleep(1)
            assert [each.state for each in streams.statistics().connections] == [public, private]
            if cancelled:
                scope.cancel()
                await trio.sleep_forever()
    assert trio.current_time() == 1
    assert exchange.open_sockets == 0
    for session in exchange.sessions:
        await session.over.wait()
        if session.websocket is not None:
            assert session.close_code == 1000 or private == "login_refused"
    await wait_all_tasks_blocked()
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_leaving_before_anything_happened(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("me", [BTC, ORDERS])
    assert exchange.open_sockets == 0


async def test_a_peer_that_does_not_answer_the_close_is_left_after_a_second(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)

        async def deaf(max_bytes: int | None = None) -> bytes:
            await trio.sleep_forever()
            raise AssertionError

        exchange.last.client.receive_some = deaf  # type: ignore[method-assign]
        await exchange.last.push(BTC, [])
        await trio.sleep(1)
    assert trio.current_time() == 3
    assert exchange.open_sockets == 0


async def test_a_send_that_is_stuck_does_not_hold_up_the_leaving(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("me", [BTC])
        await trio.sleep(1)
        exchange.last.client.stuck = True
        streams.resubscribe(BTC)
        await trio.sleep(1)
    assert trio.current_time() == 2
    assert exchange.open_sockets == 0
