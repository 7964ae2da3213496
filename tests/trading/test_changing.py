"""Contracts, leverage and minds change while orders wait: what goes out is what was asked for, as things are now."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio
from attrs import evolve

from bitmart_engine.model.errors import BadRequest, Conflict
from bitmart_engine.trading.requests import MonitorPosition, fingerprint
from tests.support.stage import CANCEL, SUBMIT, entry, open_stage

DETAILS = "/contract/public/details"
LEVERAGE = "/contract/private/submit-leverage"
POSITIONS = "/contract/private/position-v2"


def position(**changes):
    """A request to guard a short of ETHUSDT, which nobody holds."""
    asked = {"symbol": "ETHUSDT", "side": "short", "stop_loss": 4000, "size": 1, **changes}
    return MonitorPosition(id="m", **asked)


async def armed(stage, **changes):
    """An order that waits for a price that has not come."""
    await stage.place(timeout_seconds=Decimal(3600), **changes)
    await stage.until(stage.prices_come)
    stage.move(65200)
    await stage.settle()


async def test_a_quantity_is_as_many_contracts_as_the_contract_size_makes_it_when_it_goes_out(
    autojump_clock,
):
    async with open_stage({"balance": Decimal(10_000_000)}) as stage:
        await armed(stage, quantity="0.05")
        stage.paper.change_instrument("BTCUSDT", contract_size=Decimal("0.01"))
        await stage.settle(70)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        assert [body["size"] for body in stage.sent()] == [5]
        stage.move(65000)
        await stage.until(lambda: stage.state() == "filled")
        assert stage.protection().remaining == 5
        await stage.until(lambda: "filled" in stage.receiver.names())
        assert stage.receiver.events()[0]["size"] == 5


async def test_contracts_that_were_asked_for_as_such_stay_what_they_are(autojump_clock):
    async with open_stage({"balance": Decimal(10_000_000)}) as stage:
        await armed(stage, size=10)
        stage.paper.change_instrument("BTCUSDT", contract_size=Decimal("0.01"))
        await stage.settle(70)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        assert [body["size"] for body in stage.sent()] == [10]


async def test_a_quantity_that_is_no_contract_any_more_is_rejected_and_says_why(autojump_clock):
    async with open_stage() as stage:
        await armed(stage, quantity="0.005")
        stage.paper.change_instrument("BTCUSDT", contract_size=Decimal("0.01"))
        await stage.settle(70)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "rejected")
        await stage.until(lambda: stage.receiver.names() == ["failed"])
        (failed,) = stage.receiver.events()
        assert failed["reason"] == "contract_changed"
        assert failed["error"].startswith("0 contracts is outside 1 to ")
        assert stage.sent() == []


@pytest.mark.parametrize("code", [40043, 40011, 40044])
async def test_an_order_on_an_old_grid_is_refused_once_and_goes_out_on_the_new_one(
    autojump_clock, code
):
    async with open_stage() as stage:
        await armed(stage, id="other", entry_zone_max=64995)
        stage.move("65000.4")
        await stage.settle()
        stage.paper.change_instrument("BTCUSDT", tick_size=Decimal(1))
        if code != 40043:
            stage.paper.refuse(SUBMIT, code)
        await stage.place(stop_loss="64500.3", take_profit="66000.7")
        await stage.until(lambda: stage.state() == "open")
        assert len(stage.sent()) == 2
        body = stage.sent()[-1]
        assert body["price"] == "65000"
        assert (body["preset_stop_loss_price"], body["preset_take_profit_price"]) == (
            "64501",
            "66000",
        )
        assert stage.protection().exchange_stop_loss == 64501
        assert stage.protection().stop_loss == Decimal("64500.3")


async def test_a_zone_that_has_no_price_any_more_is_rejected_and_says_why(autojump_clock):
    async with open_stage() as stage:
        await armed(stage, entry_zone_min="65000.2", entry_zone_max="65000.8")
        stage.paper.change_instrument("BTCUSDT", tick_size=Decimal(1))
        stage.move(65001)
        await stage.settle(70)
        stage.paper.change_instrument("BTCUSDT", tick_size=Decimal("0.1"))
        stage.move("65000.5")
        await stage.until(lambda: stage.state() == "rejected")
        assert stage.order().reason == "no price on the tick grid (1) lies in the zone now"


async def test_the_same_request_is_the_same_though_the_contract_has_changed(autojump_clock):
    async with open_stage() as stage:
        await armed(stage, quantity="0.05", stop_loss="64500.3")
        stage.paper.change_instrument(
            "BTCUSDT", contract_size=Decimal("0.01"), tick_size=Decimal(1)
        )
        await stage.settle(70)
        same = entry("a", quantity="0.05", stop_loss="64500.3", timeout_seconds=Decimal(3600))
        assert (await stage.engine.place_order(same)).duplicate
        with pytest.raises(Conflict):
            await stage.engine.place_order(
                entry("a", quantity="0.06", stop_loss="64500.3", timeout_seconds=Decimal(3600))
            )


@pytest.mark.parametrize("asked", [{"quantity": "0.05"}, {"size": 50}])
async def test_a_known_request_is_a_duplicate_and_another_a_conflict_though_none_fits_any_more(
    autojump_clock, asked
):
    asked = {"timeout_seconds": Decimal(3600), "stop_loss": "64500.3", **asked}
    async with open_stage() as stage:
        await armed(stage, **{k: v for k, v in asked.items() if k != "timeout_seconds"})
        stage.paper.change_instrument(
            "BTCUSDT", max_size=1, market_max_size=1, tick_size=Decimal(1000)
        )
        await stage.settle(70)
        again = await stage.engine.place_order(entry("a", **asked))
        assert (again.duplicate, again.rounded) == (True, {})
        for changed in ({"stop_loss": "64500.2"}, {"entry_zone_min": 64995}, {"leverage": 3}):
            with pytest.raises(Conflict):
                await stage.engine.place_order(entry("a", **{**asked, **changed}))
        with pytest.raises(BadRequest):
            await stage.engine.place_order(entry("b", **asked))


async def test_a_known_request_is_a_duplicate_though_the_exchange_cannot_be_asked(autojump_clock):
    async with open_stage() as stage:
        await armed(stage)
        await stage.engine.monitor_position(position())
        stage.paper.fail("*", 1_000_000, 503)
        await stage.settle(70)
        began = trio.current_time()
        again = entry("a", timeout_seconds=Decimal(3600))
        assert (await stage.engine.place_order(again)).duplicate
        assert (await stage.engine.monitor_position(position())).duplicate
        with pytest.raises(Conflict):
            await stage.engine.place_order(entry("a", side="short"))
        with pytest.raises(Conflict):
            await stage.engine.monitor_position(position(stop_loss=1))
        with pytest.raises(Conflict):
            await stage.engine.place_order(entry("m"))
        assert trio.current_time() - began < 1


def test_a_request_is_known_again_by_what_it_says_not_by_how():
    one = entry("a", side="buy", leverage="10.0", metadata={"a": 1, "b": [2]}, timeout_seconds=300)
    same = entry("a", side="long", leverage=10, metadata={"b": [2], "a": 1})
    assert fingerprint(one) == fingerprint(same)
    for changed in ({"leverage": 11}, {"metadata": {}}, {"post_only": False}, {"type": "market"}):
        body = {"side": "buy", "leverage": 10, "metadata": {"a": 1, "b": [2]}, **changed}
        assert fingerprint(entry("a", **body)) != fingerprint(one)


async def test_a_journal_that_does_not_say_how_it_was_asked_still_knows_the_same_request(
    autojump_clock,
):
    async with open_stage() as stage:
        await armed(stage, quantity="0.05")
        order = stage.order()
        older = evolve(order, request=evolve(order.request, asked=""))
        stage.engine.state.orders[order.id] = older
        same = entry("a", quantity="0.05", timeout_seconds=Decimal(3600))
        assert (await stage.engine.place_order(same)).duplicate
        with pytest.raises(Conflict):
            await stage.engine.place_order(
                entry("a", quantity="0.06", timeout_seconds=Decimal(3600))
            )


async def test_a_refusal_that_no_change_explains_is_passed_on(autojump_clock):
    async with open_stage() as stage:
        await armed(stage)
        stage.paper.refuse(SUBMIT, 40044, times=5)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "rejected")
        assert len(stage.sent()) == 1


async def test_a_refused_order_does_not_wait_for_minutes_to_learn_why(autojump_clock):
    """Headers of the instruments' answers claim that nothing more may be asked of them."""
    async with open_stage() as stage:
        stage.paper.claim_limits(DETAILS, 1, 1, 600, times=1000)
        await armed(stage)
        stage.paper.refuse(SUBMIT, 40044, times=5)
        stage.move(65000)
        await stage.until(lambda: stage.sent())
        await stage.until(lambda: stage.state() == "rejected", within=3)


