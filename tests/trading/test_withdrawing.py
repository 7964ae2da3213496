"""Taking an order away from the exchange, and what an order that had to wait still needs to go out: plain decisions."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from bitmart_engine.model.events import Tick
from bitmart_engine.model.lifecycle import EntryState
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.model.positions import Protection
from bitmart_engine.trading.entries.submission import is_wanted, wire_order
from bitmart_engine.trading.entries.withdrawing import (
    Cancel,
    Done,
    Facts,
    Read,
    WaitForEnd,
    WaitForNews,
    after,
    next_step,
)
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry

NOW_MS = 1_000_000
LONG_AGO = {"submitted_ms": NOW_MS - 1_000}


def order(state=EntryState.OPEN, **changes):
    request, _ = checked_entry(entry(), BTC)
    standing = {
        "request": request,
        "accepted_ms": 1,
        "deadline_ms": NOW_MS + 1,
        "client_order_id": "ea",
        "price": Decimal(65000),
        "submitted_ms": NOW_MS - 999,
        "exchange_order_id": "77",
    }
    return EntryOrder(**{**standing, "state": state, **changes})


STEPS = {
    "what works is cancelled": ({}, order(), Cancel("77", "ea")),
    "what has no id there yet is waited for": (
        {},
        order(EntryState.SUBMITTING, exchange_order_id=""),
        WaitForNews("ea", 0.25),
    ),
    "what is unknown is waited for, ever longer": (
        {"rounds": 3},
        order(EntryState.UNKNOWN, exchange_order_id=""),
        WaitForNews("ea", 2.0),
    ),
    "for seconds at most": (
        {"rounds": 300},
        order(EntryState.UNKNOWN, exchange_order_id=""),
        WaitForNews("ea", 5.0),
    ),
    "a cancel is given time to show": (
        {"step": Cancel("77", "ea")},
        order(),
        WaitForEnd("ea", 0.25),
    ),
    "also one whose order has ended by then": (
        {"step": Cancel("77", "ea")},
        order(EntryState.WAITING, client_order_id=""),
        WaitForEnd("ea", 0.25),
    ),
    "without news it is read": ({"step": WaitForEnd("ea", 0.25)}, order(), Read()),
    "with news it is looked at after a pause": (
        {"step": WaitForEnd("ea", 0.25), "came": True, "rounds": 1},
        order(EntryState.PARTIALLY_FILLED),
        WaitForNews("ea", 0.5),
    ),
    "what works still is cancelled again": (
        {"step": Read(), "rounds": 1},
        order(),
        Cancel("77", "ea"),
    ),
    "also after news": ({"step": WaitForNews("ea", 0.5)}, order(), Cancel("77", "ea")),
    "what has ended is done with": ({"step": Read()}, order(EntryState.CANCELLED), Done()),
    "what filled is, too": ({"step": WaitForNews("ea", 1.0)}, order(EntryState.FILLED), Done()),
    "what waits again is not there": ({}, order(EntryState.WAITING), Done()),
}


@pytest.mark.parametrize(("known", "standing", "expected"), STEPS.values(), ids=STEPS.keys())
def test_an_order_is_cancelled_until_it_has_ended(known, standing, expected):
    assert next_step(Facts(order=standing, **known)) == expected


def test_every_round_makes_the_next_pause_longer():
    facts = Facts(order=order())
    for step, rounds in [
        (Cancel("77", "ea"), 0),
        (WaitForEnd("ea", 0.25), 0),
        (Read(), 1),
        (WaitForNews("ea", 0.5), 2),
    ]:
        facts = after(facts, step, order(), came=False)
        assert facts.rounds == rounds


def tick(price):
    return Tick(
        symbol="BTCUSDT", last=Decimal(price), high=Decimal(price), low=Decimal(price), at=0
    )


@pytest.mark.parametrize(
    ("changes", "price", "may_open", "wanted"),
    [
        ({}, None, True, True),
        ({}, None, False, False),
        ({"cancel_asked": True}, 65000, True, False),
        ({"deadline_ms": NOW_MS}, 65000, True, False),
        (LONG_AGO, 65000, True, True),
        (LONG_AGO, None, True, False),
        (LONG_AGO, 60000, True, False),
        ({"submitted_ms": None}, None, True, True),
    ],
)
def test_an_order_whose_turn_has_come_goes_out_only_if_it_is_wanted_still(
    changes, price, may_open, wanted
):
    last = None if price is None else tick(price)
    assert is_wanted(order(**changes), NOW_MS, last, may_open=may_open) is wanted


def test_an_order_goes_out_with_what_the_exchange_is_to_keep_on_the_grid_as_it_is_now():
    kept = Protection(
        id="a",
        symbol="BTCUSDT",
        side=order().request.side,
        created_ms=1,
        stop_loss=Decimal(64000),
        take_profit=Decimal(66000),
        exchange_stop_loss=Decimal("64100.5"),
    )
    coarser = evolve(BTC, tick_size=Decimal(1))
    out = wire_order(order(sent_size=7), coarser, kept)
    assert (out.size, out.price, out.client_order_id) == (7, Decimal(65000), "ea")
    assert (out.preset_stop_loss, out.preset_take_profit) == (Decimal(64101), None)
    bare = wire_order(order(), None, None)
    assert (bare.preset_stop_loss, bare.preset_take_profit) == (None, None)
