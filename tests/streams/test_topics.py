"""Channel names and what they mean."""

from __future__ import annotations

import pytest

from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams.topics import (
    ORDERS,
    POSITIONS,
    Kind,
    Topic,
    asset_topic,
    is_private,
    kline_topic,
    parse,
    trade_topic,
)


@pytest.mark.parametrize(
    ("timeframe", "suffix"),
    [
        ("1m", "1m"),
        ("5m", "5m"),
        ("15m", "15m"),
        ("30m", "30m"),
        ("1h", "1H"),
        ("2h", "2H"),
        ("4h", "4H"),
        ("1d", "1D"),
        ("1w", "1W"),
    ],
)
def test_minutes_are_lower_case_and_the_rest_upper_case(timeframe: str, suffix: str) -> None:
    topic = kline_topic("1000PEPEUSDT", Timeframe(timeframe))
    assert topic == f"futures/klineBin{suffix}:1000PEPEUSDT"
    assert parse(topic) == Topic(topic, Kind.KLINES, "1000PEPEUSDT", Timeframe(timeframe))


def test_a_push_speed_in_the_group_is_not_part_of_the_topic() -> None:
    assert parse("futures/trade:BTCUSDT@100ms") == parse(trade_topic("BTCUSDT"))


def test_what_is_not_known_is_said_to_be_other() -> None:
    for group in (
        "",
        "futures/ticker:BTCUSDT",
        "futures/klineBin3m:BTCUSDT",
        "futures/trade",
        "System",
    ):
        assert parse(group).kind is Kind.OTHER


def test_private_topics_are_told_from_public_ones() -> None:
    assert parse(ORDERS).kind is Kind.ORDERS
    assert parse(POSITIONS).kind is Kind.POSITIONS
    assert parse(asset_topic("USDT")).kind is Kind.BALANCE
    assert all(is_private(each) for each in (ORDERS, POSITIONS, asset_topic("USDT")))
    assert not any(is_private(each) for each in (trade_topic("BTCUSDT"), "futures/orders"))
