"""Several orders on one side of a symbol, whose stops the exchange keeps too: no contract is closed for another's sake.

The exchange and the engine may both close an order's contracts, and neither can ask the other first. What an order
filled may be closed once, by either of them; what is left over would be another order's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import trio
from attrs import evolve

from bitmart_engine.exchange import ExchangeError, NotSent
from bitmart_engine.exchange.budget import Urgency
from bitmart_engine.paper import Direction
from tests.support.stage import CANCEL, SUBMIT, Stage, Theatre, open_stage, open_theatre

CLOSE_SIDES = (2, 3)
PLANS = "/contract/private/current-plan-order"
CANCEL_PLAN = "/contract/private/cancel-plan-order"
POSITIONS = "/contract/private/position-v2"
HISTORY = "/contract/private/order-history"
ORDER = "/contract/private/order"


OPEN_ORDERS = "/contract/private/get-open-orders"
PRICES = ("/contract/public/kline", "/contract/public/market-trade")
KEY = ("BTCUSDT", Direction.LONG)


def held_there(stage: Stage) -> int:
    """Contracts of the long, as the exchange has it."""
    position = stage.paper.books.positions.get(KEY)
    return position.size if position is not None else 0


async def two_orders(stage: Stage) -> None:
    """Ten contracts of `high`, with the stop at 64500, and ten of `low`, with the stop at 60000."""
    await stage.bought("high", stop_loss=64500)
    await stage.bought("low", stop_loss=60000)
    await stage.settle(70)


async def low_is_whole(stage: Stage) -> None:
    """The other order's contracts are all there and all covered, also after the next comparison."""
    await stage.settle(70)
    assert held_there(stage) == 10
    assert (stage.guarded("low"), stage.protection("low").remaining) == ("armed", 10)


async def test_a_stop_that_fires_there_while_the_user_closes_here_closes_the_contracts_once(
    autojump_clock,
):
    async with open_stage() as stage:
        await two_orders(stage)
        stage.paper.delay(SUBMIT, 0.5)
        await stage.engine.close_position("high")
        await stage.settle(0.2)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("high") == "closed")
        await low_is_whole(stage)


async def test_a_stop_there_that_fills_in_parts_while_the_user_closes_here_closes_them_once(
    autojump_clock,
):
    async with open_stage({"liquidity": 4}) as stage:
        for id, stop in (("high", 64500), ("low", 60000)):
            await stage.place(id, stop_loss=stop)
        await stage.until(stage.prices_come)
        for _ in range(8):
            stage.move(65000)
            await stage.settle(0.3)
        await stage.settle(70)
        stage.move(64500)
        await stage.engine.close_position("high")
        for _ in range(6):
            await stage.settle(1)
            stage.move(64600)
        await stage.until(lambda: stage.guarded("high") == "closed")
        await low_is_whole(stage)


async def test_a_stop_that_was_moved_here_and_fires_where_it_was_there_is_its_own_orders(
    autojump_clock,
):
    async with open_stage() as stage:
        await two_orders(stage)
        stage.paper.fail(CANCEL_PLAN, status=502, times=10_000)
        await stage.engine.change_protection("high", stop_loss=Decimal(60500))
        stage.move(64400)
        stage.paper.clear_faults()
        await stage.until(lambda: stage.guarded("high") == "closed", within=5)
        assert stage.protection("high").reason == "exchange_stop_loss"
        await low_is_whole(stage)
        assert stage.submits(*CLOSE_SIDES) == []


async def test_a_stop_that_fired_there_while_the_private_stream_was_down_is_its_own_orders(
    autojump_clock,
):
    async with open_stage(reconnect_delay_s=30) as stage:
        await two_orders(stage)
        stage.paper.fail(CANCEL_PLAN, status=502, times=10_000)
        await stage.engine.change_protection("high", stop_loss=Decimal(60500))
        stage.paper.drop_connections("private")
        await stage.settle(0.1)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("high") == "closed", within=120)
        assert stage.protection("high").reason == "exchange_stop_loss"
        await low_is_whole(stage)


