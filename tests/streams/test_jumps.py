"""A price far from the last one: believed once a second source says so too."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.streams.jumps import REMEMBERED_S, Jumps, Source

TRADES, KLINES, REST = Source.TRADES, Source.KLINES, Source.REST
X = "X"


@pytest.fixture
def jumps() -> Jumps:
    """The last price is 100."""
    made = Jumps(20)
    made.ordinary(X, TRADES, Decimal(100), 0)
    return made


def doubt(
    jumps: Jumps, source: Source, price: int, now: float = 1, *, is_last: bool = True
) -> list[int]:
    return [int(each) for each in jumps.doubt(X, source, Decimal(price), now, is_last=is_last)]


def last(jumps: Jumps) -> int:
    known = jumps.last(X)
    assert known is not None
    return int(known[0])


@pytest.mark.parametrize(
    ("price", "far"), [(80, False), (79, True), (120, False), (121, True), (1, True)]
)
def test_far_is_more_than_the_given_part_away_on_either_side(
    jumps: Jumps, price: int, far: bool
) -> None:
    assert jumps.is_far(X, Decimal(price)) is far


def test_the_first_price_is_not_far_from_anything() -> None:
    assert not Jumps(20).is_far(X, Decimal(1))


def test_one_source_is_not_believed_however_often_it_says_so(jumps: Jumps) -> None:
    assert [doubt(jumps, TRADES, 50, now) for now in (1, 2, 3)] == [[], [], []]
    assert last(jumps) == 100


@pytest.mark.parametrize("second", [KLINES, REST])
def test_a_second_source_confirms(jumps: Jumps, second: Source) -> None:
    assert doubt(jumps, TRADES, 50) == []
    assert 50 in doubt(jumps, second, 51)
    assert last(jumps) == 51
    assert jumps.in_doubt_since(X) is None


def test_what_two_sources_went_to_is_believed_as_far_as_both_did(jumps: Jumps) -> None:
    assert doubt(jumps, TRADES, 40) == []
    assert doubt(jumps, REST, 75) == [75, 75]
    assert last(jumps) == 75


def test_two_sources_on_different_sides_confirm_nothing(jumps: Jumps) -> None:
    assert doubt(jumps, TRADES, 40) == []
    assert doubt(jumps, REST, 200) == []


def test_an_extreme_that_is_confirmed_is_not_the_last_price(jumps: Jumps) -> None:
    assert doubt(jumps, TRADES, 50) == []
    jumps.ordinary(X, TRADES, Decimal(99), 1)
    assert doubt(jumps, KLINES, 50, 4, is_last=False) == [50]
    assert last(jumps) == 99


def test_what_was_said_long_ago_confirms_nothing(jumps: Jumps) -> None:
    assert doubt(jumps, TRADES, 50, 1) == []
    assert doubt(jumps, KLINES, 50, 1.5 + REMEMBERED_S) == []


def test_what_is_contradicted_is_a_stray_print(jumps: Jumps) -> None:
    doubt(jumps, TRADES, 50)
    jumps.ordinary(X, REST, Decimal(101), 1.5)
    assert jumps.in_doubt_since(X) == 1
    assert jumps.time_is_up(X) is None
    assert jumps.in_doubt_since(X) is None
    assert not jumps.was_given_up(X)


def test_what_nobody_contradicts_is_taken_for_stops_in_the_end(jumps: Jumps) -> None:
    doubt(jumps, TRADES, 50)
    doubt(jumps, TRADES, 45)
    extremes = jumps.time_is_up(X)
    assert extremes is not None
    assert (extremes.low, extremes.high) == (45, 50)
    assert jumps.was_given_up(X)
    assert last(jumps) == 100
    assert 45 in doubt(jumps, REST, 45, 3)
    assert last(jumps) == 45
    assert not jumps.was_given_up(X)


@given(
    st.lists(st.tuples(st.sampled_from(Source), st.integers(1, 1000), st.floats(0, 1)), max_size=30)
)
def test_the_last_price_moves_far_only_where_two_sources_went(
    prints: list[tuple[Source, int, float]],
) -> None:
    """Whatever is said by one source alone, in steps that are all far, moves nothing."""
    jumps, said, now = Jumps(20), set(), 0.0
    jumps.ordinary(X, TRADES, Decimal(100), 0)
    for source, price, pause in prints:
        now += pause
        if jumps.is_far(X, Decimal(price)):
            said.add(source)
            jumps.doubt(X, source, Decimal(price), now, is_last=True)
    if len(said) < 2:
        assert last(jumps) == 100
