"""Entry orders on the whole engine: what is sent to the exchange, when, and what is made of its answers."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio

from bitmart_engine.model.errors import BadRequest, Conflict, NotFound
from bitmart_engine.store.retention import forget_old
from tests.support.stage import CANCEL, SUBMIT, entry, meant, open_stage

LEVERAGE = "/contract/private/submit-leverage"
ORDER = "/contract/private/order"
OPEN_ORDERS = "/contract/private/get-open-orders"


async def test_the_order_that_goes_out_is_what_was_asked_for(autojump_clock):
    async with open_stage() as stage:
        await stage.place(leverage=Decimal(10))
        await stage.until(stage.prices_come)
        stage.move("64995.5")
        await stage.until(lambda: stage.state() == "open")
        (body,) = stage.sent()
        assert body == {
            "symbol": "BTCUSDT",
            "side": 1,
            "type": "limit",
            "mode": 4,
            "size": 10,
            "price": "64995.5",
            "leverage": "10",
            "open_type": "isolated",
            "client_order_id": stage.order().client_order_id,
            "preset_stop_loss_price": "64500",
            "preset_take_profit_price": "66000",
        }


async def test_a_short_opens_with_side_4_and_its_prices_are_plain_decimals_on_the_grid(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place(
            symbol="1000PEPEUSDT",
            side="short",
            entry_zone_min="0.0100001",
            entry_zone_max="0.0105",
            stop_loss="0.02",
            take_profit="0.00000015",
            size=3,
        )
        await stage.until(lambda: stage.prices_come("1000PEPEUSDT"))
        stage.move("0.0102", "1000PEPEUSDT")
        await stage.until(lambda: stage.state() == "open")
        (body,) = stage.sent()
        assert (body["side"], body["price"], body["size"]) == (4, "0.0102", 3)
        assert body["preset_stop_loss_price"] == "0.02"
        assert body["preset_take_profit_price"] == "0.0000002"


async def test_exchange_protection_can_be_turned_off(autojump_clock):
    async with open_stage() as stage:
        protection = await stage.bought(exchange_protection=False)
        (body,) = stage.sent()
        assert not [name for name in body if name.startswith("preset")]
        assert [each.id for each in stage.engine.unprotected()] == ["a"]
        assert protection.exchange_stop_loss is None


async def test_a_market_order_goes_out_without_a_price(autojump_clock):
    async with open_stage() as stage:
        await stage.place(type="market")
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled")
        (body,) = stage.sent()
        assert (body["type"], "price" in body, "mode" in body) == ("market", False, False)


async def test_a_price_that_jumps_over_the_zone_places_nothing_and_one_that_touches_it_does(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place(entry_zone_min=64900, entry_zone_max=64950)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle()
        stage.move(64800)
        await stage.settle()
        assert (stage.sent(), stage.state()) == ([], "waiting")
        stage.move(64900)
        await stage.until(lambda: stage.state() == "open")


async def test_a_price_that_is_inside_already_places_at_once(autojump_clock):
    async with open_stage() as stage:
        await stage.place("first", entry_zone_min=60000, entry_zone_max=60001, stop_loss=59000)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle()
        await stage.place("a")
        await stage.until(lambda: stage.state() == "open", within=0.5)


async def test_an_order_that_waits_too_long_expires_and_says_so(autojump_clock):
    async with open_stage() as stage:
        await stage.place(entry_zone_max="64995", timeout_seconds=Decimal(20))
        await stage.settle(19)
        assert stage.state() == "waiting"
        await stage.settle(2)
        assert stage.state() == "expired"
        assert stage.guarded() == "released"
        await stage.until(lambda: stage.receiver.names() == ["timeout"])
        stage.move(64995)
        await stage.settle()
        assert stage.sent() == []


async def test_a_later_deadline_does_not_delay_an_earlier_one(autojump_clock):
    async with open_stage() as stage:
        await stage.place("late", timeout_seconds=Decimal(100))
        await stage.place("early", timeout_seconds=Decimal("2.5"))
        await stage.settle(3)
        assert (stage.state("early"), stage.state("late")) == ("expired", "waiting")


async def test_an_order_that_ended_may_be_forgotten_before_its_deadline_comes(autojump_clock):
    async with open_stage() as stage:
        await stage.place("long", entry_zone_max="64995", timeout_seconds=Decimal(100))
        await stage.engine.cancel_order("long")
        await stage.place("other", entry_zone_max="64995", timeout_seconds=Decimal(200))
        await stage.settle(10)
        stage.engine.state.owed.clear()
        forget_old(stage.engine.state, stage.engine.state.orders["other"].accepted_ms + 5_000)
        assert list(stage.engine.state.orders) == ["other"]
        await stage.settle(200)
        assert stage.state("other") == "expired"


async def test_the_same_request_again_is_a_duplicate_and_another_body_a_conflict(autojump_clock):
    async with open_stage() as stage:
        first = await stage.engine.place_order(entry())
        again = await stage.engine.place_order(entry())
        assert (first.duplicate, again.duplicate) == (False, True)
        with pytest.raises(Conflict, match="exists with another body"):
            await stage.engine.place_order(entry(size=11))
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        assert len(stage.sent()) == 1


async def test_two_equal_requests_at_the_same_time_make_one_order(autojump_clock):
    async with open_stage() as stage:
        answers = []

        async def ask():
            answers.append((await stage.engine.place_order(entry())).duplicate)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
        assert sorted(answers) == [False, True, True, True, True]
        assert len(stage.engine.state.orders) == 1


async def test_an_unknown_symbol_and_a_forbidden_callback_are_refused(autojump_clock):
    async with open_stage() as stage:
        with pytest.raises(BadRequest, match="unknown symbol 'NOPEUSDT'") as refused:
            await stage.place(symbol="NOPEUSDT")
        assert refused.value.field == "$.symbol"
        with pytest.raises(BadRequest) as refused:
            await stage.place(callback_url="http://169.254.169.254/latest")
        assert refused.value.field == "$.callback_url"
        assert stage.engine.state.orders == {}


async def test_without_credentials_orders_are_refused_by_naming_what_is_missing(autojump_clock):
    async with open_stage(api_key="", api_memo="") as stage:
        with pytest.raises(Conflict, match="not set: BITMART_API_KEY, BITMART_API_MEMO"):
            await stage.place()
        assert await stage.engine.subscribe_klines("BTCUSDT", ["1m"]) == [
            "futures/klineBin1m:BTCUSDT"
        ]


# Leverage


async def test_leverage_is_set_before_the_order_and_only_when_it_differs(autojump_clock):
    async with open_stage() as stage:
        await stage.place("a", leverage=Decimal(25))
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state("a") == "open")
        await stage.place("b", leverage=Decimal(25))
        await stage.until(lambda: stage.state("b") == "open")
        requests = meant(stage.paper.requests)
        paths = [each.path for each in requests if each.path in (LEVERAGE, SUBMIT)]
        assert paths == [LEVERAGE, SUBMIT, SUBMIT]
        assert stage.sent(LEVERAGE) == [
            {"symbol": "BTCUSDT", "leverage": "25", "open_type": "isolated"}
        ]


async def test_leverage_that_the_exchange_refuses_with_a_position_open_rejects_the_order(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought("first", leverage=Decimal(10))
        await stage.place("a", leverage=Decimal(50))
        await stage.until(lambda: stage.state() == "rejected")
        failed = stage.receiver.events()[-1]
        await stage.until(lambda: stage.receiver.names()[-1] == "failed")
        failed = stage.receiver.events()[-1]
        assert failed["reason"] == "leverage"
        assert "leverage 50 isolated refused" in failed["error"]
        assert stage.guarded("first") == "armed"


# Maker-only orders that would cross


@pytest.mark.parametrize("form", ["reply", "cancel"])
async def test_a_maker_only_order_that_crosses_is_repriced_while_the_price_stays_in_the_zone(
    autojump_clock, form
):
    async with open_stage({"maker_only_refusal": form}) as stage:
        await stage.place(entry_zone_min=64990, entry_zone_max=65010)
        await stage.until(stage.prices_come)
        stage.move("65000")
        stage.paper.books.last["BTCUSDT"] = Decimal("64999.8")  # it fell, and nobody was told yet
        await stage.until(lambda: stage.state() == "open")
        await stage.settle()
        prices = [body["price"] for body in stage.sent()]
        ids = [body["client_order_id"] for body in stage.sent()]
        assert prices == ["65000", "64999.9", "64999.8"]
        assert len(set(ids)) == 3


async def test_after_three_crossings_the_order_is_rejected(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.fail(SUBMIT, times=9, status=400, body=CROSSED)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "rejected")
        await stage.until(lambda: stage.receiver.names() == ["failed"])
        (failed,) = stage.receiver.events()
        assert failed["reason"] == "post_only_rejected"
        await stage.settle(10)
        assert len(stage.sent()) == 3
        assert stage.guarded() == "released"


async def test_a_crossing_order_whose_zone_was_left_waits_for_the_price_to_come_back(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.fail(SUBMIT, status=400, body=CROSSED)
        stage.paper.delay(SUBMIT, 0.5, after=True)
        stage.move(65000)
        await stage.settle(0.05)
        stage.move(65100)
        await stage.settle(5)
        assert stage.state() in ("waiting", "open")
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")


# Answers that are refusals, and answers that are lost


async def test_a_refusal_is_passed_on_and_nothing_is_sent_again(autojump_clock):
    async with open_stage({"balance": Decimal(1)}) as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "rejected")
        await stage.until(lambda: stage.receiver.names() == ["failed"])
        assert stage.receiver.events()[0]["reason"] == "funds"
        await stage.settle(30)
        assert len(stage.sent()) == 1


async def test_a_lost_answer_is_looked_up_and_the_order_is_not_sent_again(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.lose_replies(SUBMIT)
        stage.paper.refuse_logins()
        stage.paper.drop_connections("private")
        await stage.settle(0.1)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        assert [each.state for each in stage.order().history[-2:]] == ["unknown", "open"]
        await stage.settle(30)
        assert len(stage.sent()) == 1
        await stage.until(lambda: stage.receiver.names() == ["placed"])


async def test_a_lost_answer_is_unknown_for_as_long_as_the_look_up_fails_too(autojump_clock):
    async with open_stage() as stage:
        await stage.place(timeout_seconds=Decimal(600))
        await stage.until(stage.prices_come)
        stage.paper.refuse_logins()
        stage.paper.drop_connections("private")
        stage.paper.fail(SUBMIT, status=502, body="<html>bad gateway</html>", after=True)
        stage.paper.fail(OPEN_ORDERS, times=1000, status=500)
        stage.move(65000)
        await stage.settle(120)
        assert (stage.state(), len(stage.sent())) == ("unknown", 1)
        stage.paper.clear_faults()
        await stage.until(lambda: stage.state() in ("open", "filled"))
        assert len(stage.sent()) == 1


async def test_an_order_that_was_never_taken_is_proved_absent_and_goes_out_under_the_same_id(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.fail(SUBMIT, status=500)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "unknown")
        await stage.settle(4)
        assert len(stage.sent()) == 1
        await stage.settle(4)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        first, second = stage.sent()
        assert first["client_order_id"] == second["client_order_id"]
        assert len(stage.paper.books.orders) == 1


async def test_an_id_that_the_exchange_has_already_is_found_and_not_sent_again(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.refuse_logins()
        stage.paper.drop_connections("private")
        stage.paper.fail(SUBMIT, status=500, after=True)
        stage.paper.fail(OPEN_ORDERS, times=2, body=EMPTY, status=200)
        stage.paper.fail("/contract/private/order-history", times=2, body=EMPTY, status=200)
        stage.move(65000)
        await stage.until(lambda: stage.state() in ("open", "filled"))
        assert len(stage.paper.books.orders) == 1


async def test_a_network_that_is_down_sends_nothing_and_tries_again_when_it_is_back(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.network.cut = True
        stage.move(65000)
        await stage.settle(3)
        assert stage.state() in ("waiting", "submitting")
        stage.network.cut = False
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        assert len(stage.sent()) == 1


async def test_too_many_requests_are_waited_out(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.fail(SUBMIT, status=429, body='{"code": 30013, "message": "too many"}')
        stage.move(65000)
        await stage.settle(1)
        assert (stage.state(), len(stage.sent())) == ("waiting", 1)
        await stage.until(lambda: stage.state() == "open")


# After the submit


async def test_placed_is_told_with_what_is_known_when_the_order_cannot_be_read_yet(
    autojump_clock,
):
    async with open_stage({"order_visibility_delay_ms": 60_000}) as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.freeze("futures/order", until="forever")
        stage.move(65000)
        await stage.until(lambda: stage.receiver.names() == ["placed"], within=2)
        assert stage.receiver.events()[0]["submit_only"] is True
        assert stage.order().submit_only
        reads = [each for each in stage.paper.requests if each.path == ORDER]
        assert len(reads) == 3


async def test_placed_is_told_with_what_the_stream_said(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.receiver.names() == ["placed"])
        assert "submit_only" not in stage.receiver.events()[0]
        assert stage.sent(ORDER) == []


@pytest.mark.parametrize("before", [True, False])
async def test_a_push_may_come_before_or_after_the_answer(autojump_clock, before):
    async with open_stage({"push_before_reply": before}) as stage:
        await stage.bought()
        await stage.until(lambda: stage.receiver.names() == ["placed", "filled"])


async def test_partial_fills_are_told_and_protected_one_by_one(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        covered = []
        for _ in range(4):
            stage.move(65000)
            await stage.settle(0.5)
            covered.append((stage.state(), stage.protection().covered))
        assert covered == [
            ("open", 0),
            ("partially_filled", 4),
            ("partially_filled", 8),
            ("filled", 10),
        ]
        assert stage.receiver.names() == [
            "placed",
            "partially_filled",
            "partially_filled",
            "filled",
        ]


# Cancelling


async def test_a_waiting_order_is_cancelled_at_once(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        order = await stage.engine.cancel_order("a")
        assert (order.state.value, stage.guarded()) == ("cancelled", "released")
        await stage.until(lambda: stage.receiver.names() == ["cancelled"])
        with pytest.raises(Conflict, match="cancelled"):
            await stage.engine.cancel_order("a")
        with pytest.raises(NotFound):
            await stage.engine.cancel_order("nobody")


async def test_an_order_at_the_exchange_is_cancelled_there_by_its_id(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        order = await stage.engine.cancel_order("a")
        assert order.state.value == "cancelled"
        (body,) = stage.sent(CANCEL)
        assert body == {"symbol": "BTCUSDT", "order_id": order.exchange_order_id}


async def test_a_cancel_that_loses_the_race_with_the_fill_says_so(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        stage.paper.delay(CANCEL, 0.5)

        async def fill_meanwhile():
            await stage.settle(0.1)
            stage.move(65000)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fill_meanwhile)
            with pytest.raises(Conflict, match="filled"):
                await stage.engine.cancel_order("a")
        assert stage.guarded() == "armed"


async def test_a_partly_filled_order_that_is_cancelled_keeps_its_part_protected(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle(0.5)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "partially_filled")
        order = await stage.engine.cancel_order("a")
        assert (order.state.value, order.filled) == ("cancelled", 4)
        assert (stage.guarded(), stage.protection().covered) == ("armed", 4)


async def test_a_cancel_whose_answer_is_lost_goes_on_until_the_order_is_gone(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        stage.paper.fail(CANCEL, times=3, status=500)
        order = await stage.engine.cancel_order("a")
        await stage.until(lambda: stage.state() == "cancelled")
        assert order.cancel_asked


CROSSED = '{"code": 40011, "message": "Invalid parameter", "trace": "t", "data": null}'
EMPTY = '{"code": 1000, "message": "Ok", "trace": "t", "data": []}'


# What else may happen on the way


async def test_an_order_that_is_cancelled_while_it_waits_for_its_turn_is_never_sent(autojump_clock):
    async with open_stage({"balance": Decimal(10_000_000)}) as stage:
        for number in range(60):
            await stage.place(f"o{number}", size=1)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle(0.5)
        queued = [f"o{n}" for n in range(60) if stage.state(f"o{n}") == "submitting"]
        assert queued
        await stage.engine.cancel_order(queued[-1])
        await stage.until(lambda: stage.state(queued[-1]) == "cancelled")
        sent = {body["client_order_id"] for body in stage.sent()}
        assert stage.order(queued[-1]).client_order_id not in sent


async def test_an_order_whose_zone_was_left_while_it_waited_for_its_turn_waits_again(
    autojump_clock,
):
    async with open_stage({"balance": Decimal(10_000_000)}) as stage:
        for number in range(60):
            await stage.place(f"o{number}", size=1)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle(1.5)
        stage.move(65200)
        await stage.settle(10)
        states = [stage.state(f"o{number}") for number in range(60)]
        assert 10 < states.count("open") < 40
        assert states.count("waiting") == 60 - states.count("open")
        stage.move(65000)
        await stage.until(lambda: all(stage.state(f"o{n}") != "waiting" for n in range(60)))


async def test_leverage_that_cannot_be_set_now_is_tried_again(autojump_clock):
    async with open_stage() as stage:
        await stage.place(leverage=Decimal(25))
        await stage.until(stage.prices_come)
        stage.paper.fail(LEVERAGE, status=500)
        stage.paper.fail(LEVERAGE, status=429, body='{"code": 30013, "message": "too many"}')
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        assert len(stage.sent(LEVERAGE)) == 3
        assert len(stage.sent()) == 1


async def test_leverage_refused_with_the_order_itself_is_forgotten_and_passed_on(autojump_clock):
    async with open_stage() as stage:
        await stage.place(leverage=Decimal(25))
        await stage.until(stage.prices_come)
        stage.paper.fail(SUBMIT, status=400, body='{"code": 40040, "message": "Invalid Leverage"}')
        stage.move(65000)
        await stage.until(lambda: stage.state() == "rejected")
        await stage.until(lambda: stage.receiver.names() == ["failed"])
        assert stage.receiver.events()[0]["reason"] == "leverage"


async def test_a_refused_cancel_reads_the_order_and_believes_that(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        stage.paper.freeze("futures/order", until="forever")
        stage.move(65000)
        with pytest.raises(Conflict, match="filled"):
            await stage.engine.cancel_order(
                "a",
            )
        assert stage.guarded() == "armed"


async def test_an_order_that_cannot_be_read_stays_as_it_is(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.freeze("futures/order", until="forever")
        stage.paper.fail(ORDER, times=2, status=500)
        stage.paper.fail(ORDER, status=400, body='{"code": 40012, "message": "system error"}')
        stage.move(65000)
        await stage.until(lambda: stage.receiver.names() == ["placed"])
        assert (stage.state(), stage.order().submit_only) == ("open", True)
        assert stage.engine.dropped()["order_read_failed"] >= 2


async def test_a_crossing_order_past_its_deadline_expires(autojump_clock):
    async with open_stage() as stage:
        await stage.place(timeout_seconds=Decimal(3))
        await stage.until(stage.prices_come)
        stage.network.slow_s = 4
        stage.paper.fail(SUBMIT, status=400, body=CROSSED)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "expired")
        assert len(stage.sent()) <= 1


async def test_an_order_found_refused_for_crossing_after_a_lost_answer_goes_on(autojump_clock):
    async with open_stage({"maker_only_refusal": "cancel"}) as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.freeze("futures/order", until="forever")
        stage.paper.lose_replies(SUBMIT)
        stage.move(65000)
        stage.paper.books.last["BTCUSDT"] = Decimal("64999.9")
        await stage.until(lambda: stage.state() == "open")
        assert [body["price"] for body in stage.sent()] == ["65000", "64999.9"]


async def test_a_lost_order_that_turns_up_after_it_was_proved_absent_is_adopted(autojump_clock):
    async with open_stage(submit_valid_s=0) as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.paper.refuse_logins()
        stage.paper.drop_connections("private")
        stage.paper.fail(SUBMIT, status=500, after=True)
        stage.paper.fail(OPEN_ORDERS, times=100, status=200, body=EMPTY)
        stage.move(65000)
        await stage.settle(0.1)
        stage.move(65200)
        await stage.settle(60)
        assert stage.state() == "unknown", "the request may be under way still"
        await stage.until(lambda: stage.state() == "waiting", within=20)
        stage.paper.clear_faults()
        await stage.until(lambda: stage.state() == "open")
        assert len(stage.paper.books.orders) == 1