async def test_a_position_that_was_opened_after_the_exchanges_stop_fired_unheard_stays_its_owners(
    autojump_clock,
):
    async with open_stage(reconnect_delay_s=30) as stage:
        await stage.bought("a", stop_loss=64500)
        await stage.settle(70)
        stage.paper.refuse_dials()
        stage.paper.drop_connections()
        stage.network.cut = True
        await stage.settle(60)
        stage.move(64400)
        await stage.settle(60)
        stage.move(65000)
        await stage.open_by_hand(size=10)
        stage.network.cut = False
        await stage.until(lambda: stage.guarded("a") == "closed", within=240)
        assert stage.protection("a").reason == "exchange_stop_loss"
        assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (10, [])


async def test_what_somebody_opened_while_nothing_was_heard_is_not_closed_for_a_target_reached_there(
    autojump_clock,
):
    async with open_stage(reconnect_delay_s=30) as stage:
        await stage.bought("a")
        await stage.settle(70)
        compare_nothing(stage)  # the price is read before the exchange is compared with
        stage.paper.refuse_dials()
        stage.paper.drop_connections()
        stage.network.cut = True
        await stage.settle(60)
        stage.move(66100)
        assert held_there(stage) == 0
        await stage.open_by_hand(size=4)
        stage.network.cut = False
        await stage.until(lambda: stage.guarded("a") == "closed", within=240)
        assert stage.protection("a").reason == "exchange_take_profit"
        assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (4, [])


async def test_closes_of_one_symbol_read_its_position_once_between_them(autojump_clock):
    async with open_stage(reconnect_delay_s=300) as stage:
        await two_orders(stage)
        guard = stage.engine._core.protections
        stage.paper.delay(POSITIONS, 0.5)

        def reads() -> int:
            asked = [each for each in stage.paper.requests if each.path == POSITIONS]
            return sum("symbol" in each.query for each in asked)

        before = reads()
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(guard.learn_position, "BTCUSDT")
        assert reads() == before + 1
        await stage.settle(1)
        await guard.learn_position("BTCUSDT")
        assert reads() == before + 2


async def test_what_the_exchange_keeps_is_taken_away_before_a_shared_position_is_closed(
    autojump_clock,
):
    async with open_stage() as stage:
        await two_orders(stage)
        before = len(stage.paper.requests)
        await stage.engine.close_position("high")
        await stage.until(lambda: stage.guarded("high") == "closed")
        paths = [each.path for each in list(stage.paper.requests)[before:]]
        assert paths.index(CANCEL_PLAN) < paths.index(SUBMIT)
        kept = {each.trigger_price for each in stage.paper.books.plans.waiting("BTCUSDT")}
        assert kept == {60000, 66000}
        await low_is_whole(stage)


async def test_the_stop_of_an_order_that_somebody_closed_a_part_of_is_taken_away_whole(
    autojump_clock,
):
    async with open_stage() as stage:
        await two_orders(stage)
        stage.paper.close_position_by_hand("BTCUSDT", "long", 4)
        await stage.settle(130)
        assert (stage.protection("high").remaining, stage.protection("low").remaining) == (10, 6)
        await stage.engine.close_position("low")
        await stage.until(lambda: stage.guarded("low") == "closed")
        waiting = stage.paper.books.plans.waiting("BTCUSDT")
        assert {str(each.plan_id) for each in waiting} == set(
            stage.protection("high").exchange_plans
        )
        stage.move(66000)
        await stage.until(lambda: stage.guarded("high") == "closed")
        assert stage.protection("high").closed == 10


