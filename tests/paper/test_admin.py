"""The controls over HTTP."""

from __future__ import annotations

import json
import shlex
from typing import Any

import httpx
import pytest

from .conftest import SUBMIT, Visiting

KLINE = "futures/klineBin1m:BTCUSDT"


async def post(visit: Any, path: str, body: Any = None) -> httpx.Response:
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    async with httpx.AsyncClient(base_url=visit.exchange.admin_uri) as client:
        return await client.post(path, content=text)


async def get(visit: Any, path: str) -> Any:
    async with httpx.AsyncClient(base_url=visit.exchange.admin_uri) as client:
        return (await client.get(path)).json()


async def test_the_front_page_lists_commands_whose_curl_lines_work(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.owner.submit(type="market")
        await visit.owner.submit(type="market")
        listed = (await get(visit, "/"))["commands"]
        assert len(listed) == 28
        async with httpx.AsyncClient() as client:
            for entry in listed:
                words = shlex.split(entry["curl"])
                assert words[0] == "curl"
                if "-d" not in words:
                    response = await client.get(words[-1])
                else:
                    response = await client.post(words[3], content=words[5])
                if "/positions/liquidate" in entry["curl"]:
                    assert "0 held" in response.json()["error"]
                elif "/orders/" in entry["curl"]:
                    assert "no order 'abc' works" in response.json()["error"]
                else:
                    assert response.status_code == 200, (entry, response.text)


async def test_a_price_by_hand_is_pushed_and_can_be_held(visiting: Visiting) -> None:
    async with visiting() as visit, visit.public(KLINE) as listener:
        response = await post(visit, "/price", '{"symbol":"BTCUSDT","price":64999.5,"hold":true}')
        assert response.json() == {"ok": True}
        assert (await listener.hear_about(KLINE))["items"][0]["c"] == "64999.5"
        assert visit.exchange.is_held("BTCUSDT")
        await post(visit, "/release", {"symbol": "BTCUSDT"})
        assert not visit.exchange.is_held("BTCUSDT")
        await post(visit, "/hold", {"symbol": "BTCUSDT"})
        assert visit.exchange.is_held("BTCUSDT")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "10.0.0.1:8090"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://evil.example@localhost"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
async def test_a_web_page_moves_no_price(visiting: Visiting, headers: dict[str, str]) -> None:
    async with visiting() as visit:
        before = visit.books.last["BTCUSDT"]
        async with httpx.AsyncClient(base_url=visit.exchange.admin_uri, headers=headers) as client:
            moved = await client.post("/price", content='{"symbol":"BTCUSDT","price":1}')
            looked = await client.get("/state")
            lost = await client.get("/nowhere")
        assert [each.status_code for each in (moved, looked, lost)] == [403] * 3
        assert moved.json()["ok"] is False
        assert visit.books.last["BTCUSDT"] == before


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "127.8.9.255:80", "[::1]:9"])
async def test_a_page_of_this_machine_does(visiting: Visiting, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    async with visiting() as visit, httpx.AsyncClient(base_url=visit.exchange.admin_uri) as client:
        assert (await client.get("/state", headers=headers)).status_code == 200


async def test_positions_are_closed_and_liquidated(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.owner.submit(type="market")
        body = {"symbol": "BTCUSDT", "side": "long"}
        assert (await post(visit, "/positions/close", {**body, "size": 4})).status_code == 200
        assert (await post(visit, "/positions/liquidate", {**body, "size": 2})).status_code == 200
        assert [p.size for p in visit.books.positions.values()] == [4]


async def test_connections_are_dropped_and_counted(visiting: Visiting) -> None:
    async with visiting() as visit, visit.public(KLINE) as listener:
        response = await post(visit, "/faults/drop", {"which": "public"})
        assert response.json() == {"ok": True, "count": 1}
        assert await listener.is_closed() == 1006


async def test_faults_of_requests_are_set_shown_and_cleared(visiting: Visiting) -> None:
    async with visiting() as visit:
        await post(visit, "/faults/lose-reply", {"path": SUBMIT})
        await post(visit, "/faults/fail", {"path": "/x", "times": 2, "status": 502, "body": "no"})
        await post(visit, "/faults/delay", {"path": "/y", "seconds": 0.5})
        await post(visit, "/faults/freeze", {"channel": "*", "until": "forever"})
        await post(visit, "/faults/refuse-logins", {"times": 3})
        await post(visit, "/faults/refuse-dials", {"abruptly": True})
        await post(visit, "/faults/limits")
        await post(visit, "/faults/refuse", {"path": "/z", "code": 40012})
        await post(visit, "/faults/gateway", {"status": 403})
        await post(visit, "/delays", {"name": "order_push", "ms": 300})
        await post(visit, "/clock", {"ms": 2500})
        await post(visit, "/faults/alter-answer", {"path": "/v", "how": "null", "times": 2})
        await post(visit, "/faults/alter-push", {"channel": "futures/order", "how": "nested"})
        claim = {"path": "*", "limit": 24, "remaining": 24, "reset_s": 600}
        await post(visit, "/faults/claim-limits", claim)
        await post(visit, "/faults/refuse-channels", {"channel": "futures/trade"})
        assert (await get(visit, "/state"))["faults"] == {
            "requests": [
                f"lose_reply {SUBMIT}, 1 more",
                "fail /x, 2 more",
                "delay /y, 1 more",
                "refuse /z, 1 more",
                "gateway *, 1 more",
            ],
            "frozen": ["* until forever"],
            "refusing_logins": True,
            "refusing_dials": True,
            "refused_channels": "futures/trade",
            "claims": ["*: 24 of 24, 1 more"],
            "odd_answers": ["null /v, 2 more"],
            "odd_pushes": ["nested futures/order, 1 more"],
            "delays_ms": {"order_push": 300},
            "clock_skew_ms": 2500,
            "rate_limits_enforced": True,
        }
        await post(visit, "/faults/clear")
        assert (await get(visit, "/state"))["faults"] == {
            "requests": [],
            "frozen": [],
            "refusing_logins": False,
            "refusing_dials": False,
            "refused_channels": None,
            "claims": [],
            "odd_answers": [],
            "odd_pushes": [],
            "delays_ms": {},
            "clock_skew_ms": 0,
            "rate_limits_enforced": False,
        }


async def test_the_state_shows_the_account(visiting: Visiting) -> None:
    async with visiting() as visit, visit.public(KLINE):
        await visit.owner.submit(type="market")
        await visit.owner.submit(price="60000")
        state = await get(visit, "/state")
        assert state["prices"]["BTCUSDT"] == "65000"
        assert state["positions"][0]["hold_volume"] == "10"
        assert len(state["working_orders"]) == 1
        assert (state["orders"], state["fills"], state["connections"]) == (2, 1, 1)
        assert state["balance"]["equity"] == "9999.61"


async def test_the_parameters_are_listed_as_they_are_here(visiting: Visiting) -> None:
    async with visiting(fee_sign=1) as visit:
        rows = {row["name"]: row for row in (await get(visit, "/parameters"))["parameters"]}
        assert rows["fee_sign"] == {
            "name": "fee_sign",
            "value": "1",
            "choices": "-1 or 1",
            "what": "the sign of a cost in an order push's `last_trade.fee`",
            "fact_sheet": "7.2, 8.6",
        }
        assert rows["close_more_than_held"]["value"] == "refuse"
        assert (await get(visit, "/state"))["parameters"] == {"fee_sign": "1"}


async def test_what_waits_for_a_price_is_shown(visiting: Visiting) -> None:
    async with visiting() as visit:
        waits = {
            "symbol": "BTCUSDT",
            "side": 1,
            "size": 1,
            "leverage": "10",
            "open_type": "isolated",
        }
        plan = {"type": "market", "trigger_price": "60000", "price_way": 2, "price_type": 1}
        trail = {"activation_price": "60000", "callback_rate": "1", "activation_price_type": 1}
        await visit.owner.do("/contract/private/submit-plan-order", {**waits, **plan})
        await visit.owner.do("/contract/private/submit-trail-order", {**waits, **trail})
        state = await get(visit, "/state")
        assert [row["type"] for row in state["plan_orders"]] == ["plan"]
        assert [row["type"] for row in state["trailing_orders"]] == ["trailing"]


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/price", "{", "the body is not JSON"),
        ("/price", "[]", "the body must be a JSON object"),
        ("/price", {"symbol": "BTCUSDT"}, '\'price\' is missing; a body is {"symbol": "BTCUSDT"'),
        (
            "/price",
            {"symbol": "BTCUSDT", "price": "x"},
            "'price' must be a price such as \"65000.5\", not 'x'",
        ),
        ("/price", {"symbol": "", "price": "1"}, "'symbol' must be a text, not ''"),
        ("/price", {"symbol": "X", "price": "1"}, "unknown symbol 'X'; there are BTCUSDT"),
        ("/price", {"symbol": "BTCUSDT", "price": "1", "hold": 1}, "'hold' must be true or false"),
        (
            "/price",
            {"symbol": "BTCUSDT", "price": "1", "when": 1},
            "unknown field 'when'; there are symbol, price, hold",
        ),
        ("/faults/clear", {"all": True}, "unknown field 'all'; there are none"),
        ("/faults/drop", {"which": "some"}, "which must be public, private or all"),
        ("/faults/gateway", {"status": 418}, "status must be one of 403, 502"),
        ("/faults/refuse", {"path": "/x", "code": 1000}, "code must be one of the exchange's"),
        ("/delays", {"name": "all", "ms": 1}, "unknown delay 'all'; there are reply"),
        ("/clock", {"ms": 0.5}, "'ms' must be a whole number"),
        ("/faults/delay", {"path": "/x", "seconds": -1}, "'seconds' must be a number of seconds"),
        ("/faults/fail", {"path": "/x", "times": "2"}, "'times' must be a whole number, not '2'"),
    ],
)
async def test_a_wrong_command_says_what_is_wrong(
    visiting: Visiting, path: str, body: Any, error: str
) -> None:
    async with visiting() as visit:
        response = await post(visit, path, body)
        assert response.status_code == 400
        assert response.json()["ok"] is False
        assert response.json()["error"].startswith(error)


async def test_an_unknown_command_points_to_the_list(visiting: Visiting) -> None:
    async with visiting() as visit:
        response = await post(visit, "/nothing")
        assert response.status_code == 404
        assert response.json()["error"] == "no such command: POST /nothing; see GET /"
