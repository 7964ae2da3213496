"""A close that is said to have ended unfilled: no second one goes out before that is certain."""

from __future__ import annotations

import pytest

from tests.support.stage import open_stage

ORDER = "/contract/private/order"
ORDERS = "futures/order"
UNSAID = ["without:deal_size", "set:deal_size=null", 'set:deal_size=""', 'set:deal_size="0"']


async def shared(stage):
    """A protected position of ten, and ten of somebody else's on the same side."""
    await stage.bought(take_profit=None, exchange_protection=False)
    await stage.open_by_hand(size=10)
    await stage.until(lambda: stage.held() == 20)
    await stage.settle(5)


@pytest.mark.parametrize("how", UNSAID)
async def test_a_pushed_end_of_a_close_without_its_fill_sends_no_second_close(autojump_clock, how):
    async with open_stage() as stage:
        await shared(stage)
        stage.paper.alter_push(ORDERS, how, times=100)
        stage.move(64000)
        await stage.until(lambda: stage.guarded() == "closed", within=3)
        await stage.settle(10)
        assert stage.held() == 10, "what is somebody else's stays"
        assert "close_failed" not in stage.receiver.names()


@pytest.mark.parametrize("how", UNSAID)
async def test_a_close_is_not_sent_again_though_reads_say_nothing_of_its_fill(autojump_clock, how):
    async with open_stage() as stage:
        await shared(stage)
        stage.paper.alter_push(ORDERS, how, times=100)
        stage.paper.alter_answer(ORDER, how, times=100)
        stage.move(64000)
        await stage.until(lambda: stage.guarded() == "closed", within=10)
        await stage.settle(10)
        assert stage.held() == 10


async def test_no_second_close_goes_out_while_the_end_of_one_cannot_be_read(autojump_clock):
    async with open_stage() as stage:
        await shared(stage)
        before = len(stage.submits(3))
        stage.paper.alter_push(ORDERS, 'set:deal_size="0"', times=100)
        stage.paper.fail(ORDER, times=1000, status=500)
        stage.move(64000)
        await stage.settle(60)
        assert len(stage.submits(3)) == before + 1
        stage.paper.clear_faults()
        await stage.until(lambda: stage.guarded() == "closed", within=15)
        await stage.settle(5)
        assert stage.held() == 10


PLANS = "/contract/private/current-plan-order"


@pytest.mark.parametrize("times", [1, 2])
async def test_an_empty_list_of_plans_does_not_make_a_stop_that_was_kept_forgotten(
    autojump_clock, times
):
    async with open_stage() as stage:
        await stage.bought()
        await stage.settle(70)
        kept = stage.protection().exchange_plans
        assert len(kept) == 2
        stage.paper.alter_answer(PLANS, "empty", times)
        await stage.settle(70)
        assert stage.protection().exchange_stop_loss is not None
        assert stage.protection().exchange_plans == kept


async def test_an_empty_list_of_plans_leaves_no_stop_behind_a_close(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(take_profit=None)
        await stage.open_by_hand(size=10)
        await stage.until(lambda: stage.held() == 20)
        assert not stage.protection().exchange_plans
        stage.paper.alter_answer(PLANS, "empty", 3)
        stage.move(65100)
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle(5)
        stage.move(60000)
        await stage.settle(5)
        assert stage.held() == 10


async def test_an_empty_list_of_plans_leaves_no_stop_where_others_joined_during_the_close(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(take_profit=None)
        await stage.until(lambda: stage.held() == 10)
        stage.paper.delay("/contract/private/submit-order", 1)
        await stage.engine.close_position("a")
        await stage.settle(0.2)
        await stage.open_by_hand(size=10)
        stage.paper.alter_answer(PLANS, "empty", 2)
        await stage.until(lambda: stage.guarded() == "closed")
        stage.move(60000)
        await stage.settle(5)
        assert stage.held() == 10


@pytest.mark.parametrize("how", UNSAID)
async def test_an_end_without_its_fill_of_an_order_of_the_exchanges_own_stop_sends_no_second_close(
    autojump_clock, how
):
    async with open_stage() as stage:
        await stage.bought(take_profit=None)
        await stage.open_by_hand(size=10)
        await stage.settle(70)
        stage.paper.alter_push(ORDERS, how, times=100)
        stage.move(64000)
        await stage.until(lambda: stage.guarded() == "closed", within=5)
        await stage.settle(10)
        assert stage.held() == 10


@pytest.mark.parametrize("how", UNSAID)
async def test_that_holds_where_its_stop_is_not_known_by_its_id(autojump_clock, how):
    async with open_stage() as stage:
        await stage.bought(take_profit=None)
        await stage.open_by_hand(size=10)
        await stage.until(lambda: stage.held() == 20)
        stage.paper.alter_push(ORDERS, how, times=100)
        stage.move(64000)
        await stage.until(lambda: stage.guarded() == "closed", within=20)
        await stage.settle(10)
        assert stage.held() == 10


@pytest.mark.parametrize("kept", [False, True], ids=["our close", "the exchange's stop"])
async def test_a_close_ends_though_finished_orders_are_not_readable_and_their_ends_are_not_pushed(
    autojump_clock, kept
):
    async with open_stage({"finished_readable_s": 0.001, "liquidity": 4}) as stage:
        await stage.place(take_profit=None, exchange_protection=kept)
        await stage.until(stage.prices_come)
        for _ in range(5):
            stage.move(65000)
            await stage.settle(1)
        await stage.until(lambda: stage.protection().remaining == 10)
        await stage.settle(70)
        stage.move(64400)  # four of ten are closed, and pushed
        await stage.settle(0.2)
        assert stage.guarded() == "closing"
        stage.paper.freeze(ORDERS, "forever")
        for _ in range(5):
            stage.move(64400)
            await stage.settle(1)
        await stage.until(lambda: stage.guarded() == "closed", within=30)
        assert sum(each["size"] for each in stage.submits(3)) <= 10
