"""Timers: a heap that moves and cancels, against a plain dict."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.trading.timers import SPARE, Timers

KEYS = st.sampled_from("abcde")
TIMES = st.integers(0, 20)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("schedule"), KEYS, TIMES),
        st.tuples(st.just("cancel"), KEYS),
        st.tuples(st.just("due"), TIMES),
    ),
    max_size=200,
)


@given(MOVES)
def test_timers_do_what_a_dict_of_times_would(moves):
    timers, plain, number = Timers(), {}, 0
    for move in moves:
        match move:
            case "schedule", key, at:
                timers.schedule(key, at)
                number += 1
                plain[key] = (at, number)
            case "cancel", key:
                timers.cancel(key)
                plain.pop(key, None)
            case "due", now:
                due = sorted((when, key) for key, when in plain.items() if when[0] <= now)
                assert timers.due(now) == [key for _, key in due]
                for _, key in due:
                    del plain[key]
        assert timers.next_at == min((at for at, _ in plain.values()), default=inf)
        assert len(timers) == len(plain)
        assert {key for key in "abcde" if key in timers} == set(plain)


def test_keys_that_are_due_at_the_same_time_come_as_they_were_scheduled():
    timers = Timers()
    for key in "cab":
        timers.schedule(key, 1.0)
    timers.schedule("a", 1.0)
    assert timers.due(1.0) == ["c", "b", "a"]


def test_what_was_moved_a_thousand_times_takes_the_place_of_one():
    timers = Timers()
    for at in range(1000):
        timers.schedule("a", at)
        timers.schedule(("b", at), at + 10_000)
        timers.cancel(("b", at))
    assert (len(timers), timers.next_at) == (1, 999)
    assert len(timers._heap) <= 2 + SPARE