async def test_a_position_that_nobody_shares_is_closed_without_asking_for_its_stop_first(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought()
        await stage.settle(70)
        before = len(stage.paper.requests)
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        paths = [each.path for each in list(stage.paper.requests)[before:]]
        assert PLANS not in paths[: paths.index(SUBMIT)]


async def test_a_stop_that_cannot_be_taken_away_yet_delays_the_close_and_nothing_more(
    autojump_clock,
):
    async with open_stage() as stage:
        await two_orders(stage)
        for _ in range(3):
            stage.paper.fail(CANCEL_PLAN, status=502)
        await stage.engine.close_position("high")
        await stage.until(lambda: stage.guarded("high") == "closed")
        await low_is_whole(stage)


async def test_a_stop_whose_cancel_lost_its_answer_does_not_double_the_close(autojump_clock):
    async with open_stage() as stage:
        await two_orders(stage)
        stage.paper.lose_replies(CANCEL_PLAN)
        await stage.engine.close_position("high")
        await stage.until(lambda: stage.guarded("high") == "closed")
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [10]
        await low_is_whole(stage)


async def test_a_stop_that_could_not_be_taken_away_before_the_close_is_taken_away_after_it(
    autojump_clock,
):
    async with open_stage() as stage:
        await two_orders(stage)
        stage.network.cut = True
        await stage.engine.close_position("high")
        await stage.settle(6)
        stage.network.cut = False
        await stage.until(lambda: stage.guarded("high") == "closed")
        kept = {each.trigger_price for each in stage.paper.books.plans.waiting("BTCUSDT")}
        assert kept == {60000, 66000}
        stage.move(64400)
        await low_is_whole(stage)


async def test_a_stop_that_fires_there_while_nothing_is_answered_for_ten_seconds_closes_once(
    autojump_clock,
):
    async with open_stage(reconnect_delay_s=30) as stage:
        await two_orders(stage)
        stage.paper.drop_connections("private")
        for path in (CANCEL_PLAN, HISTORY):
            stage.paper.fail(path, status=502, times=1000)
        stage.move(64400)
        await stage.settle(10)
        stage.paper.clear_faults()
        await stage.until(lambda: stage.guarded("high") == "closed")
        assert stage.submits(*CLOSE_SIDES) == []
        await low_is_whole(stage)


async def test_a_stop_that_fires_there_and_cannot_be_cancelled_is_found_among_the_orders(
    autojump_clock,
):
    async with open_stage(reconnect_delay_s=300) as stage:
        await two_orders(stage)
        stage.paper.drop_connections("private")
        stage.paper.fail(CANCEL_PLAN, status=429, times=10_000)
        stage.move(64400)
        await stage.settle(70)
        assert stage.guarded("high") == "closed"
        assert stage.submits(*CLOSE_SIDES) == []
        stage.paper.clear_faults()
        await low_is_whole(stage)


async def test_a_close_goes_out_at_last_where_only_its_stop_is_never_spoken_of(autojump_clock):
    async with open_stage() as stage:
        await two_orders(stage)
        stage.paper.fail(CANCEL_PLAN, status=502, times=10_000)
        await stage.engine.close_position("high")
        await stage.settle(10)
        assert stage.guarded("high") == "closing"
        await stage.until(lambda: stage.submits(*CLOSE_SIDES) != [], within=70)


async def test_a_stop_is_cancelled_for_a_close_ten_seconds_after_a_ban_and_not_a_minute(
    autojump_clock,
):
    async with open_stage() as stage:
        await two_orders(stage)
        stage.paper.fail(CANCEL_PLAN, status=418)
        await stage.engine.close_position("high")
        await stage.until(lambda: stage.guarded("high") == "closed", within=20)
        await low_is_whole(stage)


async def test_stops_are_listed_for_a_close_ten_seconds_after_a_ban_and_not_a_minute(
    autojump_clock,
):
    async with open_stage() as stage:
        await two_orders(stage)
        await stage.bought("new", stop_loss=64000)
        stage.paper.fail(PLANS, status=418)
        with suppress(ExchangeError):
            await stage.engine._core.exchange.plan_orders("BTCUSDT")
        assert not stage.protection("new").exchange_plans
        await stage.engine.close_position("new")
        await stage.until(lambda: stage.guarded("new") == "closed", within=20)
        assert held_there(stage) == 20


async def test_an_order_that_works_is_read_for_a_close_as_long_as_it_is_worth_waiting_for(
    autojump_clock,
):
    async with open_stage({"liquidity": 6}, reconnect_delay_s=300) as stage:
        await stage.bought("low", size=6, stop_loss=60000, take_profit=70000)
        await stage.place("high", stop_loss=64500)
        await stage.until(lambda: stage.state("high") == "open")
        stage.move(65000)
        await stage.until(lambda: stage.order("high").filled == 6)
        await stage.settle(70)
        stage.paper.drop_connections("private")
        await stage.settle(2)
        stage.paper.fail(ORDER, status=418, times=10_000)
        with suppress(ExchangeError):
            await stage.engine._core.exchange.order(
                "BTCUSDT", stage.order("high").exchange_order_id
            )
        await stage.engine.close_position("high")
        await stage.until(lambda: stage.submits(*CLOSE_SIDES) != [], within=20)


async def test_stops_that_the_exchange_makes_for_later_fills_are_taken_away_too(autojump_clock):
    async with open_stage({"liquidity": 6}) as stage:
        await stage.bought("low", size=6, stop_loss=60000, take_profit=70000)
        await stage.place("high", stop_loss=64500, take_profit=67000)
        await stage.until(lambda: stage.state("high") == "open")
        stage.move(65000)
        await stage.until(lambda: stage.order("high").filled == 6)
        await stage.settle(70)
        for _ in range(40):
            stage.paper.fail(CANCEL, status=502)
        first = {each.plan_id for each in stage.paper.books.plans.waiting("BTCUSDT")}
        stage.move(67000)
        await stage.until(lambda: stage.protection("high").remaining == 0)
        stage.move(65000)
        await stage.until(lambda: stage.order("high").filled == 10)
        stage.paper.clear_faults()
        await stage.until(lambda: stage.guarded("high") == "closed")
        cancelled = {int(body["order_id"]) for body in stage.sent(CANCEL_PLAN)}
        assert len(cancelled - first) == 2, "the stop and the target of the later fill"
        stage.move(64400)
        await stage.settle(70)
        assert held_there(stage) == 6
        assert (stage.guarded("low"), stage.protection("low").remaining) == ("armed", 6)


async def first_of_two_fills(stage: Stage) -> None:
    """Six contracts of `low`, and six of ten of `high`, whose target at 66000 then closes them, unheard.

    With a liquidity of 6.
    """
    await stage.bought("low", size=6, stop_loss=60000, take_profit=70000)
    await stage.place("high", stop_loss=60000, take_profit=66000)
    await stage.until(lambda: stage.state("high") == "open")
    stage.move(65000)
    await stage.until(lambda: stage.order("high").filled == 6)
    hear_nothing(stage)
    await stage.settle(10)
    await trade(stage, 66000)
    assert held_there(stage) == 6
    for path in ("/contract/public/kline", "/contract/public/market-trade"):
        stage.paper.fail(
            path, status=502, times=10_000
        )  # nor can it be read that the price was there


def compare_nothing(stage: Stage) -> None:
    """Positions cannot be read all at once, so that the exchange cannot be compared with."""
    exchange = stage.engine._core.exchange
    positions = exchange.positions

    async def of_one_symbol(symbol=None, **more):
        await trio.lowlevel.checkpoint()
        if symbol is None:
            raise NotSent("no answer")
        return await positions(symbol, **more)

    exchange.positions = of_one_symbol


def hear_nothing(stage: Stage) -> None:
    stage.paper.refuse_dials()
    stage.paper.drop_connections()
    stage.network.cut = True


def listen_again(stage: Stage) -> None:
    stage.paper.refuse_dials(False)
    stage.network.cut = False


async def test_a_target_that_fired_unheard_before_its_order_filled_further_is_found_at_the_comparison(
    autojump_clock,
):
    async with open_stage({"liquidity": 6}) as stage:
        await stage.place("a", stop_loss=60000, take_profit=66000)
        await stage.until(lambda: stage.state() == "open")
        stage.move(65000)
        await stage.until(lambda: stage.order().filled == 6)
        hear_nothing(stage)
        await stage.settle(10)
        await trade(stage, 66000)
        assert held_there(stage) == 0
        await trade(stage, 65000)
        for _ in range(3):
            await stage.open_by_hand(size=2)
            stage.move(65000)
        assert held_there(stage) == 10, (
            "as many as the order filled, and six of them are the owner's"
        )
        listen_again(stage)
        await stage.until(lambda: stage.order().filled == 10, within=240)
        await stage.until(lambda: stage.guarded() == "closed", within=240)
        await trade(stage, 66000)
        assert held_there(stage) == 6


async def test_a_target_that_fired_unheard_is_its_orders_though_its_owner_bought_as_many_beside_it(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=3)
        await stage.bought("low", stop_loss=60000, take_profit=70000)
        await stage.bought("high", stop_loss=60000, take_profit=66000)
        await stage.settle(2)
        hear_nothing(stage)
        await stage.settle(10)
        stage.move(66000)
        assert held_there(stage) == 13
        await stage.open_by_hand(size=10)
        stage.move(65200)
        for path in ("/contract/public/kline", "/contract/public/market-trade"):
            stage.paper.fail(path, status=502, times=10_000)
        await stage.settle(40)
        listen_again(stage)
        await stage.until(lambda: stage.guarded("high") == "closed", within=240)
        assert stage.protection("high").reason == "exchange_take_profit"
        assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (23, [])


@asynccontextmanager
async def fired_while_down(theatre: Theatre) -> AsyncIterator[Stage]:
    """Ten contracts of `high`, closed by its target at 66000 while no engine runs, beside ten of `low` and twenty of
    the owner's. The engine that runs again was told of the position, and has not compared itself with the exchange yet.
    """
    paper = theatre.paper
    async with theatre.engine() as stage:
        await stage.open_by_hand(size=20)
        await stage.bought("low", stop_loss=59000, take_profit=70000)
        await stage.bought("high", stop_loss=60000, take_profit=66000)
        await stage.settle(2)
    paper.set_price("BTCUSDT", Decimal(66000))
    paper.set_price("BTCUSDT", Decimal(65200))
    await trio.sleep(60)
    paper.fail(OPEN_ORDERS, status=502, times=10_000)
    for path in PRICES:
        paper.fail(path, status=502, times=10_000)  # nor can it be read that the price was there
    async with theatre.engine() as stage:
        await stage.until(lambda: stage.held() == 30, within=30)
        paper.clear_faults()
        for path in PRICES:
            paper.fail(path, status=502, times=10_000)
        yield stage
        assert stage.protection("high").reason == "exchange_take_profit"
        assert (stage.guarded("low"), stage.protection("low").remaining) == ("armed", 10)
        assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (30, [])


async def test_a_target_that_fired_while_no_engine_ran_is_its_orders_though_others_hold_as_many(
    autojump_clock, tmp_path
):
    async with (
        open_theatre(state_dir=str(tmp_path)) as theatre,
        fired_while_down(theatre) as stage,
    ):
        await stage.until(lambda: stage.guarded("high") == "closed", within=60)


async def test_it_is_known_at_once_where_what_another_order_has_there_is_listed(
    autojump_clock, tmp_path
):
    async with (
        open_theatre(state_dir=str(tmp_path)) as theatre,
        fired_while_down(theatre) as stage,
    ):
        exchange = stage.engine._core.exchange
        plan_orders, asked = exchange.plan_orders, []

        async def once(symbol=None, **more):
            if more.get("urgency") is Urgency.CLOSE:
                asked.append(symbol)
                if len(asked) > 2:  # the first is of the close itself
                    await trio.sleep(5)
                    raise NotSent("no answer")
            return await plan_orders(symbol, **more)

        exchange.plan_orders = once
        await stage.engine.close_position("high")
        await stage.until(lambda: stage.guarded("high") == "closed", within=60)


async def test_a_target_that_fired_unheard_is_looked_for_though_that_of_a_later_fill_is_listed(
    autojump_clock,
):
    async with open_stage({"liquidity": 6}) as stage:
        await first_of_two_fills(stage)
        compare_nothing(stage)
        stage.move(65200)
        listen_again(stage)
        await stage.until(lambda: stage.engine.streams().authenticated, within=240)
        await trade(stage, 65000)
        await stage.until(lambda: stage.order("high").filled == 10)
        await stage.engine.close_position("high")
        await trade(stage, 65000)
        await stage.until(lambda: stage.guarded("high") == "closed", within=240)
        assert held_there(stage) == 6
        assert stage.protection("low").remaining == 6


async def test_a_close_waits_until_it_is_known_whose_stop_an_order_was(autojump_clock):
    """The owner has bought as many as the stop closed, unheard, and the network is slow."""
    async with open_stage() as stage:
        await stage.open_by_hand(size=15)
        await stage.bought("a", stop_loss=64500, take_profit=None)
        compare_nothing(stage)
        hear_nothing(stage)
        await stage.settle(10)
        stage.move(64400)
        assert held_there(stage) == 15
        await stage.open_by_hand(size=10)
        stage.move(65000)
        for path in ("/contract/public/kline", "/contract/public/market-trade"):
            stage.paper.fail(path, status=502, times=10_000)
        stage.network.cut, stage.network.slow_s = False, 0.7
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded("a") == "closed")
        assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (25, [])


