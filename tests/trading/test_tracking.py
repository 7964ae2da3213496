"""Orders of which the stream says nothing are read, at the times that are written down, until they have ended."""

from __future__ import annotations

import pytest

from tests.stage import START_MS, SUBMIT, open_stage

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


async def test_after_the_end_nothing_is_tracked(autojump_clock):
    async with open_stage() as stage:
        await opened(stage)
        await stage.engine.cancel_order("a")
        await stage.settle(130)
        tracking = stage.engine._room.tracking
        assert (tracking._looks, tracking._tracked, tracking._unheard) == ([], {}, set())
