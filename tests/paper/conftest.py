"""A foreign client for the paper exchange: its own signing lines, httpx and trio-websocket, nothing of the engine."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    open_websocket_url,
    wrap_client_stream,
)

from bitmart_engine.paper import ManualMarket, PaperConfig, PaperExchange, open_paper_exchange

SUBMIT = "/contract/private/submit-order"
PATIENCE_S = 30
OPENED_MS = 1_795_000_050_000  # half past a minute, so that no test meets the end of one
CANCEL = "/contract/private/cancel-order"


def sign(timestamp: str, body: str) -> str:
    text = f"{timestamp}#paper#{body}".encode()
    return hmac.new(b"paper-secret", text, hashlib.sha256).hexdigest()


class Owner:
    """The account's owner over REST."""

    def __init__(self, client: httpx.AsyncClient, now_ms: Callable[[], int]) -> None:
        self.client = client
        self.now_ms = now_ms

    async def get(self, path: str, key: str | None = "paper-key", **query: Any) -> httpx.Response:
        headers = {} if key is None else {"x-bm-key": key}
        return await self.client.get(path, params=query, headers=headers)

    async def read(self, path: str, **query: Any) -> Any:
        response = await self.get(path, **query)
        body = response.json()
        assert (response.status_code, body["code"]) == (200, 1000), body
        return body["data"]

    async def post(self, path: str, body: Any, **changed: str | None) -> httpx.Response:
        """A signed request; `changed` replaces headers (KEY, SIGN, TIMESTAMP), None leaves one out."""
        text = body if isinstance(body, str) else json.dumps(body)
        timestamp = changed.get("TIMESTAMP") or str(self.now_ms())
        values = {"KEY": "paper-key", "SIGN": sign(timestamp, text), "TIMESTAMP": timestamp}
        values.update(changed)  # type: ignore[arg-type]
        headers = {f"X-BM-{name}": value for name, value in values.items() if value is not None}
        headers["Content-Type"] = "application/json"
        return await self.client.post(path, content=text, headers=headers)

    async def do(self, path: str, body: Any) -> Any:
        response = await self.post(path, body)
        answer = response.json()
        assert (response.status_code, answer["code"]) == (200, 1000), answer
        return answer["data"]

    async def refused(self, path: str, body: Any) -> tuple[int, int]:
        """The HTTP status and the code of a refusal."""
        response = await self.post(path, body)
        return response.status_code, response.json()["code"]

    async def submit(self, **fields: Any) -> int:
        """Submit an order for ten BTCUSDT contracts unless told otherwise; its id."""
        body = {"symbol": "BTCUSDT", "side": 1, "type": "limit", "size": 10, **fields}
        order_id = (await self.do(SUBMIT, body))["order_id"]
        assert isinstance(order_id, int)
        return order_id

    async def order(self, order_id: int) -> Any:
        return await self.read("/contract/private/order", symbol="BTCUSDT", order_id=order_id)


class Listener:
    """A client's WebSocket."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket

    async def say(self, frame: Any) -> None:
        await self.socket.send_message(frame if isinstance(frame, str) else json.dumps(frame))

    async def hear(self) -> Any:
        with trio.fail_after(PATIENCE_S):
            return json.loads(await self.socket.get_message())

    async def ask(self, frame: Any) -> Any:
        await self.say(frame)
        return await self.hear()

    async def hear_about(self, topic: str) -> Any:
        """The data of the next frame of a topic; other topics are skipped."""
        while True:
            frame = await self.hear()
            if frame["group"] == topic and "data" in frame:
                return frame["data"]

    async def hears_nothing(self) -> bool:
        """Whether nothing but the answer to a ping comes, so nothing was sent before it."""
        frame = await self.ask({"action": "ping"})
        return bool(frame["group"] == "System")

    async def subscribe(self, *topics: str) -> None:
        await self.say({"action": "subscribe", "args": topics})
        for topic in topics:
            ack = await self.hear()
            assert (ack["group"], ack["success"]) == (topic, True), ack

    async def login(self, now_ms: int) -> Any:
        stamp = str(now_ms)
        args = ["paper-key", stamp, sign(stamp, "bitmart.WebSocket"), "web"]
        return await self.ask({"action": "access", "args": args})

    async def is_closed(self) -> int:
        """Wait until the server has closed; the close code."""
        with trio.fail_after(PATIENCE_S):
            try:
                while True:
                    await self.socket.get_message()
            except ConnectionClosed as closed:
                return int(closed.reason.code)


class Visit:
    """An open exchange and a client's ways to it, over sockets or in memory."""

    def __init__(self, exchange: PaperExchange, nursery: trio.Nursery, memory: bool) -> None:
        self.exchange = exchange
        self.books = exchange.books
        self._nursery = nursery
        self._memory = memory
        if memory:
            client = httpx.AsyncClient(
                base_url="http://paper", transport=exchange.rest_transport(), timeout=5
            )
        else:
            client = httpx.AsyncClient(base_url=exchange.rest_uri, timeout=5)
        self.owner = Owner(client, exchange.now_ms)

    @asynccontextmanager
    async def dial(self, path: str) -> AsyncIterator[Listener]:
        if not self._memory:
            uri = self.exchange.public_ws_uri.replace("/api", path)
            async with open_websocket_url(uri, disconnect_timeout=1) as socket:
                yield Listener(socket)
            return
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            self._nursery.start_soon(self.exchange.serve_ws_stream, theirs)
            socket = await wrap_client_stream(nursery, ours, "paper", f"{path}?protocol=1.1")
            yield Listener(socket)
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(ours)

    @asynccontextmanager
    async def public(self, *topics: str) -> AsyncIterator[Listener]:
        async with self.dial("/api") as listener:
            await listener.subscribe(*topics)
            yield listener

    @asynccontextmanager
    async def private(self, *topics: str) -> AsyncIterator[Listener]:
        async with self.dial("/user") as listener:
            assert (await listener.login(self.exchange.now_ms())) == {
                "action": "access",
                "success": True,
            }
            await listener.subscribe(*topics)
            yield listener


Visiting = Callable[..., Any]


@pytest.fixture
def visiting() -> Visiting:
    """Opens an exchange whose prices move by hand, and visits it: `async with visiting(liquidity=5) as visit`."""

    @asynccontextmanager
    async def visit(
        memory: bool = False, market: Any = None, **config: Any
    ) -> AsyncIterator[Visit]:
        opened_at = trio.current_time()
        async with (
            trio.open_nursery() as nursery,
            open_paper_exchange(
                PaperConfig(**config),
                market=market or ManualMarket(),
                now_ms=lambda: OPENED_MS + int((trio.current_time() - opened_at) * 1000),
                serve_sockets=not memory,
            ) as exchange,
        ):
            visit = Visit(exchange, nursery, memory)
            async with visit.owner.client:
                yield visit
            nursery.cancel_scope.cancel()

    return visit