async def test_what_the_owner_closes_of_his_own_is_not_held_to_be_closed_by_a_stop_that_is_gone(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=5)
        await two_orders(stage)
        for plan in list(stage.paper.books.plans.waiting("BTCUSDT")):
            if str(plan.plan_id) in stage.protection("high").exchange_plans:
                stage.paper.books.plans.cancel(plan.plan_id)  # the owner takes them away
        await stage.engine.close_position("high")
        await stage.settle(0.5)
        await stage.open_by_hand(side=3, size=5)
        await stage.until(lambda: stage.guarded("high") == "closed")
        await low_is_whole(stage)


async def test_what_the_close_of_another_order_fills_unheard_is_not_held_to_be_closed_by_a_stop(
    autojump_clock,
):
    async with open_stage(reconnect_delay_s=300) as stage:
        await two_orders(stage)
        core = stage.engine._core
        stage.paper.drop_connections("private")
        stage.paper.books.config = evolve(stage.paper.books.config, liquidity=4)
        await stage.engine.close_position("high")
        await stage.until(lambda: held_there(stage) == 16)
        await stage.until(lambda: stage.protection("high").close.exchange_order_id)
        await stage.engine.close_position("low")
        assert stage.protection("high").remaining == 10, "its fill was not heard"
        assert await core.protections.losing.count_lost("low") == 0
        assert stage.protection("high").remaining == 6


