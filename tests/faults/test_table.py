"""Everything that goes wrong with an exchange, for submit, cancel and close each: where it is proved that nothing
comes of it.

| fault | submit | cancel | close |
|---|---|---|---|
| lost submit response | entries:a_lost_answer_is_looked_up_and_the_order_is_not_sent_again | entries:a_cancel_whose_answer_is_lost_goes_on_until_the_order_is_gone | guard:a_close_whose_answer_was_lost_is_found_and_not_sent_again |
| duplicate fills | table:a_fill_that_is_told_twice_counts_once | table:a_cancel_that_is_told_twice_is_told_once | table:a_fill_of_a_close_that_is_told_twice_counts_once |
| out-of-order updates | entries:a_push_may_come_before_or_after_the_answer, table:an_older_update_after_the_fill_changes_nothing | table:an_older_update_after_the_cancel_changes_nothing | table:an_older_update_after_the_close_changes_nothing |
| not found on query | entries:an_order_that_was_never_taken_is_proved_absent_and_goes_out_under_the_same_id | table:an_order_that_cannot_be_found_is_not_said_to_be_cancelled | guard:a_close_that_the_exchange_has_but_does_not_show_yet_is_not_doubled |
| missed WebSocket events | table:a_fill_that_was_never_pushed_is_found_and_protected | table:a_cancel_that_was_never_pushed_is_read | guard:a_close_is_followed_over_rest_when_its_push_never_comes |
| partial fill then cancel | table:a_partly_filled_order_that_the_exchange_ends_stays_protected_for_its_part | entries:a_partly_filled_order_that_is_cancelled_keeps_its_part_protected | table:a_close_that_the_exchange_ends_partly_filled_goes_on_with_the_rest |
| position mismatch | table:what_others_hold_beside_a_fill_is_not_ours_to_close | table:what_was_closed_by_hand_does_not_keep_an_order_from_being_cancelled | table:a_position_partly_closed_by_hand_is_closed_for_what_is_left |
| restart with open orders | recovery:an_order_filled_while_away_is_protected_and_told, recovery:a_submit_that_a_crash_cut_off_is_looked_up_and_not_sent_again | recovery:a_cancel_that_was_asked_for_is_carried_out | recovery:a_close_that_a_crash_cut_off_is_found_and_not_doubled |
| clock skew | budget:orders_go_out_by_the_exchanges_clock | table:a_cancel_goes_out_by_the_exchanges_clock | budget:a_stop_goes_out_when_the_clock_was_set_after_it_was_measured |
| rate limits | entries:too_many_requests_are_waited_out | table:a_cancel_that_is_one_too_many_is_waited_out | budget:fifty_stops_go_before_two_hundred_entries_and_nothing_is_ever_refused, table:a_close_that_is_one_too_many_is_waited_out |
"""  # noqa: E501  # a table

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve

from bitmart_engine.model.events import OrderUpdate
from bitmart_engine.paper import Direction
from tests.support.stage import CANCEL, SUBMIT, open_stage, open_theatre

TESTS = Path(__file__).parents[1]
FILES = {
    "entries": TESTS / "trading/test_entries.py",
    "guard": TESTS / "trading/test_guard.py",
    "recovery": TESTS / "test_recovery.py",
    "budget": TESTS / "exchange/test_budget_on_stage.py",
    "table": Path(__file__),
}
FAULTS = (
    "lost submit response",
    "duplicate fills",
    "out-of-order updates",
    "not found on query",
    "missed WebSocket events",
    "partial fill then cancel",
    "position mismatch",
    "restart with open orders",
    "clock skew",
    "rate limits",
)
OPENING, CLOSING = (1, 4), (2, 3)
ORDER = "/contract/private/order"
TOO_MANY = '{"code": 30013, "message": "Request too many requests", "data": null}'


# The table itself


def rows():
    cells = [line.strip("|").split("|") for line in (__doc__ or "").splitlines() if "| " in line]
    return {name.strip(): [cell.strip() for cell in places] for name, *places in cells}


def test_the_table_has_every_fault_for_submit_cancel_and_close():
    table = rows()
    assert table.pop("fault") == ["submit", "cancel", "close"]
    assert tuple(table) == FAULTS
    assert all(len(places) == 3 and all(places) for places in table.values())


def test_every_test_that_the_table_names_exists():
    places = [place for name in FAULTS for cell in rows()[name] for place in cell.split(", ")]
    for place in places:
        file, name = place.split(":")
        assert re.search(rf"^async def test_{name}\(", FILES[file].read_text(), re.M), place


# What the tests below have in common


@asynccontextmanager
async def overhearing(stage):
    """All that the exchange said of orders, in the order in which it was said; to be said again."""
    said: list[OrderUpdate] = []
    async with trio.open_nursery() as nursery:

        async def listen(task_status=trio.TASK_STATUS_IGNORED):
            with stage.engine.events(OrderUpdate) as updates:
                task_status.started()
                async for update in updates:
                    said.append(update)

        await nursery.start(listen)
        yield said
        nursery.cancel_scope.cancel()


