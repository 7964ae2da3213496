"""What has to speak against contracts before they are believed gone, and what tells a position from another."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bitmart_engine.model.events import PositionUpdate
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.protections.evidence import Ended, Marks, SideEvidence, is_same_position

READ, PUSHED = True, False


def held(size: int = 10, at_ms: int | None = 1_000, **changes) -> PositionUpdate:
    return PositionUpdate(
        symbol="BTCUSDT", side=PositionSide.LONG, size=size, update_time_ms=at_ms, **changes
    )


def answers(side: SideEvidence, *times: float) -> list[bool]:
    """Whether contracts are believed gone after each answer that lists none."""
    believed = []
    for now in times:
        side.flat(now, was_read=READ)
        believed.append(side.is_gone(now))
    return believed


@pytest.mark.parametrize(
    ("says", "times", "believed"),
    [
        ((), [0, 0.5, 1.5, 3.5, 7.5, 24.9], [False] * 6),
        ((), [0, 0.5, 1.5, 25.0], [False, False, False, True]),
        ((), [0, 0.1, 0.2, 25.0], [False] * 4),
        (("pushed",), [0, 0.5, 1.5, 2.0], [False, False, False, True]),
        (("refused",), [0, 0.5, 1.5, 2.0], [False, False, False, True]),
        (("closed",), [0, 0.3, 0.5], [False, False, True]),
        (("closed", "pushed"), [0], [True]),
        (("closed a part",), [0, 0.5, 1.5, 24.9], [False] * 4),
        (("listed", "pushed"), [0, 0.5, 1.5, 25.0, 60.0], [False] * 4 + [True]),
        (("listed", "closed"), [0, 0.5], [False, True]),
    ],
)
def test_contracts_are_believed_gone_once_enough_answers_say_so(says, times, believed):
    side = SideEvidence()
    side.held(held(), -1.0)
    for each in says:
        match each:
            case "pushed":
                side.flat(-0.5, was_read=PUSHED)
            case "refused":
                side.refused()
            case "closed":
                side.closed("x", 10, 2_000)
            case "closed a part":
                side.closed("x", 9, 2_000)
            case "listed":
                side.stop_listed(True)
    assert answers(side, *times) == believed


def test_whatever_speaks_for_contracts_begins_the_count_anew():
    side = SideEvidence()
    for speaks in (lambda: side.held(held(), 24.0), side.filled):
        assert answers(side, 0, 5, 10)[-1] is False
        speaks()
        assert answers(side, 25, 26, 27, 49.9) == [False] * 4
        side.filled()


def test_what_an_order_closed_before_the_position_was_told_is_not_counted_against_it():
    side = SideEvidence()
    side.held(held(5, at_ms=1_000), 0.0)
    side.closed("late", 5, 1_000)
    assert not side.explained
    side.closed("newer", 5, 1_001)
    assert side.explained
    side.held(held(5, at_ms=1_000), 1.0)
    assert side.explained, "the same word again says nothing new"
    side.held(held(5, at_ms=2_000), 2.0)
    assert not side.explained


def test_an_order_that_fills_in_parts_counts_once():
    side = SideEvidence()
    side.held(held(10), 0.0)
    for closed in (4, 6, 6):
        side.closed("x", closed, 2_000)
    assert not side.explained


def test_what_was_held_before_is_remembered_with_what_was_not_ours():
    side = SideEvidence()
    assert side.others(0.0, 5.0) is None
    side.held(held(20), 0.0, owed=10)
    side.held(held(10), 9.0, owed=10)
    assert side.others(10.0, 5.0) == 10, "the word before the last seconds counts too"
    side.held(held(10), 20.0, owed=10)
    assert side.others(21.0, 5.0) == 0


def test_what_was_others_before_a_stop_acted_is_told_by_what_was_said_before_it_only():
    side = SideEvidence()
    side.held(held(20, at_ms=1_000), 1.0, owed=10)
    assert side.others(9.0, 5.0, before_ms=1_000) is None
    assert side.others(9.0, 5.0, before_ms=1_001) == 10
    side.held(held(30, at_ms=5_000), 8.0, owed=10)
    assert side.others(9.0, 5.0, before_ms=5_000) == 10
    assert side.others(9.0, 5.0) == 20


OPENED = 500_000
BEFORE = {PUSHED: Marks(OPENED, Decimal(65000)), READ: Marks(OPENED + 1, Decimal("65000.004"))}


@pytest.mark.parametrize(
    ("unclaimed", "was_read", "opened_ms", "price", "grown", "same"),
    [
        (10, PUSHED, OPENED, 65000, False, True),
        (10, READ, OPENED + 1, "65000.004", False, True),
        (4, PUSHED, OPENED, 65000, False, True),
        (11, PUSHED, OPENED, 65000, False, False),
        (0, PUSHED, OPENED, 65000, False, False),
        (10, PUSHED, OPENED + 60_000, 65000, False, False),
        (10, PUSHED, OPENED, 64400, False, False),
        (10, PUSHED, OPENED, 64400, True, True),
        (10, PUSHED, None, 65000, False, True),
        (10, PUSHED, None, 65000, True, False),
        (10, PUSHED, OPENED, None, False, True),
        (10, PUSHED, None, None, False, False),
    ],
)
def test_a_position_is_the_same_if_nothing_told_of_it_differs(
    unclaimed, was_read, opened_ms, price, grown, same
):
    ended = Ended(id="a", at=0, covered_ms=OPENED + 50, size=10, marks=BEFORE)
    told = held(open_time_ms=opened_ms, entry_price=None if price is None else Decimal(price))
    assert is_same_position(ended, told, unclaimed, 10, 0, was_read=was_read, grown=grown) is same


@pytest.mark.parametrize(
    ("opened_ms", "clock_ahead_ms", "same"),
    [
        (OPENED, 0, True),
        (OPENED + 6_001, 0, False),
        (OPENED + 66_000, 60_000, True),
        (OPENED, None, False),
        (None, 0, False),
    ],
)
def test_after_a_restart_only_the_time_of_its_opening_tells(opened_ms, clock_ahead_ms, same):
    ended = Ended(id="a", at=0, covered_ms=OPENED + 1_000, size=10)
    told = held(open_time_ms=opened_ms, entry_price=Decimal(65000))
    assert is_same_position(ended, told, 10, 10, clock_ahead_ms) is same


def test_what_a_position_had_of_a_fill_that_was_not_heard_of_yet_is_not_somebody_elses():
    side = SideEvidence()
    side.held(held(8, at_ms=1_000), 1.0, owed=8)
    side.held(
        held(10, at_ms=2_000), 2.0, owed=8
    )  # the order's push comes later than the position's
    assert side.others(2.0, 5.0) == 2
    side.filled(2, 2_000)
    assert side.others(2.0, 5.0) == 0
    side.held(held(15, at_ms=3_000), 3.0, owed=10)
    side.filled(2, 4_000)
    assert side.others(3.0, 5.0) == 5, "what was said before the fill has nothing of it"
