from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
import trio

from bitmart_engine.exchange.errors import OutcomeUnknown
from bitmart_engine.model.errors import Unavailable
from bitmart_engine.store import JournalUnavailable

from .conftest import ORDER, Desk, Open

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"entry_zone_min": 64600}, "is above entry_zone_max", "$.entry_zone_min"),
        ({"stop_loss": 64200}, "must be below 64000", "$.stop_loss"),
        ({"stop_loss": 65000}, "must be below 64000", "$.stop_loss"),
        ({"take_profit": 64100}, "must be above 64500", "$.take_profit"),
        ({"side": "short"}, "must be above 64500", "$.stop_loss"),
        ({"symbol": "NOPEUSDT"}, "unknown symbol", "$.symbol"),
        ({"symbol": ""}, "must be 1 to 40 printable characters", "$.symbol"),
        ({"side": "up"}, "must be one of long, short, buy, sell", "$.side"),
        ({"quantity": 0.0001}, "1 to 1000000 contracts", "$.quantity"),
        ({"quantity": None, "size": 0}, "1 to 1000000 contracts", "$.size"),
        ({"quantity": None}, "give one of quantity", "$.quantity"),
        ({"size": 10}, "give one of quantity", "$.quantity"),
        ({"leverage": 101}, "outside 1 to 100", "$.leverage"),
        ({"timeout_seconds": 0}, "must be more than 0", "$.timeout_seconds"),
        ({"callback_url": "ftp://x/"}, "callback_url", "$.callback_url"),
        ({"callback_url": "http://169.254.169.254/"}, "callback_url", "$.callback_url"),
        ({"id": " "}, "not blank", "$.id"),
        ({"id": 5}, "must be text in quotes, not a whole number", "$.id"),
        ({"stop_los": 63000}, "did you mean 'stop_loss'?", "$.stop_los"),
        ({"entry_zone_min": "NaN"}, "must be a number", "$.entry_zone_min"),
        ({"entry_zone_min": "1e20"}, "must be a number above 0", "$.entry_zone_min"),
        ({"entry_zone_min": 64000.01, "entry_zone_max": 64000.02}, "tick grid", "$.entry_zone_min"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_by_name(
    desk: Desk, change: dict[str, Any], error: str, field: str
) -> None:
    answer = await desk.ask("POST", "/api/place-order", {**ORDER, **change})
    body = answer.json()
    assert (answer.status_code, body["ok"], body["field"]) == (400, False, field)
    assert error in body["error"]
    assert desk.engine.state.orders == {}


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nowhere", 404, "there is no GET /nowhere; see GET /help"),
        ("GET", "/status/", 404, "see GET /help"),
        ("GET", "/page/nowhere.js", 404, "see GET /help"),
        ("GET", "/page/vendor/README.md", 404, "see GET /help"),
        ("GET", "/api/orders/", 404, "see GET /help"),
        ("GET", "/static/x", 404, "see GET /help"),
        ("GET", "/api/orders/ghost", 404, "no order has the id 'ghost'"),
        ("GET", "/api/positions/ghost", 404, "no position has the id 'ghost'"),
        ("DELETE", "/api/orders/ghost", 404, "no order has the id 'ghost'"),
        ("DELETE", "/api/orders/status", 404, "no order has the id 'status'"),
        ("DELETE", "/api/positions/ghost", 404, "no position has the id 'ghost'"),
        ("POST", "/api/positions/ghost/close", 404, "no position has the id 'ghost'"),
        ("POST", "/api/positions/a%2Fclose/close", 404, "no position has the id 'a/close'"),
        ("POST", "/api/place-order", 400, "a JSON body is needed"),
        ("POST", "/klines/subscribe", 400, "a JSON body is needed"),
        ("PATCH", "/api/positions/ghost", 400, "a JSON body is needed"),
    ],
)
async def test_every_error_is_json_that_says_what_is_wrong(
    desk: Desk, method: str, path: str, status: int, error: str
) -> None:
    answer = await desk.ask(method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["ok"] is False
    assert error in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/status", "GET, HEAD"),
        ("GET", "/stop", "POST"),
        ("GET", "/api/place-order", "POST"),
        ("OPTIONS", "/api/place-order", "POST"),
        ("PUT", "/api/positions/x", "DELETE, GET, HEAD, PATCH"),
        ("BREW", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    desk: Desk, method: str, path: str, allowed: str
) -> None:
    answer = await desk.ask(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert allowed in answer.json()["error"]
    assert desk.engine.stopping is False


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "error"),
    [
        ("/api/place-order", json.dumps(ORDER), {}, 415, "of no type"),
        ("/api/place-order", "a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415,
         "application/x-www-form-urlencoded; send JSON with the header 'Content-Type: application/json'"),
        ("/stop", "a=b", {"Content-Type": "text/plain"}, 415, "text/plain"),
        ("/stop", '{"now": true}', JSON, 400, "unknown field 'now'"),
        ("/stop", "{]", JSON, 400, "(byte 1)"),
        ("/api/positions/x/close", '{"size": 5}', JSON, 400, "unknown field 'size'"),
        ("/api/place-order", "x" * 65_537, JSON, 413, "at most 65536"),
        ("/stop", " " * 65_537, JSON, 413, "at most 65536"),
        ("/stop", "x" * 1_100_000, JSON, 413, "exceeds the capacity limit"),
    ],
)  # fmt: skip
async def test_a_body_of_the_wrong_kind_is_refused(
    desk: Desk, path: str, content: str, headers: dict[str, str], status: int, error: str
) -> None:
    answer = await desk.ask("POST", path, content=content, headers=headers)
    assert (answer.status_code, answer.json()["ok"]) == (status, False)
    assert error in answer.json()["error"]
    assert desk.engine.stopping is False


