"""The exchange's orders over HTTP: the engine's own and anybody else's."""

from __future__ import annotations

import hmac
import json

import httpx

from .conftest import ORDER, Desk


async def by_hand(desk: Desk, **order: object) -> str:
    """A limit order that another program sends; its id at the exchange."""
    body = json.dumps({"symbol": "BTCUSDT", "side": 1, "size": 3, "type": "limit", **order})
    config, timestamp = desk.paper.config, str(desk.paper.now_ms())
    signed = hmac.new(
        config.api_secret.encode(), f"{timestamp}#{config.api_memo}#{body}".encode(), "sha256"
    )
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{desk.paper.rest_uri}/contract/private/submit-order",
            content=body,
            headers={
                "X-BM-KEY": config.api_key,
                "X-BM-TIMESTAMP": timestamp,
                "X-BM-SIGN": signed.hexdigest(),
            },
        )
    return str(answer.json()["data"]["order_id"])


async def test_an_order_of_the_engine_is_in_the_book_with_its_raw_event(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    entry = desk.engine.state.orders["order-123"]
    shown = await desk.get(f"/api/futures-orders/{entry.exchange_order_id}")
    order = shown["futures_order"]
    raw = order["raw_data"]
    assert raw["order"]["order_id"] == entry.exchange_order_id
    assert (raw["action"], raw["order"]["state"]) == (1, 4)
    assert order == {
        "order_id": entry.exchange_order_id,
        "client_order_id": entry.client_order_id,
        "symbol": "BTCUSDT",
        "side": 1,
        "side_name": "BUY_OPEN_LONG",
        "type": "limit",
        "status": "filled",
        "partial": False,
        "state": 4,
        "state_name": "FINISH",
        "price": raw["order"]["price"],
        "size": 10,
        "filled_size": 10,
        "deal_avg_price": raw["order"]["deal_avg_price"],
        "open_type": "isolated",
        "position_mode": 1,
        "leverage": 10,
        "updated_time_ms": raw["order"]["update_time"],
        "raw_data": raw,
    }
    by_client_id = await desk.get(f"/api/futures-orders/{entry.client_order_id}")
    assert by_client_id == shown


async def test_orders_of_others_are_listed_too_and_filtered(desk: Desk) -> None:
    ids = [await by_hand(desk, price=str(price)) for price in (60000, 60001, 60002)]
    await desk.until(lambda: len(desk.engine.state.futures_orders) == 3)
    page = await desk.get("/api/futures-orders?limit=2&status=pending&symbol=btcusdt")
    assert [each["order_id"] for each in page["futures_orders"]] == ids[:0:-1]
    rest = await desk.get(f"/api/futures-orders?limit=2&after={page['next']}")
    assert [each["order_id"] for each in rest["futures_orders"]] == ids[:1]
    assert rest["next"] is None
    assert (await desk.get("/api/futures-orders?status=filled"))["futures_orders"] == []


async def test_what_is_not_there_or_not_a_status_is_said_so(desk: Desk) -> None:
    missing = await desk.ask("GET", "/api/futures-orders/7")
    assert missing.status_code == 404
    wrong = await desk.ask("GET", "/api/futures-orders?status=open")
    assert (wrong.status_code, wrong.json()["field"]) == (400, "status")
    assert "pending, filled, cancelled" in wrong.json()["error"]
    unknown = await desk.ask("GET", "/api/futures-orders?state=pending")
    assert (unknown.status_code, unknown.json()["field"]) == (400, "state")
