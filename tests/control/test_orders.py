from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from .conftest import ORDER, Desk


async def test_an_order_is_promised_and_shown(desk: Desk) -> None:
    placed = await desk.post("/api/place-order", ORDER)
    assert placed == {
        "ok": True,
        "message": "order accepted, waiting",
        "id": "order-123",
        "order_id": "order-123",
        "status": "waiting",
        "symbol": "BTCUSDT",
        "size": 10,
        "quantity_base": "0.01",
        "risk": "15",
        "margin": "64.5",
    }
    shown = (await desk.get("/api/orders/order-123"))["order"]
    assert shown["entry_zone_min"] == "64000"
    assert shown["quantity"] == "0.01"
    assert (shown["state"], shown["filled_size"], shown["price"]) == ("waiting", 0, None)
    assert shown["deadline_ms"] - shown["accepted_ms"] == 300_000
    assert [each["state"] for each in shown["history"]] == ["waiting"]
    assert shown["history"][0]["at_ms"] == shown["accepted_ms"]


async def test_an_order_is_sized_by_its_risk_and_says_what_it_risks_and_binds(desk: Desk) -> None:
    asked = {**ORDER, "risk": {"amount": "50"}, "leverage": 10}
    both = await desk.ask("POST", "/api/place-order", asked)
    assert (both.status_code, both.json()["field"]) == (400, "$.quantity")
    del asked["quantity"]
    placed = await desk.post("/api/place-order", asked)
    assert (placed["size"], placed["quantity_base"]) == (33, "0.033")
    assert (placed["risk"], placed["margin"]) == ("49.5", "212.85")
    assert (await desk.post("/api/place-order", asked))["duplicate"] is True
    small = await desk.ask("POST", "/api/place-order", {**asked, "id": "b", "risk": {"amount": 1}})
    assert "1 is less than 1.5, what the smallest order" in small.json()["error"]
    odd = await desk.ask("POST", "/api/place-order", {**asked, "id": "b", "risk": {"amont": 1}})
    assert (odd.status_code, odd.json()["field"]) == (400, "$.risk.amont")


