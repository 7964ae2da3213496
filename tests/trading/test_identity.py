"""Client order ids are valid for BitMart whatever the user calls an order, and never shared."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.events import OrderState, OrderUpdate
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.model.sides import OrderSide
from bitmart_engine.trading.identity import (
    close_client_order_id,
    entry_client_order_id,
    is_ours,
)
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry

VALID = re.compile(r"[A-Za-z0-9]{1,32}\Z")


@pytest.mark.parametrize(
    "id", ["order-123", "-", "---------", "ордер №1 🚀", "x" * 500, " ", "\ud800", "a\0b", "1"]
)
def test_any_id_gives_a_client_order_id_of_1_to_32_letters_and_digits(id):
    for made in (entry_client_order_id(id, 1), close_client_order_id(id, 1)):
        assert VALID.match(made)


def test_it_is_derived_and_not_random():
    assert entry_client_order_id("order-123", 1) == "ea8436e8e131502d4909c1184df56168"
    assert close_client_order_id("order-123", 1) == "c51fef262da07bf7ef99ea2f588bbf8b"


@given(st.lists(st.tuples(st.text(), st.integers(1, 40)), unique=True, max_size=60))
def test_two_ids_never_share_one(intents):
    made = [entry_client_order_id(*each) for each in intents]
    made += [close_client_order_id(*each) for each in intents]
    assert len(set(made)) == len(made)


def test_ids_that_differ_only_in_what_bitmart_forbids_stay_apart():
    ids = ["a-b", "ab", "a_b", "A-B", "a--b", "1:a", ":1:a"]
    assert len({entry_client_order_id(id, 1) for id in ids}) == len(ids)


AT_MS = 1_785_726_000_000


@pytest.mark.parametrize(
    ("made_ms", "ahead_ms", "ours"),
    [
        (AT_MS + 240_100, 240_000, True),
        (AT_MS + 100, 240_000, False),
        (AT_MS + 100, None, False),
        (AT_MS + 100, 0, True),
        (AT_MS - 10_000, 0, False),
    ],
)
def test_an_order_is_ours_by_the_time_of_either_measurement_of_the_exchanges_clock(
    made_ms, ahead_ms, ours
):
    assert is_ours(accepted(), found(made_ms), ahead_ms) is ours


@pytest.mark.parametrize(
    ("made_ms", "price", "ours"),
    [
        (AT_MS + 240_000, 65000, True),
        (AT_MS + 240_000, 65011, False),
        (AT_MS + 240_000, None, False),
        (AT_MS + 239_999, 65000, False),
        (None, 65000, False),
    ],
)
def test_an_order_that_the_owner_amended_is_ours_if_it_was_surely_made_since_and_in_the_zone(
    made_ms, price, ours
):
    update = evolve(found(made_ms), size=7, price=None if price is None else Decimal(price))
    assert is_ours(accepted(), update, 240_000) is ours
    assert is_ours(accepted(), update, 0) is ours
    assert not is_ours(accepted(), update, 300_000)


def accepted() -> EntryOrder:
    """Ten contracts from 64990 to 65010, accepted when the exchange's clock was 240 s ahead."""
    return EntryOrder(
        request=checked_entry(entry("plain"), BTC)[0],
        accepted_ms=AT_MS,
        deadline_ms=AT_MS + 300_000,
        accepted_there_ms=AT_MS + 240_000,
        engine_id="e1",
    )


def found(made_ms: int | None) -> OrderUpdate:
    """Ten contracts under the id of that order."""
    return OrderUpdate(
        order_id="1",
        symbol="BTCUSDT",
        state=OrderState.FINISH,
        client_order_id="plain",
        side=OrderSide(1),
        size=10,
        deal_size=10,
        create_time_ms=made_ms,
    )
