"""An order that is said to have ended unfilled: only what reads of it say is believed, and fills are protected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.stage import CANCEL, open_stage

ORDER = "/contract/private/order"
ORDERS = "futures/order"
TRADES = "/contract/private/trades"
UNSAID = ["without:deal_size", "set:deal_size=null", 'set:deal_size=""', 'set:deal_size="0"']
CHANNELS = ("futures/order", "futures/position")


async def opened(stage, **changes):
    """An order that rests at 65000; the exchange was asked about it already."""
    await stage.place(**changes)
    await stage.until(stage.prices_come)
    stage.move(65000)
    await stage.until(lambda: stage.state() == "open")
    await stage.until(lambda: stage.receiver.names() == ["placed"])


@pytest.mark.parametrize("how", UNSAID)
@pytest.mark.parametrize("after_s", [0.1, 5])
async def test_a_pushed_end_without_its_fill_is_read_and_the_fill_protected(
    autojump_clock, how, after_s
):
    async with open_stage() as stage:
        await opened(stage)
        await stage.settle(after_s)
        stage.paper.alter_push(ORDERS, how)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled", within=5)
        assert (stage.guarded(), stage.protection().remaining) == ("armed", 10)
        await stage.settle(10)
        assert len(stage.sent()) == 1
        assert stage.receiver.names() == ["placed", "filled"]


@pytest.mark.parametrize("how", UNSAID)
async def test_an_end_without_its_fill_is_not_believed_where_reads_say_the_same_for_a_while(
    autojump_clock, how
):
    async with open_stage() as stage:
        await opened(stage)
        stage.paper.alter_push(ORDERS, how)
        stage.paper.alter_answer(ORDER, how, times=2)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled", within=5)
        assert stage.guarded() == "armed"
        assert len(stage.sent()) == 1


@pytest.mark.parametrize("how", UNSAID)
async def test_trades_tell_of_a_fill_that_the_order_never_tells_of(autojump_clock, how):
    async with open_stage() as stage:
        await opened(stage)
        stage.paper.alter_push(ORDERS, how, times=100)
        stage.paper.alter_answer("*", how, times=10_000)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled", within=5)
        assert stage.guarded() == "armed"
        await stage.settle(90)
        assert (len(stage.sent()), stage.guarded()) == (1, "armed")


async def test_an_end_that_cannot_be_read_is_not_believed_until_it_can(autojump_clock):
    async with open_stage() as stage:
        await opened(stage)
        for path in ("/contract/private/get-open-orders", ORDER):
            stage.paper.fail(path, times=1000, status=500)
        await stage.settle(2)
        stage.paper.cancel_by_hand(stage.order().client_order_id)
        await stage.settle(120)
        assert (stage.state(), stage.guarded()) == ("open", "pending_fill")
        assert stage.engine.dropped()["order_end_unconfirmed"] > 10
        stage.paper.clear_faults()
        await stage.until(lambda: stage.state() == "cancelled")
        assert stage.guarded() == "released"


async def test_a_part_that_an_end_tells_of_is_protected_before_the_end_is_confirmed(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage:
        await opened(stage)
        stage.paper.freeze("futures/order", until="forever")
        stage.paper.fail(ORDER, times=3, status=500)
        stage.move(65000)
        stage.paper.unfreeze()
        stage.paper.cancel_by_hand(stage.order().client_order_id)
        await stage.until(lambda: stage.protection().remaining == 4, within=0.1)
        assert stage.state() == "partially_filled"
        await stage.until(lambda: stage.state() == "cancelled")
        assert stage.protection().remaining == 4


async def test_an_order_that_has_ended_unfilled_on_a_side_that_somebody_else_enlarged_ends_too(
    autojump_clock,
):
    async with open_stage() as stage:
        await opened(stage)
        await stage.open_by_hand(size=10)
        await stage.until(lambda: stage.held() == 10)
        await stage.settle(2)
        stage.paper.cancel_by_hand(stage.order().client_order_id)
        await stage.settle(1)
        assert stage.state() == "open", "ten contracts have come, and nobody knows from where"
        await stage.until(lambda: stage.state() == "cancelled", within=6)
        assert stage.guarded() == "released"


async def test_an_order_that_the_owner_cancels_is_read_once(autojump_clock):
    async with open_stage() as stage:
        await opened(stage)
        before = len([each for each in stage.paper.requests if each.path == ORDER])
        order = await stage.engine.cancel_order("a")
        assert (order.state.value, len(stage.sent(CANCEL))) == ("cancelled", 1)
        reads = [each for each in stage.paper.requests if each.path == ORDER]
        assert len(reads) - before == 1


@pytest.mark.parametrize("how", UNSAID)
async def test_a_fill_that_looks_like_a_refusal_for_crossing_sends_no_second_order(
    autojump_clock, how
):
    async with open_stage({"maker_only_refusal": "cancel"}) as stage:
        await stage.place(entry_zone_min=64990, entry_zone_max=65010)
        await stage.until(stage.prices_come)
        stage.paper.freeze("futures/order", until="forever")
        stage.move(65000)
        await stage.until(lambda: stage.sent())
        stage.paper.unfreeze()
        stage.paper.alter_push(ORDERS, how)
        stage.paper.alter_answer(ORDER, how, times=2)
        stage.move(65000)
        await stage.settle(20)
        assert len(stage.sent()) == 1
        assert (stage.state(), stage.protection().remaining) == ("filled", 10)


async def test_a_real_refusal_for_crossing_is_still_sent_again(autojump_clock):
    async with open_stage({"maker_only_refusal": "cancel"}) as stage:
        await stage.open_by_hand(size=7)
        await stage.place(entry_zone_min=64990, entry_zone_max=65010)
        await stage.until(stage.prices_come)
        stage.move("65000")
        stage.paper.books.last["BTCUSDT"] = Decimal("64999.9")
        await stage.until(lambda: stage.state() == "open", within=3)
        assert [body["price"] for body in stage.sent() if "price" in body] == ["65000", "64999.9"]


async def test_an_order_whose_fills_are_never_said_ends_once_its_trades_were_read_some_times(
    autojump_clock,
):
    async with open_stage() as stage:
        await opened(stage)
        stage.paper.alter_push(ORDERS, "without:deal_size", times=100)
        stage.paper.alter_answer(ORDER, "without:deal_size", times=10_000)
        await stage.settle(2)
        stage.paper.cancel_by_hand(stage.order().client_order_id)
        await stage.settle(1)
        assert stage.state() == "open"
        await stage.until(lambda: stage.state() == "cancelled", within=6)


async def test_a_fill_that_shows_after_its_order_was_said_to_have_ended_is_protected(
    autojump_clock,
):
    async with open_stage() as stage:
        await opened(stage)
        for channel in CHANNELS:
            stage.paper.freeze(channel, until="forever")
        stage.move(65000)
        stage.paper.alter_answer(ORDER, 'set:deal_size="0"')
        stage.paper.unfreeze("futures/order")
        stage.paper.alter_push(ORDERS, 'set:deal_size="0"')
        stage.paper.drop_connections("private")
        await stage.settle(90)
        assert (stage.state(), stage.guarded()) == ("filled", "armed")


async def test_a_side_that_grows_after_an_end_was_believed_has_the_order_read_again(
    autojump_clock, monkeypatch
):
    for module in ("progress", "endings"):
        name = f"bitmart_engine.trading.entries.{module}.contradicted"
        monkeypatch.setattr(name, lambda *seen: False)
    async with open_stage() as stage:
        await opened(stage)
        await stage.settle(2)
        stage.paper.freeze("futures/position", until="forever")
        stage.paper.alter_push(ORDERS, 'set:deal_size="0"')
        stage.paper.alter_answer(ORDER, 'set:deal_size="0"')
        stage.move(65000)
        await stage.until(lambda: stage.state() == "cancelled", within=2)
        assert stage.guarded() == "released"
        stage.paper.unfreeze()
        await stage.until(lambda: stage.guarded() == "armed", within=12)
        assert (stage.state(), stage.protection().remaining) == ("filled", 10)