async def test_the_same_order_again_is_a_duplicate_and_another_one_a_conflict(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    again = await desk.post("/api/place-order", {**ORDER, "quantity": "0.010", "post_only": True})
    assert again["duplicate"] is True
    assert again["message"] == "order known already, waiting"
    assert again["size"] == 10
    other = await desk.ask("POST", "/api/place-order", {**ORDER, "stop_loss": 62000})
    assert other.status_code == 409
    assert other.json()["field"] == "$.id"
    assert len(desk.engine.state.orders) == 1


async def test_prices_off_the_grid_are_moved_and_said(desk: Desk) -> None:
    placed = await desk.post("/api/place-order", {**ORDER, "stop_loss": "63000.01"})
    assert placed["rounded"] == {"stop_loss": "63000.1"}


async def test_a_symbol_may_be_sent_in_lower_case(desk: Desk) -> None:
    placed = await desk.post("/api/place-order", {**ORDER, "symbol": "btcusdt"})
    assert placed["symbol"] == "BTCUSDT"


async def test_an_order_is_followed_until_it_is_filled(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    before = await desk.get("/api/orders/status")
    assert (before["pending_orders"], before["monitored_positions"]) == (1, 0)
    await desk.enter()
    open = await desk.get("/api/orders/status")
    assert (open["pending_orders"], list(open["orders"])) == (0, ["order-123"])
    await desk.fill()
    after = await desk.get("/api/orders/status")
    assert (after["pending_orders"], after["monitored_positions"]) == (0, 1)
    order = after["orders"]["order-123"]
    assert (order["state"], order["filled_size"]) == ("filled", 10)
    assert order["average_price"] == "64200"
    assert order["exchange_order_id"]
    assert after["positions"]["order-123"]["covered"] == 10
    filled = await desk.ask("DELETE", "/api/orders/order-123")
    assert (filled.status_code, filled.json()["error"]) == (409, "the order is filled")


async def test_a_waiting_order_is_cancelled_here_and_an_open_one_at_the_exchange(
    desk: Desk,
) -> None:
    await desk.post("/api/place-order", ORDER)
    answer = (await desk.ask("DELETE", "/api/orders/order-123")).json()
    assert (answer["status"], answer["order"]["reason"]) == ("cancelled", "cancelled by the user")
    assert (await desk.ask("DELETE", "/api/orders/order-123")).status_code == 409
    await desk.post("/api/place-order", {**ORDER, "id": "b"})
    await desk.enter("b")
    answer = (await desk.ask("DELETE", "/api/orders/b")).json()
    assert answer["status"] == "cancelled"
    assert not list(desk.paper.books.ledger.working())


@pytest.mark.parametrize(
    "id",
    ["a/b", "/a", "a//b/", "ümlaut 和", "a b?c#d&e", "100%", "%2F", "a\nb", "x/close", "'\"\\"],
)
async def test_an_id_may_be_any_text(desk: Desk, id: str) -> None:
    await desk.post("/api/place-order", {**ORDER, "id": id})
    path = quote(id, safe="")
    assert (await desk.get(f"/api/orders/{path}"))["order"]["id"] == id
    assert (await desk.get(f"/api/positions/{path}"))["position"]["id"] == id
    assert id in (await desk.get("/api/orders/status"))["orders"]
    close = await desk.ask("POST", f"/api/positions/{path}/close")
    assert (close.status_code, close.json()["error"]) == (409, "nothing is held yet")
    assert (await desk.ask("DELETE", f"/api/orders/{path}")).json()["id"] == id


async def place_some(desk: Desk) -> None:
    for number in range(5):
        await desk.post("/api/place-order", {**ORDER, "id": f"o{number}"})
    eth: dict[str, Any] = {"symbol": "ETHUSDT", "entry_zone_min": 3000, "entry_zone_max": 3100}
    await desk.post(
        "/api/place-order", {**ORDER, **eth, "id": "eth", "stop_loss": 2900, "take_profit": 4000}
    )
    await desk.ask("DELETE", "/api/orders/o1")


@pytest.mark.parametrize(
    ("query", "ids", "after"),
    [
        ("", ["eth", "o4", "o3", "o2", "o1", "o0"], None),
        ("?limit=2", ["eth", "o4"], "o4"),
        ("?limit=2&after=o4", ["o3", "o2"], "o2"),
        ("?limit=2&after=o2", ["o1", "o0"], None),
        ("?after=o0", [], None),
        ("?symbol=ethusdt", ["eth"], None),
        ("?symbol=NOPE", [], None),
        ("?state=cancelled", ["o1"], None),
        ("?state=waiting,cancelled&symbol=BTCUSDT&limit=3", ["o4", "o3", "o2"], "o2"),
        ("?state=FILLED", [], None),
        ("?state=&symbol=", ["eth", "o4", "o3", "o2", "o1", "o0"], None),
    ],
)
async def test_orders_are_listed_by_pages_the_newest_first(
    desk: Desk, query: str, ids: list[str], after: str | None
) -> None:
    await place_some(desk)
    listed = await desk.get(f"/api/orders{query}")
    assert [each["id"] for each in listed["orders"]] == ids
    assert listed["next"] == after


@pytest.mark.parametrize("path", ["/api/orders", "/api/positions"])
@pytest.mark.parametrize(
    ("query", "field", "error"),
    [
        ("limit=0", "limit", "from 1 to 1000"),
        ("limit=1001", "limit", "from 1 to 1000"),
        ("limit=ten", "limit", "from 1 to 1000"),
        ("limit=%D9%A3", "limit", "from 1 to 1000"),
        ("limit=1&limit=2", "limit", "is given twice"),
        ("state=broken", "state", "'broken' is not a state; there are: "),
        ("after=ghost", "after", "nothing here has the id 'ghost'"),
        ("stat=open", "stat", "did you mean 'state'?"),
        ("qqq=1", "qqq", "there are: state, symbol, limit, after"),
    ],
)
async def test_a_query_that_is_wrong_is_refused_by_name(
    desk: Desk, path: str, query: str, field: str, error: str
) -> None:
    answer = await desk.ask("GET", f"{path}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert error in answer.json()["error"]


async def test_the_overview_keeps_only_the_latest_of_what_has_ended(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitmart_engine.control.orders.FINISHED_SHOWN", 2)
    await desk.post("/api/place-order", {**ORDER, "id": "waiting"})
    for number in range(4):
        await desk.post("/api/place-order", {**ORDER, "id": f"o{number}"})
        await desk.ask("DELETE", f"/api/orders/o{number}")
    overview = await desk.get("/api/orders/status")
    assert list(overview["orders"]) == ["waiting", "o2", "o3"]
    assert list(overview["positions"]) == ["waiting", "o2", "o3"]
    assert (overview["pending_orders"], overview["monitored_positions"]) == (1, 0)
