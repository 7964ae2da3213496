"""The exchange's own stop beside a close at the same price: which waits for the other, and that they close once."""

from __future__ import annotations

import pytest

from bitmart_engine.paper import Direction
from tests.support.stage import SUBMIT, Stage, ask_by_hand, open_stage

CLOSE_SIDES = (2, 3)
CANCEL_PLAN = "/contract/private/cancel-plan-order"
POSITIONS = "/contract/private/position-v2"
AT_ONCE_S = 0.1
GIVEN_TO_THE_STOP_S = 0.3


async def held_and_known(stage: Stage) -> None:
    """Ten contracts with a stop at 64500, which the engine and the exchange both keep, and a comparison since."""
    await stage.bought()
    await stage.settle(70)
    assert stage.protection().exchange_stop_loss == 64500


async def make_the_exchange_slow(stage: Stage) -> None:
    """The exchange will not act on its stop: it was taken away, which the engine has not seen yet."""
    [stop] = [each for each in stage.paper.books.plans.waiting() if each.kind == "stop_loss"]
    body = {"symbol": "BTCUSDT", "order_id": str(stop.plan_id)}
    assert (await ask_by_hand(stage.paper, CANCEL_PLAN, body))["code"] == 1000


async def test_a_close_goes_out_at_once_where_all_that_is_held_is_the_orders(autojump_clock):
    async with open_stage() as stage:
        await held_and_known(stage)
        await make_the_exchange_slow(stage)
        stage.move(64400)
        await stage.settle(AT_ONCE_S)
        assert [each["size"] for each in stage.submits(*CLOSE_SIDES)] == [10]
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "stop_loss"


async def test_it_is_read_whether_all_is_the_orders_where_that_was_said_long_ago(autojump_clock):
    async with open_stage() as stage:
        await held_and_known(stage)
        await stage.settle(30)
        await make_the_exchange_slow(stage)
        before = len(stage.paper.requests)
        stage.move(64400)
        await stage.settle(AT_ONCE_S)
        asked = [each.path for each in list(stage.paper.requests)[before:]]
        assert asked[:2] == [POSITIONS, SUBMIT]
        await stage.until(lambda: stage.guarded() == "closed")


async def test_positions_that_cannot_be_read_hold_a_close_up_for_no_longer_than_the_stop_there(
    autojump_clock,
):
    async with open_stage() as stage:
        await held_and_known(stage)
        await stage.settle(30)
        await make_the_exchange_slow(stage)
        stage.paper.delay(POSITIONS, 4)
        stage.move(64400)
        await stage.settle(2 * GIVEN_TO_THE_STOP_S + AT_ONCE_S)
        assert [each["size"] for each in stage.submits(*CLOSE_SIDES)] == [10]


async def others_hold(stage: Stage) -> None:
    await stage.open_by_hand(size=5)
    await stage.until(lambda: stage.held() == 15)


async def others_may_open(stage: Stage) -> None:
    rests = {"symbol": "BTCUSDT", "side": 1, "size": 5, "type": "limit", "price": "60000"}
    answer = await ask_by_hand(stage.paper, SUBMIT, rests)
    assert answer["code"] == 1000
    await stage.settle(70)


async def nothing_is_pushed(stage: Stage) -> None:
    stage.paper.refuse_logins()
    stage.paper.drop_connections("private")
    await stage.settle(5)


@pytest.mark.parametrize("what", [others_hold, others_may_open, nothing_is_pushed])
async def test_the_exchanges_stop_gets_its_time_where_a_close_could_take_what_is_not_the_orders(
    autojump_clock, what
):
    async with open_stage() as stage:
        await held_and_known(stage)
        await what(stage)
        await make_the_exchange_slow(stage)
        stage.move(64400)
        await stage.settle(GIVEN_TO_THE_STOP_S - 0.01)
        assert stage.submits(*CLOSE_SIDES) == []
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle(5)
        held = stage.paper.books.positions.get(("BTCUSDT", Direction.LONG))
        assert (held.size if held else 0) == (5 if what is others_hold else 0)


@pytest.mark.parametrize("late_ms", [20, 200, 290])
async def test_a_close_that_comes_after_the_exchanges_stop_is_refused_and_nobody_is_alarmed(
    autojump_clock, late_ms
):
    async with open_stage() as stage:
        await held_and_known(stage)
        stage.paper.set_delay("order_push", late_ms)
        stage.paper.set_delay("position_push", late_ms)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=5)
        assert len(stage.submits(*CLOSE_SIDES)) == 1
        assert stage.protection().reason == "exchange_stop_loss"
        await stage.settle(5)
        assert stage.receiver.names().count("closed") == 1
        assert "close_failed" not in stage.receiver.names()
