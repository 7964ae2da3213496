"""Order updates come twice, late and in any order; the order they make is the same."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.events import OrderState, OrderUpdate
from bitmart_engine.model.lifecycle import EntryState
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.store.records import EntryAccepted, EntryIntended
from bitmart_engine.store.state import State
from bitmart_engine.trading.entries.progress import observed, refused_for_crossing
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry


def submitting(**changes) -> State:
    """A state with one order, `a`, whose submit is under way."""
    state = State()
    request, _ = checked_entry(entry(**changes), BTC)
    state.apply(EntryAccepted(EntryOrder(request=request, accepted_ms=1, deadline_ms=300_001)))
    state.apply(EntryIntended("a", 1000, "ea", Decimal(65000)))
    return state


def update(deal, state=OrderState.CHECK, at=2000, **more):
    return OrderUpdate(
        order_id="77",
        client_order_id="ea",
        symbol="BTCUSDT",
        size=10,
        state=state,
        deal_size=deal,
        deal_avg_price=Decimal(65000) if deal else None,
        update_time_ms=at,
        **more,
    )


def take_in(state: State, *updates: OrderUpdate) -> EntryOrder:
    for each in updates:
        record = observed(state.orders["a"], each, 3000)
        if record is not None:
            state.apply(record)
    return state.orders["a"]


@pytest.mark.parametrize(
    ("told", "becomes"),
    [
        (update(0, OrderState.APPROVAL), EntryState.OPEN),
        (update(0), EntryState.OPEN),
        (update(4), EntryState.PARTIALLY_FILLED),
        (update(10, OrderState.FINISH), EntryState.FILLED),
        (update(10), EntryState.FILLED),
        (update(4, OrderState.FINISH), EntryState.CANCELLED),
        (update(0, OrderState.FINISH), EntryState.CANCELLED),
    ],
)
def test_state_and_filled_size_together_say_what_an_order_is(told, becomes):
    order = take_in(submitting(), told)
    assert (order.state, order.filled) == (becomes, told.deal_size)
    assert order.exchange_order_id == "77"


history = [
    update(0, at=2000),
    update(3, at=2100),
    update(7, at=2200),
    update(10, OrderState.FINISH, at=2300),
]
cancelled = [
    update(0, at=2000),
    update(3, at=2100),
    update(3, OrderState.FINISH, at=2200),
]


@given(
    st.sampled_from([history, cancelled]).flatmap(
        lambda told: st.tuples(
            st.just(told), st.permutations(told), st.lists(st.sampled_from(told), max_size=6)
        )
    )
)
def test_any_order_and_any_duplicates_give_the_same_end(case):
    told, shuffled, again = case
    straight = take_in(submitting(), *told)
    crooked = take_in(submitting(), *shuffled, *again)
    assert (crooked.state, crooked.filled, crooked.average_price) == (
        straight.state,
        straight.filled,
        straight.average_price,
    )


def test_a_repeated_update_says_nothing_new():
    state = submitting()
    take_in(state, update(4))
    assert observed(state.orders["a"], update(4), 4000) is None
    assert observed(state.orders["a"], update(2, at=1500), 4000) is None


def test_what_filled_beyond_the_size_that_was_asked_for_counts_too():
    order = take_in(submitting(), update(25, OrderState.FINISH))
    assert (order.filled, order.state) == (25, EntryState.FILLED)


def test_an_order_that_was_amended_to_be_larger_is_filled_once_all_of_it_is():
    state = submitting()
    for filled, becomes in ((4, EntryState.PARTIALLY_FILLED), (10, EntryState.PARTIALLY_FILLED)):
        assert take_in(state, evolve(update(filled), size=25)).state is becomes
    assert take_in(state, evolve(update(25), size=25)).state is EntryState.FILLED


def test_an_amended_order_that_is_cancelled_beyond_what_was_asked_for_is_cancelled():
    for before in (0, 10, 12):
        state = submitting()
        take_in(state, evolve(update(before), size=25))
        order = take_in(state, evolve(update(12, OrderState.FINISH), size=25))
        assert (order.filled, order.state) == (12, EntryState.CANCELLED)


def test_an_update_from_before_an_order_was_amended_does_not_end_it():
    state = submitting()
    take_in(state, evolve(update(10, at=2000), size=25))
    order = take_in(state, evolve(update(4, at=1500), size=10))
    assert (order.filled, order.state) == (10, EntryState.PARTIALLY_FILLED)


def test_a_fill_after_the_end_is_late_and_counts():
    state = submitting()
    take_in(state, update(0, OrderState.FINISH))
    record = observed(state.orders["a"], update(6, at=2500), 4000)
    assert (record.to, record.filled, record.reason) == (EntryState.CANCELLED, 6, "late fill")
    state.apply(record)
    late = take_in(state, update(10, OrderState.FINISH, at=2600))
    assert (late.state, late.filled) == (EntryState.FILLED, 10)


def test_a_maker_only_order_that_ends_at_once_and_unfilled_was_refused_for_crossing():
    order = submitting().orders["a"]
    gone = update(0, OrderState.FINISH, at=2005, create_time_ms=2000)
    assert refused_for_crossing(order, gone)
    assert not refused_for_crossing(order, update(1, OrderState.FINISH, create_time_ms=2000))
    assert not refused_for_crossing(order, evolve(gone, update_time_ms=9000))
    assert not refused_for_crossing(order, evolve(gone, create_time_ms=None))
    assert not refused_for_crossing(evolve(order, cancel_asked=True), gone)
    assert not refused_for_crossing(submitting(post_only=False).orders["a"], gone)
