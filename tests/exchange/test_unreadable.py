"""Answers and requests that nothing can be made of: an error of ours each time, and never another."""

from __future__ import annotations

import json

import httpx
import pytest
import trio

from bitmart_engine.exchange import ExchangeError, NotSent, OutcomeUnknown, SubmitOrder
from bitmart_engine.exchange.classify import classify
from bitmart_engine.exchange.rows import order_of, position_of
from bitmart_engine.exchange.transport import KeptConnections
from bitmart_engine.exchange.wire import Unreadable
from bitmart_engine.model.sides import OrderSide

SUBMIT, CANCEL, ORDER = (
    f"/contract/private/{name}" for name in ("submit-order", "cancel-order", "order")
)
POSITIONS, HISTORY = (f"/contract/private/{name}" for name in ("position-v2", "order-history"))
CLOSING = SubmitOrder(
    symbol="BTCUSDT", side=OrderSide.SELL_CLOSE_LONG, size=1, client_order_id="a1", type="market"
)
PATHS = (
    SUBMIT,
    ORDER,
    POSITIONS,
    HISTORY,
    "/system/time",
    "/contract/public/details",
    "/contract/public/market-trade",
    "/contract/private/get-open-orders",
    "/contract/private/current-plan-order",
    "/contract/private/assets-detail",
    "/contract/private/get-position-mode",
)
NESTED = b"[" * 3000 + b"]" * 3000
NO_NUMBERS = [
    *(
        "\uff16\uff15\uff10\uff10\uff10",
        "1_000",
        "9" * 31,
        "9" * 41,
        "NaN",
        "Infinity",
        "1e1000000",
    ),
    *("1e5", "0x10", "+5", True, False, [], {}, [5], "x", " "),
]


def order_row(**changes):
    row = {
        "order_id": "7",
        "symbol": "BTCUSDT",
        "state": 2,
        "side": 1,
        "size": "10",
        "price": "65000",
        "deal_size": "0",
        **changes,
    }
    return json.dumps({name: value for name, value in row.items() if value is not ...}).encode()


def envelope(data: bytes) -> httpx.Response:
    return httpx.Response(200, content=b'{"code":1000,"message":"Ok","data":' + data + b"}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":1000,"data":' + NESTED + b"}",
        NESTED,
        b'{"code":' + NESTED + b"}",
        b'{"code":1000,"message":' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}",
        b'{"code":' + b"9" * 5000 + b"}",
        '{"code":"\uff11\uff10\uff10\uff10"}'.encode(),
        b'{"code":"1_000"}',
        b'{"code":true}',
        b'{"code":1000.0}',
    ],
)
async def test_a_body_that_is_no_answer_leaves_the_outcome_unknown(fake, client, body):
    for path in (SUBMIT, POSITIONS):
        fake.does(path, httpx.Response(200, content=body))
    with pytest.raises(OutcomeUnknown):
        await client.submit_order(CLOSING)
    with pytest.raises(OutcomeUnknown):
        await client.positions()


async def test_a_reply_nested_three_thousand_deep_is_an_unreadable_answer_of_every_query(
    fake, client
):
    nested = envelope(NESTED)
    asked = [
        client.open_orders,
        client.plan_orders,
        client.positions,
        client.instruments,
        client.balance,
        client.position_mode,
        client.server_time_ms,
        lambda: client.order("BTCUSDT", "7"),
        lambda: client.order_history("BTCUSDT"),
        lambda: client.submit_order(CLOSING),
        lambda: client.past_trades("BTCUSDT"),
    ]
    fake.answers = {path: [nested] for path in PATHS}
    for ask in asked:
        with pytest.raises(OutcomeUnknown):
            await ask()


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("name", ["state", "side", "size", "price", "deal_size", "create_time"])
def test_a_number_that_is_no_plain_decimal_makes_an_order_unreadable(name, value):
    with pytest.raises(Unreadable):
        order_of(order_row(**{name: value}))


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_number_that_is_no_plain_decimal_makes_a_position_unreadable(value):
    row = {"symbol": "BTCUSDT", "position_side": "long", "current_amount": "5"}
    for name in ("current_amount", "entry_price"):
        with pytest.raises(Unreadable):
            position_of({**row, name: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": "7" * 65},
        {"order_id": "7" * 70_000},
        {"order_id": "7\n8"},
        {"order_id": ["7"]},
        {"order_id": True},
        {"symbol": "B" * 41},
        {"symbol": "B" * 70_000},
        {"client_order_id": "c" * 65},
        {"trace": "t" * 70_000},
        {"size": "-1"},
        {"create_time": 10**15},
    ],
)
def test_ids_and_symbols_are_bounded(changes):
    with pytest.raises(Unreadable):
        order_of(order_row(**changes))


def test_the_longest_ids_are_read():
    read = order_of(order_row(order_id="7" * 64, symbol="B" * 40, price=65000.5))
    assert (len(read.order_id), len(read.symbol), str(read.price)) == (64, 40, "65000.5")


@pytest.mark.parametrize("id", ["7" * 70_000, "\ud800"])
async def test_a_request_that_cannot_be_built_was_not_sent(fake, client, id):
    fake.says(ORDER, {})
    with pytest.raises(NotSent, match="built"):
        await client.order("BTCUSDT", id)
    assert not fake.requests


@pytest.mark.parametrize(
    "failure", [RuntimeError("x"), RecursionError(), ValueError("x"), KeyError("x"), MemoryError()]
)
async def test_whatever_goes_wrong_with_a_request_is_an_error_of_ours(fake, client, failure):
    for path in (SUBMIT, POSITIONS):
        fake.does(path, failure)
    with pytest.raises(OutcomeUnknown):
        await client.submit_order(CLOSING)
    with pytest.raises(OutcomeUnknown):
        await client.positions()


async def test_what_breaks_while_connecting_was_not_sent(fake, client):
    async def dial(host, port, tls):
        raise trio.BrokenResourceError("the handshake failed")

    transport = KeptConnections(dial)
    fake.does(SUBMIT, transport.handle_async_request)
    with pytest.raises(NotSent):
        await client.submit_order(CLOSING)


async def test_a_contract_that_cannot_be_read_takes_no_other_with_it(fake, client):
    good = {
        "symbol": "BTCUSDT",
        "price_precision": "0.1",
        "contract_size": "0.001",
        "min_volume": "1",
        "max_volume": "1000",
        "max_leverage": "100",
    }
    rows = [good, {**good, "symbol": "B" * 70_000}, 7, {**good, "symbol": "C", "max_volume": "NaN"}]
    fake.says("/contract/public/details", {"symbols": rows})
    assert [each.symbol for each in await client.instruments()] == ["BTCUSDT"]
    assert fake.counters.counts()["contract_unreadable"] == 3


def test_judging_raises_nothing_but_errors_of_ours():
    for body in (b"", b"null", b"\xff", b'{"code":1000,"message":"\\ud800"}', NESTED):
        with pytest.raises(ExchangeError):
            classify(SUBMIT, 200, body)