async def test_a_close_of_another_order_that_cannot_be_read_may_have_filled_whole(autojump_clock):
    async with open_stage(reconnect_delay_s=300) as stage:
        await two_orders(stage)
        core = stage.engine._core
        stage.paper.drop_connections("private")
        stage.paper.books.config = evolve(stage.paper.books.config, liquidity=4)
        await stage.engine.close_position("high")
        await stage.until(lambda: held_there(stage) == 16)
        stage.paper.fail("/contract/private/order", status=502, times=10_000)
        await stage.engine.close_position("low")
        assert await core.protections.losing.count_lost("low") == 0


async def kept_in_part(stage: Stage) -> None:
    """Ten contracts of `high`, the exchange's stop at 64500 for four of them only, and ten of `low`.

    With a liquidity of 6.
    """
    await stage.place("low", stop_loss=60000)
    await stage.until(stage.prices_come)
    await trade(stage, 65000)
    await stage.place("high", stop_loss=64500)
    await stage.until(lambda: stage.state("high") == "open")
    stage.move(65000)
    await stage.until(lambda: stage.order("high").filled == 6)
    for plan in list(stage.paper.books.plans.waiting("BTCUSDT")):
        if plan.size == 6:
            stage.paper.books.plans.cancel(plan.plan_id)  # the owner takes them away
    await stage.until(lambda: not stage.protection("high").kept_whole_at_exchange, within=90)
    await trade(stage, 65000)
    await stage.settle(20)


