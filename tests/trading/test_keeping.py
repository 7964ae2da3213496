"""Whether the exchange keeps the stop that went out with an order, on the whole engine."""

from __future__ import annotations

import hmac
import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
import trio

from bitmart_engine.control.views import protection_view
from bitmart_engine.trading.account.snapshot import PLANS_WITHIN_S
from tests.support.stage import Stage, open_stage, open_theatre

PLANS = "/contract/private/current-plan-order"
PLACE = "/contract/private/submit-tp-sl-order"
CANCEL_PLAN = "/contract/private/cancel-plan-order"
SUBMIT = "/contract/private/submit-order"
NOT_KEPT = "exchange_stop_missing"
UNREAD = "exchange_stops_read_failed"
PART = {"symbol": "BTCUSDT", "side": 3, "price_type": 1, "executive_price": "0", "plan_category": 1}


async def by_hand(stage: Any, path: str, **body: Any) -> None:
    """What another program, or the owner in the app, asks of the exchange."""
    text = json.dumps({"symbol": "BTCUSDT", **body})
    timestamp = str(stage.paper.now_ms())
    headers = {
        "X-BM-KEY": "paper-key",
        "X-BM-TIMESTAMP": timestamp,
        "X-BM-SIGN": hmac.new(
            b"paper-secret", f"{timestamp}#paper#{text}".encode(), "sha256"
        ).hexdigest(),
    }
    async with httpx.AsyncClient(transport=stage.paper.rest_transport()) as client:
        answer = await client.post(f"http://paper{path}", content=text, headers=headers)
    assert answer.json()["code"] == 1000, answer.text


def kept(stage: Stage) -> tuple[str | None, str | None]:
    """The stop and the target that the view says the exchange keeps."""
    view = protection_view(stage.protection())
    return view.exchange_stop_loss, view.exchange_take_profit


def unprotected(stage: Stage) -> list[str]:
    return [each.id for each in stage.engine.unprotected()]


def tallied(stage: Stage) -> Any:
    return stage.engine.counters.counts()


