"""Size by risk: what is lost at the stop is never more than was asked for, and never a contract less than could be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from bitmart_engine import BadRequest, PlaceOrder, Risk
from bitmart_engine.model.instruments import Instrument
from bitmart_engine.trading.requests import checked_entry, does_not_fit, fingerprint
from tests.support.stage import entry, open_stage

BTC = Instrument(
    symbol="BTCUSDT",
    tick_size=Decimal("0.1"),
    contract_size=Decimal("0.001"),
    min_size=1,
    max_size=1_000_000,
    market_max_size=1_000_000,
    min_leverage=Decimal(1),
    max_leverage=Decimal(100),
)


def asked(**changes: Any) -> PlaceOrder:
    return entry(**{"size": None, "risk": Risk(Decimal(50)), **changes})


@given(
    amount=st.decimals("0.01", "100000", places=4),
    low=st.integers(600_000, 650_000),
    width=st.integers(0, 5_000),
    distance=st.integers(1, 50_000),
    long=st.booleans(),
    contract_size=st.sampled_from(
        [Decimal("0.001"), Decimal("0.01"), Decimal("0.0003"), Decimal(7)]
    ),
)
def test_the_risk_never_exceeds_the_amount_and_one_contract_more_would(
    amount, low, width, distance, long, contract_size
):
    instrument = evolve(BTC, contract_size=contract_size)
    zone_min, zone_max = Decimal(low) / 10, Decimal(low + width) / 10
    away = Decimal(distance) / 10
    edge = zone_max - (zone_min - away) if long else zone_max + away - zone_min
    assume(contract_size * edge <= amount < 1_000_000 * contract_size * edge)
    request, _ = checked_entry(
        asked(
            side="long" if long else "short",
            entry_zone_min=zone_min,
            entry_zone_max=zone_max,
            stop_loss=zone_min - away if long else zone_max + away,
            take_profit=None,
            risk={"amount": amount},
        ),
        instrument,
    )
    assert request.risk == request.size * contract_size * edge
    assert request.risk <= amount < (request.size + 1) * contract_size * edge
    assert does_not_fit(request, request.size, instrument) is None


def test_the_farthest_edge_of_the_zone_counts_on_either_side():
    request, _ = checked_entry(asked(), BTC)  # 65010 - 64500 = 510, 0.51 a contract
    assert (request.size, request.risk) == (98, Decimal("49.98"))
    short, _ = checked_entry(asked(side="short", stop_loss=65500, take_profit=64000), BTC)
    assert (short.size, short.risk) == (98, Decimal("49.98"))


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"size": 10}, "$.quantity", "give one of quantity"),
        ({"quantity": "0.01"}, "$.quantity", "give one of quantity"),
        ({"stop_loss": None}, "$.stop_loss", "the size follows from the risk at the stop"),
        ({"risk": {"amount": "0.5"}}, "$.risk.amount", "0.5 is less than 0.51, what the smallest"),
        ({"risk": {"amount": 0}}, "$.risk.amount", "must be a number above 0"),
        ({"risk": {"amount": "1e9"}}, "$.risk.amount", "outside 1 to 1000000 contracts"),
    ],
)
def test_what_cannot_be_sized_is_refused_with_what_would_be_right(changes, field, said):
    with pytest.raises(BadRequest, match=said) as refused:
        checked_entry(asked(**changes), BTC)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("risk", "field"),
    [
        ({}, "$.risk.amount"),
        ({"amount": "many"}, "$.risk.amount"),
        ({"amount": 5, "percent": 1}, "$.risk.percent"),
        (50, "$.risk"),
    ],
)
def test_a_risk_of_another_shape_is_refused_by_its_path(risk, field):
    with pytest.raises(BadRequest) as refused:
        asked(risk=risk)
    assert refused.value.field == field


def test_the_same_risk_in_other_digits_is_the_same_request():
    assert fingerprint(asked(risk={"amount": "50.0"})) == fingerprint(asked(risk={"amount": 50}))
    assert fingerprint(asked(risk={"amount": 51})) != fingerprint(asked())
    assert fingerprint(entry()) == fingerprint(entry(risk=None))


def test_an_order_that_would_risk_more_with_the_contract_as_it_is_now_does_not_fit():
    request, _ = checked_entry(asked(), BTC)
    changed = evolve(BTC, contract_size=Decimal("0.002"))
    assert does_not_fit(request, request.size, changed) == (
        "98 contracts risk 99.96 now, and 50 was asked for"
    )


async def test_an_order_sized_by_risk_goes_out_with_that_size(autojump_clock):
    async with open_stage() as stage:
        placed = await stage.engine.place_order(asked(leverage=Decimal(10)))
        assert (placed.order.size, placed.order.request.margin) == (98, Decimal("637.098"))
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.submits(1))
        assert stage.submits(1)[0]["size"] == 98