async def test_a_body_without_a_length_is_cut_off_too(desk: Desk) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 1000

    answer = await desk.ask("POST", "/api/place-order", content=endless(), headers=JSON)
    assert (answer.status_code, answer.json()["ok"]) == (413, False)


async def test_a_body_of_the_largest_size_is_taken(desk: Desk) -> None:
    raw = json.dumps({**ORDER, "metadata": {"note": ""}})
    raw = raw.replace('"note": "', '"note": "' + "x" * (65_536 - len(raw)))
    assert len(raw) == 65_536
    answer = await desk.ask("POST", "/api/place-order", content=raw, headers=JSON)
    assert answer.status_code == 200


@pytest.mark.parametrize("content", ["", "  ", "{}"])
async def test_a_body_where_none_is_needed_may_be_empty(desk: Desk, content: str) -> None:
    answer = await desk.ask("POST", "/orders/subscribe", content=content, headers=JSON)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        (Unavailable("the journal is full", 30), 503, "the journal is full"),
        (OutcomeUnknown("no answer", "/order"), 503, "/order: no answer"),
        (JournalUnavailable("the disk is full"), 503, "now: the disk is full"),
        (trio.ClosedResourceError(), 503, "the engine is stopping"),
    ],
)
async def test_what_cannot_be_done_now_may_be_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int, error: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(type(desk.engine), "place_order", fail)
    answer = await desk.ask("POST", "/api/place-order", ORDER)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert int(answer.headers["Retry-After"]) in (5, 30)


async def test_a_crash_is_an_id_that_the_log_knows_and_no_traceback(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("hidden detail")

    monkeypatch.setattr(type(desk.engine), "streams", crash)
    with structlog.testing.capture_logs() as logs:
        answer = await desk.ask("GET", "/status")
    body = answer.json()
    assert (answer.status_code, body["ok"]) == (500, False)
    assert "hidden" not in answer.text
    assert "Traceback" not in answer.text
    [line] = [each for each in logs if each.get("error_id") == body["error_id"]]
    assert str(line["exc_info"]) == "hidden detail"
    assert (await desk.get("/healthz"))["ok"]


async def test_a_crash_inside_a_nursery_is_one_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object, **__: object) -> None:
        async with trio.open_nursery():
            raise RuntimeError("hidden detail")

    monkeypatch.setattr(type(desk.engine), "view_orders", crash)
    answer = await desk.ask("POST", "/orders/subscribe")
    assert (answer.status_code, answer.json()["ok"]) == (500, False)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/orders/subscribe", None),
        ("POST", "/orders/unsubscribe", None),
        ("POST", "/positions/subscribe", None),
        ("POST", "/positions/unsubscribe", None),
        ("POST", "/api/place-order", ORDER),
        ("POST", "/api/monitor-position", {"id": "p", "symbol": "BTCUSDT", "stop_loss": 1}),
    ],
)
async def test_what_needs_an_account_names_the_settings_that_are_missing(
    open_desk: Open, method: str, path: str, body: Any
) -> None:
    async with open_desk(credentials=False, api_key="only-the-key") as desk:
        answer = await desk.ask(method, path, body)
        assert answer.status_code == 409
        assert answer.json()["error"].endswith("not set: BITMART_API_SECRET, BITMART_API_MEMO")


async def test_the_exchange_out_of_reach_is_a_503(open_desk: Open) -> None:
    strangers = {"api_key": "k", "api_secret": "s", "api_memo": "m"}
    async with open_desk(rest_uri="http://127.0.0.1:1", credentials=False, **strangers) as desk:
        answer = await desk.ask("POST", "/api/place-order", ORDER)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "could not be asked about BTCUSDT" in answer.json()["error"]


async def test_a_client_that_accepts_json_alone_is_told_that_there_is_no_front(desk: Desk) -> None:
    answer = await desk.ask("GET", "/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["ok"]) == (404, False)
    front = await desk.ask("GET", "/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert front.headers["Content-Type"].startswith("text/html")
    assert "frame-ancestors 'none'" in front.headers["Content-Security-Policy"]
