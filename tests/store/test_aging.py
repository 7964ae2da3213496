from __future__ import annotations

import pytest
from attrs import evolve

from bitmart_engine.model.futures_orders import OrderEvent, upsert
from bitmart_engine.model.lifecycle import EntryState, ProtectionState
from bitmart_engine.store import State
from bitmart_engine.store.records import (
    EntryAccepted,
    EntryMoved,
    FuturesOrderSeen,
    NotificationOwed,
    NotificationSettled,
    ProtectionMoved,
    ProtectionOpened,
)
from bitmart_engine.store.retention import forget_old

from .known import folded, known
from .stories import START_MS, entry, notification, protection, whole_story

LATER_MS = START_MS + 1_000_000


@pytest.fixture
def state() -> State:
    return folded(whole_story("a"))


def test_an_old_order_goes_with_its_protection_and_every_trace(state: State) -> None:
    assert forget_old(state, LATER_MS) == [("order", "a"), ("protection", "a")]
    assert known(state) == known(State())


def test_an_old_dead_letter_goes_and_a_young_one_stays(state: State) -> None:
    for id, at_ms in (("n", START_MS), ("m", LATER_MS)):
        state.apply(NotificationOwed(notification(id, "elsewhere")))
        state.apply(NotificationSettled(id, False, at_ms, "refused"))
    assert ("dead", "n") in forget_old(state, LATER_MS)
    assert list(state.dead) == ["m"]


def test_nothing_goes_before_its_time(state: State) -> None:
    before = known(state)
    assert forget_old(state, START_MS) == []
    assert known(state) == before


def test_an_order_with_something_owed_stays_with_its_protection(state: State) -> None:
    state.apply(NotificationOwed(notification("n", "a")))
    assert forget_old(state, LATER_MS) == []


def test_an_old_order_stays_while_its_protection_is_alive(state: State) -> None:
    state.apply(ProtectionMoved("a", LATER_MS, ProtectionState.ARMED))
    assert forget_old(state, LATER_MS) == []


def test_an_old_protection_stays_while_its_order_is_alive() -> None:
    state = folded([(EntryAccepted(entry("a")), ProtectionOpened(protection("a")))])
    state.apply(ProtectionMoved("a", START_MS, ProtectionState.RELEASED))
    assert forget_old(state, LATER_MS) == []
    state.apply(EntryMoved("a", START_MS, EntryState.EXPIRED))
    assert forget_old(state, LATER_MS) == [("order", "a"), ("protection", "a")]


def test_an_old_order_stays_while_any_protection_of_it_is_alive(state: State) -> None:
    state.apply(ProtectionOpened(evolve(protection("second"), entry_id="a")))
    state.apply(ProtectionOpened(evolve(protection("third"), entry_id="a")))
    state.apply(ProtectionMoved("third", START_MS, ProtectionState.RELEASED))
    assert ("order", "a") not in forget_old(state, LATER_MS)
    assert "a" in state.orders


def test_a_protection_outlives_an_order_that_went_before_it(state: State) -> None:
    del state.orders["a"]
    assert forget_old(state, LATER_MS) == [("protection", "a")]


def test_an_old_order_of_the_exchange_goes_and_one_that_still_works_stays() -> None:
    state = State()
    for id, said in (("7", 4), ("8", 2)):
        event = OrderEvent(order_id=id, symbol="BTCUSDT", client_order_id=f"c{id}", state=said)
        order = upsert(None, event)
        assert order is not None
        state.apply(FuturesOrderSeen(evolve(order, seen_ms=START_MS)))
    assert forget_old(state, START_MS) == []
    assert forget_old(state, LATER_MS) == [("futures_order", "7")]
    assert state.futures_order_of("c7") is None
    assert state.futures_order_of("c8") is state.futures_order_of("8") is not None
