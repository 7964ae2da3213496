"""How much a protection covers: from the fills of its order, or the size of its position."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.lifecycle import ProtectionState
from bitmart_engine.model.orders import EntryRequest
from bitmart_engine.model.positions import Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.store.records import ProtectionCovers, ProtectionKept, ProtectionMoved
from bitmart_engine.trading.protections.coverage import (
    ORDER_ENDED,
    covering,
    fills_covered,
    sent_along,
    waits_no_more,
)

STOP, TARGET = Decimal(64000), Decimal(66000)
REQUEST = EntryRequest(
    id="a",
    symbol="BTCUSDT",
    side=PositionSide.LONG,
    zone_min=Decimal(64990),
    zone_max=Decimal(65010),
    size=10,
    quantity=Decimal("0.01"),
    timeout_seconds=Decimal(300),
    stop_loss=STOP,
    take_profit=TARGET,
    exchange_protection=True,
)
PROTECTION = Protection(
    id="a", symbol="BTCUSDT", side=PositionSide.LONG, created_ms=1, entry_id="a", stop_loss=STOP
)
MONITORED = evolve(PROTECTION, entry_id=None)
State = ProtectionState


def named(records):
    """What the records say, as far as these tests care."""
    told = {
        ProtectionCovers: lambda each: ("covers", each.covered),
        ProtectionMoved: lambda each: ("moved", each.to.value, each.reason),
        ProtectionKept: lambda each: ("kept", each.stop_loss, each.take_profit, each.plans),
    }
    return [told[type(each)](each) for each in records]


FILLS = [
    # state, reason, plans known, what is recorded beside the ten contracts that are covered
    (State.PENDING_FILL, "", (), [("moved", "armed", "filled")]),
    (State.ARMED, "filled", (), []),
    (State.ARMED, "filled", ("1", "2"), [("kept", STOP, None, ())]),
    (State.CLOSING, "stop_loss", (), [("kept", STOP, TARGET, ())]),
    (State.CLOSED, "", (), [("kept", STOP, TARGET, ()), ("moved", "armed", "late fill")]),
    (
        State.RELEASED,
        ORDER_ENDED,
        (),
        [("kept", STOP, TARGET, ()), ("moved", "armed", "late fill")],
    ),
]


@pytest.mark.parametrize(("state", "reason", "plans", "more"), FILLS)
def test_what_fills_is_covered_whatever_state_its_protection_is_in(state, reason, plans, more):
    protection = evolve(
        PROTECTION, state=state, reason=reason, exchange_plans=plans, exchange_stop_loss=STOP
    )
    assert named(fills_covered(protection, REQUEST, 10, 5, 0)) == [("covers", 10), *more]


def test_what_fills_after_the_user_dropped_the_protection_is_the_users():
    dropped = evolve(PROTECTION, state=State.RELEASED, reason="released by the user")
    assert fills_covered(dropped, REQUEST, 10, 5, 0) == []


@pytest.mark.parametrize(
    ("kept", "sent", "told"),
    [
        ((STOP, TARGET), REQUEST, []),
        ((None, None), REQUEST, []),
        ((STOP, TARGET), evolve(REQUEST, stop_loss=STOP + 1), [("kept", STOP + 1, TARGET, ())]),
        ((STOP + 1, TARGET), evolve(REQUEST, stop_loss=STOP + 1), []),
        (
            (STOP, TARGET),
            evolve(REQUEST, stop_loss=STOP + 1, exchange_protection=False),
            [],
        ),
    ],
)
def test_levels_that_go_out_other_than_asked_for_are_noted(kept, sent, told):
    protection = evolve(PROTECTION, exchange_stop_loss=kept[0], exchange_take_profit=kept[1])
    assert named(sent_along(protection, REQUEST, sent, 5)) == told


@pytest.mark.parametrize("state", list(State))
def test_only_what_waits_for_a_fill_ends_with_its_order(state):
    told = named(waits_no_more(evolve(PROTECTION, state=state), 5))
    assert told == ([("moved", "released", ORDER_ENDED)] if state is State.PENDING_FILL else [])


@given(
    held=st.integers(0, 50),
    closed=st.integers(0, 50),
    size=st.none() | st.integers(1, 50),
    covered=st.integers(0, 50),
    state=st.sampled_from([State.PENDING_FILL, State.ARMED]),
)
def test_a_monitored_position_is_covered_as_far_as_it_was_asked_for(
    held, closed, size, covered, state
):
    before = evolve(MONITORED, closed=closed, size=size, covered=covered, state=state)
    records = covering(before, held, 5)
    after = next((each.covered for each in records if isinstance(each, ProtectionCovers)), covered)
    assert after == (closed + held if size is None else min(closed + held, size))
    arms = any(isinstance(each, ProtectionMoved) for each in records)
    assert arms == (held > 0 and state is State.PENDING_FILL)
