"""What is known of the exchange's clock from before the start."""

from __future__ import annotations

from attrs import evolve

from bitmart_engine.store import State
from bitmart_engine.store.records import EntryAccepted, ProtectionOpened
from bitmart_engine.trading.recalled import clock_before
from tests.store.stories import entry, protection


def accepted(state: State, id: str, at_ms: int, ahead_ms: int | None) -> None:
    there_ms = 0 if ahead_ms is None else at_ms + ahead_ms
    state.apply(EntryAccepted(evolve(entry(id, at_ms), accepted_there_ms=there_ms)))
    state.apply(ProtectionOpened(evolve(protection(id, at_ms), entry_id=id)))


def test_the_order_that_was_accepted_last_says_how_far_the_clocks_were_apart():
    state = State()
    accepted(state, "a", 1_000_000, 15)
    accepted(state, "c", 3_000_000, -15_000)
    accepted(state, "b", 2_000_000, 700)
    assert clock_before(state) == (3_000_000, -15_000)


def test_an_order_accepted_before_the_clock_was_measured_says_nothing():
    state = State()
    assert clock_before(state) is None
    accepted(state, "a", 1_000_000, None)
    assert clock_before(state) is None
