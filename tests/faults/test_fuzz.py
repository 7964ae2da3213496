"""Answers and pushes that no exchange should give, some thousands of them, the same every time."""

from __future__ import annotations

from .fuzz import campaign


def test_nothing_that_the_exchange_could_say_ends_the_engine():
    report = campaign(seed=1, inputs=3000)
    assert report.inputs >= 3000
    assert report.told["REST"] > 1000
    assert min(report.told.values()) > 100, "every channel was lied on"
