"""Order signals: every piece of news of every order of the account, in the form of the application's contract."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from attrs import evolve

from bitmart_engine import MonitorPosition
from tests.faults.test_table import overhearing
from tests.support.stage import SUBMIT, ask_by_hand, open_stage, open_theatre
from tests.trading.application import BASE, ORDERS, SIGNALS, Application


@asynccontextmanager
async def open_application(paper=None, **settings):
    """A stage, and the application that its signals go to. It must have found nothing wrong at the end."""
    async with open_stage(paper, **SIGNALS, **settings) as stage:
        application = Application(stage.paper.now_ms)
        stage.receiver.answer = application
        yield stage, application
        await told(stage)
    assert application.faults == []


async def told(stage):
    await stage.until(lambda: not stage.engine.state.owed)


async def by_hand(stage, client_order_id="mine1", side=1, size=10, **changes):
    """An order that the application sends over REST, past the engine."""
    body = {"symbol": "BTCUSDT", "side": side, "size": size, "client_order_id": client_order_id}
    body |= {"type": "market"} | changes
    return (await ask_by_hand(stage.paper, SUBMIT, body))["data"]


async def test_an_entry_is_signalled_as_its_contract_says(autojump_clock):
    async with open_application() as (stage, application):
        await stage.bought(leverage=Decimal(10), metadata={"plan": {"id": 7}, "more": "x"})
        await told(stage)
        order = stage.order()
        opened, filled = application.of(order.client_order_id)
        assert opened == {
            "kind": "ENTRY",
            "status": "SUBMITTED",
            "order_id": order.exchange_order_id,
            "client_order_id": order.client_order_id,
            "symbol": "BTCUSDT",
            "side": "1",
            "type": "limit",
            "price": "65000",
            "size": "10",
            "leverage": "10",
            "submitted_at": opened["submitted_at"],
            "context": {
                "source": "bitmart_ws_worker",
                "action": "SUBMIT_ORDER",
                "state": "CHECK",
                "deal_size": "0",
                "deal_avg_price": "0",
                "id": "a",
                "attempt": 1,
                "partial": False,
                "metadata": {"plan": {"id": 7}, "more": "x"},
            },
            "plan": {"id": 7},
            "position": {"symbol": "BTCUSDT", "side": "LONG"},
            "exchange_response": opened["exchange_response"],
            "retry_count": 0,
            "payload_version": "1.0",
            "trace_id": opened["trace_id"],
        }
        assert opened["submitted_at"].startswith("2026-08-03T")
        assert opened["submitted_at"].endswith("+00:00")
        response = opened["exchange_response"]
        assert response["order"]["order_id"] == order.exchange_order_id
        assert response["action"] == response["raw"]["action"] == 2
        assert response["raw"]["order"] == response["order"]
        assert filled["status"] == "FILLED"
        assert filled["context"]["deal_size"] == "10"
        assert filled["context"]["deal_avg_price"] == "65000"
        assert (filled["context"]["action"], filled["context"]["state"]) == ("MATCH_DEAL", "FINISH")


async def test_closes_have_the_kind_of_what_they_end_and_the_entry_as_their_parent(autojump_clock):
    async with open_application() as (stage, application):
        await stage.bought("a", exchange_protection=False, leverage=Decimal(10))
        stage.move(66000)
        await stage.until(lambda: stage.guarded("a") == "closed")
        stage.move(65000)
        await stage.bought("b", exchange_protection=False)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("b") == "closed")
        stage.move(65000)
        await stage.bought("c", exchange_protection=False)
        await stage.engine.close_position("c")
        await stage.until(lambda: stage.guarded("c") == "closed")
        stage.move(65000)
        await stage.bought("d", exchange_protection=False, stop_loss=None)
        await stage.engine.close_position("d")
        await stage.until(lambda: stage.guarded("d") == "closed")
        await told(stage)
        found = {}
        for id in "abcd":
            signals = application.of(stage.protection(id).close.client_order_id)
            parents = {each["parent_client_order_id"] for each in signals}
            assert parents == {stage.order(id).client_order_id}
            assert [each["status"] for each in signals] == ["SUBMITTED", "FILLED"]
            assert {(each["side"], each["type"], each["price"]) for each in signals} == {
                ("3", "market", "0")
            }
            found[id] = {(each["kind"], each["context"]["cause"]) for each in signals}
        assert found == {
            "a": {("TAKE_PROFIT", "take_profit")},
            "b": {("STOP_LOSS", "stop_loss")},
            "c": {("STOP_LOSS", "manual")},
            "d": {("TAKE_PROFIT", "manual")},
        }


async def test_a_stop_that_the_exchange_fired_is_signalled_once_with_the_order_it_closed_for(
    autojump_clock,
):
    async with open_application() as (stage, application):
        await stage.bought("a")
        stage.move(64400)
        await stage.until(lambda: stage.guarded("a") == "closed")
        await stage.settle(10)
        assert stage.submits(2, 3) == []
        closes = [each for each in application.orders if each["kind"] == "STOP_LOSS"]
        assert [each["status"] for each in closes] == ["SUBMITTED", "FILLED"]
        last, entry = closes[-1], stage.order("a")
        assert (last["context"]["deal_size"], last["size"]) == ("10", "10")
        assert last["parent_client_order_id"] == entry.client_order_id
        assert last["client_order_id"].startswith("PLAN_")
        assert last["context"]["id"] == "a"
        assert last["context"]["cause"] == "exchange_stop_loss"
        assert "foreign" not in last["context"]


async def test_a_stop_that_is_read_and_not_pushed_is_signalled_once_and_as_ours(
    autojump_clock,
):
    async with open_application() as (stage, application):
        await stage.bought("a")
        await told(stage)
        stage.engine._core.protections.on_update = lambda update, **more: None  # no push arrives
        stage.move(64400)
        await stage.until(lambda: stage.guarded("a") == "closed")
        await stage.settle(20)
        closes = [each for each in application.orders if each["kind"] == "STOP_LOSS"]
        assert [each["status"] for each in closes] == ["SUBMITTED", "FILLED"]
        assert {each["parent_client_order_id"] for each in closes} == {
            stage.order("a").client_order_id
        }


async def test_a_late_fill_is_signalled_as_such(autojump_clock):
    async with open_application() as (stage, application), overhearing(stage) as said:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        await stage.engine.cancel_order("a")
        await stage.settle()
        late = evolve(said[-1], deal_size=10, deal_avg_price=Decimal(65000))
        stage.engine._streams.bus.publish(late)
        await stage.until(lambda: stage.guarded() == "armed")
        await told(stage)
        got = [
            (each["status"], each["context"].get("late_fill"))
            for each in application.orders
            if "foreign" not in each["context"]
        ]
        assert got == [("SUBMITTED", None), ("CANCELLED", None), ("FILLED", True)]


async def test_a_part_that_filled_before_the_cancel_is_filled_and_partial(autojump_clock):
    async with open_application({"liquidity": 4}) as (stage, application):
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle(0.5)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "partially_filled")
        await stage.engine.cancel_order("a")
        await told(stage)
        assert [
            (each["status"], each["context"]["deal_size"], each["context"]["partial"])
            for each in application.orders
        ] == [
            ("SUBMITTED", "0", False),
            ("PARTIALLY_FILLED", "4", False),
            ("FILLED", "4", True),
        ]


async def test_a_market_order_that_fills_at_once_is_told_submitted_first_and_has_the_price_0(
    autojump_clock,
):
    async with open_application() as (stage, application):
        await stage.bought(type="market")
        await told(stage)
        assert application.news() == [("ENTRY", "SUBMITTED"), ("ENTRY", "FILLED")]
        assert {each["price"] for each in application.orders} == {"0"}


async def test_an_order_that_the_exchange_refuses_is_rejected_with_its_client_order_id(
    autojump_clock,
):
    async with open_application() as (stage, application):
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.refuse(SUBMIT, 40027)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "rejected")
        await told(stage)
        (refused,) = application.orders
        assert (refused["kind"], refused["status"]) == ("ENTRY", "REJECTED")
        assert refused["client_order_id"] == stage.submits(1)[0]["client_order_id"]
        assert "order_id" not in refused
        assert "balance" in refused["context"]["error"].lower()


async def test_an_attempt_that_was_taken_away_for_crossing_is_cancelled_and_the_next_is_another_order(
    autojump_clock,
):
    async with open_application({"maker_only_refusal": "cancel"}) as (stage, application):
        await stage.place()
        await stage.until(stage.prices_come)
        stage.paper.delay(SUBMIT, 0.2)
        stage.move(65000)
        await stage.settle(0.05)
        stage.move(64995)
        await stage.until(lambda: stage.state() == "open")
        await stage.settle()
        first, second = [each["client_order_id"] for each in stage.submits(1)]
        assert [each["status"] for each in application.of(first)] == ["SUBMITTED", "CANCELLED"]
        assert "crossed" in application.of(first)[1]["context"]["reason"]
        assert [each["status"] for each in application.of(second)] == ["SUBMITTED"]


async def test_an_order_that_never_went_out_is_not_signalled(autojump_clock):
    async with open_application() as (stage, application):
        await stage.place()
        await stage.engine.cancel_order("a")
        far = {"entry_zone_min": 60000, "entry_zone_max": 60010, "stop_loss": 59000}
        await stage.place("b", timeout_seconds=Decimal(1), **far)
        await stage.until(lambda: stage.state("b") in ("expired", "rejected"))
        await told(stage)
        assert application.orders == []


async def test_an_order_of_another_program_is_signalled_when_it_is_submitted_and_when_it_ends(
    autojump_clock,
):
    async with open_application() as (stage, application):
        await stage.settle()
        await by_hand(stage, "app7", 1, type="limit", price="60000", leverage="5")
        await stage.settle()
        stage.paper.cancel_by_hand("app7")
        await stage.settle()
        first, last = application.of("app7")
        assert (first["kind"], first["status"]) == ("ENTRY", "SUBMITTED")
        assert (first["type"], first["price"], first["size"]) == ("limit", "60000", "10")
        assert first["context"]["foreign"] is True
        assert first["exchange_response"]["order"]["client_order_id"] == "app7"
        assert (last["kind"], last["status"]) == ("ENTRY", "CANCELLED")
        assert last["exchange_response"]["action"] == 3
        assert "plan" not in last
        assert "parent_client_order_id" not in last


async def test_a_close_of_another_program_is_a_stop_loss_closed_elsewhere(autojump_clock):
    async with open_application() as (stage, application):
        await stage.settle()
        await by_hand(stage, "open1", 1)
        await by_hand(stage, "close1", 3)
        await stage.settle()
        assert [each["status"] for each in application.of("open1")] == ["SUBMITTED", "FILLED"]
        closes = application.of("close1")
        assert [each["status"] for each in closes] == ["SUBMITTED", "FILLED"]
        assert {(each["kind"], each["context"]["cause"]) for each in closes} == {
            ("STOP_LOSS", "closed_elsewhere")
        }
        assert all(each["parent_client_order_id"] for each in closes)
        assert closes[0]["position"] == {"symbol": "BTCUSDT", "side": "LONG"}


@pytest.mark.parametrize(
    ("price", "kind", "cause"),
    [
        (64000, "STOP_LOSS", "exchange_stop_loss"),
        (66000, "TAKE_PROFIT", "exchange_take_profit"),
    ],
)
async def test_a_stop_of_another_program_is_told_by_its_kind_and_names_its_plan_as_the_parent(
    autojump_clock, price, kind, cause
):
    async with open_application() as (stage, application):
        await stage.settle()
        presets = {"preset_stop_loss_price": "64500", "preset_take_profit_price": "65500"}
        await by_hand(stage, "open1", 1, **presets)
        await stage.settle()
        stage.move(price)
        await stage.settle()
        closes = [each for each in application.orders if each["kind"] != "ENTRY"]
        assert [each["status"] for each in closes] == ["SUBMITTED", "FILLED"]
        assert {each["kind"] for each in closes} == {kind}
        assert {each["context"]["cause"] for each in closes} <= {cause, "closed_by_plan"}
        plans = {each["client_order_id"].removeprefix("PLAN_") for each in closes}
        assert {each["parent_client_order_id"] for each in closes} == plans


async def test_orders_without_a_client_order_id_are_not_signalled(autojump_clock):
    async with open_application() as (stage, application):
        await stage.settle()
        await stage.open_by_hand()
        await stage.settle()
        assert application.orders == []


async def test_nothing_is_told_twice_after_a_restart_and_what_ended_meanwhile_is_told(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path), **SIGNALS) as theatre:
        application = Application(theatre.paper.now_ms)
        theatre.receiver.answer = application
        async with theatre.engine() as stage:
            await stage.settle()
            await by_hand(stage, "app7", 1, type="limit", price="60000")
            await by_hand(stage, "app8", 1)
            await stage.place()
            await stage.until(stage.prices_come)
            stage.move(65000)
            await stage.until(lambda: stage.state() == "open")
            await stage.settle()
        before = application.news()
        theatre.paper.cancel_by_hand("app7")
        async with theatre.engine() as stage:
            await stage.settle(90)
            await stage.engine._exchange.open_orders()
            await stage.settle()
            assert application.news() == [*before, ("ENTRY", "CANCELLED")]
            assert len(application.of("app7")) == 2
    assert application.faults == []


async def test_a_close_that_was_held_back_when_the_engine_ended_is_told_by_the_next(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path), **SIGNALS) as theatre:
        application = Application(theatre.paper.now_ms)
        theatre.receiver.answer = application
        async with theatre.engine() as stage:
            await stage.bought(exchange_protection=False, stop_loss=60000, take_profit=70000)
            presets = {"preset_stop_loss_price": "64500"}
            await by_hand(stage, "open1", 1, **presets)
            await stage.settle()
            stage.move(64400)
            await stage.settle(1)
            assert [each for each in application.orders if each["kind"] != "ENTRY"] == []
            assert [e.told for e in stage.engine.state.futures_orders.values()].count("held back")
        async with theatre.engine() as stage:
            await stage.settle(8)
            closes = [each for each in application.orders if each["kind"] != "ENTRY"]
            assert [each["status"] for each in closes] == ["SUBMITTED", "FILLED"]
            assert closes[0]["client_order_id"].startswith("PLAN_")
            assert closes[0]["context"]["foreign"] is True
            await stage.settle(70)
            assert not [
                each
                for each in stage.engine.state.futures_orders.values()
                if each.told == "held back"
            ]
        assert len([each for each in application.orders if each["kind"] != "ENTRY"]) == 2
    assert application.faults == []


async def test_orders_that_ended_long_before_anybody_listened_are_history(autojump_clock):
    async with open_theatre(**SIGNALS) as theatre:
        application = Application(theatre.paper.now_ms)
        theatre.receiver.answer = application
        async with theatre.engine() as stage:
            await stage.settle()
            await by_hand(stage, "app7", 1)
            await stage.settle()
        before = list(application.orders)
        async with theatre.engine() as stage:
            await stage.settle(700)
            order_id = before[-1]["order_id"]
            await stage.engine._exchange.order("BTCUSDT", order_id)
            await stage.settle(30)
            assert order_id in stage.engine.state.futures_orders
            assert application.orders == before
            assert stage.engine.state.futures_orders[order_id].told == ""


async def test_while_very_many_signals_of_others_are_owed_further_ones_are_counted_and_left_out(
    autojump_clock, monkeypatch
):
    monkeypatch.setattr("bitmart_engine.trading.signals.foreign_signals.MOST_OWED", 6)
    async with open_stage(**SIGNALS) as stage:
        await stage.settle()
        stage.receiver.answer = lambda request: 500
        for number in range(20):
            await by_hand(stage, f"app{number}", 1, 1)
        await stage.settle()
        owed = [each for each in stage.engine.state.owed.values() if each.kind == "order_signal"]
        assert 6 <= len(owed) < 9
        assert stage.engine.dropped()["order_signal_dropped"] >= 30
        await stage.bought()
        owed = stage.engine.state.owed.values()
        assert len([e for e in owed if (e.lane, e.kind) == ("a", "order_signal")]) == 2


async def test_each_signal_has_a_trace_id_of_its_own_that_a_retry_keeps(autojump_clock):
    async with open_application() as (stage, application):
        stage.receiver.answer = lambda request: 503
        await stage.bought()
        await stage.settle(8)
        stage.receiver.answer = application
        await told(stage)
        traces = [each["trace_id"] for each in stage.receiver.events(ORDERS)]
        assert len(set(traces)) == 2
        assert len(traces) >= 3


async def test_a_monitored_position_names_the_order_that_it_was_given_as_the_parent(
    autojump_clock,
):
    async with open_application() as (stage, application):
        await stage.settle()
        data = await by_hand(stage, "app7", 1)
        await stage.settle()
        for id, order_id in (("known", str(data["order_id"])), ("other", "their-own")):
            if id == "other":
                await by_hand(stage, "app8", 1)
                await stage.settle()
            await stage.engine.monitor_position(
                MonitorPosition(
                    id=id, symbol="BTCUSDT", order_id=order_id, stop_loss=Decimal(64500)
                )
            )
            await stage.until(lambda id=id: stage.guarded(id) == "armed")
            await stage.engine.close_position(id)
            await stage.until(lambda id=id: stage.guarded(id) == "closed")
        await told(stage)
        parents = {
            id: application.of(stage.protection(id).close.client_order_id)[0][
                "parent_client_order_id"
            ]
            for id in ("known", "other")
        }
        assert parents == {"known": "app7", "other": "their-own"}


async def test_a_second_signal_of_an_order_is_answered_409_and_counts_as_delivered(autojump_clock):
    async with open_application() as (stage, application):
        await stage.bought()
        await told(stage)
        assert len(application.orders) == 2
        assert len(application.taken) == 1
        assert not stage.engine.state.dead


async def test_a_dead_callback_receiver_does_not_hold_back_the_signals(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        stage.receiver.answer = lambda request: 200 if "ws-worker" in str(request.url) else None
        await stage.bought()
        await stage.until(lambda: len(stage.receiver.events(ORDERS)) == 2, within=2)


@pytest.mark.parametrize(
    "settings", [{"trading_app_base_uri": BASE}, {"trading_app_shared_secret": "shared"}]
)
async def test_without_address_or_secret_signals_are_off(autojump_clock, settings):
    async with open_stage(**settings) as stage:
        await stage.bought()
        await by_hand(stage)
        await stage.settle()
        await told(stage)
        assert stage.receiver.events(ORDERS) == []
