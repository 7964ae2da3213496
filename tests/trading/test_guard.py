"""Protections on the whole engine: what arms them, what fires them, what closes, and how they end."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
import trio
from attrs import evolve

from bitmart_engine import MonitorPosition
from bitmart_engine.model.errors import BadRequest, Conflict, NotFound
from bitmart_engine.model.events import OrderUpdate
from bitmart_engine.paper import Direction, PaperInstrument
from tests.support.stage import CANCEL, HOOK, SUBMIT, open_stage

POSITIONS = "/contract/private/position-v2"
OPEN_ORDERS = "/contract/private/get-open-orders"
HISTORY = "/contract/private/order-history"
CLOSE_SIDES = (2, 3)


def monitor(id="m", **changes):
    asked = {
        "symbol": "BTCUSDT",
        "stop_loss": Decimal(64500),
        "take_profit": Decimal(66000),
        "callback_url": HOOK,
    }
    return MonitorPosition(id=id, **{**asked, **changes})


# A close that is sent again


async def test_a_close_that_may_be_under_way_is_sent_again_under_its_id_though_that_is_refused(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.fail(SUBMIT, status=502)
        stage.paper.fail(SUBMIT, status=429, times=2)
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed", within=60)
        ids = {body["client_order_id"] for body in stage.sent(SUBMIT) if body["side"] in (2, 3)}
        assert len(ids) == 1, ids


# A position that was larger than was known


async def test_a_monitored_position_that_has_grown_unnoticed_is_closed_to_the_last_contract(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=4)
        await stage.engine.monitor_position(monitor())
        await stage.until(stage.prices_come)
        stage.paper.freeze("futures/position", until="forever")
        await stage.open_by_hand(size=2)
        assert stage.protection("m").remaining == 4
        stage.move(64400)
        await stage.until(lambda: stage.guarded("m") == "closed")
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [4, 2]
        assert ("BTCUSDT", Direction.LONG) not in stage.paper.books.positions


async def test_a_position_opened_after_the_monitored_one_was_closed_is_another_one(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=4)
        for id in ("m", "n"):
            await stage.engine.monitor_position(monitor(id))
        await stage.until(stage.prices_come)
        stage.move(64400)
        await stage.until(lambda: stage.held() == 0)
        await stage.open_by_hand(size=5)
        await stage.settle(30)
        assert (stage.guarded("m"), stage.guarded("n")) == ("closed", "closed")
        assert stage.paper.books.positions[("BTCUSDT", Direction.LONG)].size == 5


async def test_a_monitored_part_is_closed_and_the_rest_of_its_position_is_not(autojump_clock):
    async with open_stage() as stage:
        await stage.open_by_hand(size=6)
        await stage.engine.monitor_position(monitor(size=4))
        await stage.until(stage.prices_come)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("m") == "closed")
        await stage.settle(70)
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [4]


# What arms, and what is subscribed for it


async def test_arming_subscribes_so_a_stop_fires_although_nobody_subscribed_to_klines(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand()
        await stage.engine.monitor_position(monitor())
        assert stage.guarded("m") == "armed"
        await stage.until(stage.prices_come)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("m") == "closed")
        assert stage.engine.state.viewed == set()
        (close,) = stage.submits(*CLOSE_SIDES)
        assert (close["side"], close["size"], close["type"]) == (3, 10, "market")


async def test_when_the_last_protection_is_over_its_channels_are_given_up(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.until(lambda: not stage.prices_come())


async def test_a_protection_armed_before_its_position_waits_for_it(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.monitor_position(monitor(side="long"))
        assert stage.guarded("m") == "pending_fill"
        await stage.until(stage.prices_come)
        stage.move(64400)
        await stage.settle(5)
        assert (stage.guarded("m"), stage.submits(*CLOSE_SIDES)) == ("pending_fill", [])
        stage.move(65000)
        await stage.open_by_hand(size=7)
        await stage.until(lambda: stage.guarded("m") == "armed")
        assert stage.protection("m").covered == 7


async def test_a_fill_is_protected_even_if_its_position_push_never_comes(autojump_clock):
    async with open_stage() as stage:
        stage.paper.freeze("futures/position", until="forever")
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        stage.move(65000)
        await stage.until(lambda: stage.guarded() == "armed")
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [10]


async def test_a_partial_fill_is_closed_for_its_part_and_the_rest_is_withdrawn(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        stage.move(65000)
        await stage.until(lambda: stage.state() == "partially_filled")
        assert stage.protection().covered == 4
        stage.paper.books.last["BTCUSDT"] = Decimal(64400)
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [4]
        assert stage.state() == "cancelled"
        assert len(stage.sent(CANCEL)) == 1
        assert all(position.size == 0 for position in stage.paper.books.positions.values())


async def test_the_close_covers_what_is_held_and_no_more(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(6)
        stage.paper.close_position_by_hand("BTCUSDT", "long", 7)
        await stage.until(lambda: stage.held() == 3)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [3]


async def test_a_protection_closes_its_own_part_and_leaves_the_rest_to_the_others(autojump_clock):
    async with open_stage() as stage:
        await stage.bought("a", exchange_protection=False)
        await stage.bought("b", size=5, stop_loss=64000, exchange_protection=False)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("a") == "closed")
        await stage.until(lambda: stage.held() == 5)
        assert stage.guarded("b") == "armed"
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [10]


async def test_long_and_short_of_one_symbol_are_two_positions(autojump_clock):
    async with open_stage() as stage:
        await stage.bought("up", exchange_protection=False)
        await stage.bought(
            "down", side="short", stop_loss=65500, take_profit=64000, exchange_protection=False
        )
        assert (stage.held(side="long"), stage.held(side="short")) == (10, 10)
        stage.move(65600)
        await stage.until(lambda: stage.guarded("down") == "closed")
        await stage.until(lambda: stage.held(side="short") == 0)
        assert (stage.guarded("up"), stage.held(side="long")) == ("armed", 10)
        assert [body["side"] for body in stage.submits(*CLOSE_SIDES)] == [2]


async def test_symbols_with_digits_work_from_entry_to_close(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(
            symbol="1000PEPEUSDT",
            entry_zone_min="0.01",
            entry_zone_max="0.0105",
            stop_loss="0.009",
            take_profit="0.02",
        )
        stage.move("0.0095", "1000PEPEUSDT")
        await stage.settle()
        assert stage.guarded() == "armed"
        stage.move("0.0089", "1000PEPEUSDT")
        await stage.until(lambda: stage.guarded() == "closed")


async def test_one_way_mode_works_from_entry_to_close(autojump_clock):
    async with open_stage({"position_mode": "one_way_mode"}) as stage:
        await stage.bought(
            side="short", stop_loss=65500, take_profit=64000, exchange_protection=False
        )
        stage.move(65600)
        await stage.until(lambda: stage.guarded() == "closed")
        assert [body["side"] for body in stage.submits(*CLOSE_SIDES)] == [2]
        assert stage.protection().reason == "stop_loss"


async def test_a_spike_that_lasts_one_trade_fires_the_stop(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.move(64400)
        stage.move(65005)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "stop_loss"


# Closes that go wrong


@pytest.mark.parametrize("status", [500, 400])
async def test_a_failed_close_does_not_drop_the_protection(autojump_clock, status):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        body = '{"code": 40012, "message": "system error", "data": null}' if status == 400 else None
        stage.paper.fail(SUBMIT, times=20, status=status, body=body)
        stage.move(64400)
        await stage.settle(30)
        assert stage.guarded() == "closing"
        stage.paper.clear_faults()
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.held() == 0


async def test_a_close_that_goes_on_failing_is_told_at_once_and_every_minute(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.fail(SUBMIT, times=10_000, status=400, body=REFUSED)
        stage.move(64400)
        await stage.until(lambda: stage.receiver.names()[-1] == "close_failed", within=1)
        await stage.settle(130)
        assert stage.receiver.names().count("close_failed") == 3
        stage.paper.clear_faults()
        await stage.until(lambda: stage.receiver.names()[-1] == "closed")


async def test_failed_closes_are_tried_again_at_once_and_then_ever_slower_up_to_5_s(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.fail(SUBMIT, times=10_000, status=400, body=REFUSED)
        before = len(stage.paper.requests)
        stage.move(64400)
        await stage.settle(40)
        tries = [each.at_ms for each in list(stage.paper.requests)[before:] if each.path == SUBMIT]
        pauses = [(later - at) / 1000 for at, later in itertools.pairwise(tries)]
        assert pauses[0] < 0.05
        assert pauses[1:8] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0], abs=0.05)


async def test_a_close_whose_answer_was_lost_is_found_and_not_sent_again(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.lose_replies(SUBMIT)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert len(stage.submits(*CLOSE_SIDES)) == 1
        assert "close_failed" not in stage.receiver.names()


async def test_a_close_that_was_lost_and_cannot_be_found_goes_out_under_the_same_id(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.fail(SUBMIT, status=500)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        first, second = stage.submits(*CLOSE_SIDES)
        assert first["client_order_id"] == second["client_order_id"]


async def test_a_close_that_the_exchange_has_but_does_not_show_yet_is_not_doubled(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.bought("other", size=5, stop_loss=60000, exchange_protection=False)
        stage.paper.freeze("futures/order", until="forever")
        stage.paper.fail(SUBMIT, status=502, body="<html>", after=True)
        stage.paper.fail(OPEN_ORDERS, times=3, status=200, body=EMPTY)
        stage.paper.fail(HISTORY, times=3, status=200, body=EMPTY)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert len({body["client_order_id"] for body in stage.submits(*CLOSE_SIDES)}) == 1
        assert stage.paper.books.positions["BTCUSDT", Direction.LONG].size == 5


async def test_a_close_is_followed_over_rest_when_its_push_never_comes(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.paper.freeze("futures/order", until="forever")
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=5)
        assert stage.protection().close_price == Decimal(64400)


async def test_a_close_that_fills_in_parts_goes_on_until_all_is_closed(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        for _ in range(4):
            stage.move(65000)
            await stage.settle(0.3)
        assert stage.state() == "filled"
        stage.move(64400)
        for _ in range(6):
            await stage.settle(1)
            stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().closed == 10


# Ends that are not ours


async def test_a_position_closed_by_hand_ends_as_closed_with_that_reason(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.paper.close_position_by_hand("BTCUSDT", "long")
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.until(lambda: stage.receiver.names()[-1] == "closed")
        closed = stage.receiver.events()[-1]
        assert (closed["reason"], closed["close_price"]) == ("closed_elsewhere", 65000)
        assert "closed_by" not in closed
        theirs = [each for each in stage.engine.state.futures_orders.values() if each.side == 3]
        assert [each.order_id for each in theirs] == [closed["close_order_id"]]
        assert stage.submits(*CLOSE_SIDES) == []


async def test_a_position_closed_by_the_exchanges_own_stop_ends_with_that_reason(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.paper.refuse_dials()
        stage.paper.drop_connections("public")
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "exchange_stop_loss"
        assert stage.submits(*CLOSE_SIDES) == []
        await stage.until(lambda: stage.receiver.names()[-1] == "closed")
        closed = stage.receiver.events()[-1]
        assert (closed["reason"], closed["closed_by"]) == ("stop_loss", "exchange")
        assert closed["close_price"] == 64400
        assert closed["close_order_id"] == stage.protection().fired[-1].order_id


async def test_a_liquidation_ends_as_closed_with_that_reason(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.paper.liquidate("BTCUSDT", "long")
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "liquidation"
        await stage.until(lambda: stage.receiver.names()[-1] == "closed")
        closed = stage.receiver.events()[-1]
        assert (closed["reason"], closed["closed_by"]) == ("liquidation", "exchange")
        assert isinstance(closed["close_price"], int)


async def test_both_stops_firing_together_close_once_and_end_as_closed(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason in ("stop_loss", "exchange_stop_loss")
        await stage.until(lambda: stage.receiver.names().count("closed") == 1)
        assert stage.held() == 0


async def test_a_position_that_is_reported_flat_but_is_not_stays_protected(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.paper.fail(POSITIONS, times=2, status=500)
        room = stage.engine._core
        flat = room.positions.get("BTCUSDT", stage.protection().side)
        room.on_event(evolve(flat, size=0))
        await stage.settle(10)
        assert stage.guarded() == "armed"
        assert stage.held() == 10


async def test_a_close_of_something_already_gone_ends_as_closed(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.paper.freeze("*", until="forever")
        stage.paper.close_position_by_hand("BTCUSDT", "long")
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "closed_elsewhere"
        assert len(stage.submits(*CLOSE_SIDES)) == 1


async def test_an_order_filled_again_after_its_position_was_closed_is_protected_again(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        await stage.engine.cancel_order("a")
        order = stage.order()
        assert stage.guarded() == "released"
        late = OrderUpdate(
            order_id=order.exchange_order_id,
            client_order_id=order.client_order_id,
            symbol="BTCUSDT",
            state=4,
            size=10,
            deal_size=6,
            deal_avg_price=Decimal(65000),
            update_time_ms=order.update_time_ms + 1,
        )
        stage.paper.fail(POSITIONS, times=10_000)
        stage.engine._core.on_event(late)
        assert (stage.guarded(), stage.protection().covered) == ("armed", 6)
        await stage.until(lambda: stage.receiver.names()[-1] == "partially_filled")
        assert stage.receiver.events()[-1]["late_fill"] is True


# What users ask for


async def test_levels_are_moved_and_the_new_ones_fire(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        moved = await stage.engine.change_protection("a", stop_loss=Decimal("64900.04"))
        assert (moved.stop_loss, moved.take_profit) == (Decimal("64900.1"), Decimal(66000))
        stage.move("64900.1")
        await stage.until(lambda: stage.guarded() == "closed")


async def test_levels_on_the_wrong_side_of_the_price_are_refused(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        for changes, field in (
            ({"stop_loss": Decimal(65000)}, "$.stop_loss"),
            ({"take_profit": Decimal(64000)}, "$.take_profit"),
            ({}, "$.stop_loss"),
        ):
            with pytest.raises(BadRequest) as refused:
                await stage.engine.change_protection("a", **changes)
            assert refused.value.field == field
        assert stage.protection().stop_loss == Decimal(64500)


async def test_a_released_protection_no_longer_fires(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.engine.release_protection("a")
        stage.move(64400)
        await stage.settle(5)
        assert (stage.guarded(), stage.submits(*CLOSE_SIDES)) == ("released", [])
        assert stage.receiver.names()[-1] == "released"
        for refused in (
            stage.engine.release_protection("a"),
            stage.engine.close_position("a"),
            stage.engine.change_protection("a", stop_loss=Decimal(1)),
        ):
            with pytest.raises(Conflict, match="released"):
                await refused


async def test_close_now_closes_with_the_reason_manual(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        with pytest.raises(NotFound):
            await stage.engine.close_position("nobody")
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.protection().reason == "manual"


async def test_close_now_of_a_protection_without_a_position_is_a_conflict(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(lambda: not stage.engine.not_ready())
        with pytest.raises(Conflict, match="nothing is held yet"):
            await stage.engine.close_position("a")


async def test_the_side_may_be_left_out_while_only_one_side_is_open(autojump_clock):
    async with open_stage() as stage:
        await stage.open_by_hand(side=4)
        answer = await stage.engine.monitor_position(
            monitor(stop_loss=Decimal(66000), take_profit=None)
        )
        assert answer.protection.side.value == "short"
        await stage.open_by_hand(side=1)
        await stage.until(lambda: stage.held(side="long") == 10)
        with pytest.raises(BadRequest, match="both sides of BTCUSDT are open") as refused:
            await stage.engine.monitor_position(monitor("n"))
        assert refused.value.field == "$.side"


async def test_with_nothing_open_the_levels_tell_the_side_or_it_is_asked_for(autojump_clock):
    async with open_stage() as stage:
        long = await stage.engine.monitor_position(monitor("long"))
        short = await stage.engine.monitor_position(
            monitor("short", stop_loss=Decimal(66000), take_profit=Decimal(64000))
        )
        assert (long.protection.side.value, short.protection.side.value) == ("long", "short")
        with pytest.raises(BadRequest, match="give long or short"):
            await stage.engine.monitor_position(monitor("one", take_profit=None))


async def test_a_monitored_position_asked_for_again_is_a_duplicate_or_a_conflict(autojump_clock):
    async with open_stage() as stage:
        first = await stage.engine.monitor_position(monitor())
        again = await stage.engine.monitor_position(monitor())
        assert (first.duplicate, again.duplicate) == (False, True)
        with pytest.raises(Conflict):
            await stage.engine.monitor_position(monitor(stop_loss=Decimal(64000)))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stop_loss": None, "take_profit": None}, "$.stop_loss"),
        ({"size": 0}, "$.size"),
        ({"side": "long", "stop_loss": Decimal(67000)}, "$.take_profit"),
        ({"symbol": "NOPEUSDT"}, "$.symbol"),
        ({"callback_url": "ftp://example.com"}, "$.callback_url"),
    ],
)
async def test_a_bad_request_to_monitor_names_the_field(autojump_clock, changes, field):
    async with open_stage() as stage:
        with pytest.raises(BadRequest) as refused:
            await stage.engine.monitor_position(monitor(**changes))
        assert refused.value.field == field


async def test_a_monitored_part_covers_its_size_and_a_whole_one_follows_the_position(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.open_by_hand(size=10)
        await stage.engine.monitor_position(monitor("part", size=4))
        await stage.engine.monitor_position(monitor("whole", stop_loss=Decimal(64000)))
        assert (stage.protection("part").covered, stage.protection("whole").covered) == (4, 10)
        stage.paper.close_position_by_hand("BTCUSDT", "long", 7)
        await stage.until(lambda: stage.protection("whole").covered == 3)
        assert stage.protection("part").covered == 3


async def test_monitoring_the_position_of_an_order_takes_over_from_the_orders_own_protection(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place()
        await stage.engine.monitor_position(monitor("m", order_id="a", stop_loss=Decimal(64800)))
        assert (stage.guarded("a"), stage.guarded("m")) == ("released", "pending_fill")
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        stage.move(65000)
        await stage.until(lambda: stage.guarded("m") == "armed")
        stage.move(64700)
        await stage.until(lambda: stage.guarded("m") == "closed")
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [10]
        with pytest.raises(Conflict, match="the order's position is closed"):
            await stage.engine.monitor_position(monitor("again", order_id="a"))


async def test_monitoring_an_order_that_ended_unfilled_is_a_conflict(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.engine.cancel_order("a")
        with pytest.raises(Conflict, match="cancelled, unfilled"):
            await stage.engine.monitor_position(monitor(order_id="a"))


# Without the private stream


async def test_a_fill_while_the_private_stream_is_down_is_seen_over_rest_and_protected(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        stage.paper.refuse_logins()
        stage.paper.drop_connections("private")
        await stage.settle(0.1)
        stage.move(65000)
        await stage.until(lambda: stage.guarded() == "armed", within=70)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")


async def test_after_a_private_reconnect_fills_and_closes_that_were_missed_are_read(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought("closed", exchange_protection=False)
        await stage.place("filled", exchange_protection=False, entry_zone_max=64995)
        stage.move(64995)
        await stage.until(lambda: stage.state("filled") == "open")
        stage.paper.drop_connections("private")
        stage.move(64995)
        with trio.fail_after(20):
            await stage.until(lambda: stage.guarded("filled") == "armed")


REFUSED = '{"code": 40027, "message": "no", "trace": "t", "data": null}'
EMPTY = '{"code": 1000, "message": "Ok", "trace": "t", "data": []}'


async def test_a_position_larger_than_one_market_order_may_be_is_closed_in_several(autojump_clock):
    instrument = PaperInstrument(
        "BTCUSDT",
        price=Decimal(65000),
        tick_size=Decimal("0.1"),
        contract_size=Decimal("0.001"),
        market_max_size=4,
    )
    async with open_stage({"symbols": (instrument,)}) as stage:
        await stage.bought(exchange_protection=False)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [4, 4, 2]
        assert len({body["client_order_id"] for body in stage.submits(*CLOSE_SIDES)}) == 3


async def test_a_stop_that_the_exchange_keeps_too_closes_no_contracts_of_another_order(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought("low", size=5, stop_loss=60000)
        await stage.bought("high", size=2, stop_loss=64500)
        await stage.settle(10)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("high") == "closed")
        await stage.settle(70)
        assert stage.paper.books.positions["BTCUSDT", Direction.LONG].size == 5
        assert (stage.guarded("low"), stage.protection("low").remaining) == ("armed", 5)
        assert stage.protection("high").reason == "exchange_stop_loss"
        assert stage.submits(*CLOSE_SIDES) == []


async def test_a_stop_that_the_exchange_lost_is_closed_by_the_engine_beside_another_order(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought("low", size=5, stop_loss=60000)
        await stage.bought("high", size=2, stop_loss=64500)
        await stage.settle(10)
        for plan in stage.paper.books.plans.waiting("BTCUSDT"):
            stage.paper.books.plans.cancel(plan.plan_id)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("high") == "closed", within=3)
        assert [body["size"] for body in stage.submits(*CLOSE_SIDES)] == [2]
        assert stage.paper.books.positions["BTCUSDT", Direction.LONG].size == 5


async def test_several_stops_of_one_position_that_fire_on_both_sides_close_all_of_it_once(
    autojump_clock,
):
    async with open_stage({"liquidity": 4}) as stage:
        for id, size in (("a", 5), ("b", 2), ("c", 3)):
            await stage.place(id, size=size, stop_loss=64500, exchange_protection=id != "c")
        await stage.until(stage.prices_come)
        for _ in range(5):
            stage.move(65000)
            await stage.settle(0.3)
        for _ in range(20):
            stage.move(64400)
            await stage.settle(1)
        assert {stage.guarded(id) for id in "abc"} == {"closed"}
        assert not any(each.size for each in stage.paper.books.positions.values())


async def test_a_stop_that_the_exchange_is_still_filling_is_left_to_it(autojump_clock):
    async with open_stage({"liquidity": 2}) as stage:
        for id, size, stop in (("low", 4, 60000), ("one", 2, 64500), ("two", 2, 64500)):
            await stage.place(id, size=size, stop_loss=stop)
        await stage.until(stage.prices_come)
        for _ in range(5):
            stage.move(65000)
            await stage.settle(0.3)
        await stage.settle(10)
        for _ in range(10):
            stage.move(64400)
            await stage.settle(2)
        assert (stage.guarded("one"), stage.guarded("two")) == ("closed", "closed")
        assert stage.paper.books.positions["BTCUSDT", Direction.LONG].size == 4


async def test_a_position_that_does_not_add_up_is_compared_with_the_exchange_soon(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.settle(10)
        stage.paper.close_position_by_hand("BTCUSDT", "long", 7)
        await stage.until(lambda: stage.protection().covered == 3, within=8)
        assert stage.guarded() == "armed"
