"""The application's book of exchange orders: whatever comes, in whichever order, adds up to the same."""

from __future__ import annotations

import random

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.futures_orders import (
    FuturesOrder,
    FuturesStatus,
    OrderAction,
    OrderEvent,
    upsert,
)

EVENTS = st.builds(
    OrderEvent,
    order_id=st.just("7"),
    symbol=st.just("BTCUSDT"),
    action=st.sampled_from([None, 1, 2, 3]),
    client_order_id=st.sampled_from(["", "c1", "c2"]),
    side=st.sampled_from([None, 1, 3]),
    type=st.sampled_from([None, "limit", "Market"]),
    state=st.sampled_from([None, 1, 2, 4]),
    price=st.sampled_from([None, "65000", "65000.0"]),
    size=st.sampled_from([None, "10"]),
    deal_avg_price=st.sampled_from([None, "0", "65001"]),
    deal_size=st.sampled_from([None, "0", "4", "10"]),
    leverage=st.sampled_from([None, "5"]),
    open_type=st.sampled_from([None, "isolated"]),
    position_mode=st.sampled_from([None, 1, 2]),
    update_time_ms=st.sampled_from([None, 1, 2, 3]),
)


def folded(events: list[OrderEvent]) -> FuturesOrder:
    order: FuturesOrder | None = None
    for each in events:
        order = upsert(order, each) or order
    assert order is not None
    return order


def event(**said: object) -> OrderEvent:
    return OrderEvent(order_id="7", symbol="BTCUSDT", **said)  # type: ignore[arg-type]


@given(st.lists(EVENTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_events_in_any_order_and_any_number_add_up_to_the_same(
    events: list[OrderEvent], chance: random.Random
) -> None:
    again = events + chance.choices(events, k=3)
    chance.shuffle(again)
    assert folded(again) == folded(events)


@given(st.lists(EVENTS, min_size=1, max_size=6))
def test_what_was_taken_in_is_no_news_any_more(events: list[OrderEvent]) -> None:
    order = folded(events)
    assert [upsert(order, each) for each in events] == [None] * len(events)


@given(EVENTS, EVENTS)
def test_an_older_event_changes_nothing_that_a_newer_one_said(
    newer: OrderEvent, older: OrderEvent
) -> None:
    newer, older = evolve(newer, update_time_ms=200), evolve(older, update_time_ms=100)
    first = folded([newer])
    both = upsert(first, older) or first
    for name in ("side", "type", "price", "size", "filled_size", "leverage", "exchange_state"):
        assert getattr(first, name) in (None, getattr(both, name))
    assert (both.updated_time_ms, both.raw_data) == (200, first.raw_data)


def test_what_an_update_leaves_out_stays_as_it_was_known() -> None:
    order = folded(
        [
            event(update_time_ms=1, price="65000.0", size="10", client_order_id="c", state=2),
            event(update_time_ms=3, deal_size="4"),
            event(update_time_ms=2, price="64000", leverage="5"),
        ]
    )
    assert (order.price, order.size, order.filled_size) == ("64000", 10, 4)
    assert (order.client_order_id, order.leverage, order.exchange_state) == ("c", 5, 2)


def test_states_and_filled_sizes_make_the_status() -> None:
    def status(state: int | None, deal_size: str | None) -> tuple[str, bool]:
        order = folded([event(state=state, deal_size=deal_size, size="10")])
        return order.status.value, order.partial

    assert status(1, "0") == ("pending", False)
    assert status(2, "0") == ("pending", False)
    assert status(2, "4") == ("pending", False)
    assert status(4, "10") == ("filled", False)
    assert status(4, "4") == ("filled", True)
    assert status(4, "0") == ("cancelled", False)
    assert status(4, None) == ("cancelled", False)
    assert status(None, "4") == ("pending", False)


def test_an_end_without_a_time_is_the_end_and_other_events_without_one_only_fill_in() -> None:
    ended = folded([event(state=4, deal_size="10"), event(update_time_ms=9, state=2, price="1")])
    assert (ended.status, ended.price, ended.updated_time_ms) == (FuturesStatus.FILLED, "1", 9)
    working = folded([event(update_time_ms=9, state=2, price="1"), event(price="2", leverage="5")])
    assert (working.price, working.leverage) == ("1", 5)


def test_of_two_events_of_one_millisecond_the_end_wins() -> None:
    events = [event(update_time_ms=1, state=4, deal_size="10"), event(update_time_ms=1, state=2)]
    assert folded(events).status is folded(events[::-1]).status is FuturesStatus.FILLED


def test_actions_have_their_names() -> None:
    assert [each.value for each in OrderAction] == list(range(1, 10))
    assert OrderAction(4).name == "LIQUIDATE_CANCEL_ORDER"


def test_codes_have_the_exchanges_names_and_unknown_ones_have_none() -> None:
    known = event(action=3, side=2, state=4)
    assert (known.action_name, known.side_name, known.state_name) == (
        "CANCEL_ORDER",
        "BUY_CLOSE_SHORT",
        "FINISH",
    )
    unknown = event(action=10, side=5)
    assert (unknown.action_name, unknown.side_name, unknown.state_name) == (None, None, None)