async def trade(stage: Stage, price: int) -> None:
    """The price goes there, and as much is traded as there is."""
    for _ in range(8):
        stage.move(price)
        await stage.settle(1)


async def test_a_stop_that_the_exchange_keeps_for_a_part_only_closes_nothing_of_another_order(
    autojump_clock,
):
    async with open_stage({"liquidity": 6}) as stage:
        await kept_in_part(stage)
        assert stage.protection("high").exchange_stop_loss is None
        assert len(stage.protection("high").exchange_parts) == 2
        await trade(stage, 64400)
        await stage.until(lambda: stage.guarded("high") == "closed")
        await low_is_whole(stage)


async def test_a_stop_for_a_part_is_taken_away_with_the_close_of_the_whole(autojump_clock):
    async with open_stage({"liquidity": 6}) as stage:
        await kept_in_part(stage)
        await stage.engine.close_position("high")
        await trade(stage, 65000)
        await stage.until(lambda: stage.guarded("high") == "closed")
        await trade(stage, 64400)
        await low_is_whole(stage)


async def test_a_stop_for_a_part_goes_with_a_protection_that_is_dropped(autojump_clock):
    async with open_stage({"liquidity": 6}) as stage:
        await kept_in_part(stage)
        await stage.engine.release_protection("high")
        await stage.until(lambda: not stage.protection("high").kept_at_exchange)
        await trade(stage, 64400)
        assert held_there(stage) == 20


