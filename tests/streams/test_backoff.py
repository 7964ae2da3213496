"""Backoff between attempts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitmart_engine.streams.backoff import LIVED_S, Backoff


class Highest(Random):
    """Always draws the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_full_pause_doubles_to_the_cap() -> None:
    backoff = Backoff(5, Highest())
    assert [backoff.next_delay() for _ in range(6)] == [5, 10, 20, 40, 60, 60]


def test_the_cap_is_never_below_the_base() -> None:
    backoff = Backoff(300, Highest())
    assert [backoff.next_delay() for _ in range(3)] == [300, 300, 300]


def test_only_a_connection_that_lived_resets_it() -> None:
    backoff = Backoff(5, Highest())
    assert [backoff.next_delay(), backoff.next_delay()] == [5, 10]
    backoff.lived(LIVED_S - 0.1)
    assert backoff.next_delay() == 20
    backoff.lived(LIVED_S)
    assert backoff.next_delay() == 5


@settings(deadline=None)
@given(base=st.floats(0.01, 300), seed=st.integers(), attempts=st.integers(1, 2000))
def test_every_pause_is_in_the_upper_half(base: float, seed: int, attempts: int) -> None:
    backoff, full = Backoff(base, Random(seed)), base
    for _ in range(attempts):
        assert full / 2 <= backoff.next_delay() <= full
        full = min(full * 2, max(60.0, base))
    assert full == pytest.approx(max(base, min(base * 2.0 ** min(attempts, 20), max(60.0, base))))
