"""Entry zones: what a tick enters, and what it only jumps over."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.events import Tick
from bitmart_engine.trading.entries.zones import Zone, ZoneBook


def tick(last, high=None, low=None, symbol="BTCUSDT"):
    last = Decimal(last)
    return Tick(symbol, last, Decimal(high or last), Decimal(low or last), 0.0)


def book(*zones):
    made = ZoneBook()
    for id, low, high in zones:
        made.arm(Zone(id, "BTCUSDT", Decimal(low), Decimal(high)))
    return made


def test_a_price_in_the_zone_enters_it_once():
    zones = book(("a", 100, 110))
    assert zones.entered(tick(105)) == ["a"]
    assert zones.entered(tick(105)) == []
    assert len(zones) == 0


def test_a_price_that_merely_touches_the_zone_enters_it():
    zones = book(("low", 100, 110), ("high", 90, 95))
    assert zones.entered(tick(98)) == []
    assert zones.entered(tick(100)) == ["low"]
    assert zones.entered(tick(95)) == ["high"]


def test_a_touch_between_two_reads_enters_though_the_price_left_again():
    zones = book(("a", 100, 110))
    zones.entered(tick(98))
    assert zones.entered(tick(97, high=100, low=97)) == ["a"]


def test_a_price_that_jumps_over_the_zone_does_not_enter_it():
    zones = book(("a", 100, 110))
    assert zones.entered(tick(98)) == []
    assert zones.entered(tick(120)) == []
    assert zones.entered(tick(125, high=125, low=90)) == []
    assert zones.entered(tick(110)) == ["a"]


def test_a_zone_that_holds_the_price_when_it_is_armed_is_entered_by_the_next_tick_in_it():
    zones = book(("first", 1, 2))
    zones.entered(tick(105))
    zones.arm(Zone("a", "BTCUSDT", Decimal(100), Decimal(110)))
    assert zones.entered(tick(105)) == ["a"]


def test_symbols_do_not_mix():
    zones = book(("a", 100, 110))
    assert zones.entered(tick(105, symbol="ETHUSDT")) == []


def test_a_disarmed_zone_is_not_entered():
    zones = book(("a", 100, 110), ("b", 100, 110))
    zones.entered(tick(90))
    zones.disarm("a")
    zones.disarm("never armed")
    assert zones.entered(tick(105)) == ["b"]


prices = st.integers(1, 60).map(Decimal)


@given(
    zones=st.lists(st.tuples(prices, prices).map(sorted), max_size=12),
    ticks=st.lists(st.tuples(prices, prices, prices), max_size=30),
)
def test_the_index_enters_exactly_what_a_look_at_every_zone_would(zones, ticks):
    indexed, plain = ZoneBook(), {}
    for number, (low, high) in enumerate(zones):
        zone = Zone(str(number), "BTCUSDT", low, high)
        indexed.arm(zone)
        plain[zone.id] = zone
    for one, two, three in ticks:
        low, last, high = sorted((one, two, three))
        seen = (low, last, high)
        expected = {id for id, zone in plain.items() if any(map(zone.contains, seen))}
        assert set(indexed.entered(Tick("BTCUSDT", last, high, low, 0.0))) == expected
        for id in expected:
            del plain[id]
        assert len(indexed) == len(plain)


def test_the_symbols_of_what_is_armed_come_in_one_order_whatever_was_armed_first():
    zones = ZoneBook()
    for symbol in ("SOLUSDT", "BTCUSDT", "ETHUSDT", "BTCUSDT"):
        zones.arm(Zone(f"{symbol}{len(zones)}", symbol, Decimal(1), Decimal(2)))
    assert zones.symbols() == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
