"""The stand-in answers and complains as the contract of the application says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .receivers import (
    BALANCE_SIGNALS,
    CALLBACKS,
    ORDER_SIGNALS,
    RAW_EVENTS,
    SECRET,
    Answer,
    Application,
    Limit,
)
from .signed import signature

NOW_MS = 1_785_726_000_000

PLACED = {
    "status": "placed",
    "order_id": "a",
    "exchange_order_id": "1",
    "entry_price": 65000.5,
    "quantity": 0.01,
}
CLOSED = {
    "status": "closed",
    "position_id": "a",
    "close_order_id": "2",
    "reason": "stop_loss",
    "close_price": 64000,
}
SIGNAL: dict[str, Any] = {
    "kind": "ENTRY",
    "status": "SUBMITTED",
    "order_id": "1",
    "client_order_id": "c1",
    "symbol": "BTCUSDT",
    "side": "1",
    "type": "limit",
    "price": "65000",
    "size": "10",
    "leverage": "10",
    "submitted_at": "2026-08-03T03:00:00+00:00",
    "context": {
        "source": "bitmart_ws_worker",
        "action": "SUBMIT_ORDER",
        "state": "CHECK",
        "deal_size": "0",
        "deal_avg_price": "0",
    },
    "position": {"symbol": "BTCUSDT", "side": "LONG"},
    "exchange_response": {"order": {}, "action": 2, "raw": {}},
    "trace_id": "t1",
    "retry_count": 0,
    "payload_version": "1.0",
}
BALANCE = {
    "asset": "USDT",
    "available_balance": "100.5",
    "frozen_balance": "0",
    "equity": "100.5",
    "timestamp": "2026-08-03T03:00:00Z",
    "trace_id": "t2",
    "retry_count": 0,
}


def without(body: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**body, **changes}.items() if name not in names}


def call(application: Application, body: object, path: str = CALLBACKS, **headers: str) -> Answer:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = application.take(path, headers, sent, NOW_MS)
    assert given is not None
    return given


def signal(
    application: Application,
    body: object,
    path: str = ORDER_SIGNALS,
    *,
    age_ms: int = 0,
    secret: str = SECRET,
) -> Answer:
    sent = json.dumps(body).encode()
    timestamp = str(NOW_MS - age_ms)
    signed = {
        "x-ws-worker-timestamp": timestamp,
        "X-WS-Worker-Signature": signature(secret, timestamp, sent),
    }
    given = application.take(path, signed, sent, NOW_MS)
    assert given is not None
    return given


def wrong(application: Application) -> list[str]:
    return [f"{each.field} {each.wrong.split(':')[0]}" for each in application.complaints]


@pytest.mark.parametrize(
    "body",
    [
        PLACED,
        {"status": "failed", "order_id": "a", "error": "too small"},
        {"status": "timeout", "order_id": "a", "reason": "price never came"},
        CLOSED,
        {"status": "close_failed", "position_id": "a", "reason": "stop_loss", "error": "503"},
        {"status": "filled", "order_id": "a"},
        without(CLOSED, "close_price", "close_order_id", reason="closed_elsewhere"),
    ],
)
def test_a_callback_that_has_what_is_read_is_taken_without_complaint(body):
    application = Application()
    assert call(application, body).status == 200
    assert application.complaints == []
    assert application.callbacks.of("a") == [body["status"]]
    assert application.callbacks.latest("a", body["status"]) == body


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (without(PLACED, "status"), "status is missing"),
        (without(PLACED, entry_price="65000.5"), "entry_price is no number"),
        (without(PLACED, quantity=None), "quantity is null"),
        (without(PLACED, quantity="0.01"), "quantity is no number"),
        (without(PLACED, quantity=0.02), "quantity is 0.02, and 0.01 was sent"),
        (without(PLACED, exchange_order_id=1), "exchange_order_id is no text"),
        (without(CLOSED, "close_order_id"), "close_order_id is missing"),
        (without(CLOSED, close_price=True), "close_price is no number"),
        (without(CLOSED, "reason"), "reason is missing"),
        ({"status": "timeout", "order_id": "a"}, "reason is missing"),
        ({"status": "failed", "order_id": "a", "error": ""}, "error is no text"),
    ],
)
def test_a_callback_that_lacks_what_is_read_is_answered_200_and_complained_of(body, complaint):
    application = Application()
    application.callbacks.quantities = {"a": 0.01}
    assert call(application, body).status == 200
    assert complaint in wrong(application)


def test_a_callback_is_refused_only_where_it_does_not_parse_and_500_where_the_application_crashes():
    application = Application()
    assert call(application, b"{").status == 400
    assert call(application, b"[1]").status == 200
    assert call(application, {"status": "of a later version"}).status == 200
    application.callbacks.use = lambda callback: 1 / 0
    crashed = call(application, PLACED)
    assert crashed.status == 500
    assert crashed.heard is None
    assert "placed" not in application.callbacks.of("a")


def test_an_order_signal_is_taken_once_for_each_order_and_kind():
    application = Application()
    assert signal(application, SIGNAL).status == 202
    filled = without(SIGNAL, status="FILLED", trace_id="t3")
    assert signal(application, filled).status == 409
    stop = without(
        SIGNAL, kind="STOP_LOSS", parent_client_order_id="c0", side="3", price="0", trace_id="t4"
    )
    assert signal(application, stop).status == 202
    assert application.complaints == []
    assert application.orders.of("c1") == [
        ("ENTRY", "SUBMITTED"),
        ("ENTRY", "FILLED"),
        ("STOP_LOSS", "SUBMITTED"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "kind",
        "status",
        "client_order_id",
        "symbol",
        "side",
        "type",
        "price",
        "size",
        "submitted_at",
    ],
)
def test_an_order_signal_without_a_required_field_is_refused_and_names_it(name):
    application = Application()
    for body in (without(SIGNAL, name), without(SIGNAL, **{name: None})):
        refused = signal(application, body)
        assert refused.status == 400
        assert name in refused.body.decode()
    assert application.orders.heard == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "CLOSE"}, "kind is none of"),
        ({"status": "pending"}, "status is none of"),
        ({"side": 1}, "side is none of"),
        ({"size": 10}, "size is no decimal in a string"),
        ({"price": "1e5"}, "price is no decimal in a string"),
        ({"leverage": 10}, "leverage is no decimal in a string"),
        ({"order_id": None}, "order_id is null, and is to be left out"),
        ({"kind": "STOP_LOSS"}, "parent_client_order_id is missing"),
        ({"submitted_at": "2026-08-03T03:00:00"}, "submitted_at has no offset"),
        ({"context": {"source": "another"}}, "source is none of"),
        ({"context": None}, "context is missing"),
        ({"position": {"symbol": "BTCUSDT", "side": "long"}}, "side is none of"),
        ({"exchange_response": {"order": {}}}, "raw is missing"),
        ({"retry_count": "0"}, "retry_count is no whole number"),
        ({"payload_version": 1}, "payload_version is none of"),
    ],
)
def test_an_order_signal_of_wrong_types_is_taken_and_complained_of(changes, complaint):
    application = Application()
    assert signal(application, without(SIGNAL, **changes)).status == 202
    assert any(each.startswith(complaint) for each in wrong(application))


def test_a_trace_id_that_comes_with_other_news_is_complained_of_and_one_of_a_repetition_is_not():
    application = Application()
    signal(application, SIGNAL)
    signal(application, without(SIGNAL, retry_count=1))
    assert application.complaints == []
    signal(application, without(SIGNAL, status="FILLED"))
    assert wrong(application)[0].startswith("trace_id was that of")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"secret": "other"}, "does not match"),
        ({"age_ms": 60_001}, "60 s off"),
        ({"age_ms": -60_001}, "60 s off"),
    ],
)
def test_a_signal_that_is_not_signed_now_is_refused_with_401(changes, error):
    application = Application()
    for path, body in ((ORDER_SIGNALS, SIGNAL), (BALANCE_SIGNALS, BALANCE)):
        refused = signal(application, body, path, **changes)
        assert refused.status == 401
        assert error in refused.body.decode()
    assert call(application, SIGNAL, ORDER_SIGNALS).status == 401


def test_a_signature_over_another_body_is_refused():
    application = Application()
    timestamp = str(NOW_MS)
    signed = {
        "X-WS-Worker-Timestamp": timestamp,
        "X-WS-Worker-Signature": signature(SECRET, timestamp, b"{}"),
    }
    given = application.take(ORDER_SIGNALS, signed, json.dumps(SIGNAL).encode(), NOW_MS)
    assert given.status == 401


def test_a_limited_receiver_takes_fifty_a_minute_and_answers_the_others_with_429():
    application = Application(limits={CALLBACKS: Limit(tells=True)})
    sent = json.dumps(PLACED).encode()
    statuses = [application.take(CALLBACKS, {}, sent, n * 1000).status for n in range(61)]
    assert statuses.count(429) == 10
    assert statuses[60] == 200
    assert application.answered(429)[0].answer.headers == {"Retry-After": "10"}


def test_a_balance_signal_needs_all_that_is_required():
    application = Application()
    assert signal(application, BALANCE, BALANCE_SIGNALS).status == 202
    assert application.complaints == []
    for name in ("asset", "available_balance", "frozen_balance", "equity", "timestamp", "trace_id"):
        assert signal(application, without(BALANCE, name), BALANCE_SIGNALS).status == 400
    signal(application, without(BALANCE, equity=100.5), BALANCE_SIGNALS)
    assert wrong(application) == ["equity is no decimal in a string"]
    application.balances.exists = False
    assert signal(application, BALANCE, BALANCE_SIGNALS).status == 404


def frame(group: str = "group", **changes: Any) -> dict[str, Any]:
    order = {
        "order_id": "987",
        "client_order_id": "C1",
        "symbol": "ethusdt",
        "side": 1,
        "type": "LIMIT",
        "price": "3000.50",
        "size": "5",
        "state": 2,
        "deal_size": "0",
        "leverage": "20",
        "open_type": "Isolated",
        "update_time": 1000,
    }
    return {group: "futures/order", "data": [{"action": 2, "order": {**order, **changes}}]}


@pytest.mark.parametrize("group", ["group", "channel"])
def test_frames_become_rows_of_the_order_book(group):
    application = Application(webhook_token="token")
    assert call(application, frame(group), RAW_EVENTS).status == 401
    token = {"x-webhook-token": "token"}
    assert call(application, frame(group), RAW_EVENTS, **token).status == 200
    order = application.raw.book.find("C1")
    assert (order.symbol, order.type, order.open_type) == ("ETHUSDT", "limit", "isolated")
    assert (order.size, order.filled_size, order.leverage, order.status) == (5, 0, 20, "pending")
    older = frame(group, state=4, update_time=999)
    newer = frame(group, state=4, deal_size="5", update_time=1001)
    call(application, newer, RAW_EVENTS, **token)
    call(application, older, RAW_EVENTS, **token)
    assert application.raw.book.find("987").status == "filled"
    assert len(application.raw.book.orders) == 1


def test_a_frame_that_is_none_is_refused_and_one_without_an_order_is_complained_of():
    application = Application()
    assert call(application, {"group": "futures/order"}, RAW_EVENTS).status == 400
    assert call(application, {"data": []}, RAW_EVENTS).status == 400
    assert call(application, {"group": "futures/order", "data": [{}]}, RAW_EVENTS).status == 200
    assert wrong(application) == ["order is no object"]
    positions = {"group": "futures/position", "data": [{"symbol": "BTCUSDT"}]}
    assert call(application, positions, RAW_EVENTS).status == 200


def test_a_dead_application_answers_nothing_and_an_unknown_path_404():
    application = Application()
    assert call(application, {}, "/elsewhere").status == 404
    application.dead = True
    assert application.take(CALLBACKS, {}, b"{}", NOW_MS) is None


def test_only_the_play_knows_the_engine():
    folder = Path(__file__).parent
    knowing = {path.name for path in folder.glob("*.py") if "bitmart_engine" in path.read_text()}
    assert knowing - {Path(__file__).name} == {"play.py"}
