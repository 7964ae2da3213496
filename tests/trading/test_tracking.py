"""Orders of which the stream says nothing are read, at the times that are written down, until they have ended."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import trio

from bitmart_engine import Settings, open_engine
from bitmart_engine.paper import ManualMarket, PaperConfig, open_paper_exchange
from bitmart_engine.settings import IN_MEMORY
from tests.support.stage import START_MS, SUBMIT, entry, open_stage, open_theatre

ORDER = "/contract/private/order"


async def opened(stage) -> float:
    """An order that the exchange took just now; when, in seconds of the exchange's clock."""
    await stage.place(exchange_protection=False)
    await stage.until(stage.prices_come)
    stage.move(65000)
    await stage.until(lambda: stage.order().exchange_order_id)
    return stage.order().history[-1].at_ms / 1000


def reads(stage, since: float) -> list[float]:
    """When the order was read, in seconds since then."""
    return [
        round(each.at_ms / 1000 - since, 2) for each in stage.paper.requests if each.path == ORDER
    ]


async def test_with_no_push_it_is_polled_ever_slower_until_it_is_filled(autojump_clock):
    async with open_stage() as stage:
        stage.paper.freeze("futures/order", until="forever")
        since = await opened(stage)
        await stage.settle(21)
        at = [moment for moment in reads(stage, since) if moment >= 1.5]
        assert at == pytest.approx([1.5, 1.75, 2.25, 3.25, 5.25, 10.25, 15.25, 20.25], abs=0.05)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled", within=6)
        assert stage.guarded() == "armed"
        filled = len(reads(stage, since))
        await stage.settle(60)
        assert len(reads(stage, since)) == filled


async def test_an_order_that_the_stream_speaks_of_is_not_polled(autojump_clock):
    async with open_stage() as stage:
        since = await opened(stage)
        await stage.settle(100)
        assert reads(stage, since) == []


async def test_a_position_that_grows_while_the_orders_channel_is_dead_has_the_order_read(
    autojump_clock,
):
    async with open_stage() as stage:
        await opened(stage)
        await stage.settle(10)
        stage.paper.freeze("futures/order", until="forever")
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled", within=1.5)
        assert stage.guarded() == "armed"
        filled = len(reads(stage, 0))
        await stage.settle(55)
        assert len(reads(stage, 0)) == filled == 1


async def test_a_position_that_grows_by_another_hand_has_our_order_read_a_few_times(
    autojump_clock,
):
    async with open_stage() as stage:
        await opened(stage)
        stage.move(65008)
        await stage.open_by_hand()
        await stage.settle(50)
        assert (stage.state(), stage.held()) == ("open", 10)
        assert len(reads(stage, 0)) == 5


async def test_a_push_before_the_answer_counts_too(autojump_clock):
    async with open_stage() as stage:
        stage.paper.delay(SUBMIT, 0.3, after=True)
        since = await opened(stage)
        await stage.settle(100)
        assert reads(stage, since) == []


async def test_a_push_that_comes_late_ends_the_polling(autojump_clock):
    async with open_stage() as stage:
        stage.paper.freeze("futures/order", until="forever")
        since = await opened(stage)
        await stage.settle(12)
        stage.paper.unfreeze()
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled", within=1)
        before = len(reads(stage, since))
        await stage.settle(60)
        assert len(reads(stage, since)) == before


async def test_an_order_that_is_pending_after_two_minutes_is_checked_at_the_exchange(
    autojump_clock,
):
    async with open_stage() as stage:
        since = await opened(stage)
        await stage.settle(118)
        assert reads(stage, since) == []
        await stage.settle(4)
        assert reads(stage, since) == pytest.approx([120], abs=0.1)
        assert stage.state() == "open"


async def test_an_order_that_the_application_cancelled_meanwhile_is_cancelled_when_the_exchange_says_so(
    autojump_clock,
):
    async with open_stage() as stage:
        await opened(stage)
        await stage.settle(5)
        stage.paper.freeze("futures/order", until="forever")
        stage.paper.books.cancel(int(stage.order().exchange_order_id), START_MS + 60_000)
        await stage.until(lambda: stage.state() == "cancelled", within=125)
        assert stage.receiver.names()[-1] == "cancelled"


@pytest.mark.parametrize("lag_ms", [0, 300, 5_000, 10**9])
async def test_whatever_the_exchanges_lag_the_order_is_told_and_its_fill_protected(
    autojump_clock, lag_ms
):
    async with open_stage({"order_visibility_delay_ms": lag_ms}) as stage:
        stage.paper.freeze("futures/order", until="forever")
        await opened(stage)
        await stage.until(lambda: stage.receiver.names() == ["placed"], within=2)
        assert stage.receiver.events()[0].get("submit_only", False) is (lag_ms >= 5_000)
        stage.move(65000)
        if lag_ms < 10**9:
            await stage.until(lambda: stage.guarded() == "armed", within=12)
        else:
            stage.paper.unfreeze()
            stage.paper.drop_connections("private")
            await stage.until(lambda: stage.guarded() == "armed", within=70)


