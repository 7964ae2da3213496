"""The exchange's own stop acts, its position push is on time, and its order push comes seconds late."""

from __future__ import annotations

import pytest

from bitmart_engine.paper import Direction
from bitmart_engine.store import State
from bitmart_engine.store.records import ProtectionCovers
from bitmart_engine.trading.closes.attribution import whose
from bitmart_engine.trading.closes.settling import still_listed
from tests.support.stage import Stage, open_stage
from tests.trading.test_reconcile import NOW, OLD, fired, plan, with_order

CLOSE_SIDES = (2, 3)
KEY = ("BTCUSDT", Direction.LONG)
HISTORY = "/contract/private/order-history"
LATE_MS = [300, 1_000, 3_000, 6_000]


def held_there(stage: Stage) -> int:
    """Contracts of the long, as the exchange has it."""
    position = stage.paper.books.positions.get(KEY)
    return position.size if position is not None else 0


@pytest.mark.parametrize("late_ms", LATE_MS)
@pytest.mark.parametrize("settled_s", [2, 70])
async def test_a_stop_there_that_is_told_late_closes_no_contracts_of_the_owner(
    autojump_clock, late_ms, settled_s
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=10)
        await stage.bought()
        await stage.settle(settled_s)
        stage.paper.set_delay("order_push", late_ms)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle(20)
        assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (10, [])
        assert stage.protection().reason == "exchange_stop_loss"


@pytest.mark.parametrize("late_ms", [3_000, 30_000])
async def test_not_even_where_the_order_is_not_listed_for_as_long(autojump_clock, late_ms):
    async with open_stage() as stage:
        await stage.open_by_hand(size=10)
        await stage.bought()
        await stage.settle(70)
        stage.paper.set_delay("order_push", late_ms)
        stage.paper.alter_answer(HISTORY, "empty", 10_000)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=40)
        await stage.settle(40)
        assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (10, [])
        assert stage.protection().reason == "exchange_stop_loss"


async def test_a_stop_that_is_gone_from_there_without_a_trace_is_closed_here_beside_the_owner(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=10)
        await stage.bought()
        await stage.settle(70)
        for plan in stage.paper.books.plans.waiting():
            stage.paper.books.plans.cancel(plan.plan_id)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=5)
        assert (held_there(stage), stage.protection().reason) == (10, "stop_loss")


@pytest.mark.parametrize("late_ms", [3_000, 6_000, 12_000])
@pytest.mark.parametrize("without", [None, "create_time", "plan_order_id"])
@pytest.mark.parametrize("settled_s", [2, 70])
@pytest.mark.parametrize("listed", [True, False])
async def test_a_late_stop_of_one_order_is_not_booked_on_another_with_the_same_stop(
    autojump_clock, late_ms, without, settled_s, listed
):
    async with open_stage() as stage:
        await stage.place(
            "second", entry_zone_min=65200, entry_zone_max=65300, type="market", enter_anyway=True
        )
        await stage.bought("first")
        await stage.settle(settled_s)
        stage.paper.set_delay("order_push", late_ms)
        if without is not None:
            stage.paper.alter_push("futures/order", f"without:{without}", 10_000)
        if not listed:
            stage.paper.alter_answer(HISTORY, "empty", 10_000)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("first") == "closed")
        stage.move(65250)
        await stage.until(lambda: stage.guarded("second") == "armed")
        await stage.settle(30)
        assert held_there(stage) == 10
        assert (stage.guarded("first"), stage.guarded("second")) == ("closed", "armed")
        assert stage.protection("second").remaining == 10
        assert stage.protection("second").kept_at_exchange
        assert len(stage.paper.books.plans.waiting("BTCUSDT")) == 2


def test_a_stop_made_before_an_order_began_to_fill_is_not_that_orders():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    state.apply(ProtectionCovers("a", 10, OLD, there_ms=NOW))
    assert whose(fired(create_time_ms=NOW - 1), state.protections.alive()) is None
    assert whose(fired(create_time_ms=NOW), state.protections.alive()) is not None


def test_a_stop_that_acted_before_the_exchanges_clock_was_set_ahead_is_still_its_orders():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    state.apply(ProtectionCovers("a", 10, OLD, there_ms=OLD))
    set_ahead_ms = NOW - OLD + 60_000
    told = fired(create_time_ms=NOW)
    assert whose(told, state.protections.alive(), clock_ahead_ms=set_ahead_ms) is not None


def test_stops_that_are_all_listed_have_not_acted_and_one_that_is_missing_may_be_any_of_its_price():
    state = State()
    with_order(state, "a", 10, at_ms=OLD)
    with_order(state, "b", 10, at_ms=OLD + 1)
    with_order(state, "c", 10, at_ms=OLD + 2, stop_loss=60000)
    alive = state.protections.alive()
    targets = [plan("take_profit", 66000, size=30)]
    low = [plan("stop_loss", 60000)]
    assert still_listed(alive, [*targets, *low, plan("stop_loss", 64500, size=20)]) == set("abc")
    assert still_listed(alive, [*targets, *low, plan("stop_loss", 64500, size=10)]) == {"c"}
    assert still_listed(alive, [*targets, *low, plan("stop_loss", 64500, size=None)]) == set("abc")


async def test_a_fill_that_the_position_tells_first_is_nobody_elses_where_its_target_acts_at_once(
    autojump_clock,
):
    async with open_stage({"liquidity": 6}) as stage:
        await stage.place(type="limit")
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() in ("open", "partially_filled"))
        if not stage.order().filled:
            stage.move(65000)
        await stage.until(lambda: stage.order().filled == 6)
        for plan in list(stage.paper.books.plans.waiting("BTCUSDT")):
            if plan.kind == "take_profit":
                stage.paper.books.plans.cancel(plan.plan_id)  # the owner takes it away
        stage.paper.set_delay("order_push", 1_000)
        stage.move(65000)
        stage.move(66100)  # a target for what filled last has come with it
        await stage.settle(3)
        stage.paper.set_delay("order_push", 0)
        for _ in range(60):
            stage.move(66100)
            await stage.settle(1)
        assert (stage.guarded(), held_there(stage)) == ("closed", 0)