async def test_a_stop_that_is_listed_stays_kept(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await stage.settle(70)
        before = stage.engine.state.protections["a"]
        assert len(before.exchange_plans) == 2, "both legs are known by their ids"
        await stage.settle(130)
        assert [each.path for each in stage.paper.requests].count(PLANS) >= 2
        assert (kept(stage), unprotected(stage)) == (("64500", "66000"), [])
        assert stage.engine.state.protections["a"] is before, "nothing was recorded"


async def test_a_stop_cancelled_elsewhere_is_known_to_be_gone_and_the_engines_own_still_fires(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought()
        (stop,) = [each for each in stage.paper.books.plans.waiting() if each.kind == "stop_loss"]
        await by_hand(stage, CANCEL_PLAN, order_id=str(stop.plan_id))
        await stage.until(lambda: unprotected(stage) == ["a"], within=70)
        assert kept(stage) == (None, "66000")
        assert tallied(stage)[NOT_KEPT] == 1
        await stage.settle(130)
        assert tallied(stage)[NOT_KEPT] == 1, "said once"
        assert stage.protection().stop_loss == Decimal(64500)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "stop_loss"


async def test_a_stop_put_back_by_hand_is_kept_again(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await by_hand(stage, CANCEL_PLAN)
        await stage.until(lambda: kept(stage) == (None, None), within=70)
        stop = {"trigger_price": "64500", "type": "stop_loss", "plan_category": 2}
        await by_hand(stage, PLACE, **{**PART, **stop})
        await stage.until(lambda: kept(stage) == ("64500", None), within=70)
        assert unprotected(stage) == []


async def test_a_stop_of_another_program_at_the_same_price_is_not_taken_for_one_that_was_taken_away(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought()
        await stage.settle(60)
        theirs = {"side": 1, "type": "market", "size": 10, "client_order_id": "other"}
        levels = {"preset_stop_loss_price": "64500", "preset_stop_loss_price_type": 1}
        await by_hand(stage, SUBMIT, **theirs, **levels)
        plans = stage.paper.books.plans
        ours = next(each for each in plans.waiting("BTCUSDT") if each.kind == "stop_loss")
        plans.cancel(ours.plan_id)
        await stage.until(lambda: kept(stage)[0] is None, within=70)
        stage.paper.books.last["BTCUSDT"] = Decimal(64400)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=20)
        await stage.settle(5)
        assert not any(each.size for each in stage.paper.books.positions.values())


async def test_a_stop_given_by_hand_to_an_order_that_had_none_there_is_seen(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        assert unprotected(stage) == ["a"]
        await by_hand(stage, PLACE, **PART, trigger_price="64500", type="stop_loss", size=10)
        await stage.until(lambda: unprotected(stage) == [], within=70)
        assert kept(stage) == ("64500", None)


@pytest.mark.parametrize("fault", ["refused", "lost", "slow"])
async def test_a_list_that_cannot_be_read_says_nothing_and_delays_no_entry(fault, autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await by_hand(stage, CANCEL_PLAN)
        if fault == "refused":
            body = '{"code":40011,"message":"no","data":null}'
            stage.paper.fail(PLANS, times=1000, status=400, body=body)
        elif fault == "lost":
            stage.paper.fail(PLANS, times=1000, status=502)
        else:
            stage.paper.delay(PLANS, 600, times=1000)
        since = trio.current_time()
        assert await stage.engine._core.comparing.refresh()
        assert trio.current_time() - since < PLANS_WITHIN_S + 0.1
        stage.paper.drop_connections("private")
        await stage.place("b")
        await stage.until(lambda: stage.state("b") == "open")
        await stage.until(lambda: tallied(stage).get(UNREAD), within=70)
        assert (kept(stage), unprotected(stage)) == (("64500", "66000"), [])
        stage.paper.clear_faults()
        await stage.until(lambda: "a" in unprotected(stage), within=70)


async def test_nothing_is_asked_while_nothing_is_held(autojump_clock):
    async with open_stage() as stage:
        await stage.place(entry_zone_max=64995)
        await stage.settle(130)
        assert PLANS not in [each.path for each in stage.paper.requests]


async def test_a_list_that_is_full_is_asked_for_by_symbol(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await by_hand(stage, CANCEL_PLAN)
        await by_hand(stage, SUBMIT, symbol="ETHUSDT", side=1, type="market", size=100)
        price = stage.paper.last_price("ETHUSDT")
        for number in range(100):
            target = {"symbol": "ETHUSDT", "type": "take_profit", "size": 1}
            await by_hand(
                stage, PLACE, **{**PART, **target, "trigger_price": str(price + 10 + number)}
            )
        await stage.until(lambda: unprotected(stage) == ["a"], within=70)


async def test_what_was_lost_while_away_is_known_after_the_start_and_remembered(
    tmp_path, autojump_clock
):
    async with open_theatre(state_dir=str(tmp_path / "state")) as theatre:
        async with theatre.engine() as stage:
            await stage.bought()
            await stage.settle(10)
        await by_hand(theatre, CANCEL_PLAN)
        async with theatre.engine() as stage:
            await stage.until(lambda: unprotected(stage) == ["a"], within=5)
        theatre.network.cut = True
        async with theatre.engine() as stage:
            assert (unprotected(stage), kept(stage)) == (["a"], (None, None))


async def test_of_identical_stops_the_one_made_with_the_fill_is_ours(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(take_profit=None)
        (ours,) = stage.paper.books.plans.waiting("BTCUSDT")
        await stage.settle(3)
        program = {"side": 1, "type": "market", "size": 10, "preset_stop_loss_price": "64500"}
        await by_hand(stage, SUBMIT, **program)
        assert len(stage.paper.books.plans.waiting("BTCUSDT")) == 2
        await stage.settle(70)
        assert stage.protection().exchange_plans == (str(ours.plan_id),)
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.held() == 10
        (left,) = stage.paper.books.plans.waiting("BTCUSDT")
        assert left.plan_id != ours.plan_id, "the other program keeps its stop"


async def test_what_another_programs_stop_closed_is_not_held_to_be_closed_by_a_leg_that_is_gone(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(take_profit=66000)
        program = {"side": 1, "type": "market", "size": 10, "preset_stop_loss_price": "64500"}
        await stage.settle(70)
        await stage.engine.change_protection("a", stop_loss=Decimal(64000))
        await stage.until(lambda: kept(stage) == (None, "66000"))
        await by_hand(stage, SUBMIT, **program)
        await stage.settle(20)
        plans = stage.paper.books.plans
        target = next(each for each in plans.waiting("BTCUSDT") if each.kind == "take_profit")
        plans.cancel(target.plan_id)  # the owner takes it away
        stage.move(63900)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle(5)
        assert stage.held() == 0


async def test_of_identical_stops_the_one_made_with_the_fill_is_taken_away_though_none_was_compared(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(take_profit=None)
        (ours,) = stage.paper.books.plans.waiting("BTCUSDT")
        await stage.settle(3)
        program = {"side": 1, "type": "market", "size": 10, "preset_stop_loss_price": "64500"}
        await by_hand(stage, SUBMIT, **program)
        assert stage.protection().exchange_plans == ()
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        (left,) = stage.paper.books.plans.waiting("BTCUSDT")
        assert left.plan_id != ours.plan_id, "the other program keeps its stop"
        stage.move(64400)
        await stage.settle(5)
        assert stage.held() == 0
