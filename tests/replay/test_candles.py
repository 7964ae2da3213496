"""Files of candles, and which candles are passed over."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bitmart_engine.replay.candles import Candle, interval_ms, read_candles, read_time
from bitmart_engine.replay.leaping import Band, Calm, next_to_play
from bitmart_engine.replay.market import stations

AT = 1_704_153_600_000


@pytest.mark.parametrize(
    "text",
    [
        *("1704153600", "1704153600000", "1704153600.0", " 2024-01-02 00:00:00 "),
        *("2024-01-02T00:00:00Z", "2024-01-02T01:00:00+01:00", "2024-01-02 00:00:00.000000"),
    ],
)
def test_a_time_is_read_in_every_form(text):
    assert read_time(text) == AT


@pytest.mark.parametrize("text", ["", "0", "nan", "1e999999", "2024", "99999999999999", "soon"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises((ValueError, OverflowError)):
        read_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "1704153600,1,3,0.5,2,7\n",
        "1704153600,1,3,0.5,2,7,more,of,it\n",
        "time,open,high,low,close,volume\n1704153600,1,3,0.5,2,7\n",
        "\ufeffTimestamp,Open,High,Low,Close,Volume\r\n1704153600000,1,3,0.5,2,7\r\n",
        "volume,close,low,high,open,x,date\n7,2,0.5,3,1,x,2024-01-02\n",
    ],
)
def test_a_file_is_read_with_a_header_and_without(tmp_path, text):
    file = tmp_path / "c.csv"
    file.write_text(text, encoding="utf-8")
    assert read_candles(file) == [candle("1 3 0.5 2", volume="7")]


def test_a_file_without_volumes_is_read(tmp_path):
    file = tmp_path / "c.csv"
    file.write_text("1704153600,1,3,0.5,2\n")
    assert read_candles(file) == [candle("1 3 0.5 2")]


def candle(prices: str, number: int = 0, volume: str = "0") -> Candle:
    """A one-minute candle: open, high, low, close."""
    return Candle(AT + 60_000 * number, *map(Decimal, prices.split()), Decimal(volume))


def test_a_candle_lasts_as_long_as_the_commonest_distance():
    assert interval_ms([candle("1 1 1 1", number) for number in (0, 1, 2, 9, 10)]) == 60_000
    assert interval_ms([candle("1 1 1 1")]) == 60_000


def test_the_price_goes_by_way_of_both_extremes_to_the_close():
    one = candle("10 14 9 11")
    assert stations(one, low_first=True) == (9, 14, 11)
    assert stations(one, low_first=False) == (14, 9, 11)


ROW = [candle("10 11 9 10", 0), candle("10 12 9 11", 1), candle("11 15 11 14", 2)]
TEN, NEVER = Decimal(10), float("inf")


@pytest.mark.parametrize(
    ("bands", "next"),
    [
        ([], 3),
        ([(16, 17), (7, 8)], 3),
        ([(15, 16)], 2),
        ([(12, 20)], 1),
        ([(9, 9)], 0),
        ([(5, 8), (13, 13)], 2),
        ([(9, 11)], None),
        ([(10, 10)], None),
    ],
)
def test_the_first_candle_with_a_price_that_something_waits_for_is_played(bands, next):
    waited = [Band(Decimal(low), Decimal(high)) for low, high in bands]
    assert next_to_play(ROW, 0, TEN, waited, NEVER, 60_000) == next


def test_a_candle_that_ends_shortly_before_a_deadline_is_played():
    assert next_to_play(ROW, 0, TEN, [], AT + 179_999, 60_000) == 1
    assert next_to_play(ROW, 0, TEN, [], AT + 180_000, 60_000) == 2
    assert next_to_play(ROW, 0, TEN, [], AT, 60_000) == 0


def test_calm_comes_two_candles_after_the_last_thing_that_happened():
    calm = Calm()
    seen = [calm.has_come(state, AT + 60_000 * at) for at, state in enumerate("aaaabbb")]
    assert seen == [False, False, True, True, False, False, True]


def test_calm_never_comes_while_something_is_under_way():
    calm = Calm()
    assert not any(calm.has_come(None, AT + 60_000 * at) for at in range(9))
