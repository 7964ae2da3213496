"""Limits on what can be lost: at the acceptance of an order, and again when it is about to go out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine import Conflict, SettingError, Settings
from bitmart_engine.model.positions import Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.limits import Limits, Stake, broken, of_protection, of_request
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import Stage, entry, open_stage
from tests.trading.test_risk import BTC


def stakes() -> st.SearchStrategy[Stake]:
    amounts = st.decimals(0, 1000, places=2)
    return st.builds(
        Stake,
        positions=st.integers(0, 5),
        notional=amounts,
        risk=amounts,
        orders_per_minute=st.integers(0, 5),
    )


@given(now=stakes(), adds=stakes(), limit=st.integers(0, 1500))
def test_what_fits_is_within_every_limit_and_what_does_not_names_one_that_is_broken(
    now, adds, limit
):
    limits = Limits(
        positions=limit % 7, notional=Decimal(limit), risk=Decimal(limit), orders_per_minute=5
    )
    breach, after = broken(limits, now, adds), now + adds
    fits = (
        after.positions <= limit % 7
        and max(after.notional, after.risk) <= limit
        and after.orders_per_minute <= 5
    )
    assert (breach is None) == fits
    if breach is not None:
        assert breach.used + breach.adds > breach.limit
        assert broken(Limits(), now, adds) is None


def test_an_order_counts_at_the_highest_price_of_its_zone_and_at_its_stop():
    request, _ = checked_entry(entry(), BTC)
    assert of_request(request) == Stake(positions=1, notional=Decimal("650.1"), risk=Decimal("5.1"))
    bare, _ = checked_entry(entry(stop_loss=None), BTC)
    assert of_request(bare).risk == of_request(bare).notional


def guarded(**changes: Any) -> Protection:
    made: dict[str, Any] = {
        "id": "a",
        "symbol": "BTCUSDT",
        "side": PositionSide.LONG,
        "created_ms": 1,
        "stop_loss": Decimal(64000),
        "covered": 10,
        "closed": 4,
    }
    return Protection(**{**made, **changes})


def test_a_position_counts_with_what_is_left_of_it_from_the_price_to_its_stop():
    size = Decimal("0.001")
    assert of_protection(guarded(), Decimal(65000), size) == Stake(
        positions=1, notional=Decimal(390), risk=Decimal(6)
    )
    short = guarded(side=PositionSide.SHORT, stop_loss=Decimal(64000))
    assert of_protection(short, Decimal(65000), size).risk == 0
    assert of_protection(guarded(stop_loss=None), Decimal(65000), size).risk == 390


LIMITED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"max_positions": 1}, "MAX_POSITIONS is 1: 1 is used and this order adds 1; at most 0 more"),
    ({"max_notional": "1000"}, "MAX_NOTIONAL is 1000: 650.1 is used and this order adds 650.1; "),
    ({"max_risk": "8"}, "MAX_RISK is 8: 5.1 is used and this order adds 5.1; at most 2.9 more"),
    ({"max_orders_per_minute": 1}, "MAX_ORDERS_PER_MINUTE is 1: 1 is used and this order adds 1"),
)


@pytest.mark.parametrize(("settings", "said"), LIMITED)
async def test_an_order_beyond_a_limit_is_refused_with_what_would_be_taken(
    settings, said, autojump_clock
):
    async with open_stage(**settings) as stage:
        stage.move(65500)
        await stage.place()
        with pytest.raises(Conflict, match=said):
            await stage.place("b")
        assert "b" not in stage.engine.state.orders
        assert stage.engine.dropped()["order_over_limit"] == 1
        assert (await stage.engine.place_order(entry())).duplicate
        if "max_orders_per_minute" not in settings:
            await stage.engine.cancel_order("a")
        else:
            await stage.settle(61)
        await stage.place("b")


async def test_what_fills_counts_once_and_what_is_closed_does_not(autojump_clock):
    async with open_stage(max_positions=2) as stage:
        await stage.bought()
        used = stage.engine.at_stake()
        assert (used.positions, used.notional, used.risk) == (1, Decimal(650), Decimal(5))
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.engine.at_stake().positions == 0


async def test_an_order_that_would_break_a_limit_when_it_is_to_be_sent_waits_until_there_is_room(
    autojump_clock,
):
    async with open_stage(max_notional="1400") as stage:
        await stage.bought()
        stage.move(65500)
        await stage.settle()
        await stage.place("b", timeout_seconds=3600)
        await monitored(stage)
        await stage.settle(5)
        stage.move(65000)
        await stage.settle(5)
        assert stage.state("b") == "waiting"
        assert stage.engine.dropped()["order_held_back_by_limit"] == 1
        await stage.engine.close_position("a")
        await stage.until(lambda: stage.guarded() == "closed")
        stage.move(65001)
        await stage.until(lambda: stage.state("b") != "waiting")


async def monitored(stage: Stage) -> None:
    """A position of somebody else that is guarded: that is never limited, and counts."""
    from bitmart_engine import MonitorPosition

    await stage.open_by_hand(side=4, size=5)
    asked = MonitorPosition(id="m", symbol="BTCUSDT", side="short", stop_loss=Decimal(70000))
    await stage.engine.monitor_position(asked)
    await stage.until(lambda: stage.guarded("m") == "armed")


async def test_closes_and_protections_are_never_limited(autojump_clock):
    async with open_stage(max_positions=1, max_orders_per_minute=1) as stage:
        await stage.bought()
        await monitored(stage)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_positions", "-1"),
        ("max_positions", "1.5"),
        ("max_notional", "NaN"),
        ("max_risk", "much"),
        ("max_orders_per_minute", "0"),
    ],
)
def test_a_limit_that_is_none_is_refused(name, value):
    with pytest.raises(SettingError, match=name.upper()):
        Settings(**{name: value})


def test_an_empty_limit_is_no_limit():
    assert Settings(max_positions="", max_risk="").max_positions is None
    assert Settings(max_risk="12.5").max_risk == Decimal("12.5")
