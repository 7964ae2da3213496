"""Status, help, health, subscriptions."""

from __future__ import annotations

import hmac
import json
import os
import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bitmart_engine.control import make_app
from bitmart_engine.control.guide import ENDPOINTS
from bitmart_engine.exchange import ExchangeStatistics

from .conftest import ORDER, Desk, Open

FIELDS_OF_THE_OLD_WORKER = {
    "is_running",
    "public_ws_connected",
    "private_ws_connected",
    "authenticated",
    "kline_channels",
    "order_subscribed",
    "position_subscribed",
    "positions",
    "pending_orders",
    "monitored_positions",
}


async def test_the_status_of_an_engine_at_rest(desk: Desk) -> None:
    status = await desk.get("/status")
    assert status.keys() >= FIELDS_OF_THE_OLD_WORKER
    assert (status["is_running"], status["mode"], status["version"]) == (True, "paper", "0.1.0")
    assert (status["private_ws_connected"], status["authenticated"]) == (True, True)
    assert status["public_ws_connected"] is False
    assert 0 <= status["uptime_s"] < 60
    assert status["positions"] == status["kline_channels"] == status["stale"] == []
    assert status["not_ready"] == status["missing_credentials"] == []
    assert status["outbox"] == {"owed": 0, "in_flight": 0, "delivered": 0, "dead": 0}
    [private] = status["connections"]
    assert (private["name"], private["reconnects"]) == ("private", 0)
    assert (private["channels"], private["last_error"]) == (3, None)
    assert private["since"] > 1_500_000_000_000
    assert private["last_message_age_s"] >= 0


