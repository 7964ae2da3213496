"""The careful application: it repeats a request, word for word, until it has an answer, and remembers the answer."""

from __future__ import annotations

from typing import Any

import httpx
import trio
from attrs import define, field, frozen

__all__ = ["Answer", "App"]


@frozen
class Answer:
    """What the engine said to a request, and after how many times of asking."""

    status: int
    body: dict[str, Any]
    asked: int


@define
class App:
    """Talks to an engine that comes and goes: `address` is where it is now, None while it is dead."""

    client: httpx.AsyncClient
    address: str | None = None
    pause_s: float = 0.05
    """How long it waits before it asks again."""
    answers: int = 0
    repeated: int = 0
    placed: dict[str, dict[str, Any]] = field(factory=dict)
    """The bodies of the orders that were accepted."""
    monitored: dict[str, dict[str, Any]] = field(factory=dict)
    cancelled: set[str] = field(factory=set)
    """The orders of which the engine said that they are cancelled."""
    levels: dict[str, dict[str, str]] = field(factory=dict)
    """The levels that the engine said a protection has, as last moved."""
    closing: set[str] = field(factory=set)
    """The positions that the engine said are being closed."""
    _moving: dict[str, trio.Lock] = field(factory=dict)
    """Held while the levels of a protection are moved: of two answers at once nobody could tell which is the last."""

    async def place(self, body: dict[str, Any]) -> bool:
        answer = await self.ask("POST", "/api/place-order", body)
        if answer.status == 200:
            self.placed[body["id"]] = body
        return answer.status == 200

    async def monitor(self, body: dict[str, Any]) -> bool:
        answer = await self.ask("POST", "/api/monitor-position", body)
        if answer.status == 200:
            self.monitored[body["id"]] = body
        return answer.status == 200

    async def cancel(self, id: str) -> None:
        answer = await self.ask("DELETE", f"/api/orders/{id}")
        if answer.status == 200 and answer.body["status"] == "cancelled":
            self.cancelled.add(id)

    async def move(self, id: str, levels: dict[str, str]) -> None:
        async with self._moving.setdefault(id, trio.Lock()):
            answer = await self.ask("PATCH", f"/api/positions/{id}", levels)
            if answer.status == 200:
                position = answer.body["position"]
                self.levels[id] = {name: position[name] for name in ("stop_loss", "take_profit")}

    async def close(self, id: str) -> None:
        answer = await self.ask("POST", f"/api/positions/{id}/close")
        if answer.status == 200:
            self.closing.add(id)

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask until there is an answer that decides: a dead engine or a 503 decides nothing."""
        asked = 0
        while True:
            if self.address is not None:
                asked += 1
                try:
                    response = await self.client.request(method, self.address + path, json=body)
                except httpx.HTTPError:
                    pass
                else:
                    if response.status_code >= 500 and response.status_code != 503:
                        raise AssertionError(f"{method} {path}: {response.text}")
                    if response.status_code != 503:
                        self.answers += 1
                        self.repeated += asked - 1
                        return Answer(response.status_code, response.json(), asked)
            await trio.sleep(self.pause_s)

    async def missing(self) -> list[str]:
        """What keeps the engine that is there now from being trusted with an order: nothing, once it is ready."""
        if self.address is None:
            return ["no engine"]
        try:
            answer = (await self.client.get(f"{self.address}/readyz")).json()
        except httpx.HTTPError:
            return ["no answer"]
        return [] if answer["ok"] else answer["missing"]