@pytest.mark.parametrize("lag_ms", [0, 300, 5_000, 10**9])
async def test_over_sockets_too_whatever_the_exchanges_lag_the_order_is_told_and_its_fill_protected(
    lag_ms,
):
    """The same again with a real clock, on which five seconds are five seconds."""
    lagging = PaperConfig(order_visibility_delay_ms=lag_ms)
    async with open_paper_exchange(lagging, market=ManualMarket()) as paper:
        settings = Settings(
            public_ws_uri=paper.public_ws_uri,
            private_ws_uri=paper.private_ws_uri,
            rest_uri=paper.rest_uri,
            api_key=lagging.api_key,
            api_secret=lagging.api_secret,
            api_memo=lagging.api_memo,
            mode="paper",
            state_dir=IN_MEMORY,
        )
        async with open_engine(settings) as engine:
            orders, protections = engine.state.orders, engine.state.protections

            async def until(true, within=10):
                with trio.fail_after(within):
                    while not true():
                        await trio.sleep(0.01)

            await until(lambda: not engine.not_ready())
            paper.freeze("futures/order", until="forever")
            await engine.place_order(entry())
            await until(lambda: [each.state for each in engine.streams().connections] == ["up"] * 2)
            paper.set_price("BTCUSDT", Decimal(65000))
            await until(lambda: orders["a"].announced)
            [placed] = [json.loads(each.body) for each in engine.state.owed.values()]
            assert placed["event"] == "placed"
            assert placed["exchange_order_id"] == orders["a"].exchange_order_id
            assert placed.get("submit_only", False) is (lag_ms >= 5_000)
            if lag_ms == 10**9:
                await until(lambda: [each.path for each in paper.requests].count(ORDER) > 5)
                assert (orders["a"].state.value, orders["a"].submit_only) == ("open", True)
                paper.unfreeze()
            paper.set_price("BTCUSDT", Decimal(65000))
            await until(lambda: protections["a"].state.value == "armed", within=20)
            assert (orders["a"].state.value, orders["a"].submit_only) == ("filled", False)
            assert protections["a"].covered == 10


async def test_after_the_end_nothing_is_tracked(autojump_clock):
    async with open_stage() as stage:
        await opened(stage)
        await stage.engine.cancel_order("a")
        await stage.settle(130)
        tracking = stage.engine._core.tracking
        assert (len(tracking._looks), tracking._tracked, tracking._unheard) == (0, {}, set())


LIST = "/contract/private/get-open-orders"
RESTING = [f"r{number}" for number in range(12)]


async def resting(stage) -> None:
    """Several orders that the exchange took and that rest there."""
    for id in RESTING:
        await stage.place(id, exchange_protection=False)
    await stage.until(stage.prices_come)
    stage.move(65000)
    await stage.until(lambda: all(stage.state(id) == "open" for id in RESTING), within=30)


def asked_since(stage, at_ms: int, *paths: str) -> int:
    return sum(each.path in paths and each.at_ms > at_ms for each in stage.paper.requests)


async def test_after_a_restart_one_list_tells_of_all_that_rest(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await resting(stage)
        theatre.paper.freeze("futures/order", until="forever")
        async with theatre.engine() as stage:
            await stage.until(lambda: not stage.engine.not_ready(), within=30)
            since = stage.paper.requests[-1].at_ms
            await stage.settle(20)
            assert asked_since(stage, since, ORDER) == 0
            assert 5 <= asked_since(stage, since, LIST) <= 12
            assert {stage.state(id) for id in RESTING} == {"open"}


async def test_an_order_that_the_list_does_not_show_is_read_by_its_id(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await resting(stage)
        theatre.paper.freeze("futures/order", until="forever")
        async with theatre.engine() as stage:
            await stage.until(lambda: not stage.engine.not_ready(), within=30)
            theatre.paper.freeze("futures/position", until="forever")
            stage.move(65000)
            await stage.until(lambda: all(stage.state(id) == "filled" for id in RESTING), within=30)
            assert {stage.guarded(id) for id in RESTING} == {"armed"}


async def test_where_the_list_cannot_be_had_each_order_is_read(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await resting(stage)
        theatre.paper.freeze("futures/order", until="forever")
        async with theatre.engine() as stage:
            await stage.until(lambda: not stage.engine.not_ready(), within=30)
            since = stage.paper.requests[-1].at_ms
            stage.paper.fail(LIST, 20, status=502)
            await stage.settle(4)
            assert asked_since(stage, since, ORDER) >= len(RESTING)
            assert stage.engine.dropped()["open_orders_read_failed"]
