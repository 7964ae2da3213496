"""Counters: what goes on is logged at 1, 10, 100, 1,000 and every hour, with its count and its cause."""

import time

import pytest
import trio
from structlog.testing import capture_logs

from bitmart_engine.causes import Cause
from bitmart_engine.counters import LOGGED_AGAIN_S, Counters
from bitmart_engine.exchange import NotSent


class Clock:
    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


HOUR = LOGGED_AGAIN_S


@pytest.mark.parametrize(
    ("adds", "logged"),
    [
        ([(0, 1)], [1]),
        ([(0, 1)] * 9, [1]),
        ([(0, 1)] * 10, [1, 10]),
        ([(0, 1)] * 1500, [1, 10, 100, 1000]),
        ([(0, 5), (0, 6)], [5, 11]),
        ([(0, 5000)], [5000]),
        ([(0, 1), (HOUR - 1, 1)], [1]),
        ([(0, 1), (HOUR, 1)], [1, 2]),
        ([(0, 1), (HOUR - 1, 1), (1, 1), (HOUR - 1, 1), (1, 1)], [1, 3, 5]),
        ([(0, 2000), *[(60, 1)] * 180], [2000, 2060, 2120, 2180]),
        ([(0, 9), (10 * HOUR, 1), (HOUR - 1, 1)], [9, 10]),
    ],
)
def test_an_event_is_logged_at_milestones_and_then_once_an_hour_while_it_goes_on(adds, logged):
    clock = Clock()
    counters = Counters(clock)
    with capture_logs() as lines:
        for later_s, times in adds:
            clock.at += later_s
            counters.add("ticks_merged", times, symbol="BTCUSDT")
    assert [line["count"] for line in lines] == logged
    assert all(
        (line["event"], line["symbol"], line["log_level"]) == ("ticks_merged", "BTCUSDT", "warning")
        for line in lines
    )
    assert counters.counts() == {"ticks_merged": sum(times for _, times in adds)}


def test_each_event_has_milestones_of_its_own():
    counters = Counters(Clock())
    with capture_logs() as lines:
        for event in ("price_late", "price_late", "price_stray"):
            counters.add(event)
    assert [line["event"] for line in lines] == ["price_late", "price_stray"]


def test_what_its_caller_logs_is_only_counted():
    counters = Counters(Clock())
    with capture_logs() as lines:
        counters.count("close_failed")
        counters.count("close_failed", 2)
    assert (counters.counts(), lines) == ({"close_failed": 3}, [])


def test_a_failure_of_the_network_is_logged_with_its_cause():
    counters = Counters(Clock())
    with capture_logs() as lines:
        counters.add("balance_read_failed", why=NotSent("no connection", Cause.REFUSED))
        counters.add("positions_read_failed", why=ValueError("odd"))
        counters.add("gap_bars_read_failed", why=KeyError())
    assert (lines[0]["why"], lines[0]["cause"]) == ("no connection", "refused")
    assert (lines[1]["why"], "cause" in lines[1]) == ("odd", False)
    assert lines[2]["why"] == "KeyError"


async def test_inside_of_trio_hours_are_those_of_its_clock(autojump_clock):
    counters = Counters()
    with capture_logs() as lines:
        for _ in range(3):
            counters.add("ticks_merged")
            await trio.sleep(HOUR / 2)
        await trio.to_thread.run_sync(counters.add, "ticks_merged")
    assert [line["count"] for line in lines] == [1, 3]


def test_outside_of_trio_hours_are_those_of_the_machine(monkeypatch):
    counters, clock = Counters(), Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    with capture_logs() as lines:
        for _ in range(3):
            counters.add("ticks_merged")
            clock.at += HOUR / 2
    assert [line["count"] for line in lines] == [1, 3]
