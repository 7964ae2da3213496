"""The documented form of an order event, and what becomes of it, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bitmart_engine.counters import Counters
from bitmart_engine.exchange.rows import order_of
from bitmart_engine.model.events import OrderUpdate
from bitmart_engine.model.futures_orders import FuturesOrder, FuturesStatus, OrderEvent, upsert
from bitmart_engine.streams import normalize
from bitmart_engine.streams.order_events import order_event
from bitmart_engine.streams.topics import ORDERS, parse

PUSH: dict[str, Any] = {
    "group": "futures/order",
    "data": [
        {
            "action": 2,
            "order": {
                "order_id": "987654321",
                "client_order_id": "MTF_ORDER_20250115_001",
                "symbol": "ETHUSDT",
                "side": 1,
                "type": "limit",
                "price": "3000.50",
                "size": "5",
                "state": 2,
                "deal_size": "0",
                "deal_avg_price": "0",
                "deal_notional": "0",
                "leverage": "20",
                "open_type": "isolated",
                "position_mode": 2,
                "update_time": 1705276800000,
            },
        }
    ],
}


def normalized(data: list[dict[str, Any]]) -> OrderEvent:
    """Through the engine's own normalizer, as a frame's data goes."""
    (update,) = normalize.events(parse(ORDERS), json.dumps(data).encode(), Counters())
    assert isinstance(update, OrderUpdate)
    return order_event(update.raw)


def pushed(**fields: Any) -> OrderEvent:
    return normalized([{"action": 2, "order": {"order_id": "7", "symbol": "BTCUSDT", **fields}}])


def booked(event: OrderEvent) -> FuturesOrder:
    order = upsert(None, event)
    assert order is not None
    return order


def test_the_documents_complete_example_is_normalized_field_by_field() -> None:
    flat = normalized(PUSH["data"]).flat()
    assert flat == {
        "action": 2,
        "order_id": "987654321",
        "client_order_id": "MTF_ORDER_20250115_001",
        "symbol": "ETHUSDT",
        "side": 1,
        "type": "limit",
        "state": 2,
        "price": "3000.50",
        "size": "5",
        "deal_avg_price": "0",
        "deal_size": "0",
        "leverage": "20",
        "open_type": "isolated",
        "position_mode": 2,
        "update_time_ms": 1705276800000,
    }
    assert list(flat)[:5] == ["action", "order_id", "client_order_id", "symbol", "side"]


def test_the_documents_complete_example_becomes_its_order_field_by_field() -> None:
    order = booked(normalized(PUSH["data"]))
    assert order.order_id == "987654321"
    assert order.client_order_id == "MTF_ORDER_20250115_001"
    assert order.symbol == "ETHUSDT"
    assert order.side == 1
    assert order.type == "limit"
    assert order.status is FuturesStatus.PENDING
    assert order.price == "3000.50"
    assert order.size == 5
    assert order.filled_size == 0
    assert order.open_type == "isolated"
    assert order.position_mode == 2
    assert order.leverage == 20
    assert order.updated_time_ms == 1705276800000
    assert json.loads(order.raw_data) == PUSH["data"][0]


@pytest.mark.parametrize(
    ("said", "mode"),
    [(1, 1), ("2", 2), ("hedge_mode", 1), ("one_way_mode", 2), ("-", None), ("x", None)],
)
def test_the_position_mode_is_read_as_a_number_and_as_a_name(said: object, mode: int) -> None:
    assert pushed(position_mode=said).position_mode == mode


def test_everything_but_id_and_symbol_may_be_missing() -> None:
    flat = pushed().flat()
    assert (flat.pop("order_id"), flat.pop("symbol"), flat.pop("action")) == ("7", "BTCUSDT", 2)
    assert flat.pop("client_order_id") == ""
    assert set(flat.values()) == {None}
    with pytest.raises(ValueError, match="without its id"):
        order_event(b'{"action":2,"order":{"order_id":"","symbol":"BTCUSDT"}}')
    with pytest.raises(ValueError, match="symbol"):
        order_event(b'{"order_id":"7"}')


def test_symbols_types_and_margin_modes_are_in_one_case_in_the_book_and_numbers_stay_as_sent() -> (
    None
):
    order = booked(
        pushed(symbol="ethUSDT", type="LIMIT", open_type="Isolated", price=3000.5, size=5)
    )
    assert (order.symbol, order.type, order.open_type) == ("ETHUSDT", "limit", "isolated")
    assert (order.price, order.size) == ("3000.5", 5)


def test_a_row_over_rest_is_the_same_event_without_an_action() -> None:
    row = json.dumps(PUSH["data"][0]["order"]).encode()
    event = order_event(order_of(row).raw)  # type: ignore[arg-type]
    assert event.flat() == {**normalized(PUSH["data"]).flat(), "action": None}


@pytest.mark.parametrize(
    "fields", [{"size": "1e30"}, {"update_time": 10**20}, {"price": "1e999"}, {"size": [1]}]
)
def test_a_number_out_of_all_bounds_is_refused(fields: dict[str, Any]) -> None:
    raw = json.dumps({"action": 1, "order": {"order_id": "7", "symbol": "BTCUSDT", **fields}})
    with pytest.raises(ValueError, match=r"number|value"):
        order_event(raw.encode())
