"""The private connection: login, its refusals, and what follows a login."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs
from trio.testing import MockClock

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import PrivateReady
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import ORDERS, POSITIONS, kline_topic, open_streams

from .fake import KEY, MEMO, SECRET, FakeExchange, Session, bar, settings, wall_ms, with_account

BTC = kline_topic("BTCUSDT", Timeframe.M1)


async def test_after_every_login_it_is_said_when_both_subscriptions_stand(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.ignores[POSITIONS] = 1
    async with open_streams(with_account(), exchange.world, counters) as streams:
        with streams.bus.listen(PrivateReady) as ready:
            streams.hold("engine", [ORDERS, POSITIONS, "futures/asset:USDT"])
            assert await ready.receive() == PrivateReady(pytest.approx(5.0))
            assert streams.statistics().authenticated
            await exchange.private().drop()
            await trio.sleep(1)
            statistics = streams.statistics()
            assert (statistics.authenticated, statistics.private_connected) == (False, False)
            await ready.receive()
            assert exchange.private().topics == {ORDERS, POSITIONS, "futures/asset:USDT"}
            await trio.sleep(100)
            with pytest.raises(trio.WouldBlock):
                ready.receive_nowait()
    assert len(exchange.sessions) == 2


async def test_a_resubscription_leaves_a_gap_and_so_says_ready_again(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(with_account(), exchange.world, counters) as streams:
        with streams.bus.listen(PrivateReady) as ready:
            streams.hold("engine", [ORDERS])
            await ready.receive()
            streams.resubscribe(ORDERS)
            await ready.receive()
            streams.hold("engine", [POSITIONS])
            await ready.receive()


async def test_a_refused_login_says_so_and_is_tried_again_slowly_while_klines_go_on(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.login_error = f"access failed: openapi auth: apiKey {KEY[:4]}**** failed"
    with capture_logs() as lines:
        async with open_streams(with_account(), exchange.world, counters) as streams:
            streams.hold("engine", [ORDERS, POSITIONS, BTC])
            await trio.sleep(1)
            private = streams.statistics().connections[-1]
            assert (private.name, private.state) == ("private", "login_refused")
            assert private.last_error == (
                "login refused: access failed: openapi auth: apiKey *** failed"
            )
            assert not streams.statistics().authenticated
            await exchange.public().push(BTC, bar("5"))
            assert (await streams.ticks.receive()).last == 5
            await trio.sleep(3 * 3600)
            assert len([each for each in exchange.sessions if not each.private]) == 1
            logins = [each.opened_at for each in exchange.sessions if each.private]
            pauses = [b - a for a, b in itertools.pairwise(logins)]
            assert 30 <= pauses[0] <= 61
            assert 60 <= pauses[1] <= 121
            assert all(299 <= each <= 601 for each in pauses[4:])
            assert len(set(pauses)) == len(pauses)
            exchange.login_error = None
            await trio.sleep(601)
            assert streams.statistics().authenticated
    text = repr(lines)
    assert "login refused" in text
    assert not any(each in text for each in (KEY, KEY[:4] + "*", SECRET, MEMO))


async def test_a_login_refused_for_now_is_tried_again_soon(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.login_error = "authentication is temporarily unavailable"
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(1)
        assert streams.statistics().connections[0].state == "waiting"
        exchange.login_error = None
        await trio.sleep(5)
        assert streams.statistics().authenticated


async def test_a_wrong_secret_is_found_out(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    account = settings(api_key=KEY, api_secret="wrong", api_memo=MEMO)
    async with open_streams(account, exchange.world, counters) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(1)
        assert streams.statistics().connections[0].state == "login_refused"


async def test_a_login_without_an_answer_is_given_up_after_ten_seconds(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.ignores_login = True
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(9)
        assert streams.statistics().connections[0].state == "logging_in"
        assert streams.statistics().private_connected
        await trio.sleep(2)
        (private,) = streams.statistics().connections
        assert (private.state, private.last_error) == (
            "waiting",
            "no answer to the login within 10 s",
        )


async def test_a_drop_in_the_middle_of_the_login_is_a_drop_and_no_refusal(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    def once(session: Session, frame: dict[str, Any]) -> bool:
        return frame["action"] == "access" and len(exchange.sessions) == 1

    exchange.drops_on = once
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(1)
        (private,) = streams.statistics().connections
        assert (private.state, private.last_error) == ("waiting", "lost without a close frame")
        await trio.sleep(5)
        assert streams.statistics().authenticated
        assert streams.statistics().connections[0].reconnects == 1


async def test_a_private_subscription_refused_for_want_of_a_login_is_sent_again(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.refuses[ORDERS] = "futures/order need authenication"
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(1)
        exchange.refuses.clear()
        await trio.sleep(5)
        assert exchange.private().topics == {ORDERS}
        assert streams.refused == {}
    assert counters.counts() == {"subscription_refused_for_now": 1, "subscription_sent_again": 1}


async def test_a_private_side_that_is_refused_whole_is_tried_again_slowly(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.refuses[ORDERS] = "no permission"
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(20)
        assert len(exchange.sessions) == 1
        assert streams.refused == {ORDERS: "no permission"}
        exchange.refuses.clear()
        await trio.sleep(60)
        assert exchange.private().topics == {ORDERS}
        assert streams.refused == {}


@pytest.mark.parametrize("error", ["Invalid channel: not found", "too many requests"])
async def test_orders_and_positions_refused_for_a_while_come_back_and_are_missed_meanwhile(
    error: str, exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(with_account(), exchange.world, counters) as streams:
        with streams.bus.listen(PrivateReady) as ready:
            streams.hold("engine", [ORDERS, POSITIONS])
            await ready.receive()
            exchange.refuses.update({ORDERS: error, POSITIONS: error})
            await exchange.private().drop()
            await trio.sleep(30)
            assert streams.statistics().connections[0].state != "up"
            exchange.refuses.clear()
            with trio.fail_after(40):
                await ready.receive()
            assert exchange.private().topics == {ORDERS, POSITIONS}
            await trio.sleep(1)
            assert streams.statistics().connections[0].state == "up"


async def test_a_refused_login_has_the_clock_measured_and_is_retried_soon_if_it_was_wrong(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    ahead_ms, measured = 3_600_000, 0

    async def measure() -> None:
        nonlocal ahead_ms, measured
        await trio.sleep(0.2)
        measured += 1
        ahead_ms = 0

    world = evolve(exchange.world, wall_ms=lambda: wall_ms() + ahead_ms)
    async with open_streams(with_account(), world, counters, login_refused=measure) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(6)
        assert streams.statistics().authenticated
        assert measured == 1


async def test_a_login_refused_by_a_right_clock_is_retried_slowly_whatever_measuring_does(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.login_error = "access failed"
    measured = 0

    async def measure() -> None:
        nonlocal measured
        measured += 1
        await trio.sleep_forever()

    async with open_streams(
        with_account(), exchange.world, counters, login_refused=measure
    ) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(600)
        assert 4 <= len(exchange.sessions) <= 8
        assert len(exchange.sessions) - 1 <= measured <= len(exchange.sessions)
        exchange.login_error = None
        await trio.sleep(700)
        assert streams.statistics().authenticated


async def test_a_refused_login_is_tried_every_minute_from_when_the_key_is_taken_elsewhere(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    exchange.login_error = "access failed"
    taken_at = -math.inf
    async with open_streams(
        with_account(), exchange.world, counters, key_taken_at=lambda: taken_at
    ) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(3600)
        refused = len(exchange.sessions)
        taken_at = trio.current_time()
        await trio.sleep(61)
        assert len(exchange.sessions) == refused + 1
        await trio.sleep(200)
        assert len(exchange.sessions) == refused + 1, "nothing was taken since the last refusal"
        taken_at, exchange.login_error = trio.current_time(), None
        await trio.sleep(61)
        assert streams.statistics().authenticated


async def test_without_credentials_private_topics_are_held_and_nothing_is_opened(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(settings(api_key=KEY), exchange.world, counters) as streams:
        streams.hold("engine", [ORDERS])
        await trio.sleep(60)
        assert exchange.sessions == []
        assert streams.held_by("engine") == {ORDERS}
        assert streams.statistics().connections == ()
        streams.release("engine")
        assert streams.wanted == frozenset()


async def test_the_private_connection_is_closed_with_its_last_topic_and_opened_anew(
    exchange: FakeExchange, counters: Counters, autojump_clock: MockClock
) -> None:
    async with open_streams(with_account(), exchange.world, counters) as streams:
        streams.hold("engine", [ORDERS, POSITIONS])
        await trio.sleep(1)
        streams.release("engine", [ORDERS])
        await trio.sleep(1)
        assert exchange.private().topics == {POSITIONS}
        streams.release("engine")
        await trio.sleep(1)
        assert exchange.open_sockets == 0
        streams.hold("engine", [ORDERS])
        await trio.sleep(1)
        assert exchange.private().topics == {ORDERS}
