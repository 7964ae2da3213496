from __future__ import annotations

import pytest

from .conftest import ORDER, Desk

POSITION = {
    "id": "position-123",
    "symbol": "BTCUSDT",
    "order_id": "order-123",
    "stop_loss": 63500,
    "take_profit": 68000,
}


async def filled(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    await desk.until(lambda: any(each.size for each in desk.engine.positions()))


async def test_a_position_is_monitored_in_place_of_what_its_order_promised(desk: Desk) -> None:
    await filled(desk)
    monitored = await desk.post("/api/monitor-position", {**POSITION, "symbol": "btcusdt"})
    assert (monitored["id"], monitored["status"]) == ("position-123", "armed")
    position = monitored["position"]
    assert (position["side"], position["covered"], position["remaining"]) == ("long", 10, 10)
    assert (position["stop_loss"], position["order_id"]) == ("63500", "order-123")
    assert [each["state"] for each in position["history"]] == ["pending_fill", "armed"]
    again = await desk.post("/api/monitor-position", POSITION)
    assert again["duplicate"] is True
    other = await desk.ask("POST", "/api/monitor-position", {**POSITION, "stop_loss": 63000})
    assert other.status_code == 409
    status = await desk.get("/api/orders/status")
    assert status["monitored_positions"] == 1
    assert status["positions"]["order-123"]["state"] == "released"


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"order_id": None}, "no position of BTCUSDT is open yet", "$.side"),
        ({"stop_loss": None, "take_profit": None}, "give a stop_loss", "$.stop_loss"),
        ({"stop_loss": 69000, "side": "long"}, "must be above its stop", "$.take_profit"),
        ({"size": 0}, "must be at least 1 contract", "$.size"),
        ({"symbol": "NOPE"}, "unknown symbol", "$.symbol"),
        ({"side": "up"}, "must be one of", "$.side"),
        ({"stoploss": 1}, "did you mean 'stop_loss'?", "$.stoploss"),
    ],
)
async def test_a_position_that_cannot_be_guarded_is_refused_by_name(
    desk: Desk, change: dict[str, object], error: str, field: str
) -> None:
    asked = {**POSITION, **change}
    if field == "$.side" and "side" not in change:
        asked["take_profit"] = None
    answer = await desk.ask("POST", "/api/monitor-position", asked)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert error in answer.json()["error"]


async def test_levels_are_moved_one_at_a_time(desk: Desk) -> None:
    await filled(desk)
    path = "/api/positions/order-123"
    moved = (await desk.ask("PATCH", path, {"stop_loss": "63900.5"})).json()
    assert moved["position"]["stop_loss"] == "63900.5"
    assert moved["position"]["take_profit"] == "68000"
    for body, error in (
        ({}, "give a stop_loss, a take_profit, or both"),
        ({"stop_loss": None}, "must be a number"),
        ({"stop_loss": 65000}, "must be below 64190"),
        ({"stop": 65000}, "did you mean 'stop_loss'?"),
    ):
        refused = await desk.ask("PATCH", path, body)
        assert refused.status_code == 400
        assert error in refused.json()["error"]
    assert (await desk.get(path))["position"]["stop_loss"] == "63900.5"


async def test_a_protection_is_dropped_and_the_position_stays(desk: Desk) -> None:
    await filled(desk)
    dropped = await desk.ask("DELETE", "/api/positions/order-123")
    assert dropped.json()["status"] == "released"
    listed = await desk.get("/api/positions?state=released")
    assert [each["id"] for each in listed["positions"]] == ["order-123"]
    [held] = listed["held"]
    assert (held["symbol"], held["side"], held["size"]) == ("BTCUSDT", "long", 10)
    assert held["entry_price"] == "64200"
    assert (await desk.ask("DELETE", "/api/positions/order-123")).status_code == 409


async def test_a_position_is_closed_now(desk: Desk) -> None:
    await filled(desk)
    closing = await desk.ask("POST", "/api/positions/order-123/close")
    assert closing.status_code == 200
    assert closing.json()["status"] in ("closing", "closed")
    await desk.until(lambda: desk.engine.state.protections["order-123"].state.value == "closed")
    position = (await desk.get("/api/positions/order-123"))["position"]
    assert (position["closing_for"], position["closed"]) == ("manual", 10)
    assert position["close"]["filled_size"] == 10
    assert position["close_price"]
    assert (await desk.ask("POST", "/api/positions/order-123/close")).status_code == 409
    await desk.until(lambda: not any(each.size for each in desk.engine.positions()))
    assert (await desk.get("/api/positions"))["held"] == []
