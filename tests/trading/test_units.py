"""What a quantity counts: the base currency, or contracts; and that neither is taken for the other."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from bitmart_engine import BadRequest, Conflict
from bitmart_engine.model.orders import EntryRequest
from bitmart_engine.store.codec import pack, unpack
from bitmart_engine.trading.requests import checked_entry, fingerprint, size_now
from tests.support.stage import BTC, entry, open_stage, open_theatre


@pytest.mark.parametrize("quantity", ["10", "10.0", "10.0000000004", "9.9999999999", "1e1"])
def test_with_contracts_a_quantity_is_that_many_of_them(quantity):
    request, _ = checked_entry(entry(quantity=quantity), BTC, "contracts")
    assert (request.size, request.quantity) == (10, Decimal("0.01"))
    assert (request.asked_quantity, request.quantity_unit) == (None, "contracts")
    assert size_now(request, BTC) == 10


@pytest.mark.parametrize("quantity", ["0.01", "10.5", "10.00000001"])
def test_with_contracts_a_quantity_that_is_no_whole_number_is_refused_and_says_why(quantity):
    with pytest.raises(BadRequest) as refused:
        checked_entry(entry(quantity=quantity), BTC, "contracts")
    assert refused.value.field == "$.quantity"
    assert "whole number of contracts, as QUANTITY_UNIT=contracts says" in refused.value.message
    assert quantity in refused.value.message


@pytest.mark.parametrize("quantity", ["0.0000000001", "1001", "100000"])
def test_with_contracts_the_limits_of_the_contract_hold(quantity):
    with pytest.raises(BadRequest, match="is outside 1 to 1000 contracts"):
        checked_entry(entry(quantity=quantity), BTC, "contracts")


def test_a_size_is_the_same_whatever_a_quantity_counts():
    assert checked_entry(entry(), BTC, "contracts") == checked_entry(entry(), BTC)


def test_the_same_quantity_is_another_request_in_the_other_unit():
    asked = entry(quantity="10")
    assert fingerprint(asked, "contracts") != fingerprint(asked)
    assert fingerprint(entry(), "contracts") == fingerprint(entry())


async def test_an_engine_counts_contracts_when_it_is_told_to(autojump_clock):
    async with open_stage(quantity_unit="contracts") as stage:
        placed = await stage.engine.place_order(entry(quantity="7"))
        assert (placed.order.request.size, placed.duplicate) == (7, False)
        assert (await stage.engine.place_order(entry(quantity="7.0"))).duplicate
        with pytest.raises(BadRequest, match="QUANTITY_UNIT"):
            await stage.engine.place_order(entry("b", quantity="0.01"))


@pytest.mark.parametrize(("before", "after"), [("base", "contracts"), ("contracts", "base")])
async def test_after_a_restart_with_the_other_unit_the_same_request_is_a_conflict_that_says_so(
    tmp_path, autojump_clock, before, after
):
    asked = entry(quantity="1")  # of bitcoin: 1000 contracts
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine(quantity_unit=before) as stage:
            promised = (await stage.engine.place_order(asked)).order.request
            assert promised.size == {"base": 1000, "contracts": 1}[before]
        async with theatre.engine(quantity_unit=after) as stage:
            with pytest.raises(Conflict) as refused:
                await stage.engine.place_order(asked)
            assert f"counts {before}, and QUANTITY_UNIT is {after} now" in refused.value.message
            assert stage.engine.state.orders["a"].request == promised
        async with theatre.engine(quantity_unit=before) as stage:
            assert (await stage.engine.place_order(asked)).duplicate


def test_a_request_of_an_older_journal_counts_the_base_currency_and_widens_nothing():
    request, _ = checked_entry(entry(quantity="0.01"), BTC)
    said = json.loads(pack(request))
    for name in ("quantity_unit", "entry_zone_tolerance_percent"):
        del said[name]
    assert unpack(EntryRequest, json.dumps(said)) == request
