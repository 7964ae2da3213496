"""Order signals: every piece of news of an order, signed, in order, for entries and for closes."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal

import pytest
from attrs import evolve

from tests.faults.test_table import overhearing
from tests.stage import open_stage

BASE = "http://127.0.0.1:9"
URL = f"{BASE}/api/ws-worker/orders"
SIGNALS = {"trading_app_base_uri": f"{BASE}/", "trading_app_shared_secret": "shared"}


async def test_an_entry_and_its_close_are_signalled_with_their_kinds_and_parents(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        await stage.bought(leverage=Decimal(10), metadata={"plan": "7"}, exchange_protection=False)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.until(lambda: not stage.engine.state.owed)
        opened, filled, *closes = stage.receiver.events(URL)
        order = stage.order()
        assert opened == {
            "kind": "ENTRY",
            "status": "pending",
            "order_id": order.exchange_order_id,
            "client_order_id": order.client_order_id,
            "parent_client_order_id": None,
            "symbol": "BTCUSDT",
            "side": 1,
            "type": "limit",
            "price": "65000",
            "size": "10",
            "deal_size": "0",
            "deal_avg_price": "0",
            "leverage": "10",
            "context": {"plan": {"plan": "7"}, "position": "a", "source": "bitmart-engine"},
            "submitted_at": opened["submitted_at"],
            "retry_count": 0,
            "trace_id": opened["trace_id"],
            "partial": False,
        }
        assert opened["submitted_at"].startswith("2026-08-03T")
        assert opened["submitted_at"].endswith("Z")
        assert (filled["status"], filled["deal_size"], filled["deal_avg_price"]) == (
            "filled",
            "10",
            "65000",
        )
        last = closes[-1]
        assert {each["kind"] for each in closes} == {"STOP_LOSS"}
        assert {each["parent_client_order_id"] for each in closes} == {order.client_order_id}
        assert (last["status"], last["side"], last["deal_avg_price"]) == ("filled", 3, "64400")
        assert last["client_order_id"] == stage.protection().close.client_order_id
        assert len({each["trace_id"] for each in stage.receiver.events(URL)}) == 1


async def test_a_target_is_signalled_as_such_and_a_close_by_hand_as_close(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        await stage.bought("a", exchange_protection=False)
        stage.move(66000)
        await stage.until(lambda: stage.guarded("a") == "closed")
        stage.move(65000)
        await stage.bought("b", exchange_protection=False)
        await stage.engine.close_position("b")
        await stage.until(lambda: stage.guarded("b") == "closed")
        await stage.until(lambda: not stage.engine.state.owed)
        kinds = [each["kind"] for each in stage.receiver.events(URL)]
        assert list(dict.fromkeys(kinds)) == ["ENTRY", "TAKE_PROFIT", "CLOSE"]


async def test_a_stop_that_the_exchange_fired_is_signalled_with_the_order_it_closed_for(
    autojump_clock,
):
    async with open_stage(**SIGNALS) as stage:
        await stage.bought("a")
        stage.move(64400)
        await stage.until(lambda: stage.guarded("a") == "closed")
        await stage.until(lambda: not stage.engine.state.owed)
        closes = [each for each in stage.receiver.events(URL) if each["kind"] == "STOP_LOSS"]
        assert stage.submits(2, 3) == []
        last, entry = closes[-1], stage.order("a")
        assert (last["status"], last["deal_size"], last["size"]) == ("filled", "10", "10")
        assert last["parent_client_order_id"] == entry.client_order_id
        assert last["client_order_id"].startswith("PLAN_")
        assert last["context"]["position"] == "a"


async def test_a_late_fill_is_signalled_as_such(autojump_clock):
    async with open_stage(**SIGNALS) as stage, overhearing(stage) as said:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        await stage.engine.cancel_order("a")
        await stage.settle()
        late = evolve(said[-1], deal_size=10, deal_avg_price=Decimal(65000))
        stage.engine._streams.bus.publish(late)
        await stage.until(lambda: stage.guarded() == "armed")
        await stage.until(lambda: not stage.engine.state.owed)
        told = [(each["status"], each.get("late_fill")) for each in stage.receiver.events(URL)]
        assert told == [("pending", None), ("cancelled", None), ("filled", True)]
        assert stage.receiver.events()[-1]["late_fill"] is True


async def test_a_part_that_filled_before_the_cancel_is_filled_and_partial(autojump_clock):
    async with open_stage({"liquidity": 4}, **SIGNALS) as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle(0.5)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "partially_filled")
        await stage.engine.cancel_order("a")
        await stage.until(lambda: not stage.engine.state.owed)
        signals = stage.receiver.events(URL)
        assert [(each["status"], each["deal_size"], each["partial"]) for each in signals] == [
            ("pending", "0", False),
            ("pending", "4", False),
            ("filled", "4", True),
        ]


async def test_signals_and_callbacks_are_signed_with_the_shared_secret(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        await stage.bought()
        await stage.until(lambda: not stage.engine.state.owed)
        for request in stage.receiver.requests:
            timestamp = request.headers["X-WS-Worker-Timestamp"]
            signed = hmac.new(
                b"shared", f"{timestamp}\n".encode() + request.content, hashlib.sha256
            )
            assert request.headers["X-WS-Worker-Signature"] == signed.hexdigest()
        assert len({each.headers["Idempotency-Key"] for each in stage.receiver.requests}) == len(
            stage.receiver.requests
        )


async def test_a_dead_callback_receiver_does_not_hold_back_the_signals(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        stage.receiver.answer = lambda request: 200 if "ws-worker" in str(request.url) else None
        await stage.bought()
        await stage.until(lambda: len(stage.receiver.events(URL)) == 2, within=2)


@pytest.mark.parametrize(
    "settings", [{"trading_app_base_uri": BASE}, {"trading_app_shared_secret": "shared"}]
)
async def test_without_address_or_secret_signals_are_off(autojump_clock, settings):
    async with open_stage(**settings) as stage:
        await stage.bought()
        await stage.until(lambda: not stage.engine.state.owed)
        assert stage.receiver.events(URL) == []
