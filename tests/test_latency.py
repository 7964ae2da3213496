"""How long what matters takes: measurements in, counts and quantiles out; and the engine that measures."""

from __future__ import annotations

import math

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.latency import (
    BOUNDS_S,
    LATELY,
    MOST_BEGUN,
    Histogram,
    Reaction,
    kind_of,
)
from tests.support.stage import open_stage


def test_nothing_measured_has_no_quantiles():
    found = Histogram().statistics()
    assert (found.count, found.p50_s, found.p99_s, found.longest_s) == (0, None, None, None)
    assert {count for _, count in found.within} == {0}


def test_a_measurement_counts_for_its_bound_and_all_above():
    histogram = Histogram()
    for seconds in (0.0001, 0.00011, 99.0):
        histogram.observe(seconds)
    found = histogram.statistics()
    assert dict(found.within)[0.0001] == 1
    assert dict(found.within)[0.00025] == 2
    assert dict(found.within)[10.0] == 2
    assert found.count == 3
    assert found.sum_s == pytest.approx(99.00021)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=2500))
def test_quantiles_are_those_of_the_last_thousand_and_counts_are_of_all(times):
    histogram = Histogram()
    for each in times:
        histogram.observe(each)
    found, lately = histogram.statistics(), sorted(times[-LATELY:])
    assert found.p50_s == lately[math.ceil(len(lately) * 0.5) - 1]
    assert found.p99_s == lately[math.ceil(len(lately) * 0.99) - 1]
    assert found.longest_s == lately[-1]
    assert found.count == len(times)
    for bound, count in found.within:
        assert count == sum(each <= bound for each in times)


def test_bounds_rise():
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))


def test_only_the_first_order_that_a_price_sets_off_is_measured():
    reaction = Reaction()
    reaction.end("by hand", 5.0)
    reaction.begin("a", 10.0)
    reaction.begin("a", 11.0)
    reaction.end("a", 11.5)
    reaction.end("a", 19.0)
    found = reaction.took.statistics()
    assert (found.count, found.longest_s) == (1, 0.5)


def test_what_never_goes_out_does_not_pile_up():
    reaction = Reaction()
    for number in range(3 * MOST_BEGUN):
        reaction.begin(str(number), 0.0)
    reaction.end("0", 1.0)
    assert reaction.took.count == 0
    reaction.end(str(3 * MOST_BEGUN - 1), 1.0)
    assert reaction.took.count == 1
    assert len(reaction._began) == MOST_BEGUN - 1


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/contract/private/submit-order", "submit"),
        ("/contract/private/submit-leverage", "setting"),
        ("/contract/private/set-position-mode", "setting"),
        ("/contract/private/cancel-order", "cancel"),
        ("/contract/private/cancel-plan-order", "cancel"),
        ("/contract/private/get-open-orders", "account"),
        ("/contract/public/details", "market"),
        ("/system/time", "market"),
    ],
)
def test_every_endpoint_has_a_kind(path, kind):
    assert kind_of(path) == kind


async def test_from_the_price_to_the_entry_and_to_the_close_is_measured(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        stage.network.slow_s = 0.2
        stage.move(60000)
        await stage.until(lambda: not list(stage.engine.state.protections.alive()))
        found = stage.engine.latencies()
        assert found["tick_to_entry"].count == 1
        assert found["tick_to_close"].count == 1
        assert found["tick_to_close"].longest_s < 2
        assert found["request_submit"].count == 2
        assert found["request_submit"].longest_s == pytest.approx(0.2, abs=0.01)
        assert found["journal_commit"].count == 0  # in memory there are none


async def test_an_order_for_a_price_that_was_there_before_it_is_no_reaction_to_that_price(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place("never", entry_zone_min=64600, entry_zone_max=64700)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.settle(3)
        await stage.place()
        await stage.until(lambda: stage.engine.latencies()["request_submit"].count == 1)
        assert stage.engine.latencies()["tick_to_entry"].count == 0


async def test_a_request_that_is_not_answered_is_counted_apart(autojump_clock):
    async with open_stage() as stage:
        before = stage.engine.unanswered()["market"]
        stage.network.cut = True
        await trio.sleep(120)
        assert stage.engine.unanswered()["account"] + stage.engine.unanswered()["market"] > before


async def test_commits_on_disk_are_measured(autojump_clock, tmp_path):
    async with open_stage(state_dir=str(tmp_path)) as stage:
        await stage.place()
        assert stage.engine.latencies()["journal_commit"].count > 0
