"""What is asked for is checked: the error names the field, what was wrong and what would be right."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.errors import BadRequest
from bitmart_engine.trading.requests import checked_entry, fingerprint
from tests.support.stage import BTC, entry


def test_a_quantity_of_0_01_btc_is_10_contracts():
    request, _ = checked_entry(entry(quantity="0.01"), BTC)
    assert (request.size, request.quantity) == (10, Decimal("0.01"))


def test_a_quantity_is_rounded_down_to_whole_contracts():
    request, _ = checked_entry(entry(quantity="0.0109"), BTC)
    assert (request.size, request.quantity) == (10, Decimal("0.010"))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"id": ""}, "$.id", "1 to 1000 characters"),
        ({"id": " \t"}, "$.id", "not blank"),
        ({"id": "x" * 1001}, "$.id", "1 to 1000 characters"),
        ({"entry_zone_min": 65011}, "$.entry_zone_min", "65011 is above entry_zone_max 65010"),
        ({"entry_zone_min": 0}, "$.entry_zone_min", "above 0"),
        ({"entry_zone_max": "NaN"}, "$.entry_zone_max", "must be a number"),
        ({"entry_zone_min": "65000.01", "entry_zone_max": "65000.02"}, "$.entry_zone_min", "grid"),
        ({"stop_loss": 64990}, "$.stop_loss", "below 64990"),
        ({"stop_loss": 65500}, "$.stop_loss", "below 64990"),
        ({"stop_loss": -1}, "$.stop_loss", "above 0"),
        ({"take_profit": 65010}, "$.take_profit", "above 65010"),
        ({"take_profit": 64000}, "$.take_profit", "above 65010"),
        ({"side": "short", "stop_loss": 64500}, "$.stop_loss", "above 65010"),
        (
            {"side": "sell", "stop_loss": 66000, "take_profit": 65500},
            "$.take_profit",
            "below 64990",
        ),
        ({"size": None}, "$.quantity", "one of quantity"),
        ({"size": 0}, "$.size", "1 to 1000 contracts (0.001 to 1 in the base currency)"),
        ({"size": 1001}, "$.size", "1 to 1000 contracts"),
        ({"size": 501, "type": "market"}, "$.size", "1 to 500 contracts"),
        ({"quantity": "0.0009"}, "$.quantity", "0 contracts is outside 1 to 1000"),
        ({"quantity": "-1"}, "$.quantity", "above 0"),
        ({"leverage": Decimal(101)}, "$.leverage", "leverage 101 is outside 1 to 100"),
        ({"leverage": Decimal("0.5")}, "$.leverage", "1 to 100"),
        ({"timeout_seconds": Decimal(0)}, "$.timeout_seconds", "more than 0"),
        ({"timeout_seconds": Decimal(10**9)}, "$.timeout_seconds", "at most 2592000"),
    ],
)
def test_a_bad_request_names_the_field_and_what_would_be_right(changes, field, words):
    with pytest.raises(BadRequest) as refused:
        checked_entry(entry(**changes), BTC)
    assert refused.value.field == field
    assert words in refused.value.message


def test_quantity_and_size_together_are_refused():
    both = entry()
    with pytest.raises(BadRequest, match="one of quantity"):
        checked_entry(
            type(both)(
                **{
                    name: getattr(both, name)
                    for name in ("id", "symbol", "side", "entry_zone_min", "entry_zone_max", "size")
                },
                quantity=Decimal(1),
            ),
            BTC,
        )


def test_prices_off_the_grid_are_moved_to_the_careful_side_and_reported():
    request, rounded = checked_entry(
        entry(
            entry_zone_min="64990.01",
            entry_zone_max="65009.99",
            stop_loss="64500.01",
            take_profit="65999.99",
        ),
        BTC,
    )
    assert (request.zone_min, request.zone_max) == (Decimal("64990.1"), Decimal("65009.9"))
    assert (request.stop_loss, request.take_profit) == (Decimal("64500.1"), Decimal("65999.9"))
    assert set(rounded) == {"entry_zone_min", "entry_zone_max", "stop_loss", "take_profit"}


def test_for_a_short_the_careful_side_is_the_other_one():
    request, rounded = checked_entry(
        entry(side="short", stop_loss="65500.19", take_profit="64500.11"), BTC
    )
    assert (request.stop_loss, request.take_profit) == (Decimal("65500.1"), Decimal("64500.2"))
    assert rounded == {"stop_loss": Decimal("65500.1"), "take_profit": Decimal("64500.2")}


def test_prices_on_the_grid_are_left_alone():
    assert checked_entry(entry(), BTC)[1] == {}


@pytest.mark.parametrize("metadata", [{"when": object()}, {"lone": "\ud800"}])
def test_metadata_that_is_not_json_is_refused(metadata):
    with pytest.raises(BadRequest) as refused:
        checked_entry(entry(metadata=metadata), BTC)
    assert refused.value.field == "$.metadata"


def test_an_id_that_is_not_text_is_refused():
    with pytest.raises(BadRequest):
        checked_entry(entry("\ud800"), BTC)


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        (0.7 * 0.1, 70),
        (0.1 * 3, 300),
        ("0.0699999999", 69),
        ("0.0699999999999995", 70),
        ("0.0709", 70),
    ],
)
def test_a_quantity_that_is_whole_but_for_binary_fractions_is_that_many_contracts(quantity, size):
    request, _ = checked_entry(entry(quantity=Decimal(str(quantity))), BTC)
    assert request.size == size


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (65000.0, "65000"),
        ("65000.0", "65000"),
        (65000.10000000001, "65000.1"),
        ("65000.099999999999", "65000.1"),
        (0.1 * 3 + 64999.8, "65000.1"),
        ("65000.10000000000000000000000000000001", "65000.1"),
    ],
)
@pytest.mark.parametrize("field", ["entry_zone_min", "entry_zone_max", "stop_loss", "take_profit"])
def test_the_noise_of_a_float_is_no_other_price_and_no_move(field, written, meant):
    around = {
        "entry_zone_min": 64990,
        "stop_loss": 64000,
        "entry_zone_max": 65010,
        "take_profit": 66000,
    }
    side = "short" if field == "stop_loss" else "long"
    if field in ("stop_loss", "take_profit"):
        around = {
            "entry_zone_min": 64000,
            "entry_zone_max": 64500,
            "stop_loss": None,
            "take_profit": None,
        }
    request, rounded = checked_entry(entry(side=side, **{**around, field: written}), BTC)
    name = {"entry_zone_min": "zone_min", "entry_zone_max": "zone_max"}.get(field, field)
    assert getattr(request, name) == Decimal(meant)
    assert rounded == {}


def test_a_zone_of_one_price_may_be_upside_down_by_the_noise_of_a_float():
    one = entry(entry_zone_min="65000.10000000001", entry_zone_max="65000.1", stop_loss=None)
    request, _ = checked_entry(one, BTC)
    assert request.zone_min == request.zone_max == Decimal("65000.1")


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [("65000.070000000003", "65000.1", "65000"), ("65000.101", "65000.2", "65000.1")],
)
def test_a_price_that_is_off_by_more_than_noise_is_moved_to_the_careful_side(written, low, high):
    request, rounded = checked_entry(entry(entry_zone_min=written), BTC)
    assert request.zone_min == rounded["entry_zone_min"] == Decimal(low)
    request, rounded = checked_entry(entry(entry_zone_max=written), BTC)
    assert request.zone_max == rounded["entry_zone_max"] == Decimal(high)


def test_noise_is_never_more_than_a_hundredth_of_a_tick():
    fine = attrs.evolve(BTC, tick_size=Decimal("0.000001"))
    request, rounded = checked_entry(entry(entry_zone_min="64990.0000003"), fine)
    assert request.zone_min == Decimal("64990.000001")
    assert request.zone_min - Decimal("64990.0000003") < 64990 * Decimal("1e-9")
    assert rounded == {}


def test_a_tolerance_widens_the_zone_by_that_percent_of_each_bound():
    asked = entry(entry_zone_tolerance_percent="0.1", stop_loss=64000)
    request, rounded = checked_entry(asked, BTC)
    assert (request.zone_min, request.zone_max) == (Decimal("64925.1"), Decimal("65075.0"))
    assert request.entry_zone_tolerance_percent == Decimal("0.1")
    assert rounded == {"entry_zone_min": Decimal("64925.1"), "entry_zone_max": Decimal("65075")}
    assert fingerprint(asked) != fingerprint(entry(stop_loss=64000))
    assert fingerprint(asked) == fingerprint(attrs.evolve(asked, entry_zone_tolerance_percent=0.1))
    zero = attrs.evolve(asked, entry_zone_tolerance_percent=0)
    assert fingerprint(zero) == fingerprint(entry(stop_loss=64000))


@pytest.mark.parametrize("percent", ["-0.1", "5.01", "100"])
def test_a_tolerance_is_from_0_to_5_percent(percent):
    with pytest.raises(BadRequest) as refused:
        checked_entry(entry(entry_zone_tolerance_percent=percent), BTC)
    assert str(refused.value) == "entry_zone_tolerance_percent must be from 0 to 5"


def test_a_stop_has_to_lie_beyond_the_zone_as_it_was_widened():
    with pytest.raises(BadRequest, match=r"below 64340\.1, not 64500"):
        checked_entry(entry(entry_zone_tolerance_percent=1), BTC)


@given(
    price=st.decimals("0.0001", 1_000_000, places=12),
    tick=st.sampled_from(["0.1", "0.01", "0.5", "0.000001", "5"]),
    rounding=st.sampled_from([ROUND_CEILING, ROUND_FLOOR]),
)
def test_a_price_is_moved_to_the_careful_side_by_less_than_a_tick_but_for_noise(
    price, tick, rounding
):
    instrument = attrs.evolve(BTC, tick_size=Decimal(tick))
    moved = instrument.on_grid(price, rounding)
    assert instrument.on_grid(moved, rounding) == moved == instrument.on_grid(moved)
    forward = moved - price if rounding == ROUND_CEILING else price - moved
    noise = min(price * Decimal("1e-9"), instrument.tick_size / 100)
    assert -noise <= forward < instrument.tick_size
