from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bitmart_engine
from bitmart_engine import BadRequest, MonitorPosition, PlaceOrder
from bitmart_engine.control.bodies import decode
from bitmart_engine.model.sides import OrderSide, PositionSide

ORDER: dict[str, Any] = {
    "id": "a",
    "symbol": "BTCUSDT",
    "side": "long",
    "entry_zone_min": 64000,
    "entry_zone_max": 64500,
}


def over_http(kind: Any, asked: dict[str, Any]) -> Any:
    """What HTTP makes of a request; an error is its message and its field."""
    try:
        return decode(kind, json.dumps(asked).encode())
    except BadRequest as error:
        return error.message, error.field


def from_python(kind: Any, asked: dict[str, Any]) -> Any:
    try:
        return kind(**asked)
    except BadRequest as error:
        return error.message, error.field


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("long", "long"), ("LONG", "long"), ("Long", "long"), ("buy", "buy"), ("BUY", "buy"),
        ("short", "short"), ("SHORT", "short"), ("sell", "sell"), ("Sell", "sell"),
        ("open_long", "long"), ("open_short", "short"), ("buy_open_long", "long"),
        ("SELL_OPEN_SHORT", "short"), ("1", "long"), ("4", "short"), (1, "long"), (4, "short"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ask", [over_http, from_python])
def test_a_side_is_what_its_word_means_in_any_case(ask: Any, word: object, meant: str) -> None:
    assert ask(PlaceOrder, {**ORDER, "side": word}).side == meant
    monitor = {"id": "m", "symbol": "BTCUSDT", "side": word}
    assert ask(MonitorPosition, monitor).side == meant


@pytest.mark.parametrize("side", [PositionSide.SHORT, OrderSide.SELL_OPEN_SHORT])
def test_a_side_may_be_one_of_the_engines_own(side: Any) -> None:
    assert PlaceOrder(**{**ORDER, "side": side}).side == "short"


@pytest.mark.parametrize(
    "word", ["", "up", "2", 2, 3, True, None, 1.0, [], "sell_close_long", "longshort", "l", "no"]
)
@pytest.mark.parametrize("ask", [over_http, from_python])
def test_any_other_word_is_no_side(ask: Any, word: object) -> None:
    refused = ask(PlaceOrder, {**ORDER, "side": word})
    assert refused == ("must be one of long, short, buy, sell", "$.side")


ODD: list[object] = [
    None, True, False, 0, 1, -1, 10, 1.5, 0.01, 65000.0, 1e300, "", "65000", "65000.10", "1e3", "NaN", " 1", "x",
    "Limit", "LIMIT", "limit", "market", "crossed", "cross", "Isolated", [], [1], {}, {"a": 1}, "true", 10**50,
]  # fmt: skip


@pytest.mark.parametrize("kind", [PlaceOrder, MonitorPosition])
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_python_takes_and_refuses_what_http_takes_and_refuses(kind: Any, value: object) -> None:
    asked = ORDER if kind is PlaceOrder else {"id": "m", "symbol": "BTCUSDT"}
    for field in attrs.fields(kind):
        changed = {**asked, field.name: value}
        assert from_python(kind, changed) == over_http(kind, changed), field.name


@given(st.floats() | st.integers() | st.text(max_size=6) | st.booleans())
def test_a_price_from_python_is_the_one_of_its_digits(value: object) -> None:
    made = from_python(PlaceOrder, {**ORDER, "stop_loss": value})
    if isinstance(made, tuple):
        assert made[1] == "$.stop_loss"
    else:
        assert type(made.stop_loss) is Decimal
        assert not isinstance(value, bool)
        assert made.stop_loss == Decimal(str(value))


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("-Infinity"), Decimal("1e400"), object()]
)
def test_a_price_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(BadRequest) as caught:
        PlaceOrder(**{**ORDER, "take_profit": value})
    assert caught.value.field == "$.take_profit"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "\ud800"),
        ("symbol", "\udfff"),
        ("metadata", {1: 2}),
        ("metadata", [("a", 1)]),
        ("size", Decimal(10)),
        ("post_only", "yes"),
    ],
)
def test_what_only_python_can_say_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(BadRequest) as caught:
        PlaceOrder(**{**ORDER, field: value})
    assert caught.value.field == f"$.{field}"


def test_metadata_without_a_bottom_is_refused() -> None:
    deep: dict[str, object] = {}
    deep["again"] = deep
    with pytest.raises(BadRequest) as caught:
        PlaceOrder(**ORDER, metadata=deep)
    assert caught.value.field == "$.metadata"


def test_symbols_are_in_capitals_whoever_asks() -> None:
    assert PlaceOrder(**{**ORDER, "symbol": "btcusdt"}).symbol == "BTCUSDT"
    assert MonitorPosition(id="m", symbol="ethusdt").symbol == "ETHUSDT"


def test_the_errors_are_exported() -> None:
    for name in ("BadRequest", "CallerError", "Conflict", "NotFound", "Unavailable"):
        assert name in bitmart_engine.__all__
        assert issubclass(getattr(bitmart_engine, name), bitmart_engine.CallerError)


def test_a_checked_request_is_the_same_when_it_is_changed() -> None:
    asked = PlaceOrder(**ORDER, size=5)
    assert attrs.evolve(asked, size=6) == PlaceOrder(**ORDER, size=6)
    assert msgspec.json.encode(asked)