async def say_again(stage, *updates):
    for update in updates:
        stage.engine._streams.bus.publish(update)
    await stage.settle(3)


def standing(stage, id="a"):
    """All that the engine believes of an order and its protection, and all that it told of them."""
    return stage.order(id), stage.protection(id), stage.receiver.names()


async def open_order(stage, **changes):
    """An entry order that rests at the exchange."""
    await stage.place(**changes)
    await stage.until(stage.prices_come)
    stage.move(65000)
    await stage.until(lambda: stage.state() == "open")
    await stage.settle()


# Duplicate fills


async def test_a_fill_that_is_told_twice_counts_once(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage, overhearing(stage) as said:
        await open_order(stage)
        stage.move(65000)
        await stage.until(lambda: stage.order().filled == 4)
        await say_again(stage, *said, *said)
        assert (stage.order().filled, stage.protection().covered) == (4, 4)
        for _ in range(2):
            stage.move(65000)
            await stage.settle()
        assert stage.state() == "filled"
        before = standing(stage)
        await say_again(stage, *said, *said)
        assert standing(stage) == before
        assert stage.protection().covered == 10
        assert before[2].count("filled") == 1


async def test_a_cancel_that_is_told_twice_is_told_once(autojump_clock):
    async with open_stage() as stage, overhearing(stage) as said:
        await open_order(stage)
        await stage.engine.cancel_order("a")
        await stage.settle()
        before = standing(stage)
        await say_again(stage, said[-1], said[-1])
        assert standing(stage) == before
        assert before[2] == ["placed", "cancelled"]


async def test_a_fill_of_a_close_that_is_told_twice_counts_once(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage, overhearing(stage) as said:
        await open_order(stage, exchange_protection=False)
        for _ in range(3):
            stage.move(65000)
            await stage.settle()
        stage.move(64400)
        await stage.until(lambda: stage.protection().closed == 4)
        await say_again(stage, *said, *said)
        assert (stage.guarded(), stage.protection().closed) == ("closing", 4)
        for _ in range(8):
            stage.move(64400)
            await stage.settle()
        assert stage.guarded() == "closed"
        before = standing(stage)
        await say_again(stage, *said)
        assert standing(stage) == before
        assert (stage.protection().closed, before[2].count("closed")) == (10, 1)


# Out-of-order updates


async def test_an_older_update_after_the_fill_changes_nothing(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage, overhearing(stage) as said:
        await open_order(stage)
        for _ in range(3):
            stage.move(65000)
            await stage.settle()
        assert stage.state() == "filled"
        before = standing(stage)
        await say_again(stage, *reversed(said))
        assert standing(stage) == before


async def test_an_older_update_after_the_cancel_changes_nothing(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage, overhearing(stage) as said:
        await open_order(stage)
        stage.move(65000)
        await stage.until(lambda: stage.order().filled == 4)
        await stage.engine.cancel_order("a")
        await stage.settle()
        before = standing(stage)
        assert (stage.state(), stage.guarded()) == ("cancelled", "armed")
        await say_again(stage, *reversed(said))
        assert standing(stage) == before


async def test_an_older_update_after_the_close_changes_nothing(autojump_clock):
    async with open_stage() as stage, overhearing(stage) as said:
        await stage.bought(exchange_protection=False)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle()
        before = standing(stage)
        await say_again(stage, *reversed(said))
        assert standing(stage) == before
        assert len(stage.submits(*CLOSING)) == 1


# Not found on query


async def test_an_order_that_cannot_be_found_is_not_said_to_be_cancelled(autojump_clock):
    unknown = '{"code": 40035, "message": "order not exist", "data": null}'
    async with open_stage() as stage:
        await open_order(stage)
        stage.paper.freeze("futures/order", until="forever")
        stage.paper.fail(CANCEL, times=20, status=400, body=unknown)
        stage.paper.fail(ORDER, times=20, status=400, body=unknown)
        order = await stage.engine.cancel_order("a")
        assert order.state.value == "open"
        assert "cancelled" not in stage.receiver.names()
        await stage.until(lambda: stage.state() == "cancelled", within=300)
        assert not list(stage.paper.books.ledger.working())


# Missed WebSocket events


async def test_a_fill_that_was_never_pushed_is_found_and_protected(autojump_clock):
    async with open_stage() as stage:
        await open_order(stage, exchange_protection=False)
        for topic in ("futures/order", "futures/position"):
            stage.paper.freeze(topic, until="forever")
        stage.move(65000)
        assert stage.state() == "open"
        await stage.until(lambda: stage.state() == "filled", within=65)
        assert (stage.guarded(), stage.protection().covered) == ("armed", 10)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")


async def test_a_cancel_that_was_never_pushed_is_read(autojump_clock):
    async with open_stage() as stage:
        await open_order(stage)
        stage.paper.freeze("futures/order", until="forever")
        order = await stage.engine.cancel_order("a")
        assert order.state.value == "cancelled"


# Partial fill, then cancel


async def test_a_partly_filled_order_that_the_exchange_ends_stays_protected_for_its_part(
    autojump_clock,
):
    async with open_stage({"liquidity": 4}) as stage:
        await open_order(stage, exchange_protection=False)
        stage.move(65000)
        await stage.until(lambda: stage.order().filled == 4)
        stage.paper.books.cancel(int(stage.order().exchange_order_id), stage.paper.now_ms())
        stage.paper._broadcast.settle(None)
        await stage.until(lambda: stage.state() == "cancelled")
        assert (stage.guarded(), stage.protection().covered) == ("armed", 4)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert [body["size"] for body in stage.submits(*CLOSING)] == [4]


async def test_a_close_that_the_exchange_ends_partly_filled_goes_on_with_the_rest(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage:
        await open_order(stage, exchange_protection=False)
        for _ in range(3):
            stage.move(65000)
            await stage.settle()
        stage.move(64400)
        await stage.until(lambda: stage.protection().closed == 4)
        (working,) = stage.paper.books.ledger.working()
        stage.paper.books.cancel(working.order_id, stage.paper.now_ms())
        stage.paper._broadcast.settle(None)
        for _ in range(4):
            await stage.settle(3)
            stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        sizes = [body["size"] for body in stage.submits(*CLOSING)]
        assert (sizes[0], sizes[1], stage.protection().closed) == (10, 6, 10)
        assert stage.held() == 0


# Position mismatch


async def test_what_others_hold_beside_a_fill_is_not_ours_to_close(autojump_clock):
    async with open_stage() as stage:
        await stage.open_by_hand(size=7)
        await stage.bought(exchange_protection=False)
        assert stage.protection().covered == 10
        await stage.settle(120)
        assert stage.protection().covered == 10
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert [body["size"] for body in stage.submits(*CLOSING)] == [10]
        assert stage.paper.books.positions["BTCUSDT", Direction.LONG].size == 7


async def test_what_was_closed_by_hand_does_not_keep_an_order_from_being_cancelled(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage:
        await open_order(stage, exchange_protection=False)
        stage.move(65000)
        await stage.until(lambda: stage.order().filled == 4)
        await stage.settle(10)
        stage.paper.close_position_by_hand("BTCUSDT", "long")
        order = await stage.engine.cancel_order("a")
        assert (order.state.value, order.filled) == ("cancelled", 4)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "closed_elsewhere"
        assert stage.submits(*CLOSING) == []


async def test_a_position_partly_closed_by_hand_is_closed_for_what_is_left(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(10)
        stage.paper.close_position_by_hand("BTCUSDT", "long", 3)
        await stage.settle(120)
        assert (stage.guarded(), stage.protection().remaining) == ("armed", 7)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert [body["size"] for body in stage.submits(*CLOSING)] == [7]


# Clock skew


@pytest.mark.parametrize("ahead_ms", [-600_000, 600_000])
async def test_a_cancel_goes_out_by_the_exchanges_clock(autojump_clock, ahead_ms):
    async with open_theatre() as theatre:
        ours = theatre.world.wall_ms
        ahead = [0]
        theatre.world = evolve(theatre.world, wall_ms=lambda: ours() + ahead[0])
        async with theatre.engine() as stage:
            await open_order(stage)
            ahead[0] = ahead_ms
            order = await stage.engine.cancel_order("a")
            assert order.state.value == "cancelled"
            assert not list(stage.paper.books.ledger.working())


# Rate limits


async def test_a_cancel_that_is_one_too_many_is_waited_out(autojump_clock):
    async with open_stage() as stage:
        await open_order(stage)
        stage.paper.fail(CANCEL, times=2, status=429, body=TOO_MANY)
        await stage.engine.cancel_order("a")
        await stage.until(lambda: stage.state() == "cancelled")
        assert not list(stage.paper.books.ledger.working())


async def test_a_close_that_is_one_too_many_is_waited_out(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(10)
        stage.paper.fail(SUBMIT, times=2, status=429, body=TOO_MANY)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.held() == 0
        taken = [o for o in stage.paper.books.orders.values() if o.side.is_close]
        assert [order.deal_size for order in taken] == [10]


# Stops that the exchange keeps too, where others hold contracts of the same side


async def test_a_stop_left_at_the_exchange_by_a_close_takes_no_contracts_of_another_order(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought("low", size=5, stop_loss=60000)
        await stage.bought("high", size=2, stop_loss=64500)
        await stage.settle(10)
        await stage.engine.close_position("high")
        await stage.until(lambda: stage.guarded("high") == "closed")
        await stage.settle(10)
        stage.move(64400)
        await stage.settle(10)
        assert stage.paper.books.positions["BTCUSDT", Direction.LONG].size == 5


async def test_a_stop_that_the_exchange_keeps_too_closes_no_contracts_opened_by_hand(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=7)
        await stage.bought()
        await stage.settle(10)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle(10)
        assert stage.paper.books.positions["BTCUSDT", Direction.LONG].size == 7