async def test_no_entry_joins_a_position_that_both_the_exchange_and_the_engine_may_be_closing(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought("high", stop_loss=64500)
        await stage.settle(70)
        await stage.place(
            "low", entry_zone_min=64000, entry_zone_max=64450, stop_loss=60000, type="market"
        )
        stage.paper.delay(SUBMIT, 0.5)
        await stage.engine.close_position("high")
        await stage.settle(0.2)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("high") == "closed")
        await stage.until(lambda: stage.state("low") == "filled")
        await low_is_whole(stage)


async def test_an_engine_that_died_between_taking_a_stop_away_and_closing_closes_once(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await two_orders(stage)
            theatre.network.slow_s = 0.4
            await stage.engine.close_position("high")
            with trio.fail_after(30):
                while len(stage.paper.books.plans.waiting("BTCUSDT")) > 2:
                    await trio.sleep(0.01)
            theatre.network.cut = True
        theatre.network.cut, theatre.network.slow_s = False, 0
        assert held_there(stage) == 20
        async with theatre.engine() as stage:
            await stage.until(lambda: stage.guarded("high") == "closed")
            await low_is_whole(stage)


async def test_a_stop_that_fired_while_no_engine_ran_is_its_orders_though_the_rest_looks_whole(
    autojump_clock, tmp_path
):
    """The owner's fifteen are left, of which ten would be ours by what the new engine knows."""
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.open_by_hand(size=15)
            await stage.bought("low", stop_loss=60000)
            await stage.bought("high", stop_loss=64500)
            assert stage.protection("high").exchange_plans == ()
            theatre.network.cut = True
        theatre.network.cut = False
        stage.move(64400)
        await trio.sleep(20)
        stage.move(65000)
        assert held_there(stage) == 25
        theatre.network.slow_s = 4  # so slow that not everything can be compared
        async with theatre.engine() as stage:
            await stage.settle(5)
            await stage.engine.close_position("high")
            await stage.until(lambda: stage.guarded("high") == "closed", within=120)
            theatre.network.slow_s = 0
            assert (held_there(stage), stage.submits(*CLOSE_SIDES)) == (25, [])
            assert (stage.guarded("low"), stage.protection("low").remaining) == ("armed", 10)


async def test_stops_of_one_price_and_size_that_fire_there_close_both_orders_once(autojump_clock):
    async with open_stage() as stage:
        for id, stop in (("a", 64500), ("b", 64500), ("low", 60000)):
            await stage.bought(id, stop_loss=stop)
        await stage.settle(70)
        stage.move(64400)
        await stage.until(lambda: {stage.guarded("a"), stage.guarded("b")} == {"closed"})
        assert stage.submits(*CLOSE_SIDES) == []
        await low_is_whole(stage)


async def test_a_stop_that_has_begun_to_close_and_filled_nothing_yet_is_waited_for(autojump_clock):
    """Two orders that are alike, and ten of somebody else's: all is held as long as nothing fills."""
    async with open_stage() as stage:
        await stage.open_by_hand(size=10)
        for id in ("a", "b"):
            await stage.bought(id, stop_loss=64500, take_profit=None)
        stage.paper.config = evolve(stage.paper.config, liquidity=0)
        stage.paper.books.config = stage.paper.config
        stage.move(64400)
        await stage.settle(8)
        stage.paper.books.config = evolve(stage.paper.config, liquidity=None)
        for _ in range(10):
            stage.move(64400)
            await stage.settle(2)
        assert {stage.guarded("a"), stage.guarded("b")} == {"closed"}
        assert held_there(stage) == 10


async def test_a_stop_of_a_first_fill_that_acted_while_the_engine_was_down_is_the_orders(
    autojump_clock, tmp_path
):
    async with open_theatre({"liquidity": 6}, state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought("low", size=6, stop_loss=60000, take_profit=70000)
            await stage.place("high", stop_loss=64500, take_profit=67000)
            await stage.until(lambda: stage.state("high") == "open")
            theatre.network.cut = True
        await trio.sleep(2)
        await trade(stage, 65000)  # fills six, and the rest
        await trade(stage, 64400)
        assert held_there(stage) == 6
        await trio.sleep(2)
        theatre.network.cut = False
        async with theatre.engine() as stage:
            await stage.until(lambda: stage.guarded("high") == "closed", within=120)
            assert stage.protection("high").reason == "exchange_stop_loss"
            assert stage.protection("high").filled_there_ms <= stage.order("high").submitted_ms
            assert held_there(stage) == 6
            assert stage.submits(*CLOSE_SIDES) == []
