"""The application's client: what it asks of the worker, how long it waits, and what it keeps of a reply.

It has a timeout of 5 s and no header of its own. The worker's address is one variable; a user name and a password in it
become `Authorization: Basic`. A reply is JSON whatever its status; success is 200 with `ok: true`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from attrs import define, field, frozen

from .bodies import Monitoring, Order, encoded

__all__ = ["Client", "Reply", "open_client"]

TIMEOUT_S = 5


@frozen
class Reply:
    """What came back. `error` is all that the application keeps of a refusal."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return self.status == 200 and self.body.get("ok") is True

    @property
    def error(self) -> str:
        said = self.body.get("error")
        return "" if self.ok else said if isinstance(said, str) else "Unknown error"


@define(eq=False)
class Client:
    """Made by `open_client`. `quantities` are those that were sent, by the order's id."""

    http: httpx.AsyncClient
    quantities: dict[str, float] = field(factory=dict)

    async def place(self, order: Order, **more: Any) -> Reply:
        """`more` is what an application of this engine may add."""
        self.quantities[order.id] = order.quantity
        return await self.post("/api/place-order", {**order.body(), **more})

    async def monitor(self, monitoring: Monitoring, **more: Any) -> Reply:
        return await self.post("/api/monitor-position", {**monitoring.body(), **more})

    async def status(self) -> Reply:
        return await self._ask("GET", "/api/orders/status")

    async def subscribe(
        self, symbols: Iterable[str], tfs: list[str] | str, path: str = "/klines/subscribe"
    ) -> list[Reply]:
        """One call for each symbol; the first reply that is not 2xx ends it."""
        replies: list[Reply] = []
        for symbol in symbols:
            replies.append(await self.post(path, {"symbol": symbol, "tfs": tfs}))
            if not 200 <= replies[-1].status < 300:
                break
        return replies

    async def post(self, path: str, body: object) -> Reply:
        return await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: object = None) -> Reply:
        if body is None:
            answer = await self.http.request(method, path)
        else:
            content, kind = encoded(body), {"Content-Type": "application/json"}
            answer = await self.http.request(method, path, content=content, headers=kind)
        return Reply(answer.status_code, answer.json())


@asynccontextmanager
async def open_client(
    address: str, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Client]:
    """A client of the worker at `address`, over sockets unless a transport is given."""
    async with httpx.AsyncClient(
        base_url=address, timeout=TIMEOUT_S, transport=transport, trust_env=False
    ) as http:
        yield Client(http)