async def test_an_order_does_not_wait_for_minutes_to_learn_the_leverage(autojump_clock):
    async with open_stage() as stage:
        await armed(stage, leverage=Decimal(25))
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        await stage.engine.cancel_order("a")
        stage.paper.claim_limits(POSITIONS, 1, 1, 600, times=1000)
        await stage.settle(70)
        await stage.place("b", leverage=Decimal(25))
        stage.move(65200)
        await stage.settle(5)
        stage.move(65000)
        await stage.until(lambda: stage.state("b") in ("open", "filled"), within=5)


async def by_hand_leverage(stage, leverage):
    """The owner sets the leverage elsewhere."""
    stage.paper.books.account.set_leverage("BTCUSDT", leverage, "isolated")


@pytest.mark.parametrize("after_s", [5, 200])
async def test_leverage_that_was_changed_by_hand_is_set_again(autojump_clock, after_s):
    async with open_stage() as stage:
        await stage.place("first", leverage=Decimal(25))
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state("first") == "open")
        await stage.engine.cancel_order("first")
        await stage.settle(5)
        await by_hand_leverage(stage, 10)
        await stage.settle(after_s)
        await stage.place("second", leverage=Decimal(25))
        stage.move(65000)
        await stage.until(lambda: stage.state("second") in ("open", "filled"))
        assert [body["leverage"] for body in stage.sent(LEVERAGE)] == ["25", "25"]


