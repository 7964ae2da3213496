"""Alerts of TradingView and the like: no header of their own, text/plain, tickers of charts, the token in the body."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from bitmart_engine.store.codec import pack

from .conftest import ORDER, Desk, Open

TOKEN = "correct-horse-battery"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
WATCHED = {"id": "p", "symbol": "BTCUSDT.P", "side": "long", "stop_loss": 60000.0}


async def send(desk: Desk, body: Any, path: str = "/api/place-order", **headers: str) -> Any:
    content = body if isinstance(body, str) else json.dumps(body)
    return await desk.ask("POST", path, content=content, headers={**TEXT, **headers})


@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "text/plain", "application/json"])
async def test_an_alert_places_an_order_with_the_token_in_its_body(
    open_desk: Open, kind: str
) -> None:
    async with open_desk(control_token=TOKEN) as desk:
        alert = {**ORDER, "symbol": "BITMART:BTCUSDT.P", "token": TOKEN}
        placed = await send(desk, alert, **{"Content-Type": kind})
        assert placed.status_code == 200, placed.text
        assert (placed.json()["symbol"], placed.json()["size"]) == ("BTCUSDT", 10)
        again = {**ORDER, "symbol": "BITMART:BTCUSDT.P"}
        shown = {"Authorization": f"Bearer {TOKEN}"}
        assert (await send(desk, again, **shown)).json()["duplicate"] is True
        watched = await send(desk, {**WATCHED, "token": TOKEN}, "/api/monitor-position")
        assert watched.json()["position"]["symbol"] == "BTCUSDT"


@pytest.mark.parametrize(
    "body",
    [
        ORDER,
        {**ORDER, "token": "wrong"},
        {**ORDER, "token": ""},
        {**ORDER, "token": None},
        {**ORDER, "token": [TOKEN]},
        {**ORDER, "metadata": {"token": TOKEN}},
        TOKEN,
        f'{{"token": "{TOKEN}"',
        f'{{"token": "{TOKEN}", "token": "wrong"}}',
        json.dumps({**ORDER, "token": TOKEN, "metadata": {"x": "y" * 65_536}}),
        json.dumps({**ORDER, "token": TOKEN, "metadata": {"x": "y" * 2_000_000}}),
        "[" * 60_000,
        "\ufeff",
        "",
    ],
    ids=lambda body: str(body)[:40],
)
async def test_without_the_right_token_an_alert_is_unauthorised_whatever_it_is(
    open_desk: Open, body: Any
) -> None:
    async with open_desk(control_token=TOKEN) as desk:
        for kind in ("text/plain", "application/json"):
            answer = await send(desk, body, **{"Content-Type": kind})
            assert answer.status_code == 401
            assert TOKEN not in answer.text
        assert not desk.engine.state.orders


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/stop"), ("POST", "/klines/subscribe"), ("GET", "/status"), ("DELETE", "/api/orders/a"),
        ("PATCH", "/api/positions/a"), ("POST", "/api/positions/a/close"), ("POST", "/api/place-order/"),
    ],
)  # fmt: skip
async def test_a_token_in_the_body_opens_nothing_else(
    open_desk: Open, method: str, path: str
) -> None:
    async with open_desk(control_token=TOKEN) as desk:
        answer = await desk.ask(method, path, {"token": TOKEN})
        assert answer.status_code == 401
        assert not desk.engine.stopping


async def test_text_is_taken_of_nobody_who_does_not_show_the_token(open_desk: Open) -> None:
    async with open_desk() as desk:
        assert (await send(desk, ORDER)).status_code == 415
        given = await send(desk, {**ORDER, "token": "x"}, **{"Content-Type": "application/json"})
        assert (given.status_code, given.json()["field"]) == (400, "$.token")
        assert given.json()["error"] == "token must be left out: no CTRL_TOKEN is set"
    async with open_desk(control_token=TOKEN, control_allow="127.0.0.1") as desk:
        assert (await send(desk, ORDER)).status_code == 415
        as_json = {"Content-Type": "application/json"}
        wrong = await send(desk, {**ORDER, "token": "wrong"}, **as_json)
        assert (wrong.status_code, wrong.json()["error"]) == (400, "token is not the CTRL_TOKEN")
        assert (await send(desk, ORDER, **as_json)).status_code == 200
        assert (await send(desk, {**ORDER, "id": "b", "token": TOKEN})).status_code == 200
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert (await send(desk, {}, "/klines/subscribe", **right)).status_code == 415
    async with open_desk(control_token=TOKEN) as desk:
        wrong = await send(desk, {**ORDER, "token": "wrong"}, **right)
        assert (wrong.status_code, wrong.json()["error"]) == (400, "token is not the CTRL_TOKEN")


async def test_the_token_is_in_no_answer_no_log_and_no_journal(
    open_desk: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_desk(control_token=TOKEN, state_dir=str(tmp_path)) as desk:
        with structlog.testing.capture_logs() as logs:
            answers = [
                await send(desk, {**ORDER, **change, "token": TOKEN})
                for change in (
                    {}, {"quantity": 1}, {"id": "b", "side": "up"}, {"id": "c", "tokn": TOKEN[:3]},
                    {"id": "d", "symbol": "NOPE.P"}, {"id": "e", "stop_loss": None},
                )
            ]  # fmt: skip
        assert [each.status_code for each in answers] == [200, 409, 400, 400, 400, 200]
        assert all(TOKEN not in each.text for each in answers)
        shown = await desk.ask("GET", "/api/orders", headers={"Authorization": f"Bearer {TOKEN}"})
        assert TOKEN not in shown.text
        assert all(TOKEN not in pack(each) for each in desk.engine.state.orders.alive())
    assert TOKEN not in repr(logs)
    assert TOKEN not in caplog.text
    files = list(await trio.Path(tmp_path).iterdir())
    assert files
    for file in files:
        assert TOKEN.encode() not in await file.read_bytes()
