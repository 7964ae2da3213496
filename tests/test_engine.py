"""The engine as one context manager: how it starts, says how it stands, and stops in every phase."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs

from bitmart_engine import Kline, Lagged
from bitmart_engine.model.errors import BadRequest, Conflict, NotFound, Unavailable
from bitmart_engine.store.records import NotificationOwed
from tests.store import stories
from tests.support.stage import SUBMIT, entry, open_stage, open_theatre


async def test_an_embedding_program_iterates_over_klines(autojump_clock):
    async with open_stage() as stage:
        seen = []
        async with stage.engine.klines("BTCUSDT", "1m") as klines:
            await stage.until(
                lambda: any(
                    "klineBin1m" in t for c in stage.paper.hub.connections for t in c.topics
                )
            )
            for price in (65001, 65002, 65003):
                stage.move(price)
            async for kline in klines:
                seen.append(kline)
                if len(seen) == 3:
                    break
        assert [each.close for each in seen] == [65001, 65002, 65003]
        assert all(isinstance(each, Kline) for each in seen)
        await stage.until(lambda: not stage.engine.streams().public_connected)


async def test_a_reader_that_is_too_slow_is_told_how_much_it_missed(autojump_clock):
    async with open_stage() as stage, stage.engine.klines("BTCUSDT", "1m", capacity=2) as klines:
        await stage.settle()
        for number in range(5):
            stage.move(65000 + number)
        await stage.settle()
        assert await klines.receive() == Lagged(3)
        assert (await klines.receive()).close == 65003


async def test_unsubscribing_the_view_never_blinds_a_monitor(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.engine.subscribe_klines("BTCUSDT", ["1m"])
        await stage.engine.view_orders(subscribed=True)
        await stage.engine.view_orders(subscribed=False)
        await stage.engine.view_positions(subscribed=False)
        await stage.engine.unsubscribe_klines("BTCUSDT", ["1m"])
        assert stage.engine.state.viewed == set()
        await stage.settle()
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")


async def test_a_timeframe_that_does_not_exist_is_refused_by_naming_those_that_do(autojump_clock):
    async with open_stage() as stage:
        with pytest.raises(BadRequest, match="'3m'; one of 1m, 5m") as refused:
            await stage.engine.subscribe_klines("BTCUSDT", ["1m", "3m"])
        assert refused.value.field == "$.tfs"
        assert await stage.engine.subscribe_klines("BTCUSDT", ["1H", "1h", "1W"]) == [
            "futures/klineBin1H:BTCUSDT",
            "futures/klineBin1W:BTCUSDT",
        ]


async def test_a_refused_login_is_said_tried_again_slowly_and_klines_go_on(autojump_clock):
    async with (
        open_stage(api_secret="wrong") as stage,
        stage.engine.klines("BTCUSDT", "1m") as klines,
    ):
        await stage.settle(5)
        private = next(c for c in stage.engine.streams().connections if c.name == "private")
        assert private.state == "login_refused"
        assert "access failed" in private.last_error
        assert "wrong" not in private.last_error
        assert stage.engine.not_ready()[0] == "not logged in"
        before = len(stage.dials)
        await stage.settle(50)
        assert len(stage.dials) - before <= 2
        stage.move(65001)
        assert (await klines.receive()).close == 65001


@pytest.mark.parametrize("before", ["another login", "the first login"])
async def test_logins_refused_for_long_are_asked_for_again_within_a_minute_after_it(
    autojump_clock, before
):
    async with open_theatre() as theatre:
        if before == "the first login":
            theatre.paper.refuse_logins()
        async with theatre.engine() as stage:
            await stage.settle(60)
            stage.paper.refuse_logins()
            stage.paper.drop_connections("private")
            await stage.settle(1500)
            assert stage.engine.not_ready()[0] == "not logged in"
            stage.paper.refuse_logins(False)
            await stage.settle(70)
            assert stage.engine.not_ready() == []


async def test_it_is_ready_once_connected_logged_in_and_reconciled(autojump_clock):
    async with open_stage() as stage:
        assert stage.engine.not_ready()
        await stage.until(lambda: stage.engine.not_ready() == [])
        stage.paper.drop_connections("private")
        await stage.until(lambda: stage.engine.not_ready() == ["not logged in"])
        await stage.until(lambda: stage.engine.not_ready() == [])


async def test_without_credentials_it_says_which_are_missing_and_private_views_are_conflicts(
    autojump_clock,
):
    async with open_stage(api_secret="") as stage:
        assert stage.engine.not_ready() == ["not set: BITMART_API_SECRET"]
        for refused in (
            stage.engine.view_orders(subscribed=True),
            stage.engine.view_positions(subscribed=True),
        ):
            with pytest.raises(Conflict, match="BITMART_API_SECRET"):
                await refused


async def test_after_stop_no_order_is_promised_and_none_goes_out(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.engine.stop()
        with pytest.raises(Unavailable, match="stopping"):
            await stage.engine.place_order(entry("b"))
        stage.move(65000)
        await stage.settle()
        assert stage.sent() == []
        await stage.engine.wait_stopping()
        assert stage.engine.not_ready()[0] == "the engine is stopping"


# Stopping, in every phase


async def stopping_takes(prepare, **settings) -> float:
    """Mock seconds from leaving the block until everything is closed, after `prepare` was run on the stage."""
    async with open_stage(**settings) as stage:
        await prepare(stage)
        began = trio.current_time()
    return trio.current_time() - began


async def logging_in(stage):
    stage.paper.freeze("*", until="forever")


async def idle(stage):
    await stage.settle(5)


async def waiting_for_a_zone(stage):
    await stage.place()
    await stage.settle(5)


async def submitting(stage):
    await stage.place()
    await stage.until(stage.prices_come)
    stage.paper.delay(SUBMIT, 60)
    stage.move(65000)
    await stage.until(lambda: stage.state() == "submitting")


async def asking_for_a_lost_order(stage):
    await stage.place()
    await stage.until(stage.prices_come)
    stage.paper.fail(SUBMIT)
    stage.paper.fail("/contract/private/get-open-orders", times=1000)
    stage.move(65000)
    await stage.until(lambda: stage.state() == "unknown")


async def closing_in_vain(stage):
    await stage.bought(exchange_protection=False)
    stage.paper.fail(SUBMIT, times=10_000)
    stage.move(64400)
    await stage.until(lambda: stage.guarded() == "closing")


async def owing_thousands_of_callbacks(stage):
    stage.receiver.answer = lambda request: 503
    for number in range(3000):
        stage.engine._store.record(
            NotificationOwed(stories.notification(f"n{number}", f"o{number}"))
        )
    await stage.settle(2)
    assert stage.engine.outbox().owed == 3000


async def owing_a_callback(stage):
    stage.receiver.answer = lambda request: 500
    await stage.bought()


async def reconnecting(stage):
    await stage.place()
    await stage.settle()
    stage.paper.refuse_dials()
    stage.paper.drop_connections()
    await stage.settle()


@pytest.mark.parametrize(
    "phase",
    [
        logging_in,
        idle,
        waiting_for_a_zone,
        submitting,
        asking_for_a_lost_order,
        closing_in_vain,
        owing_a_callback,
        owing_thousands_of_callbacks,
        reconnecting,
    ],
)
async def test_it_stops_within_5_seconds_in_every_phase(autojump_clock, phase):
    assert await stopping_takes(phase) < 5


class NoRandomness(random.Random):
    """A source of randomness that the machine has not got."""

    def getrandbits(self, k: int) -> int:
        raise OSError("no entropy")


async def test_a_core_that_cannot_be_built_ends_the_start_at_once_and_says_why(autojump_clock):
    async with open_theatre() as theatre:
        theatre.world = evolve(theatre.world, random=NoRandomness())
        began = trio.current_time()
        with pytest.RaisesGroup(
            pytest.RaisesExc(OSError, match="no entropy"), flatten_subgroups=True
        ):
            async with theatre.engine():
                raise AssertionError("it started")
        assert trio.current_time() - began < 5


async def test_it_stops_while_a_dial_hangs(autojump_clock):
    async def hang(host, port, tls):
        await trio.sleep_forever()

    async with open_stage() as stage:
        object.__setattr__(stage.engine._world, "dial", hang)
        stage.paper.drop_connections()
        await stage.place()
        await stage.settle(20)
        began = trio.current_time()
    assert trio.current_time() - began < 5


async def test_a_close_in_flight_gets_its_time_when_the_engine_stops(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.delay(SUBMIT, 1)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closing")
        paper = stage.paper
    assert all(position.size == 0 for position in paper.books.positions.values())
    assert stage.guarded() == "closed"


async def test_a_close_in_flight_gets_its_time_even_when_the_engine_is_cancelled(autojump_clock):
    async with trio.open_nursery() as nursery:
        stage = await nursery.start(on_stage)
        await stage.bought(exchange_protection=False)
        stage.network.slow_s = 0.5
        await stage.engine.close_position("a")
        await stage.settle(0.1)
        before = stage.network.arrived.count(SUBMIT)
        nursery.cancel_scope.cancel()
    assert stage.network.arrived.count(SUBMIT) > before


async def on_stage(task_status):
    """An engine in a task of its own, to be cancelled."""
    async with open_stage() as stage:
        task_status.started(stage)
        await trio.sleep_forever()


async def test_what_is_not_guarded_while_the_engine_is_down_is_named(autojump_clock):
    async with open_stage() as stage:
        await stage.bought("kept")
        await stage.bought("bare", exchange_protection=False)
        assert [each.id for each in stage.engine.unprotected()] == ["bare"]


async def test_a_monitor_that_crashes_takes_the_engine_down_loudly(autojump_clock):
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with open_stage() as stage:
            stage.engine._core.on_tick = lambda tick: 1 / 0
            await stage.place()
            await stage.until(stage.prices_come)
            stage.move(65000)
            await stage.settle(5)


def failing(times, then):
    """Raises so many times; then it is what it was."""
    left = [times]

    def call(*args, **more):
        left[0] -= 1
        if left[0] >= 0:
            raise ZeroDivisionError("a bug")
        return then(*args, **more)

    return call


async def test_a_tick_that_cannot_be_dealt_with_does_not_end_the_engine_and_the_next_fires_the_stop(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        guard = stage.engine._core.protections
        guard.on_tick = failing(1, guard.on_tick)
        stage.move(64900)
        await stage.settle(1)
        counts = stage.engine.dropped()
        assert counts["event_crashed"] == 1
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_a_touch_that_cannot_be_dealt_with_leaves_the_stop_watched_and_fires_the_others(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought("a", exchange_protection=False)
        await stage.bought("b", exchange_protection=False)
        guard = stage.engine._core.protections
        guard.fire = failing(1, guard.fire)
        stage.paper.freeze("futures/klineBin1m:BTCUSDT", until="forever")
        stage.move(64400)
        await stage.until(lambda: "closed" in (stage.guarded("a"), stage.guarded("b")), within=3)
        stage.move(64390)
        await stage.until(lambda: stage.guarded("a") == stage.guarded("b") == "closed", within=3)


async def test_an_order_that_cannot_be_sent_waits_for_the_next_price(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        entries = stage.engine._core.entries
        entries._send = failing(1, entries._send)
        stage.paper.freeze("futures/klineBin1m:BTCUSDT", until="forever")
        stage.move(65000)
        await stage.settle(1)
        assert stage.engine.dropped()["event_crashed"] == 1
        assert stage.state() == "waiting"
        stage.move(65001)
        await stage.until(lambda: stage.state() == "open", within=3)


async def test_an_event_that_cannot_be_dealt_with_has_the_exchange_read_soon(autojump_clock):
    async with open_stage() as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        await stage.settle(5)
        guard = stage.engine._core.protections
        guard.covered = failing(1, guard.covered)
        stage.move(65000)
        await stage.until(lambda: stage.guarded() == "armed", within=20)
        assert stage.engine.dropped()["event_crashed"] == 1
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_housekeeping_that_crashes_is_told_begins_again_and_takes_no_stop_with_it(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        exchange = stage.engine._core.exchange
        balance = exchange.balance
        for name in ("balance", "server_time_ms"):
            setattr(exchange, name, failing(3, getattr(exchange, name)))
        with capture_logs() as lines:
            await stage.settle(120)
        assert stage.engine.dropped()["task_crashed"] == 6
        crashed = [line["task"] for line in lines if line["event"] == "task_crashed"]
        assert sorted(crashed) == ["balance"] * 3 + ["keep_warm"] * 3
        exchange.balance = balance
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=3)


async def test_a_lifecycle_in_flight_that_crashes_takes_the_engine_down_loudly_too(autojump_clock):
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True), trio.fail_after(60):
        async with open_stage() as stage:
            await stage.bought()
            stage.engine._core.exchange.submit_order = lambda order, **how: 1 / 0
            await stage.engine.close_position("a")
            await stage.settle(50)


async def test_two_hundred_orders_and_fifty_stops_at_once_lose_nothing(autojump_clock):
    async with open_stage({"balance": Decimal(10_000_000)}) as stage:
        for number in range(50):
            await stage.place(f"held-{number}", size=1, stop_loss=64600, exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: all(stage.state(f"held-{n}") == "open" for n in range(50)))
        stage.move(65000)
        await stage.until(
            lambda: all(stage.guarded(f"held-{number}") == "armed" for number in range(50))
        )
        for number in range(200):
            await stage.place(
                f"new-{number}", size=1, entry_zone_min=64500, entry_zone_max=64600, stop_loss=64000
            )
        stage.move(64600)
        await stage.until(
            lambda: all(stage.guarded(f"held-{number}") == "closed" for number in range(50))
        )
        await stage.until(
            lambda: all(stage.state(f"new-{n}") in ("open", "filled") for n in range(200))
        )
        assert len(stage.paper.books.orders) == 50 + 200 + 50


async def test_an_embedding_program_waits_for_an_order_to_end(autojump_clock):
    async with open_stage() as stage:
        with pytest.raises(NotFound):
            await stage.engine.wait_order_ended("nobody")
        await stage.place(entry_zone_max=64995, timeout_seconds=Decimal(20))
        assert (await stage.engine.wait_order_ended("a")).state.value == "expired"
        assert (await stage.engine.wait_order_ended("a")).state.value == "expired"