async def test_leverage_that_is_changed_while_an_order_waits_is_set_again(autojump_clock):
    async with open_stage() as stage:
        await armed(stage, leverage=Decimal(25))
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        await stage.place("b", leverage=Decimal(25), entry_zone_max=64995)
        await stage.settle(2)
        await stage.engine.cancel_order("a")
        await by_hand_leverage(stage, 10)
        await stage.settle(90)
        stage.move(64995)
        await stage.until(lambda: stage.state("b") == "open")
        assert [body["leverage"] for body in stage.sent(LEVERAGE)] == ["25", "25"]


async def test_an_entry_that_rests_too_long_is_withdrawn(autojump_clock):
    async with open_stage() as stage:
        await stage.place(resting_timeout_seconds=Decimal(60))
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        await stage.settle(58)
        assert stage.sent(CANCEL) == []
        await stage.until(lambda: stage.state() == "cancelled", within=5)
        assert stage.guarded() == "released"
        await stage.until(lambda: stage.receiver.names() == ["placed", "cancelled"])


async def test_what_has_filled_of_an_entry_that_rests_too_long_stays_protected(autojump_clock):
    async with open_stage({"liquidity": 4}) as stage:
        await stage.place(resting_timeout_seconds=Decimal(10))
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open")
        stage.move(65000)
        await stage.until(lambda: stage.state() == "partially_filled")
        await stage.until(lambda: stage.state() == "cancelled", within=15)
        assert (stage.guarded(), stage.protection().remaining) == ("armed", 4)
