"""Fills and trades over HTTP: listed, paged, filtered."""

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


async def test_a_trade_shows_what_it_came_to_and_why_a_number_is_missing(desk: Desk) -> None:
    await filled(desk)
    (trade,) = (await desk.get("/api/trades"))["trades"]
    assert (trade["id"], trade["state"], trade["size"]) == ("order-123", "open", 10)
    assert trade["entry_price"] == str(desk.engine.state.orders["order-123"].average_price)
    assert (trade["exit_price"], trade["gross_pnl"]) == (None, "0")
    assert trade["realised_pnl"] == f"-{trade['fees']}"
    assert trade["unknown"]["exit_price"] == "nothing of it is closed yet"
    await desk.post("/api/positions/order-123/close")
    with trio.fail_after(10):
        while trade["state"] != "closed":
            (trade,) = (await desk.get("/api/trades"))["trades"]
            await trio.sleep(0.01)
    assert trade["reason"] == "manual"
    for name in ("fees", "gross_pnl", "realised_pnl", "percent", "risk", "r", "exit_price"):
        assert trade[name] is not None, trade
    assert set(trade["unknown"]) == {"funding", "stop_slippage"}
    assert (await desk.get("/api/trades?after=order-123"))["trades"] == []
    assert (await desk.ask("GET", "/api/trades?after=x")).json()["field"] == "after"


async def test_a_summary_adds_up_what_was_closed_since(desk: Desk) -> None:
    await filled(desk)
    before = await desk.get("/api/summary")
    assert (before["trades"]["closed"], before["orders"]["filled"]) == (0, 1)
    await desk.post("/api/positions/order-123/close")
    with trio.fail_after(10):
        while not (said := await desk.get("/api/summary"))["trades"]["closed"]:
            await trio.sleep(0.01)
    (trade,) = (await desk.get("/api/trades"))["trades"]
    assert said["trades"]["realised_pnl"] == trade["realised_pnl"]
    assert (said["trades"]["fees"], said["trades"]["r"]) == (trade["fees"], trade["r"])
    assert said["trades"]["lost"] == 1
    assert said["orders"] == {
        **dict.fromkeys(("cancelled", "expired", "rejected", "under_way"), 0),
        "filled": 1,
    }
    later = await desk.get(f"/api/summary?since={said['at_ms'] + 3_600_000}")
    assert (later["trades"]["closed"], later["orders"]["filled"]) == (0, 0)
    assert (await desk.ask("GET", "/api/summary?since=x")).json()["field"] == "since"
