"""The event stream, both ways: over the engine's real control API, on loopback."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    open_websocket_url,
)

from bitmart_engine.control import events as events_module
from bitmart_engine.feed import CAPACITY, KEPT
from bitmart_engine.model.events import Kline
from bitmart_engine.model.timeframes import Timeframe

from .conftest import ORDER, Desk, Open

Shown = dict[str, Any]


def kline(number: int = 0, symbol: str = "BTCUSDT") -> Kline:
    price = Decimal(65000) + number
    return Kline(symbol, Timeframe.M1, 60 * number, price, price, price, price, Decimal("1.50"))


def publish(desk: Desk, *klines: Kline) -> None:
    for each in klines:
        desk.engine._streams.bus.publish(each)


class Reader:
    """Reads Server-Sent Events, as a browser does."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.comments = 0

    async def next(self) -> Shown:
        fields: dict[str, str] = {}
        with trio.fail_after(5):
            async for line in self._lines:
                name, _, value = line.partition(":")
                if line and not name:
                    self.comments += 1
                elif line:
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    break
                else:
                    fields.clear()
        told: Shown = json.loads(fields["data"])
        assert fields["event"] == told["type"]
        assert fields.get("id") == (str(told["id"]) if "id" in told else None)
        return told


@asynccontextmanager
async def read(desk: Desk, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    async with desk.http.stream("GET", f"/events{query}", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        reader = Reader(response)
        yield reader


@asynccontextmanager
async def connected(desk: Desk, query: str = "") -> AsyncIterator[WebSocketConnection]:
    url = desk.address.replace("http", "ws") + "/events" + query
    async with open_websocket_url(url) as connection:
        yield connection


async def receive(connection: WebSocketConnection) -> Shown:
    with trio.fail_after(5):
        told: Shown = json.loads(await connection.get_message())
    return told


async def test_a_kline_is_shown_as_it_happens(desk: Desk) -> None:
    async with read(desk, "?types=kline") as reader, connected(desk, "?types=kline") as socket:
        await reader._lines.__anext__()
        publish(desk, kline())
        told = await reader.next()
        assert told == await receive(socket)
        assert told.pop("at_ms") > 1e12
        data = told.pop("data")
        assert told == {"id": told["id"], "type": "kline", "symbol": "BTCUSDT"}
        assert data["timeframe"] == "1m"
        assert (data["open_time_s"], data["close"], data["volume"]) == (0, "65000", "1.5")


async def test_klines_that_somebody_subscribed_to_flow_from_the_exchange(desk: Desk) -> None:
    await desk.post("/klines/subscribe", {"symbol": "BTCUSDT", "tfs": ["5m"]})
    async with connected(desk, "?types=kline&symbol=btcusdt") as socket:
        await desk.until(lambda: desk.engine.streams().public_connected)
        with trio.fail_after(5):
            while True:
                desk.paper.set_price("BTCUSDT", Decimal("65001.5"))
                with trio.move_on_after(0.2):
                    told = json.loads(await socket.get_message())
                    break
        assert (told["type"], told["data"]["timeframe"]) == ("kline", "5m")


async def test_an_order_is_told_from_its_promise_to_its_protection(desk: Desk) -> None:
    async with read(desk) as reader:
        await reader._lines.__anext__()
        await desk.post("/api/place-order", ORDER)
        await desk.fill()
        seen: list[Shown] = []
        while not any(
            each["type"] == "protection" and each["data"]["state"] == "armed" for each in seen
        ):
            seen.append(await reader.next())
        entries = [each["data"] for each in seen if each["type"] == "entry"]
        assert {"waiting", "submitting", "open", "filled"} <= {each["state"] for each in entries}
        assert entries[0]["entry_zone_min"] == "64000"
        assert "history" not in entries[0]
        [position, *_] = [each for each in seen if each["type"] == "position"] or [None]
        while position is None:
            told = await reader.next()
            position = told if told["type"] == "position" else None
        assert position["data"]["side"] == "long"
        orders = [each["data"] for each in seen if each["type"] == "order"]
        assert orders[0]["side"] == "buy_open_long"
        assert {each["state"] for each in orders} <= {"approval", "check", "finish"}
        assert "raw" not in orders[0]
        ids = [each["id"] for each in seen]
        assert ids == sorted(set(ids))


@pytest.mark.parametrize("types", ["types=kline,%20position", "types=kline&types=position"])
async def test_what_was_not_asked_for_is_not_shown(desk: Desk, types: str) -> None:
    async with connected(desk, f"?{types}&symbol=ethusdt") as socket:
        publish(desk, kline(), kline(1, "ETHUSDT"))
        assert (await receive(socket))["symbol"] == "ETHUSDT"


@pytest.mark.parametrize(
    ("query", "field", "error"),
    [
        ("?types=klines", "types", "did you mean 'kline'?"),
        ("?types=kline&types=orders", "types", "did you mean 'order'?"),
        ("?symbol=BTCUSDT&symbol=ETHUSDT", "symbol", "given twice"),
        ("?symbol=", "symbol", "must be a symbol"),
        ("?symbol=a/b", "symbol", "must be a symbol"),
        ("?sybmol=BTCUSDT", "sybmol", "did you mean 'symbol'?"),
        ("?last_event_id=-1", "last_event_id", "must be the id of an event"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_by_name(
    desk: Desk, query: str, field: str, error: str
) -> None:
    answer = await desk.ask("GET", f"/events{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert error in answer.json()["error"]
    with pytest.raises(ConnectionRejected) as refused:
        async with connected(desk, query):
            pass
    assert refused.value.status_code == 400
    assert json.loads(refused.value.body or b"")["field"] == field


async def test_the_token_is_asked_for_both_ways(open_desk: Open) -> None:
    async with open_desk(control_token="s3cret") as desk:
        assert (await desk.ask("GET", "/events")).status_code == 401
        with pytest.raises(ConnectionRejected) as refused:
            async with connected(desk):
                pass
        assert refused.value.status_code == 401
        url = desk.address.replace("http", "ws") + "/events"
        token = [("Authorization", "Bearer s3cret")]
        async with open_websocket_url(url, extra_headers=token) as socket:
            publish(desk, kline())
            assert (await receive(socket))["type"] == "kline"


async def test_another_site_gets_no_stream(desk: Desk) -> None:
    evil = {"Origin": "https://evil.example"}
    assert (await desk.ask("GET", "/events", headers=evil)).status_code == 403
    url = desk.address.replace("http", "ws") + "/events"
    with pytest.raises(ConnectionRejected) as refused:
        async with open_websocket_url(url, extra_headers=list(evil.items())):
            pass
    assert refused.value.status_code == 403


async def test_a_reader_goes_on_where_it_left(desk: Desk) -> None:
    async with connected(desk) as socket:
        publish(desk, kline(0))
        seen = (await receive(socket))["id"]
    publish(desk, kline(1), kline(2, "ETHUSDT"), kline(3))
    async with read(desk, "?symbol=BTCUSDT", **{"Last-Event-ID": str(seen)}) as reader:
        publish(desk, kline(4))
        times = [(await reader.next())["data"]["open_time_s"] for _ in range(3)]
        assert times == [60, 180, 240]
    async with connected(desk, f"?last_event_id={seen}") as socket:
        assert [(await receive(socket))["data"]["open_time_s"] for _ in range(4)] == [
            60,
            120,
            180,
            240,
        ]


async def test_a_reader_that_was_away_too_long_is_told_so(desk: Desk) -> None:
    async with connected(desk) as socket:
        publish(desk, kline())
        seen = (await receive(socket))["id"]
    publish(desk, *(kline(number) for number in range(KEPT + 5)))
    async with connected(desk, f"?types=kline&last_event_id={seen}") as socket:
        assert await receive(socket) == {"type": "lagged", "missed": 5}
        assert (await receive(socket))["data"]["open_time_s"] == 5 * 60
    async with connected(desk, f"?types=order&last_event_id={seen}") as socket:
        publish(desk, kline())
        await desk.post("/api/place-order", ORDER)
        await desk.enter()
        assert (await receive(socket))["type"] == "order"
    for stranger in ("1", str(seen + 10**12)):
        async with connected(desk, f"?types=kline&last_event_id={stranger}") as socket:
            assert await receive(socket) == {"type": "lagged", "missed": None}


@pytest.mark.parametrize("over", ["sse", "websocket"])
async def test_a_reader_that_stops_reading_slows_nobody(open_desk: Open, over: str) -> None:
    async with open_desk() as desk:
        url = httpx.URL(desk.address)
        stream = await trio.open_tcp_stream(url.host, url.port or 0)
        upgrade = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        )
        head = upgrade if over == "websocket" else ""
        await stream.send_all(f"GET /events HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
        await stream.receive_some(1)
        await desk.until(lambda: len(desk.engine.feed._readers._listeners) == 1)
        [[reader]] = desk.engine.feed._readers._listeners.values()

        tracemalloc.start()
        for number in range(300):
            publish(desk, *(kline(100 * number + each) for each in range(100)))
            await trio.lowlevel.checkpoint()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 20_000_000
        assert reader._receive.statistics().current_buffer_used <= CAPACITY
        assert desk.engine.dropped()["event_dropped_for_slow_listener"] > 10_000
        await desk.post("/api/place-order", ORDER)
        await desk.fill()
        assert (await desk.get("/healthz"))["ok"]

        found = b""
        with trio.fail_after(10):
            while b'"lagged"' not in found:
                found = found[-100:] + await stream.receive_some(65536)
        publish(desk, *(kline(number) for number in range(20_000)))
        began = trio.current_time()
        desk.engine.stop()
    assert trio.current_time() - began < 3
    await stream.aclose()


async def test_a_look_at_the_head_of_the_stream_is_no_reader(desk: Desk) -> None:
    with trio.fail_after(3):
        answer = await desk.ask("HEAD", "/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert not any(desk.engine.feed._readers._listeners.values())


async def test_a_quiet_stream_says_that_it_lives(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_S", 0.02)
    async with read(desk, "?types=kline") as reader:
        await trio.sleep(0.1)
        publish(desk, kline())
        await reader.next()
        assert reader.comments


async def test_the_streams_end_with_the_engine(desk: Desk) -> None:
    async with read(desk) as reader, connected(desk) as socket:
        await reader._lines.__anext__()
        desk.engine.stop()
        with trio.fail_after(3):
            async for _ in reader._lines:
                pass
            with pytest.raises(ConnectionClosed):
                await socket.get_message()
        assert socket.closed is not None
        assert socket.closed.code == 1001


async def test_a_reader_that_left_is_forgotten(desk: Desk) -> None:
    async with read(desk), connected(desk) as socket:
        for _ in range(50):
            await socket.send_message("hello?")
        await desk.until(lambda: sum(map(len, desk.engine.feed._readers._listeners.values())) == 2)
    await desk.until(lambda: not any(desk.engine.feed._readers._listeners.values()))
