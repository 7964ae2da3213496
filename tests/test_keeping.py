"""Who keeps a stop, and for how long: facts and monotonic seconds in, sums out."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.health_watch import HealthWatch
from bitmart_engine.keeping import Keeper, Keeping, PromisedStop, keeper
from bitmart_engine.model.lifecycle import ProtectionState
from bitmart_engine.model.sides import PositionSide
from tests.store.stories import protection
from tests.support.stage import open_stage

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
ARMED = evolve(protection("a"), state=ProtectionState.ARMED, covered=10)
KEPT_THERE = {"exchange_stop_loss": Decimal(64500)}
CLOSING = {"state": ProtectionState.CLOSING}


def stop(who: Keeper, symbol: str = "BTCUSDT", side: PositionSide = LONG) -> PromisedStop:
    return PromisedStop(symbol, side, who, 3)


NAKED, BY_BOTH = [stop(Keeper.NOBODY)], [stop(Keeper.BOTH)]


def test_naked_time_is_summed_and_the_longest_is_kept():
    keeping = Keeping()
    looks = [BY_BOTH, NAKED, NAKED, NAKED, BY_BOTH, BY_BOTH, NAKED, BY_BOTH]
    for second, stops in enumerate(looks):
        naked = keeping.observe(stops, second).naked
        if second == 3:
            assert (naked.now_s, naked.longest_s, naked.sum_s) == (2, 2, 2)
    assert (naked.now_s, naked.longest_s, naked.sum_s) == (0, 3, 4)


def test_each_position_has_its_own_times_and_one_that_takes_over_does_not_lengthen_the_other():
    keeping = Keeping()
    bitcoin, ether = stop(Keeper.NOBODY), stop(Keeper.NOBODY, "ETHUSDT", SHORT)
    keeping.observe([bitcoin, stop(Keeper.ENGINE, "ETHUSDT", SHORT)], 10.0)
    keeping.observe([stop(Keeper.EXCHANGE), ether], 12.0)
    kept = keeping.observe([], 15.0)
    first, second = kept.positions
    assert (first.symbol, first.naked.longest_s, first.naked.sum_s) == ("BTCUSDT", 2.0, 2.0)
    assert first.seconds[Keeper.EXCHANGE] == 3.0
    assert (second.symbol, second.side, second.naked.sum_s) == ("ETHUSDT", SHORT, 3.0)
    assert second.seconds[Keeper.ENGINE] == 2.0
    assert (kept.naked.now_s, kept.naked.longest_s, kept.naked.sum_s) == (0, 5.0, 5.0)


def test_contracts_and_unwatched_protections_are_those_of_now():
    keeping = Keeping()
    kept = keeping.observe([*NAKED, *NAKED, stop(Keeper.EXCHANGE, side=SHORT)], 1.0)
    assert (kept.unwatched, kept.contracts[Keeper.NOBODY], kept.contracts[Keeper.EXCHANGE]) == (
        *(2, 6),
        3,
    )
    kept = keeping.observe(BY_BOTH, 2.0)
    assert (kept.unwatched, kept.contracts[Keeper.NOBODY], kept.contracts[Keeper.BOTH]) == (0, 0, 3)


def test_the_first_look_measures_nothing():
    kept = Keeping().observe(NAKED, 1_000.0)
    assert (kept.naked.now_s, kept.naked.sum_s) == (0, 0)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 100),
            st.lists(
                st.builds(
                    PromisedStop,
                    st.sampled_from(["BTCUSDT", "ETHUSDT"]),
                    st.sampled_from(PositionSide),
                    st.sampled_from(Keeper),
                    st.integers(1, 9),
                ),
                max_size=4,
            ),
        ),
        min_size=1,
    )
)
def test_no_part_lasts_longer_than_the_whole(looks):
    keeping, now_s = Keeping(), 0
    for passed_s, stops in looks:
        now_s += passed_s
        kept = keeping.observe(stops, now_s)
        for each in kept.positions:
            for who in Keeper:
                assert each.seconds[who] <= kept.seconds[who] <= now_s
            assert each.naked.now_s <= kept.naked.now_s
            assert each.naked.longest_s <= each.naked.sum_s == each.seconds[Keeper.NOBODY]
        for who in Keeper:
            assert kept.seconds[who] <= sum(each.seconds[who] for each in kept.positions)


@pytest.mark.parametrize(
    ("change", "unpriced", "watching", "who"),
    [
        ({}, (), True, Keeper.ENGINE),
        (KEPT_THERE, (), True, Keeper.BOTH),
        (KEPT_THERE, ("BTCUSDT",), True, Keeper.EXCHANGE),
        (KEPT_THERE, (), False, Keeper.EXCHANGE),
        ({}, ("BTCUSDT",), True, Keeper.NOBODY),
        ({}, (), False, Keeper.NOBODY),
        (CLOSING, ("BTCUSDT",), True, Keeper.ENGINE),
        (CLOSING, (), False, Keeper.NOBODY),
        ({"stop_loss": None}, ("BTCUSDT",), True, None),
        ({"closed": 10}, ("BTCUSDT",), True, None),
        ({"state": ProtectionState.PENDING_FILL}, ("BTCUSDT",), True, None),
        ({"state": ProtectionState.CLOSED}, ("BTCUSDT",), True, None),
    ],
)
def test_who_keeps_a_stop(change, unpriced, watching, who):
    assert keeper(evolve(ARMED, **change), unpriced, watching=watching) is who


async def test_a_stop_that_loses_its_price_is_naked_until_the_price_is_back(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        watch = HealthWatch(stage.engine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            stage.paper.refuse_dials()
            stage.paper.drop_connections("all")
            for path in ("kline", "details", "market-trade"):
                stage.paper.fail(f"/contract/public/{path}", status=500, times=100_000)
            await stage.until(lambda: stage.engine.unpriced() == {"BTCUSDT"})
            await trio.sleep(30)
            kept = (await watch.latest()).kept
            assert kept.unwatched == 1
            assert 28 <= kept.naked.now_s <= 32
            (position,) = kept.positions
            assert (position.symbol, position.side) == ("BTCUSDT", LONG)
            assert position.naked == kept.naked
            nursery.cancel_scope.cancel()
