"""Stops and targets: what a tick fires."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.events import Tick
from bitmart_engine.model.positions import CloseReason
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.protections.stops import Levels, StopBook

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
STOP, TARGET = CloseReason.STOP_LOSS, CloseReason.TAKE_PROFIT


def tick(last, high=None, low=None, symbol="BTCUSDT"):
    last = Decimal(last)
    return Tick(symbol, last, Decimal(high or last), Decimal(low or last), 0.0)


def book(*levels):
    made = StopBook()
    for id, side, stop, target in levels:
        made.arm(
            Levels(
                id,
                "BTCUSDT",
                side,
                None if stop is None else Decimal(stop),
                None if target is None else Decimal(target),
            )
        )
    return made


def test_a_long_stops_at_or_below_its_stop_and_a_short_at_or_above():
    stops = book(("long", LONG, 90, None), ("short", SHORT, 110, None))
    assert stops.triggered(tick(91)) == []
    assert stops.triggered(tick(90)) == [("long", STOP)]
    assert stops.triggered(tick(110)) == [("short", STOP)]


def test_a_spike_between_two_reads_fires_the_stop():
    stops = book(("long", LONG, 90, None), ("short", SHORT, 110, None))
    assert dict(stops.triggered(tick(100, high=111, low=89))) == {"long": STOP, "short": STOP}


def test_a_target_fires_on_the_last_price_only():
    stops = book(("long", LONG, None, 110), ("short", SHORT, None, 90))
    assert stops.triggered(tick(100, high=111, low=89)) == []
    assert stops.triggered(tick(110)) == [("long", TARGET)]
    assert stops.triggered(tick(90)) == [("short", TARGET)]


def test_where_one_tick_reaches_both_the_stop_wins():
    stops = book(("long", LONG, 90, 110))
    assert stops.triggered(tick(110, high=110, low=90)) == [("long", STOP)]
    assert stops.triggered(tick(110, high=110, low=90)) == []


def test_moved_levels_replace_the_old_ones():
    stops = book(("a", LONG, 90, 110))
    stops.arm(Levels("a", "BTCUSDT", LONG, Decimal(95), None))
    assert stops.triggered(tick(120)) == []
    assert stops.triggered(tick(95)) == [("a", STOP)]


def test_symbols_do_not_mix_and_a_disarmed_level_is_silent():
    stops = book(("a", LONG, 90, 110))
    assert stops.triggered(tick(80, symbol="ETHUSDT")) == []
    stops.disarm("a")
    assert stops.triggered(tick(80)) == []
    assert len(stops) == 0


prices = st.integers(1, 60).map(Decimal)
levels = st.tuples(st.sampled_from(PositionSide), st.none() | prices, st.none() | prices)


@given(
    armed=st.lists(levels, max_size=12),
    ticks=st.lists(st.tuples(prices, prices, prices), max_size=20),
)
def test_the_index_fires_exactly_what_a_look_at_every_level_would(armed, ticks):
    indexed, plain = StopBook(), {}
    for number, (side, stop, target) in enumerate(armed):
        each = Levels(str(number), "BTCUSDT", side, stop, target)
        indexed.arm(each)
        plain[each.id] = each
    for one, two, three in ticks:
        low, last, high = sorted((one, two, three))
        expected = {}
        for id, each in plain.items():
            worst = low if each.side is LONG else high
            if each.stop is not None and each.side.loses_at(worst, each.stop):
                expected[id] = STOP
            elif each.target is not None and each.side.wins_at(last, each.target):
                expected[id] = TARGET
        assert dict(indexed.triggered(Tick("BTCUSDT", last, high, low, 0.0))) == expected
        for id in expected:
            del plain[id]
        assert len(indexed) == len(plain)
