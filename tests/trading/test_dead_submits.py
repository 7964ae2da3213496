"""When a journey asks whether its lost submit is dead, and what follows: decision by decision."""

from __future__ import annotations

import pytest
from attrs import evolve

from bitmart_engine.trading.entries.journey import Stage, after, next_step
from bitmart_engine.trading.entries.steps import (
    Absent,
    Dead,
    Done,
    GivenBack,
    LookUp,
    Lost,
    ProveDead,
    WaitNews,
)
from tests.trading.test_journey import ID, NOW_MS
from tests.trading.test_journey import facts as facts_of

SIGNED_MS = 777
ASK = ProveDead(SIGNED_MS)


def facts(left_ms_ago, step=None, answer=None, *, signed_ms=SIGNED_MS, **changes):
    """Facts of an order that left so long ago, was lost at once, and was signed to live for 2 s."""
    left_ms = NOW_MS - left_ms_ago
    order_changes = {"lost_ms": left_ms, "submitted_ms": left_ms, "signed_ms": signed_ms}
    made = facts_of(Stage.LOOKING_UP, step, answer, **order_changes)
    return evolve(made, request_valid_s=60.0, **{"submit_valid_s": 2.0, **changes})


DEATHS = {
    "it is not asked before it can be dead": (2_499, {}, LookUp(False)),
    "then it is": (2_500, {}, ASK),
    "not without a time to live": (2_500, {"submit_valid_s": 0.0}, LookUp(False)),
    "nor without a timestamp": (2_500, {"signed_ms": 0}, LookUp(False)),
    "nor where the exchange knows the id": (4_000, {"in_use": True}, LookUp(False)),
    "not again at once": (3_000, {"asked_dead": 1, "asked_dead_ms": NOW_MS - 499}, LookUp(False)),
    "but soon": (3_000, {"asked_dead": 1, "asked_dead_ms": NOW_MS - 500}, ASK),
    "and later and later": (9_000, {"asked_dead": 3, "asked_dead_ms": NOW_MS - 1_999}, LookUp(False)),
    "what was taken before it died may not show yet": (8_000, {"dead_ms": NOW_MS - 4_999}, LookUp(False)),
    "dead for long enough, what is not listed is absent": (8_000, {"dead_ms": NOW_MS - 5_000}, LookUp(True)),
    "a death of long ago is asked again": (40_000, {"dead_ms": NOW_MS - 30_000}, ASK),
    "the whole time proves it without a death": (
        *(65_000, {"asked_dead": 9, "asked_dead_ms": NOW_MS}),
        LookUp(True),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("left_ms_ago", "changes", "step"), DEATHS.values(), ids=DEATHS)
def test_what_is_asked_of_a_lost_submit(left_ms_ago, changes, step):
    assert next_step(facts(left_ms_ago, **changes), NOW_MS) == step


def test_what_a_probe_shows_is_kept_until_the_next():
    dead = after(facts(3_000), ASK, Dead(NOW_MS), NOW_MS)
    assert (dead.dead_ms, dead.asked_dead, dead.asked_dead_ms) == (NOW_MS, 1, NOW_MS)
    alive = after(dead, ASK, Lost("alive"), NOW_MS + 9)
    assert (alive.dead_ms, alive.asked_dead, alive.asked_dead_ms) == (None, 2, NOW_MS + 9)


def test_a_pause_ends_when_there_is_more_to_ask():
    waits = facts(2_100, LookUp(False), Absent(), rounds=99)
    assert next_step(waits, NOW_MS) == WaitNews(ID, 0.4)
    dead = facts(6_000, LookUp(False), Absent(), rounds=99, dead_ms=NOW_MS - 3_000)
    assert next_step(dead, NOW_MS) == WaitNews(ID, 2.0)


def test_a_dead_submit_that_is_not_listed_is_given_back():
    dead = facts(8_000, LookUp(True), Absent(), dead_ms=NOW_MS - 5_000)
    assert next_step(dead, NOW_MS) == Done(GivenBack("looked up: the exchange never had it"))
