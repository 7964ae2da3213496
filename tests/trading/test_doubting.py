"""Answers that list nothing while contracts are held: no protection ends by one, and one that has ended comes back."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio

from bitmart_engine import MonitorPosition
from bitmart_engine.paper import Direction
from tests.support.stage import HOOK, SUBMIT, Stage, open_stage, open_theatre

POSITIONS = "/contract/private/position-v2"
DETAILS = "/contract/public/details"
CLOSE_SIDES = (2, 3)
KEY = ("BTCUSDT", Direction.LONG)
NO_POSITION = '{"code": 40021, "message": "The position is not exist", "trace": "t"}'


def held_there(stage: Stage) -> int:
    """Contracts of the long, as the exchange has it."""
    position = stage.paper.books.positions.get(KEY)
    return position.size if position is not None else 0


async def still_fires(stage: Stage, id: str = "a") -> None:
    """The protection is armed, and its stop closes."""
    assert stage.guarded(id) == "armed"
    stage.move(64400)
    await stage.until(lambda: stage.guarded(id) == "closed", within=10)
    assert held_there(stage) == 0


# Nothing ends by it


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("times", [1, 2, 5])
async def test_an_empty_comparison_ends_no_protection(autojump_clock, times, kept):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=kept)
        await stage.settle(30)
        stage.paper.alter_answer(POSITIONS, "empty", times)
        assert await stage.engine._core.comparing.refresh()
        await stage.settle(40)
        assert "closed" not in stage.receiver.names()
        await still_fires(stage)


@pytest.mark.parametrize("times", [1, 4])
async def test_an_empty_answer_after_a_private_reconnect_ends_no_protection(autojump_clock, times):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(30)
        stage.paper.alter_answer(POSITIONS, "empty", times)
        stage.paper.drop_connections("private")
        await stage.settle(60)
        await still_fires(stage)


async def test_an_empty_answer_after_a_start_ends_no_protection(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought(exchange_protection=False)
            await stage.settle(30)
        theatre.paper.alter_answer(POSITIONS, "empty", 2)
        async with theatre.engine() as stage:
            await stage.settle(60)
            await still_fires(stage)


async def test_a_wrong_push_of_nothing_and_an_empty_answer_end_no_protection(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(30)
        stage.paper.alter_answer(POSITIONS, "empty", 4)
        stage.paper.alter_push("futures/position", 'set:hold_volume="0"', 1)
        await stage.settle(40)
        await still_fires(stage)


@pytest.mark.parametrize("times", [1, 2, 6])
@pytest.mark.parametrize("kept", [True, False])
async def test_a_stop_that_fires_while_positions_are_answered_empty_closes(
    autojump_clock, times, kept
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=kept)
        await stage.settle(30)
        stage.paper.alter_answer(POSITIONS, "empty", times)
        await stage.engine._core.comparing.refresh()
        for plan in stage.paper.books.plans.waiting():
            stage.paper.books.plans.cancel(plan.plan_id)
        stage.move(64400)
        await stage.until(lambda: held_there(stage) == 0, within=3)
        await stage.until(lambda: stage.guarded() == "closed", within=10)
        assert stage.protection().reason == "stop_loss"


async def test_a_close_refused_once_as_if_nothing_were_held_is_sent_again(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(30)
        stage.paper.fail(SUBMIT, status=400, body=NO_POSITION)
        stage.paper.alter_answer(POSITIONS, "empty", 3)
        stage.move(64400)
        await stage.until(lambda: held_there(stage) == 0, within=5)
        await stage.until(lambda: stage.guarded() == "closed", within=10)


async def test_a_monitored_position_is_closed_to_the_end_though_it_is_answered_empty_once(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=4)
        await stage.engine.monitor_position(
            MonitorPosition(id="m", symbol="BTCUSDT", stop_loss=Decimal(64500), callback_url=HOOK)
        )
        await stage.until(stage.prices_come)
        stage.paper.freeze("futures/position", until="forever")
        await stage.open_by_hand(size=2)
        stage.paper.alter_answer(POSITIONS, "empty", 2)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("m") == "closed", within=20)
        assert held_there(stage) == 0


# What is gone ends, and soon


async def test_a_position_closed_by_hand_while_the_private_stream_is_down_ends_with_its_price(
    autojump_clock,
):
    async with open_stage(reconnect_delay_s=30) as stage:
        await stage.bought()
        await stage.settle(30)
        stage.paper.refuse_logins()
        stage.paper.drop_connections("private")
        await stage.settle(1)
        stage.paper.close_position_by_hand("BTCUSDT", "long")
        await stage.until(lambda: stage.guarded() == "closed", within=70)
        assert stage.protection().close_price == Decimal(65000)
        assert not stage.protection().unexplained


# What ended wrongly comes back


async def ended_wrongly(stage: Stage) -> None:
    """The exchange lists nothing for a minute, over REST and in pushes, though all is held."""
    await stage.settle(30)
    stage.paper.alter_answer(POSITIONS, "empty", 10_000)
    stage.paper.freeze("futures/position", until="forever")
    await stage.engine._core.comparing.refresh()
    await stage.until(lambda: stage.guarded() == "closed", within=120)
    stage.paper.clear_faults()


async def test_a_protection_that_ended_wrongly_comes_back_by_a_push_and_says_so(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await ended_wrongly(stage)
        await stage.until(lambda: stage.guarded() == "armed", within=15)
        await stage.until(lambda: stage.receiver.names()[-1] == "rearmed")
        told = stage.receiver.events()[-1]
        assert (told["position_id"], told["size"], told["reason"]) == ("a", 10, "still_held")
        assert stage.engine.counters.counts()["protection_rearmed"]
        await still_fires(stage)
        await stage.until(lambda: stage.receiver.names()[-1] == "closed")


async def test_it_comes_back_by_a_comparison_too_and_fires_at_once_where_its_stop_is_passed(
    autojump_clock,
):
    async with open_stage(reconnect_delay_s=300) as stage:
        await stage.bought(exchange_protection=False)
        await ended_wrongly(stage)
        stage.paper.freeze("futures/position", until="forever")
        stage.move(64400)
        await stage.until(lambda: held_there(stage) == 0, within=90)
        await stage.until(lambda: stage.guarded() == "closed")


async def test_two_that_ended_wrongly_come_back_each_with_its_own_contracts(autojump_clock):
    async with open_stage() as stage:
        await stage.bought("a", exchange_protection=False)
        await stage.bought("b", size=5, stop_loss=60000, exchange_protection=False)
        await ended_wrongly(stage)
        await stage.until(lambda: (stage.guarded("a"), stage.guarded("b")) == ("armed", "armed"))
        assert [stage.protection(id).remaining for id in "ab"] == [10, 5]


async def test_it_comes_back_after_a_restart(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought(exchange_protection=False)
            await ended_wrongly(stage)
        async with theatre.engine() as stage:
            await stage.until(lambda: stage.guarded() == "armed", within=15)


@pytest.mark.parametrize("size", [10, 4])
async def test_a_position_opened_afterwards_by_hand_is_left_alone(autojump_clock, size):
    async with open_stage(reconnect_delay_s=30) as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(30)
        stage.paper.freeze("futures/order", until="forever")
        stage.paper.freeze("futures/position", until="forever")
        history = "/contract/private/order-history"
        stage.paper.alter_answer(history, "empty", 10_000)
        stage.paper.close_position_by_hand("BTCUSDT", "long")
        await stage.until(lambda: stage.guarded() == "closed", within=200)
        assert stage.protection().unexplained
        stage.paper.clear_faults()
        await stage.open_by_hand(size=size)
        await stage.settle(60)
        assert stage.guarded() == "closed"
        stage.move(64400)
        await stage.settle(10)
        assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (size, [])
        assert stage.engine.counters.counts()["held_after_end"] == 1


async def test_what_the_user_dropped_does_not_come_back(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.engine.release_protection("a")
        await stage.settle(70)
        assert stage.guarded() == "released"


# Limits


@pytest.mark.parametrize("limit", ['"0"', '"0.5"', "null", '""'])
async def test_a_limit_that_is_none_does_not_keep_a_stop_from_closing(autojump_clock, limit):
    async with open_stage() as stage:
        stage.paper.alter_answer(DETAILS, f"set:market_max_volume={limit}", 1000)
        await stage.bought(exchange_protection=False)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=10)
        assert (held_there(stage), stage.protection().reason) == (0, "stop_loss")


async def test_a_limit_that_was_lowered_is_learnt_by_the_refusal_and_the_close_goes_out_in_parts(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.change_instrument("BTCUSDT", market_max_size=4)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=10)
        assert held_there(stage) == 0
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [10, 4, 4, 2]


async def test_a_limit_that_is_not_told_is_found_by_ever_smaller_closes(autojump_clock):
    async with open_stage() as stage:
        stage.paper.alter_answer(DETAILS, 'set:market_max_volume="500"', 1000)
        await stage.bought(exchange_protection=False)
        stage.paper.change_instrument("BTCUSDT", market_max_size=3)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=20)
        assert held_there(stage) == 0


async def test_an_entry_that_was_amended_by_hand_is_covered_for_all_that_filled(autojump_clock):
    async with open_stage({"liquidity": 10}) as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65005)
        await stage.until(lambda: stage.state() == "open")
        stage.paper.amend_by_hand(stage.order().client_order_id, size=25)
        for filled in (10, 20, 25):
            stage.move(65000)
            await stage.until(lambda filled=filled: stage.protection().covered == filled)
        await stage.until(lambda: stage.state() == "filled")
        stage.paper.books.last["BTCUSDT"] = Decimal(64400)
        for _ in range(4):
            stage.move(64400)
            await stage.settle(1)
        assert (stage.guarded(), held_there(stage)) == ("closed", 0)


async def test_an_amended_entry_that_is_cancelled_beyond_what_was_asked_for_is_told_to_be_cancelled(
    autojump_clock,
):
    async with open_stage({"liquidity": 10}) as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65005)
        await stage.until(lambda: stage.state() == "open")
        stage.paper.amend_by_hand(stage.order().client_order_id, size=25)
        stage.move(65000)
        await stage.until(lambda: stage.protection().covered == 10)
        assert stage.state() == "partially_filled"
        stage.paper.cancel_by_hand(stage.order().client_order_id)
        await stage.until(lambda: stage.state() == "cancelled")
        assert (stage.guarded(), stage.protection().covered) == ("armed", 10)
        await stage.until(lambda: "cancelled" in stage.receiver.names())


async def test_a_close_that_waits_for_a_turn_is_told_once(autojump_clock, monkeypatch):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        line = stage.engine._core.exchange._calls.turns._lines[SUBMIT]
        opens_at = trio.current_time() + 20
        monkeypatch.setattr(line.budget, "_closed_until", lambda urgency: opens_at)
        stage.move(64400)
        await stage.until(lambda: "close_failed" in stage.receiver.names(), within=4)
        assert "waits for its turn" in stage.receiver.events()[-1]["error"]
        await stage.until(lambda: stage.guarded() == "closed", within=30)
        assert stage.receiver.names().count("close_failed") == 1
