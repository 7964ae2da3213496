"""Decimals: plain text out, nothing absurd in."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import pytest

from bitmart_engine.model.decimals import decimal_or_none, is_absurd, plain, to_contracts, to_grid


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("65000", "65000"),
        ("6.5E+4", "65000"),
        ("65000.10", "65000.1"),
        ("0.00000015", "0.00000015"),
        ("1E-7", "0.0000001"),
        ("-0.0", "0"),
        ("0", "0"),
        ("100", "100"),
    ],
)
def test_decimals_are_written_plainly(value, text):
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize("text", ["", None, "-", "market", "NaN", "Infinity"])
def test_what_says_nothing_is_none(text):
    assert decimal_or_none(text) is None


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999999999", "1e-999999999", "9" * 90])
def test_what_no_price_or_size_could_be_is_absurd(text):
    assert is_absurd(Decimal(text))


def test_what_says_something_is_that():
    assert decimal_or_none("1.50") == Decimal("1.5")
    assert to_contracts(Decimal("10.9")) == 10
    assert to_contracts(Decimal("-0.5")) == 0
    assert to_grid(Decimal("1.01"), Decimal("0.25"), ROUND_CEILING) == Decimal("1.25")
