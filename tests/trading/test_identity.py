"""Client order ids are valid for BitMart whatever the user calls an order, and never shared."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.trading.identity import close_client_order_id, entry_client_order_id

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
