"""Decimals: plain text out, nothing absurd in."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

import pytest

from bitmart_engine.model.decimals import (
    NotPlain,
    decimal_or_none,
    decimal_said,
    plain,
    to_contracts,
    to_grid,
)


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


@pytest.mark.parametrize("text", ["", "-", "market price"])
def test_what_says_nothing_is_none(text):
    assert decimal_or_none(text) is None
    assert decimal_said(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "NaN",
            "Infinity",
            "-inf",
            "1e5",
            "1E-7",
            "1e1000000",
            "1_000",
            "\uff16\uff15",
            "\u0661",
            "0x10",
        ),
        *(
            "9" * 31,
            "0." + "1" * 30,
            "9" * 100_000,
            "+5",
            "--5",
            "5.",
            ".5",
            "1,5",
            " 5",
            "5\n",
            "true",
            "1.2.3",
        ),
    ],
)
def test_what_is_no_plain_decimal_is_neither_a_number_nor_nothing(text):
    assert decimal_or_none(text) is None
    with pytest.raises(NotPlain):
        decimal_said(text)


def test_thirty_digits_are_a_number():
    assert decimal_said("9" * 30) == Decimal("9" * 30)
    assert decimal_said("-0." + "1" * 29) == Decimal("-0." + "1" * 29)


def test_what_says_something_is_that():
    assert decimal_or_none("1.50") == Decimal("1.5")
    assert to_contracts(Decimal("10.9")) == 10
    assert to_contracts(Decimal("-0.5")) == 0
    assert to_grid(Decimal("1.01"), Decimal("0.25"), ROUND_CEILING) == Decimal("1.25")
