"""A real engine on a real paper exchange, served on loopback, and a client that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
import trio
from attrs import define
from trio.testing import wait_all_tasks_blocked

from bitmart_engine import Engine, Settings, World, open_engine
from bitmart_engine.control import serve_control
from bitmart_engine.paper import ManualMarket, PaperExchange, open_paper_exchange
from bitmart_engine.settings import IN_MEMORY

ORDER: dict[str, Any] = {
    "id": "order-123",
    "symbol": "BTCUSDT",
    "side": "long",
    "entry_zone_min": 64000,
    "entry_zone_max": 64500,
    "quantity": 0.01,
    "leverage": 10,
    "stop_loss": 63000,
    "take_profit": 68000,
}
"""Its zone lies below the price of 65000, so that it waits."""


@define(eq=False)
class Desk:
    """A client of a served engine."""

    engine: Engine
    paper: PaperExchange
    http: httpx.AsyncClient
    address: str

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        if body is not None:
            more["json"] = body
        return await self.http.request(method, path, **more)

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert body["ok"] is True
        return body

    async def post(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.ask("POST", path, body)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        assert result["ok"] is True
        return result

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for the engine, which is at most a few loopback round trips away."""
        with trio.fail_after(30):
            while not true():
                await trio.sleep(0.005)

    async def enter(self, id: str = "order-123", price: str = "64200") -> None:
        """Let the price enter the zone of a waiting order, once the engine sees prices."""
        await self.until(
            lambda: (
                {each.state for each in self.engine.streams().connections} == {"up"}
                and len(self.engine.streams().connections) == 2
            )
        )
        self.paper.set_price("BTCUSDT", Decimal(price))
        await self.until(lambda: self.engine.state.orders[id].state.value == "open")

    async def fill(self, id: str = "order-123", price: str = "64200") -> None:
        """Let the price enter the zone of a waiting order and trade through the order's price."""
        await self.enter(id, price)
        self.paper.set_price("BTCUSDT", Decimal(price) - 10)
        await self.until(lambda: self.engine.state.orders[id].state.value == "filled")


Open = Callable[..., Any]


@asynccontextmanager
async def opened(
    *, credentials: bool = True, world: World | None = None, **changes: Any
) -> AsyncIterator[Desk]:
    async with open_paper_exchange(market=ManualMarket()) as paper:
        if credentials:
            changes["api_key"] = paper.config.api_key
            changes["api_secret"] = paper.config.api_secret
            changes["api_memo"] = paper.config.api_memo
        settings = Settings(
            public_ws_uri=paper.public_ws_uri,
            private_ws_uri=paper.private_ws_uri,
            **{
                "mode": "paper",
                "state_dir": IN_MEMORY,
                "rest_uri": paper.rest_uri,
                "control_address": "127.0.0.1:0",
                **changes,
            },
        )
        async with open_engine(settings, world=world) as engine, trio.open_nursery() as nursery:
            address = await nursery.start(serve_control, engine)
            async with httpx.AsyncClient(base_url=address, timeout=30) as http:
                desk = Desk(engine, paper, http, address)
                if changes.get("api_secret") == paper.config.api_secret:
                    await desk.until(lambda: engine.streams().connections[0].state == "up")
                    await wait_all_tasks_blocked()  # a login has the engine look again
                    await desk.until(lambda: not engine.not_ready())
                yield desk
            engine.stop()


@pytest.fixture
def open_desk() -> Open:
    return opened


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as desk:
        yield desk
