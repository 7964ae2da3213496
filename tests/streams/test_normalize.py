"""What is pushed becomes events: leniently read, never guessed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import (
    BalanceUpdate,
    Event,
    Fill,
    Kline,
    OrderState,
    OrderUpdate,
    PositionUpdate,
    Trade,
)
from bitmart_engine.model.sides import OrderSide, PositionSide
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import normalize
from bitmart_engine.streams.topics import (
    ORDERS,
    POSITIONS,
    asset_topic,
    kline_topic,
    parse,
    trade_topic,
)

from .fake import bar

BTC_5M = kline_topic("BTCUSDT", Timeframe.M5)


def read(group: str, data: Any, counters: Counters | None = None) -> list[Event]:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return normalize.events(parse(group), text, counters or Counters())


def order(**fields: Any) -> OrderUpdate:
    """The update in a push of one order with these fields."""
    (event,) = read(
        ORDERS, [{"action": 2, "order": {"order_id": "7", "symbol": "BTCUSDT", **fields}}]
    )
    assert isinstance(event, OrderUpdate)
    return event


def positions(**fields: Any) -> list[tuple[PositionSide, int]]:
    """(side, size) of the updates in a push of one position with these fields."""
    events = read(POSITIONS, [{"symbol": "BTCUSDT", **fields}])
    return [(each.side, each.size) for each in events if isinstance(each, PositionUpdate)]


@pytest.mark.parametrize(
    "data",
    [
        {"symbol": "BTCUSDT", "items": [bar("65000.10", "65010", "64990", ts=1785726000)]},
        {"symbol": "BTCUSDT", **bar("65000.10", "65010", "64990", ts=1785726000)},
        bar("65000.10", "65010", "64990", ts=1785726000),
        bar("65000.10", "65010", "64990", ts=1785726000_000),
        bar("65000.10", "65010", "64990", ts=1785726001),
        [bar("65000.10", "65010", "64990", ts=1785726000)],
        b'{"items":[{"o":65000.10,"h":65010,"l":"64990","c":65000.10,"v":12,"ts":"1785726000"}]}',
    ],
)
def test_a_kline_is_read_in_every_shape_it_comes_in(data: Any) -> None:
    (event,) = read(BTC_5M, data)
    price = Decimal("65000.10")
    assert event == Kline(
        "BTCUSDT",
        Timeframe.M5,
        1785726000,
        price,
        Decimal(65010),
        Decimal(64990),
        price,
        Decimal(12),
    )


def test_decimals_never_become_floats() -> None:
    (event,) = read(BTC_5M, b'{"o":0.1,"h":0.10000000000000000001,"l":0.1,"c":0.1,"ts":60}')
    assert isinstance(event, Kline)
    assert str(event.high) == "0.10000000000000000001"
    assert all(type(each) is Decimal for each in (event.open, event.low, event.close, event.volume))
    assert str(order(price=0.1).price) == "0.1"


@pytest.mark.parametrize(
    "price",
    ["0", "-1", " 5", "5\n", "NaN", "1e999999999", "1e-50", "Infinity", "", "-", None, {}, True],
)
def test_a_price_that_is_none_is_refused_and_its_neighbours_are_not_lost(price: Any) -> None:
    counters = Counters()
    bad = {**bar("1"), "l": price}
    assert len(read(BTC_5M, {"items": [bar("1"), bad, bar("2")]}, counters)) == 2
    trades = [{"deal_price": "5", "trade_id": 1}, {"deal_price": price}, {"deal_price": "6"}]
    assert len(read(trade_topic("BTCUSDT"), trades, counters)) == 2
    assert counters.counts() == {"push_malformed": 2}


def test_a_push_that_speaks_of_another_symbol_is_refused() -> None:
    counters = Counters()
    assert read(BTC_5M, {"symbol": "ETHUSDT", "items": [bar("1")]}, counters) == []
    assert read(trade_topic("BTCUSDT"), [{"symbol": "ETHUSDT", "deal_price": "1"}], counters) == []
    assert sum(counters.counts().values()) == 2


def test_a_volume_that_is_no_number_is_refused() -> None:
    counters = Counters()
    assert read(BTC_5M, {**bar("1"), "v": "NaN"}, counters) == []
    assert counters.counts() == {"push_malformed": 1}


def test_trades_of_one_push_come_in_the_order_of_their_numbers() -> None:
    data = [
        {
            "trade_id": 3,
            "symbol": "BTCUSDT",
            "deal_price": "30",
            "deal_vol": "2",
            "way": 1,
            "m": True,
        },
        {"trade_id": "2", "symbol": "BTCUSDT", "deal_price": "20", "deal_vol": 1},
    ]
    assert read(trade_topic("BTCUSDT"), data) == [
        Trade("BTCUSDT", 2, Decimal(20), Decimal(1)),
        Trade("BTCUSDT", 3, Decimal(30), Decimal(2)),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"created_at": "2026-08-03T03:00:00.123456789Z"},
        {"created_at": "2026-08-03T03:00:00.123Z"},
        {"created_at": "2026-08-03T11:00:00.123456789+08:00"},
        {"created_at": "2026-08-03T03:00:00.123456789"},
        {"created_at": "yesterday", "create_time_mill": 1785726000123},
        {"created_at": None, "create_time_mill": "1785726000123"},
        {"created_at": {}, "create_time": 1785726000123},
        {"create_time": 1785726000123456789},
        {"create_time_mill": 0, "create_time": 1785726000123456},
    ],
)
def test_when_a_trade_was_made_is_read_in_every_form_that_it_is_told_in(
    fields: dict[str, Any],
) -> None:
    (event,) = read(trade_topic("BTCUSDT"), [{"deal_price": "5", "trade_id": 1, **fields}])
    assert isinstance(event, Trade)
    assert event.at_ms == 1785726000123


@pytest.mark.parametrize("said", ["", "-", None, "yesterday", [], True, "9" * 40, "0000-00-00"])
def test_a_trade_without_a_readable_time_is_a_trade_all_the_same(said: Any) -> None:
    data = [{"deal_price": "5", "trade_id": 1, "created_at": said, "create_time": said}]
    (event,) = read(trade_topic("BTCUSDT"), data)
    assert isinstance(event, Trade)
    assert event.at_ms is None


def test_a_time_in_seconds_is_one_too() -> None:
    (event,) = read(trade_topic("BTCUSDT"), [{"deal_price": "5", "create_time": 1785726000}])
    assert isinstance(event, Trade)
    assert event.at_ms == 1785726000000


@pytest.mark.parametrize("data", [b"null", b"", b"[]", b'{"items":[]}'])
def test_an_empty_push_is_nothing(data: bytes) -> None:
    counters = Counters()
    assert read(BTC_5M, data, counters) == []
    assert counters.counts() == {}


@pytest.mark.parametrize("data", [b"7", b'"text"', b'{"items":7}', b"[" * 50_000, b"[1,"])
def test_a_push_that_makes_no_sense_is_counted(data: bytes) -> None:
    counters = Counters()
    assert read(BTC_5M, data, counters) == []
    assert counters.counts() == {"push_malformed": 1}


def test_a_push_of_a_channel_that_nobody_reads_is_counted() -> None:
    counters = Counters()
    assert read("futures/ticker:BTCUSDT", {"last_price": "1"}, counters) == []
    assert counters.counts() == {"push_of_unknown_channel": 1}


def test_an_order_is_read_whole() -> None:
    raw = (
        b'{"action":1,"order":{"order_id":"3000013086011694","client_order_id":"eng01a7","price":"65000",'
        b'"size":"10","symbol":"BTCUSDT","state":2,"side":1,"type":"limit","leverage":"5",'
        b'"open_type":"isolated","deal_avg_price":"65000","deal_size":"4","create_time":1785726000123,'
        b'"update_time":1785726001456,"plan_order_id":"","last_trade":{"lastTradeID":1247592391,'
        b'"fillQty":"4","fillPrice":"65000","fee":"-0.156","feeCcy":"USDT"},"trigger_price":"-",'
        b'"position_mode":"hedge_mode"}}'
    )
    (event,) = read(ORDERS, b"[" + raw + b"]")
    assert event == OrderUpdate(
        order_id="3000013086011694",
        symbol="BTCUSDT",
        state=OrderState.CHECK,
        client_order_id="eng01a7",
        side=OrderSide.BUY_OPEN_LONG,
        type="limit",
        action=1,
        price=Decimal(65000),
        size=10,
        deal_size=4,
        deal_avg_price=Decimal(65000),
        leverage="5",
        open_type="isolated",
        position_mode="hedge_mode",
        create_time_ms=1785726000123,
        update_time_ms=1785726001456,
        last_fill=Fill(1247592391, Decimal(65000), 4, Decimal("-0.156"), "USDT"),
    )
    assert isinstance(event, OrderUpdate)
    assert event.raw == raw


def test_numbers_may_come_as_text_and_text_as_numbers() -> None:
    update = order(
        order_id=3000013086011694,
        state="4",
        side="3",
        size=10,
        deal_size=10,
        price=65000,
        leverage=5,
        open_type=2,
        position_mode=2,
        update_time="1785726001456",
        symbol="btcusdt",
        type="LIMIT",
    )
    assert update.order_id == "3000013086011694"
    assert (update.symbol, update.type) == ("BTCUSDT", "limit")
    assert (update.state, update.side) == (OrderState.FINISH, OrderSide.SELL_CLOSE_LONG)
    assert (update.size, update.deal_size, update.price) == (10, 10, Decimal(65000))
    assert (update.leverage, update.open_type, update.position_mode) == (
        "5",
        "cross",
        "one_way_mode",
    )
    assert update.update_time_ms == 1785726001456
    assert update.filled


@pytest.mark.parametrize("nothing", ["", "-", None])
def test_a_dash_or_nothing_says_nothing(nothing: Any) -> None:
    names = "client_order_id side type price size deal_size deal_avg_price leverage open_type"
    more = "position_mode create_time update_time last_trade"
    said = dict.fromkeys(f"{names} {more}".split(), nothing)
    if nothing == "-":
        said["last_trade"] = None
    assert order(state=2, **said) == order(state=2)
    assert order(state=2).price is None
    assert order(state=2).deal_size == 0


@pytest.mark.parametrize("state", [None, "-", 3, "5"])
def test_a_missing_or_unknown_state_never_ends_an_order(state: Any) -> None:
    assert order(state=state).state is OrderState.CHECK


def test_an_unknown_side_is_not_guessed() -> None:
    assert order(state=2, side=9).side is None


def test_a_malformed_fee_does_not_lose_the_fill() -> None:
    counters = Counters()
    trade = {"lastTradeID": 7, "fillQty": "4", "fillPrice": "65000", "fee": {}, "feeCcy": "USDT"}
    data = [
        {"order": {"order_id": 1, "symbol": "B", "state": 2, "deal_size": 4, "last_trade": trade}}
    ]
    (event,) = read(ORDERS, data, counters)
    assert isinstance(event, OrderUpdate)
    assert event.last_fill == Fill(7, Decimal(65000), 4)
    assert counters.counts() == {"order_fee_malformed": 1}


@pytest.mark.parametrize(
    "trade", [{"lastTradeID": 1}, {"lastTradeID": "-", "fillQty": 1, "fillPrice": 1}, 7]
)
def test_a_malformed_last_trade_does_not_lose_the_order(trade: Any) -> None:
    counters = Counters()
    data = [
        {"order": {"order_id": 1, "symbol": "B", "state": 2, "deal_size": 3, "last_trade": trade}}
    ]
    (event,) = read(ORDERS, data, counters)
    assert isinstance(event, OrderUpdate)
    assert (event.last_fill, event.deal_size) == (None, 3)
    assert counters.counts() == {"order_last_trade_malformed": 1}


@pytest.mark.parametrize(
    "bad",
    [
        7,
        None,
        {},
        {"order": None},
        {"order": {"order_id": "1"}},
        {"order": {"order_id": "", "symbol": "B"}},
        {"order": {"order_id": "1", "symbol": "-"}},
        {"order": {"order_id": {"a": 1}, "symbol": "B"}},
        {"order": {"order_id": "1", "symbol": "B", "size": [1]}},
        {"order": {"order_id": "1", "symbol": "B", "size": "1e999999999"}},
    ],
)
def test_a_malformed_order_event_does_not_lose_its_neighbours(bad: Any) -> None:
    counters = Counters()
    good = [{"action": 2, "order": {"order_id": n, "symbol": "B", "state": 2}} for n in (1, 2)]
    events = read(ORDERS, [good[0], bad, good[1]], counters)
    assert [each.order_id for each in events if isinstance(each, OrderUpdate)] == ["1", "2"]
    assert counters.counts()["push_malformed"] == 1


def test_a_position_is_read_whole() -> None:
    data = {
        "symbol": "BTCUSDT",
        "hold_volume": "10",
        "position_type": 1,
        "open_type": 1,
        "hold_avg_price": "65000.2",
        "open_avg_price": "65001",
        "liquidate_price": "52000.1",
        "update_time": 1785726000123,
        "position_mode": "hedge_mode",
    }
    assert read(POSITIONS, [data]) == [
        PositionUpdate(
            symbol="BTCUSDT",
            side=PositionSide.LONG,
            size=10,
            entry_price=Decimal("65000.2"),
            liquidation_price=Decimal("52000.1"),
            update_time_ms=1785726000123,
        )
    ]


def test_a_balance_push_is_one_object() -> None:
    data = {
        "currency": "USDT",
        "available_balance": "900.5",
        "position_deposit": "95",
        "frozen_balance": "4.5",
    }
    assert read(asset_topic("USDT"), data) == [
        BalanceUpdate(
            currency="USDT",
            available=Decimal("900.5"),
            frozen=Decimal("4.5"),
            position_deposit=Decimal(95),
        )
    ]
    assert read(asset_topic("USDT"), [{"currency": "usdt", "available_balance": 1}]) == [
        BalanceUpdate(currency="USDT", available=Decimal(1))
    ]


@pytest.mark.parametrize("data", [{"currency": "USDT", "available_balance": "-"}, {"currency": 1}])
def test_a_balance_that_says_nothing_is_counted_and_left_out(data: dict[str, Any]) -> None:
    counters = Counters()
    assert read(asset_topic("USDT"), data, counters) == []
    assert counters.counts() == {"push_malformed": 1}


def test_a_price_of_zero_says_that_a_position_has_none() -> None:
    (event,) = read(
        POSITIONS,
        [
            {
                "symbol": "B",
                "hold_volume": 0,
                "position_type": 2,
                "hold_avg_price": "0",
                "liquidate_price": "0",
            }
        ],
    )
    assert event == PositionUpdate(symbol="B", side=PositionSide.SHORT, size=0)


LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hold_volume": "5", "position_type": "2"}, [(SHORT, 5)]),
        ({"hold_volume": "0", "position_type": 1, "position_mode": "hedge_mode"}, [(LONG, 0)]),
        ({"hold_volume": "-5", "position_type": 1, "position_mode": 2}, [(SHORT, 5), (LONG, 0)]),
        ({"hold_volume": "-5"}, [(SHORT, 5)]),
        ({"hold_volume": 5, "position_mode": "one_way_mode"}, [(LONG, 5), (SHORT, 0)]),
        ({"hold_volume": 0, "position_mode": "one_way_mode"}, [(LONG, 0), (SHORT, 0)]),
        ({"hold_volume": 0, "position_mode": 2, "position_type": 2}, [(SHORT, 0)]),
        ({"hold_volume": 5}, []),
        ({"hold_volume": "-", "position_type": 1}, []),
        ({"hold_volume": "0", "position_type": 3}, []),
    ],
)
def test_a_positions_side_follows_its_type_sign_and_mode(
    fields: dict[str, Any], expected: list[tuple[PositionSide, int]]
) -> None:
    assert positions(**fields) == expected