async def test_the_status_shows_prices_orders_and_positions(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    waiting = await desk.get("/status")
    assert (waiting["pending_orders"], waiting["monitored_positions"]) == (1, 0)
    assert waiting["kline_channels"] == []
    await desk.fill()
    await desk.until(lambda: any(each.size for each in desk.engine.positions()))
    status = await desk.get("/status")
    assert (status["pending_orders"], status["monitored_positions"]) == (0, 1)
    [held] = status["positions"]
    assert (held["symbol"], held["side"], held["size"]) == ("BTCUSDT", "long", 10)
    assert held["covered"] == 10
    price = status["prices"]["BTCUSDT"]
    assert (price["last"], price["stale"]) == ("64190", False)
    assert price["age_s"] >= 0
    assert status["public_ws_connected"] is True
    assert {each["name"] for each in status["connections"]} == {"private", "public-1"}


async def test_the_status_says_what_the_start_found_and_where_the_journal_is(
    open_desk: Open, tmp_path: Path
) -> None:
    async with open_desk(state_dir=str(tmp_path / "state")) as desk:
        status = await desk.get("/status")
        assert status["journal"] == {"state_dir": str(tmp_path / "state"), "trouble": None}
        recovery = status["recovery"]
        assert recovery.pop("at_ms") > 1_500_000_000_000
        assert recovery == {
            "adopted": 0,
            "filled_while_away": 0,
            "closed_while_away": 0,
            "unknown": [],
            "foreign_orders": 0,
            "foreign_positions": {},
        }
        assert (status["foreign_orders"], status["foreign_positions"]) == ([], {})


async def test_nothing_was_found_before_there_was_a_comparison(open_desk: Open) -> None:
    async with open_desk(credentials=False) as desk:
        status = await desk.get("/status")
        assert status["recovery"] is None
        assert status["journal"] == {"state_dir": ":memory:", "trouble": None}


async def test_a_state_directory_that_is_no_text_is_shown_all_the_same(
    open_desk: Open, tmp_path: Path
) -> None:
    async with open_desk(state_dir=os.fsdecode(bytes(tmp_path) + b"/sp\xe4t")) as desk:
        shown = (await desk.get("/status"))["journal"]["state_dir"]
        assert shown == f"{tmp_path}/sp\\xe4t"


@pytest.mark.parametrize("reachable", [True, False])
async def test_what_was_never_read_is_null_and_not_nothing(
    open_desk: Open, reachable: bool
) -> None:
    account = {} if reachable else {"api_key": "k", "api_secret": "s", "api_memo": "m"}
    nowhere = {} if reachable else {"rest_uri": "http://127.0.0.1:1"}
    async with open_desk(credentials=False, **account, **nowhere) as desk:
        status = await desk.get("/status")
        unknown = ("positions", "foreign_positions", "foreign_orders", "balance", "recovery")
        assert [status[name] for name in unknown] == [None] * len(unknown)
        assert (await desk.get("/api/positions"))["held"] is None
        assert (await desk.get("/api/orders/status"))["held"] is None
        stopping = (await desk.post("/stop"))["message"]
        assert ("not known yet" in stopping) is bool(account)


async def by_hand(desk: Desk, side: int, size: int, **more: Any) -> None:
    """An order that the engine knows nothing of, as another program would send it."""
    config = desk.paper.config
    body = json.dumps({"symbol": "BTCUSDT", "side": side, "size": size, **more})
    timestamp = str(desk.paper.now_ms())
    text = f"{timestamp}#{config.api_memo}#{body}".encode()
    headers = {
        "X-BM-KEY": config.api_key,
        "X-BM-TIMESTAMP": timestamp,
        "X-BM-SIGN": hmac.new(config.api_secret.encode(), text, "sha256").hexdigest(),
    }
    url = f"{desk.paper.rest_uri}/contract/private/submit-order"
    answer = await desk.http.post(url, content=body, headers=headers)
    assert answer.json()["code"] == 1000, answer.text


async def test_what_is_not_ours_is_shown_as_such(open_desk: Open) -> None:
    async with open_desk(reconnect_delay_s=0.05) as desk:
        await by_hand(desk, 1, 7, type="market")
        await by_hand(desk, 4, 3, type="limit", price="66000")
        desk.paper.drop_connections("private")
        await desk.until(lambda: bool(desk.engine.foreign_orders()))
        status = await desk.get("/status")
        assert status["foreign_positions"] == {"BTCUSDT long": 7}
        [order] = status["foreign_orders"]
        assert order.pop("order_id")
        assert order == {
            "symbol": "BTCUSDT",
            "side": "sell_open_short",
            "type": "limit",
            "price": "66000",
            "size": 3,
            "filled_size": 0,
        }
        [held] = status["positions"]
        assert (held["side"], held["size"], held["covered"]) == ("long", 7, 0)
        asked = {"id": "p", "symbol": "BTCUSDT", "stop_loss": 60000, "size": 5}
        await desk.post("/api/monitor-position", asked)
        await desk.until(lambda: desk.engine.state.protections["p"].covered == 5)
        for listed in ((await desk.get("/status"))["positions"], await in_list(desk)):
            assert [(each["size"], each["covered"]) for each in listed] == [(7, 5)]


async def in_list(desk: Desk) -> list[dict[str, Any]]:
    held: list[dict[str, Any]] = (await desk.get("/api/positions"))["held"]
    return held


async def test_the_exchange_s_clock_and_limits_are_shown(desk: Desk) -> None:
    await desk.until(lambda: desk.engine.exchange().clock_offset_ms is not None)
    exchange = (await desk.get("/status"))["exchange"]
    assert abs(exchange["clock_offset_ms"]) < 500
    assert exchange["clock_skewed"] is False
    time = exchange["endpoints"]["/system/time"]
    assert (time["waiting"], time["paused_for_s"], time["window_s"]) == (0, 0, 2)
    assert 0 < time["used"] <= time["limit"]
    assert "/contract/private/cancel-order" not in exchange["endpoints"]


async def test_how_old_a_signed_request_may_be_is_shown(open_desk: Open) -> None:
    async with open_desk(submit_valid_s=2) as desk:
        await desk.until(lambda: desk.engine.exchange().request_window_s is not None)
        assert (await desk.get("/status"))["exchange"]["request_window_s"] == 59.5


async def test_clocks_that_differ_are_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for offset_ms, skewed in ((-501, True), (500, False), (None, False)):
        statistics = ExchangeStatistics(endpoints={}, clock_offset_ms=offset_ms)
        monkeypatch.setattr(type(desk.engine), "exchange", lambda _, now=statistics: now)
        shown = (await desk.get("/status"))["exchange"]
        expected = {
            "clock_offset_ms": offset_ms,
            "clock_skewed": skewed,
            "request_window_s": None,
            "endpoints": {},
        }
        assert shown == expected


async def test_missing_credentials_are_named_and_the_public_side_works(open_desk: Open) -> None:
    async with open_desk(credentials=False) as desk:
        status = await desk.get("/status")
        assert status["missing_credentials"] == [
            "BITMART_API_KEY",
            "BITMART_API_SECRET",
            "BITMART_API_MEMO",
        ]
        assert status["authenticated"] is False
        assert "not set: BITMART_API_KEY" in status["not_ready"][0]
        await desk.post("/klines/subscribe", {"symbol": "BTCUSDT", "tfs": ["1m"]})
        await desk.until(lambda: desk.engine.streams().public_connected)


async def test_a_refused_login_is_visible(open_desk: Open) -> None:
    async with open_desk(credentials=False, api_key="x", api_secret="hush", api_memo="m") as desk:
        await desk.until(lambda: desk.engine.streams().connections[0].last_error is not None)
        answer = await desk.ask("GET", "/status")
        [private] = answer.json()["connections"]
        assert private["state"] == "login_refused"
        assert "login" in private["last_error"]
        assert "hush" not in answer.text
        ready = await desk.ask("GET", "/readyz")
        assert ready.status_code == 503


async def test_klines_are_subscribed_seen_and_unsubscribed(desk: Desk) -> None:
    asked = {"symbol": "btcusdt", "tfs": ["1m", "1H", "1h"]}
    channels = ["futures/klineBin1m:BTCUSDT", "futures/klineBin1H:BTCUSDT"]
    first = await desk.post("/klines/subscribe", asked)
    assert first["channels"] == channels
    assert first["message"] == "subscribed to " + ", ".join(channels)
    assert (await desk.post("/subscribe", asked))["channels"] == channels
    assert (await desk.get("/status"))["kline_channels"] == sorted(channels)
    gone = await desk.post("/unsubscribe", {"symbol": "BTCUSDT", "tfs": ["1h"]})
    assert gone["channels"] == channels[1:]
    assert (await desk.get("/status"))["kline_channels"] == channels[:1]
    for _ in range(2):
        await desk.post("/klines/unsubscribe", asked)
    assert (await desk.get("/status"))["kline_channels"] == []


@pytest.mark.parametrize(
    ("body", "error", "field"),
    [
        ({"symbol": "BTCUSDT", "tfs": []}, "at least one timeframe", "$.tfs"),
        ({"symbol": "BTCUSDT", "tfs": ["3m"]}, "one of 1m, 5m, 15m, 30m, 1h", "$.tfs"),
        ({"symbol": "BTCUSDT"}, "Missing required field: tfs", "$.tfs"),
        ({"symbol": "BTCUSDT", "tfs": [1]}, "must be text in quotes", "$.tfs[0]"),
        ({"symbol": "NOPEUSDT", "tfs": ["1m"]}, "unknown symbol 'NOPEUSDT'", "$.symbol"),
        ({"symbol": "BTCUSDT", "tf": ["1m"]}, "did you mean 'tfs'?", "$.tf"),
    ],
)
async def test_klines_that_do_not_exist_are_refused(
    desk: Desk, body: dict[str, object], error: str, field: str
) -> None:
    answer = await desk.ask("POST", "/klines/subscribe", body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert error in answer.json()["error"]


@pytest.mark.parametrize("path", ["/subscribe", "/klines/subscribe"])
@pytest.mark.parametrize("tfs", ["1m", ["1m"]])
@pytest.mark.parametrize("symbol", ["BTCUSDT", ["btcusdt"], "BITMART:BTCUSDT.P"])
async def test_a_symbol_and_a_timeframe_may_stand_alone(
    desk: Desk, path: str, symbol: object, tfs: object
) -> None:
    body = {"symbol": symbol, "tfs": tfs}
    assert (await desk.post(path, body))["channels"] == ["futures/klineBin1m:BTCUSDT"]
    assert (await desk.get("/status"))["kline_channels"] == ["futures/klineBin1m:BTCUSDT"]
    gone = await desk.post(path.replace("subscribe", "unsubscribe"), body)
    assert gone["channels"] == ["futures/klineBin1m:BTCUSDT"]
    assert (await desk.get("/status"))["kline_channels"] == []


async def test_of_several_symbols_all_are_subscribed_or_none(desk: Desk) -> None:
    body = {"symbol": ["BTCUSDT", "NOPEUSDT"], "tfs": "1m"}
    answer = await desk.ask("POST", "/klines/subscribe", body)
    assert (answer.status_code, answer.json()["error"]) == (400, "unknown symbol 'NOPEUSDT'")
    assert (await desk.get("/status"))["kline_channels"] == []
    both = await desk.post("/klines/subscribe", {"symbol": ["BTCUSDT", "ETHUSDT"], "tfs": "1m"})
    assert both["channels"] == ["futures/klineBin1m:BTCUSDT", "futures/klineBin1m:ETHUSDT"]


@pytest.mark.parametrize(("setting", "more"), [(False, {"lenient": True}), (True, {})])
async def test_a_lenient_subscription_names_what_it_refuses_and_takes_the_rest(
    open_desk: Open, setting: bool, more: dict[str, object]
) -> None:
    async with open_desk(subscribe_lenient=setting) as desk:
        body = {"symbol": "NOPEUSDT", "tfs": ["1m"], **more}
        refused = await desk.post("/klines/subscribe", body)
        assert refused["refused"] == {"NOPEUSDT": "unknown symbol 'NOPEUSDT'"}
        assert (refused["channels"], refused["message"]) == ([], "subscribed to nothing")
        some = await desk.post("/klines/subscribe", {**body, "symbol": ["NOPEUSDT", "BTCUSDT"]})
        assert list(some["refused"]) == ["NOPEUSDT"]
        assert some["channels"] == ["futures/klineBin1m:BTCUSDT"]
        assert "refused" not in await desk.post("/klines/subscribe", {**body, "symbol": "BTCUSDT"})
        typo = await desk.ask("POST", "/klines/subscribe", {**body, "tfs": ["7m"]})
        assert (typo.status_code, typo.json()["field"]) == (400, "$.tfs")


@pytest.mark.parametrize(
    ("what", "path", "channel"),
    [
        ("order", "orders", "futures/order"),
        ("position", "positions", "futures/position"),
        ("balance", "balance", "futures/asset:USDT"),
    ],
)
async def test_the_public_view_of_the_account_is_switched_and_monitors_go_on(
    desk: Desk, what: str, path: str, channel: str
) -> None:
    shown = f"{what}_subscribed"
    assert (await desk.get("/status"))[shown] is False
    answer = await desk.post(f"/{path}/subscribe")
    assert answer["channels"] == [channel]
    assert (await desk.get("/status"))[shown] is True
    for _ in range(2):
        await desk.post(f"/{path}/unsubscribe")
    status = await desk.get("/status")
    assert (status[shown], status["kline_channels"]) == (False, [])
    assert desk.engine.streams().connections[0].channels == 3


async def test_the_status_shows_the_balance(desk: Desk) -> None:
    await desk.until(lambda: desk.engine.balance() is not None)
    balance = (await desk.get("/status"))["balance"]
    assert balance.pop("source") in ("push", "rest")
    assert balance.pop("at_ms") > 0
    assert balance == {
        "currency": "USDT",
        "available": "10000",
        "frozen": "0",
        "position_deposit": "0",
    }


async def test_health_and_readiness(desk: Desk) -> None:
    assert (await desk.get("/healthz")) == {"ok": True}
    assert (await desk.get("/readyz")) == {"ok": True, "ready": True}
    desk.paper.refuse_logins()
    desk.paper.drop_connections("private")
    await desk.until(lambda: bool(desk.engine.not_ready()))
    answer = await desk.ask("GET", "/readyz")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["missing"] == ["not logged in"]
    assert answer.json()["error"] == "not ready: not logged in"


async def test_help_names_every_endpoint_there_is(desk: Desk) -> None:
    guide = await desk.get("/help")
    assert " ".join(guide["supported_timeframes"]) == "1m 5m 15m 30m 1h 2h 4h 1d 1w"
    assert guide["endpoints"] == ENDPOINTS
    served = {
        method + " " + re.sub(r"<(?:[a-z]+:)?([a-z]+)>", r"{\1}", rule.rule)
        for rule in make_app(desk.engine).url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    assert served - {"POST /subscribe", "POST /unsubscribe"} == set(ENDPOINTS)


async def test_the_examples_work_as_they_stand(desk: Desk) -> None:
    desk.paper.set_price("BTCUSDT", Decimal(66000))
    for example in (await desk.get("/help"))["example_requests"]:
        words = shlex.split(example["curl"])
        assert words[0] == "curl"
        assert f"{desk.address}{example['path']}" in words
        answer = await desk.ask(example["method"], example["path"], example.get("body"))
        assert answer.status_code == 200, (example, answer.text)


CURL_LINES = [
    ("POST", "/klines/subscribe", '{"symbol": "BTCUSDT", "tfs": ["1m", "5m"]}'),
    ("POST", "/orders/subscribe", None),
    ("POST", "/positions/subscribe", None),
    ("GET", "/status", None),
    ("GET", "/help", None),
    (
        "POST",
        "/api/place-order",
        """{
    "id": "order-123",
    "symbol": "BTCUSDT",
    "side": "long",
    "entry_zone_min": 65000,
    "entry_zone_max": 65500,
    "quantity": 0.01,
    "leverage": 10,
    "stop_loss": 64000,
    "take_profit": 68000,
    "timeout_seconds": 300
  }""",
    ),
    (
        "POST",
        "/api/monitor-position",
        """{
    "id": "position-123",
    "symbol": "BTCUSDT",
    "order_id": "order-123",
    "stop_loss": 64000,
    "take_profit": 68000
  }""",
    ),
    ("GET", "/api/orders/status", None),
]


async def test_what_the_old_worker_was_asked_works_as_it_stands(desk: Desk) -> None:
    for method, path, content in CURL_LINES:
        headers = {"Content-Type": "application/json"} if content else {}
        answer = await desk.ask(method, path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["ok"]) == (200, True), (path, answer.text)
    order = (await desk.get("/api/orders/order-123"))["order"]
    assert (order["size"], order["leverage"], order["timeout_seconds"]) == (10, "10", "300")
