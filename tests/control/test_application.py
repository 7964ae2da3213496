"""The bodies of an application that was written for the old worker, byte for byte, and the answers that it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Desk, Open

JSON = {"Content-Type": "application/json"}
ORDER = (
    '{"id":"01jbx5y8t0q2w3e4r5t6y7z8a9","symbol":"BTCUSDT","side":"long","entry_zone_min":64000.0,'
    '"entry_zone_max":64500.0,"quantity":0.01'
)
ORDERS = {
    "what is required": ORDER + "}",
    "null where it has nothing": ORDER
    + ',"leverage":null,"stop_loss":null,"take_profit":null,"timeout_seconds":null,"callback_url":null,'
    '"metadata":null}',
    "an empty PHP array": ORDER
    + ',"leverage":10,"stop_loss":63000.5,"take_profit":null,"metadata":[]}',
    "everything": ORDER + ',"leverage":10.0,"stop_loss":63000.070000000003,"take_profit":68000.0,'
    '"timeout_seconds":300,"callback_url":"http:\\/\\/127.0.0.1:9\\/hook","metadata":{"plan":{"id":7},"tags":[]}}',
    "a small quantity": ORDER.replace("0.01", "1.0e-2") + "}",
    "the exchange's word for a side": ORDER.replace('"long"', '"buy_open_long"') + "}",
    "the exchange's code for a side": ORDER.replace('"long"', "1") + "}",
    "a side in capitals": ORDER.replace('"long"', '"BUY"') + "}",
}
FIELDS = ("id", "symbol", "side", "entry_zone_min", "entry_zone_max")


async def send(desk: Desk, path: str, body: str) -> Any:
    return await desk.ask("POST", path, content=body, headers=JSON)


@pytest.mark.parametrize("body", ORDERS.values(), ids=ORDERS)
async def test_an_order_is_placed_as_the_application_sends_it(desk: Desk, body: str) -> None:
    answer = await send(desk, "/api/place-order", body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["ok"], said["order_id"]) == (True, "01jbx5y8t0q2w3e4r5t6y7z8a9")
    assert isinstance(said["message"], str)
    assert (said["size"], said["quantity_base"]) == (10, "0.01")
    again = (await send(desk, "/api/place-order", body)).json()
    assert (again["duplicate"], again["order_id"]) == (True, said["order_id"])
    overview = await desk.get("/api/orders/status")
    assert (overview["pending_orders"], overview["monitored_positions"]) == (1, 0)
    assert list(overview["orders"]) == [said["order_id"]]
    assert isinstance(overview["positions"], dict)


async def test_a_stop_with_the_digits_of_a_float_is_moved_to_the_careful_side_and_reported(
    desk: Desk,
) -> None:
    answer = (await send(desk, "/api/place-order", ORDERS["everything"])).json()
    assert answer["rounded"] == {"stop_loss": "63000.1"}


@pytest.mark.parametrize("missing", FIELDS)
async def test_a_field_that_is_missing_is_named_in_the_error(desk: Desk, missing: str) -> None:
    body = {name: value for name, value in json.loads(ORDER + "}").items() if name != missing}
    answer = await send(desk, "/api/place-order", json.dumps(body))
    assert answer.status_code == 400
    assert (answer.json()["ok"], answer.json()["error"]) == (
        False,
        f"Missing required field: {missing}",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "null"), ("id", "7"), ("symbol", "[]"), ("side", '"up"'), ("entry_zone_min", '"x"'),
        ("entry_zone_max", "null"), ("quantity", "true"), ("leverage", "0"), ("stop_loss", "-1"),
        ("take_profit", "1"), ("timeout_seconds", "0"), ("callback_url", "5"), ("metadata", '"text"'),
    ],
)  # fmt: skip
async def test_a_field_that_is_wrong_is_named_in_the_error(
    desk: Desk, field: str, value: str
) -> None:
    body = {**json.loads(ORDER + "}"), field: json.loads(value)}
    answer = await send(desk, "/api/place-order", json.dumps(body))
    assert (answer.status_code, answer.json()["field"]) == (400, f"$.{field}")
    assert field in answer.json()["error"] or field == "take_profit"


@pytest.mark.parametrize(
    "levels",
    [
        '"stop_loss":63000.0,"take_profit":68000.0,"callback_url":"http:\\/\\/127.0.0.1:9\\/hook"',
        '"stop_loss":63000.0,"take_profit":null,"callback_url":null',
        '"stop_loss":null,"take_profit":68000.0,"metadata":[]',
    ],
)
async def test_a_position_is_monitored_as_the_application_asks(desk: Desk, levels: str) -> None:
    await send(desk, "/api/place-order", ORDERS["what is required"])
    order = "01jbx5y8t0q2w3e4r5t6y7z8a9"
    body = f'{{"id":"position-1","symbol":"BTCUSDT","order_id":"{order}",{levels}}}'
    answer = await send(desk, "/api/monitor-position", body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["ok"], said["position_id"]) == (True, "position-1")
    assert isinstance(said["message"], str)
    assert "position-1" in (await desk.get("/api/orders/status"))["positions"]


async def test_a_list_of_symbols_is_gone_through_though_one_is_unknown(open_desk: Open) -> None:
    async with open_desk(subscribe_lenient=True) as desk:
        for symbol in ("BTCUSDT", "NOPEUSDT", "ETHUSDT"):
            said = await desk.post("/klines/subscribe", {"symbol": symbol, "tfs": ["1m", "5m"]})
            assert isinstance(said["message"], str)
        channels = (await desk.get("/status"))["kline_channels"]
        assert [each.rpartition(":")[2] for each in channels] == ["BTCUSDT", "ETHUSDT"] * 2


async def test_contracts_are_counted_where_the_setting_says_so(open_desk: Open) -> None:
    async with open_desk(quantity_unit="contracts") as desk:
        body = ORDER.replace('"quantity":0.01', '"quantity":10.0') + "}"
        said = (await send(desk, "/api/place-order", body)).json()
        assert (said["size"], said["quantity_base"]) == (10, "0.01")
        refused = await send(desk, "/api/place-order", ORDER.replace("01jbx", "x") + "}")
        assert (refused.status_code, refused.json()["field"]) == (400, "$.quantity")
        assert "QUANTITY_UNIT=contracts" in refused.json()["error"]
