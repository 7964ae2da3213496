"""A submit whose answer was lost is known in seconds: it was signed to die soon, and is seen to be dead."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from bitmart_engine.store.records import EntrySigned
from tests.support.stage import SUBMIT, open_stage, open_theatre
from tests.test_recovery import crashing

WITHIN_S = 9.0
"""2 s to die, half a second for clocks, 5 s in which what was taken may not show, and two pauses between questions."""
RULES = ("both sides", "behind")
WINDOWS_MS = (5_000, 30_000, 60_000)


@asynccontextmanager
async def an_order_near(paper=None, **settings):
    """A stage with an order that waits, a window that was measured, and a price beside the zone."""
    async with open_stage(paper, **{"submit_valid_s": 2, **settings}) as stage:
        await stage.until(lambda: stage.engine._exchange.request_window_s is not None)
        await stage.place()
        await stage.until(stage.prices_come)
        yield stage


async def lose(stage, *, taken=False):
    """Send the order, and lose the answer."""
    stage.paper.fail(SUBMIT, status=500, after=taken)
    stage.move(65000)
    await stage.until(lambda: stage.state() == "unknown")


def hold_up(stage, late_s, under_way):
    """The next submit arrives so late; who sent it is told at once that the connection is gone."""
    straight = stage.paper.rest_transport

    class HoldingUp(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            if request.url.path != SUBMIT:
                return await straight().handle_async_request(request)
            stage.paper.rest_transport = straight
            under_way.start_soon(arrive, request)
            raise httpx.ReadError("connection reset", request=request)

    async def arrive(request):
        await trio.sleep(late_s)
        await straight().handle_async_request(request)

    stage.paper.rest_transport = HoldingUp


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("window_ms", WINDOWS_MS)
async def test_a_lost_submit_that_was_not_taken_is_sent_again_in_seconds(
    window_ms, rule, autojump_clock
):
    exchange = {"timestamp_window_ms": window_ms, "timestamp_rule": rule}
    async with an_order_near(exchange) as stage:
        await lose(stage)
        await stage.until(lambda: stage.state() == "open", within=WITHIN_S)
        first, second = stage.submits(1)
        assert first["client_order_id"] == second["client_order_id"]
        assert len(stage.paper.books.orders) == 1
        assert "aged_timestamp_refused" not in stage.engine.dropped()


@pytest.mark.parametrize("window_ms", WINDOWS_MS)
async def test_a_lost_submit_that_was_taken_is_found_and_not_sent_again(window_ms, autojump_clock):
    async with an_order_near({"timestamp_window_ms": window_ms}) as stage:
        stage.paper.refuse_logins()
        stage.paper.drop_connections("private")
        await stage.settle(1)
        stage.paper.fail(SUBMIT, status=500, after=True)
        stage.move(65000)
        await stage.settle(90)
        assert stage.state() == "open"
        assert len(stage.submits(1)) == 1


@pytest.mark.parametrize("shows_after_s", [0.3, 4.5])
async def test_one_that_shows_late_is_found_too(shows_after_s, autojump_clock):
    exchange = {"listing_delay_ms": round(shows_after_s * 1000), "order_push_delay_ms": 60_000}
    async with an_order_near(exchange) as stage:
        await lose(stage, taken=True)
        await stage.until(lambda: stage.state() == "open", within=WITHIN_S)
        await stage.settle(90)
        assert len(stage.submits(1)) == len(stage.paper.books.orders) == 1


@pytest.mark.parametrize("late_s", [0.5, 1.5, 3, 8, 20, 40])
@pytest.mark.parametrize("window_ms", WINDOWS_MS)
@pytest.mark.parametrize("reuse_s", [None, 1.0])
async def test_a_submit_that_arrives_after_it_was_given_up_is_no_second_order(
    window_ms, late_s, reuse_s, autojump_clock
):
    exchange = {"timestamp_window_ms": window_ms, "client_order_id_reuse_s": reuse_s}
    async with an_order_near(exchange) as stage, trio.open_nursery() as under_way:
        hold_up(stage, late_s, under_way)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "unknown")
        await stage.until(lambda: stage.state() == "open", within=WITHIN_S)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled")
        await stage.settle(60)
        assert len(stage.paper.books.orders) == 1
        assert stage.held() == 10


async def test_a_window_that_has_grown_is_seen_and_the_long_time_is_waited(autojump_clock):
    async with an_order_near({"timestamp_window_ms": 5_000}) as stage:
        stage.paper.set_timestamp_window(60_000)
        await lose(stage)
        await stage.settle(50)
        assert stage.state() == "unknown", "it may be taken still"
        await stage.until(lambda: stage.state() == "open", within=20)


async def test_a_window_that_has_shrunk_costs_one_refusal_and_no_time(autojump_clock):
    async with an_order_near({"timestamp_window_ms": 60_000}) as stage:
        stage.paper.set_timestamp_window(5_000)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open", within=1)
        assert stage.engine.dropped()["aged_timestamp_refused"] == 1
        assert "timestamp_refused" not in stage.engine.dropped(), "the clock was never in doubt"
        assert len(stage.submits(1)) == 2
        assert len(stage.paper.books.orders) == 1
        await stage.until(lambda: stage.engine._exchange.request_window_s == 4.5)


async def test_what_a_submit_is_signed_with_is_on_disk_before_it_leaves(autojump_clock):
    async with an_order_near({"timestamp_window_ms": 60_000}) as stage:
        intended = []
        stage.engine._store.observe(intended.append)
        stage.paper.set_timestamp_window(5_000)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        (anew,) = [each for each in intended if isinstance(each, EntrySigned)]
        assert abs(anew.signed_ms - anew.at_ms) < 100
        assert stage.order().signed_ms == anew.signed_ms


@pytest.mark.parametrize("ahead_ms", [30_000, -30_000])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("window_ms", WINDOWS_MS)
async def test_a_skewed_clock_of_the_exchange_changes_nothing(
    window_ms, rule, ahead_ms, autojump_clock
):
    exchange = {
        "timestamp_window_ms": window_ms,
        "timestamp_rule": rule,
        "clock_skew_ms": ahead_ms,
    }
    async with an_order_near(exchange) as stage:
        await lose(stage)
        await stage.until(lambda: stage.state() == "open", within=WITHIN_S)
        assert len(stage.submits(1)) == 2


@pytest.mark.parametrize("ahead_ms", [30_000, -30_000])
async def test_a_clock_that_jumps_after_the_loss_proves_nothing_wrong(ahead_ms, autojump_clock):
    async with an_order_near({"timestamp_window_ms": 60_000}) as stage:
        await lose(stage)
        stage.paper.set_clock_skew(ahead_ms)
        await stage.until(lambda: stage.state() == "open", within=75)
        assert len(stage.paper.books.orders) == 1


@pytest.mark.parametrize("code", [30007, 30013, 30016, 40012])
async def test_a_path_that_refuses_whatever_it_is_asked_proves_no_death(code, autojump_clock):
    async with an_order_near() as stage:
        await lose(stage)
        stage.paper.refuse(SUBMIT, code, times=1000)
        await stage.settle(50)
        assert stage.state() == "unknown"


async def test_without_a_time_to_live_nothing_is_probed_and_the_long_time_is_waited(autojump_clock):
    async with open_stage(submit_valid_s=0) as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        await lose(stage)
        await stage.settle(60)
        assert stage.state() == "unknown"
        await stage.until(lambda: stage.state() == "open", within=10)
        assert [each.body for each in stage.paper.requests if each.path == SUBMIT] == stage.sent()
        assert stage.engine._exchange.request_window_s is None


@pytest.mark.parametrize("dead_s", [0, 1, 20])
async def test_after_a_restart_a_lost_submit_is_known_in_seconds_too(
    dead_s, tmp_path, autojump_clock
):
    async with open_theatre({"timestamp_window_ms": 60_000}, submit_valid_s=2) as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.until(lambda: stage.engine._exchange.request_window_s is not None)
            await stage.place()
            await stage.until(stage.prices_come)
            await lose(stage)
        await trio.sleep(dead_s)
        started_at = trio.current_time()
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.state() != "unknown", within=WITHIN_S)
            if dead_s > 3:
                assert trio.current_time() - started_at < 6
            await stage.until(stage.prices_come)
            stage.move(65000)
            await stage.until(lambda: stage.state() == "open", within=5)
            assert len(stage.paper.books.orders) == 1
