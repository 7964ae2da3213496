"""Whatever is sent, the exchange answers or refuses; nothing a stranger says ends it."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from bitmart_engine.paper.codes import Refusal
from bitmart_engine.paper.config import PaperConfig
from bitmart_engine.paper.delays import Delays
from bitmart_engine.paper.faults import Faults
from bitmart_engine.paper.hub import Hub
from bitmart_engine.paper.instruments import DEFAULT_SYMBOLS
from bitmart_engine.paper.validation import order_request
from bitmart_engine.paper.ws_session import WsSession

from .conftest import CANCEL, SUBMIT, Visiting

INSTRUMENTS = {instrument.symbol: instrument for instrument in DEFAULT_SYMBOLS}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = ("side", "type", "size", "price", "mode", "leverage", "open_type", "client_order_id")
orders = st.fixed_dictionaries(
    {"symbol": st.sampled_from(["BTCUSDT", "1000PEPEUSDT"])},
    optional={
        "side": st.sampled_from([1, 2, 3, 4]) | anything,
        "type": st.sampled_from(["limit", "market"]) | anything,
        "size": st.integers(1, 9) | st.text("0123456789") | anything,
        "price": st.decimals().map(str) | st.text("0123456789.eE+-") | anything,
        "mode": anything,
        "leverage": anything,
        "open_type": anything,
        "client_order_id": anything,
        "preset_stop_loss_price": st.decimals().map(str) | anything,
    },
)


@settings(max_examples=100, deadline=None)
@given(orders)
def test_any_order_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        request = order_request(body, INSTRUMENTS)
    except Refusal:
        return
    assert request.size >= 1
    assert request.price is None or request.price > 0


def converse(texts: list[str]) -> int:
    """How many frames the exchange answers, with everybody's permission to be rude."""
    hub = Hub(Faults(), Delays(PaperConfig()))
    session = WsSession(
        PaperConfig(), INSTRUMENTS, hub, Faults(), lambda: 0, random.Random(0), lambda topic: []
    )
    connection = hub.open(private=True, queue=1000, scope=trio.CancelScope())
    for text in texts:
        session.hear(connection, text)
    answers = []
    try:
        while True:
            answers.append(json.loads(connection.outgoing.receive_nowait()))
    except trio.WouldBlock:
        return len(answers)


frames = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["subscribe", "unsubscribe", "access", "ping"]) | anything,
        "args": st.lists(anything, max_size=5) | anything,
    },
)


@settings(max_examples=100, deadline=None)
@given(st.lists(frames.map(json.dumps) | st.text() | anything.map(json.dumps), max_size=5))
def test_any_frame_is_answered_or_ignored(texts: list[str]) -> None:
    converse(texts)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2000,
        '{"a":' * 400,
        '{"action":"access","args":["\\ud800","\\ud800","\\ud800","web"]}',
        '{"action":"access","args":["paper-key","' + "9" * 2000 + '","x","web"]}',
        '{"action":"access","args":["paper-key","\\u0661","x","web"]}',
        '{"action":["ping"],"args":"all"}',
        '{"action":"ping","n":1e999}',
    ],
)
def test_rude_frames_are_answered(text: str) -> None:
    assert converse([text]) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"price": "1e999999999"},
        {"price": "1e-999999999"},
        {"price": "0e9"},
        {"size": "9" * 5000},
        {"size": 10**400},
        {"leverage": "9" * 5000},
        {"symbol": ["BTCUSDT"]},
        {"symbol": {}},
    ],
)
async def test_rude_orders_are_refused(visiting: Visiting, changed: dict[str, Any]) -> None:
    async with visiting(memory=True) as visit:
        body = {"symbol": "BTCUSDT", "side": 1, "size": 1, "price": "64000", **changed}
        status, code = await visit.owner.refused(SUBMIT, body)
        assert (status, code > 40000) == (400, True)


async def test_rude_requests_are_refused(visiting: Visiting) -> None:
    async with visiting() as visit:
        owner = visit.owner
        assert await owner.refused(SUBMIT, "[" * 100_000) == (503, 30018)
        assert await owner.refused(SUBMIT, '{"price":1e99999999999999999999}') == (503, 30018)
        assert await owner.refused(CANCEL, {"symbol": "BTCUSDT", "order_id": "9" * 5000}) == (
            400,
            40035,
        )
        response = await owner.post(SUBMIT, {}, TIMESTAMP="9" * 5000)
        assert response.json()["code"] == 30008
        response = await owner.client.get("/contract/public/kline?symbol=%ff&step=" + "9" * 5000)
        assert response.json()["code"] == 40034
        response = await owner.get("/contract/public/kline", symbol="BTCUSDT", step="9" * 5000)
        assert response.json()["code"] == 40038


@pytest.mark.parametrize("price", ["1e999999999", "1e-999999999"])
async def test_rude_prices_by_hand_are_refused(visiting: Visiting, price: str) -> None:
    async with visiting(memory=True) as visit:
        with pytest.raises(ValueError, match="not a positive multiple"):
            visit.exchange.set_price("BTCUSDT", Decimal(price))
