"""The command, typed against a real engine on a paper exchange, served on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
from attrs import define
from click.testing import CliRunner, Result
from trio.testing import wait_all_tasks_blocked

from bitmart_engine import Engine, Settings, open_engine
from bitmart_engine.cli import main
from bitmart_engine.control import serve_control
from bitmart_engine.paper import ManualMarket, PaperExchange, open_paper_exchange
from bitmart_engine.settings import IN_MEMORY

ZONE = ["BTCUSDT", "long", "--zone", "64000", "64500"]
"""Below the price of 65000, so that an order waits."""
LEVELS = ["--stop", "63000", "--target", "68000"]
TIDY = {"BITMART_ENGINE_URL": None, "CTRL_TOKEN": None, "NO_COLOR": None, "TERM": None}


def typed(*words: str, **env: str) -> Result:
    """What comes of a command. One at a time: it takes the place of stdout."""
    return CliRunner().invoke(main, words, env={**TIDY, **env})


@define(eq=False)
class Desk:
    """A served engine, and somebody who types."""

    engine: Engine
    paper: PaperExchange
    address: str

    async def types(self, *words: str, **env: str) -> Result:
        env = {"BITMART_ENGINE_URL": self.address, **env}
        return await trio.to_thread.run_sync(lambda: typed(*words, **env))

    async def done(self, *words: str, **env: str) -> str:
        """The stdout of a command that went well."""
        result = await self.types(*words, **env)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    async def json(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self.done(words[0], "--json", *words[1:]))
        assert answer["ok"] is True
        return answer

    async def until(self, true: Callable[[], bool]) -> None:
        with trio.fail_after(10):
            while not true():
                await trio.sleep(0.005)

    def states(self) -> Mapping[str, str]:
        return {each.id: each.state.value for each in self.engine.state.orders.values()}

    async def fill(self, id: str, price: str = "64200") -> None:
        """Let the price enter the zone of a waiting order and trade through the order's price."""
        await self.until(
            lambda: [each.state for each in self.engine.streams().connections] == ["up"] * 2
        )
        self.paper.set_price("BTCUSDT", Decimal(price))
        await self.until(lambda: self.states()[id] == "open")
        self.paper.set_price("BTCUSDT", Decimal(price) - 10)
        await self.until(lambda: self.states()[id] == "filled")


@asynccontextmanager
async def opened(*, token: str = "", **changes: Any) -> AsyncIterator[Desk]:
    async with open_paper_exchange(market=ManualMarket()) as paper:
        settings = Settings(
            public_ws_uri=paper.public_ws_uri,
            private_ws_uri=paper.private_ws_uri,
            rest_uri=paper.rest_uri,
            api_key=paper.config.api_key,
            api_secret=paper.config.api_secret,
            api_memo=paper.config.api_memo,
            mode="paper",
            state_dir=IN_MEMORY,
            control_address="127.0.0.1:0",
            control_token=token,
            **changes,
        )
        async with open_engine(settings) as engine, trio.open_nursery() as nursery:
            address = await nursery.start(serve_control, engine)
            desk = Desk(engine, paper, address)
            await desk.until(lambda: engine.streams().connections[0].state == "up")
            await wait_all_tasks_blocked()  # a login has the engine look again
            await desk.until(lambda: not engine.not_ready())
            yield desk
            engine.stop()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as desk:
        yield desk
