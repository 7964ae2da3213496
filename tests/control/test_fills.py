"""Fills over HTTP: listed, paged, filtered, and told as they come."""

from __future__ import annotations

import trio

from .conftest import ORDER, Desk

URL = "/api/fills"


async def filled(desk: Desk) -> dict[str, object]:
    """The one fill of an order, once it is listed."""
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    with trio.fail_after(5):
        while not (found := (await desk.get(URL))["fills"]):
            await trio.sleep(0.01)
    (fill,) = found
    return fill


async def test_a_fill_is_listed_with_what_it_cost_and_whose_it_is(desk: Desk) -> None:
    fill = await filled(desk)
    order = desk.engine.state.orders["order-123"]
    (booked,) = desk.paper.books.fills
    assert fill == {
        "id": str(booked.trade_id),
        "symbol": "BTCUSDT",
        "side": "buy_open_long",
        "price": str(order.average_price),
        "size": 10,
        "fee": fill["fee"],
        "fee_currency": "USDT",
        "liquidity": None,
        "realised": None,
        "whose": "entry",
        "order_id": "order-123",
        "protection_id": "order-123",
        "exchange_order_id": order.exchange_order_id,
        "client_order_id": order.client_order_id,
        "at_ms": booked.at_ms,
    }
    assert str(fill["fee"]).startswith("-0.")


async def test_fills_are_filtered_and_paged(desk: Desk) -> None:
    fill = await filled(desk)
    answer = await desk.get(f"{URL}?limit=1")
    assert answer["next"] is None
    assert answer["read_until_ms"] is None
    assert (await desk.get(f"{URL}?after={fill['id']}"))["fills"] == []
    assert (await desk.get(f"{URL}?symbol=ethusdt"))["fills"] == []
    assert len((await desk.get(f"{URL}?symbol=btcusdt&since={fill['at_ms']}"))["fills"]) == 1


async def test_a_wrong_parameter_is_named(desk: Desk) -> None:
    for query, field in (("since=yesterday", "since"), ("after=7", "after"), ("sym=B", "sym")):
        refused = await desk.ask("GET", f"{URL}?{query}")
        assert (refused.status_code, refused.json()["field"]) == (400, field), refused.text
