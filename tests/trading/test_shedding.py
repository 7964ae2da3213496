"""What the user does not want any more is taken away at the exchange too: dropped, or moved further away."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bitmart_engine import MonitorPosition
from bitmart_engine.model.errors import BadRequest, Unavailable
from tests.support.stage import HOOK, SUBMIT, Stage, ask_by_hand, open_stage

CLOSE_SIDES = (2, 3)
CANCEL_PLAN = "/contract/private/cancel-plan-order"
POSITIONS = "/contract/private/position-v2"
D = Decimal


def levels_there(stage: Stage) -> list[Decimal]:
    """The prices that stops and targets wait for at the exchange."""
    return sorted(each.trigger_price for each in stage.paper.books.plans.waiting("BTCUSDT"))


@pytest.mark.parametrize("settled_s", [1, 70])
async def test_a_protection_that_is_dropped_is_dropped_at_the_exchange_too(
    autojump_clock, settled_s
):
    async with open_stage() as stage:
        await stage.bought("other", stop_loss=60000, take_profit=70000)
        await stage.bought()
        await stage.settle(settled_s)
        dropped = await stage.engine.release_protection("a")
        assert not dropped.kept_at_exchange
        assert levels_there(stage) == [60000, 70000]
        stage.move(64400)
        await stage.settle(10)
        assert stage.submits(*CLOSE_SIDES) == []


async def test_one_that_cannot_be_dropped_there_yet_says_so_and_is_dropped_later(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.paper.fail(CANCEL_PLAN, status=502, times=6)
        dropped = await stage.engine.release_protection("a")
        assert dropped.kept_at_exchange
        await stage.until(lambda: levels_there(stage) == [], within=30)
        await stage.until(lambda: not stage.protection().kept_at_exchange)


async def test_one_whose_order_fills_after_it_was_dropped_is_dropped_there_then(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        assert (await stage.engine.release_protection("a")).kept_at_exchange
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled")
        await stage.until(lambda: levels_there(stage) == [], within=10)
        assert stage.guarded() == "released"


async def test_an_order_that_has_not_left_goes_out_without_what_was_dropped_or_with_what_was_moved(
    autojump_clock,
):
    async with open_stage() as stage:
        for id in ("dropped", "moved"):
            await stage.place(id, entry_zone_max=64995)
        await stage.engine.release_protection("dropped")
        await stage.engine.change_protection("moved", stop_loss=D(60000))
        await stage.until(stage.prices_come)
        stage.move(64995)
        await stage.until(lambda: {stage.state("dropped"), stage.state("moved")} == {"open"})
        sent = [body.get("preset_stop_loss_price") for body in stage.sent(SUBMIT)]
        assert sorted(sent, key=str) == ["60000", None]


async def test_a_stop_that_is_widened_is_taken_away_at_the_exchange_and_the_target_stays(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought()
        moved = await stage.engine.change_protection("a", stop_loss=D(60000))
        assert (moved.exchange_stop_loss, moved.exchange_take_profit) == (None, D(66000))
        assert levels_there(stage) == [66000]
        stage.move(64400)
        await stage.settle(70)
        assert (stage.guarded(), stage.protection().exchange_stop_loss) == ("armed", None)
        stage.move(59900)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "stop_loss"


async def test_a_stop_that_is_tightened_stays_where_it_was_at_the_exchange(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        moved = await stage.engine.change_protection("a", stop_loss=D(64800), take_profit=D(65900))
        assert (moved.exchange_stop_loss, moved.exchange_take_profit) == (D(64500), D(66000))
        assert levels_there(stage) == [64500, 66000]


async def test_the_stop_of_a_short_that_is_widened_is_taken_away_too(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(side="short", stop_loss=65500, take_profit=64000)
        moved = await stage.engine.change_protection("a", stop_loss=D(66000))
        assert (moved.exchange_stop_loss, levels_there(stage)) == (None, [64000])


# What is refused, and what is not known


def watch(id="m", **changes):
    asked = {"symbol": "BTCUSDT", "side": "long", "stop_loss": D(64500), "callback_url": HOOK}
    return MonitorPosition(id=id, **{**asked, **changes})


@pytest.mark.parametrize("priced", [True, False])
async def test_a_target_that_is_passed_already_is_refused_for_what_is_held(autojump_clock, priced):
    async with open_stage() as stage:
        await stage.open_by_hand()
        if priced:
            await stage.bought("other", exchange_protection=False)
        with pytest.raises(BadRequest, match="above 65000") as refused:
            await stage.engine.monitor_position(watch(take_profit=D(64900)))
        assert refused.value.field == "$.take_profit"
        await stage.engine.monitor_position(watch(take_profit=D(65100)))


async def test_what_was_never_read_is_not_said_to_be_nothing(autojump_clock):
    async with open_stage() as stage:
        stage.paper.fail(POSITIONS, status=502, times=10_000)
        stage.engine._core.positions.was_read = False
        stage.engine._core.positions._latest.clear()
        with pytest.raises(Unavailable, match="could not be read, so it is not known which side"):
            await stage.engine.monitor_position(watch(side=None))
        await stage.engine.monitor_position(watch())
        with pytest.raises(Unavailable, match="not known yet whether anything is held"):
            await stage.engine.close_position("m")


async def test_a_stop_that_is_taken_away_is_its_own_though_anothers_is_alike_and_listed_first(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(take_profit=None)
        await stage.settle(70)
        (own,) = stage.protection().exchange_plans
        await stage.open_by_hand(size=10)
        stop = {"symbol": "BTCUSDT", "side": 3, "type": "stop_loss", "trigger_price": "64500"}
        way = {"executive_price": "64500", "price_type": 1, "category": "market"}
        await ask_by_hand(
            stage.paper,
            "/contract/private/submit-tp-sl-order",
            {**stop, **way, "plan_category": 1, "size": 10},
        )
        await stage.engine.change_protection("a", stop_loss=D(64000))
        await stage.until(lambda: not stage.protection().kept_at_exchange)
        left = [str(each.plan_id) for each in stage.paper.books.plans.waiting("BTCUSDT")]
        assert len(left) == 1
        assert own not in left
