"""A client that a generator makes of the served OpenAPI document trades with the engine that served it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

from .conftest import Desk, Open

PACKAGE = "generated_engine_client"
TOKEN = "a-long-random-text"


MADE: dict[str, Path] = {}
"""Where a client is, by the document that it was made of."""


@pytest.fixture
def generator(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Desk], Awaitable[ModuleType]]:
    """Makes the client of what an engine serves, and imports it with all its modules."""

    async def generate(desk: Desk) -> ModuleType:
        document = (await desk.http.get("/openapi.json")).json()
        text = json.dumps({**document, "servers": []})  # which differ, and are not looked at
        if text not in MADE:
            into = tmp_path_factory.mktemp("client")
            await write_client(json.dumps(document), into)
            MADE[text] = into
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(str(MADE[text]))
        client = importlib.import_module(PACKAGE)
        for each in pkgutil.walk_packages(client.__path__, f"{PACKAGE}."):
            importlib.import_module(each.name)
        return client

    return generate


async def write_client(document: str, into: Path) -> None:
    """Generate a client. A warning of the generator is a failure."""
    (into / "openapi.json").write_text(document)
    (into / "config.yml").write_text("post_hooks: []\n")  # no formatter has to be installed
    made = await trio.run_process(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--meta", "none", "--path", str(into / "openapi.json")),
            *("--config", str(into / "config.yml"), "--output-path", str(into / PACKAGE)),
        ],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        cwd=into,
    )
    said = (made.stdout + made.stderr).decode()
    assert made.returncode == 0, said
    assert "warning" not in said.lower(), said


def part(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


async def test_a_generated_client_places_an_order_and_reads_its_state(
    desk: Desk, generator: Callable[[Desk], Awaitable[ModuleType]]
) -> None:
    package = await generator(desk)
    models = part("models")
    order = models.PlaceOrder(
        id="made",
        symbol="BTCUSDT",
        side=models.SideWord.LONG,
        entry_zone_min="64000",
        entry_zone_max=64500,
        quantity="0.01",
        stop_loss="63000",
    )
    async with package.Client(base_url=desk.address) as client:
        placed = await part("api.orders.place_order").asyncio(client=client, body=order)
        assert (placed.id, placed.status, placed.size) == ("made", models.EntryState.WAITING, 10)
        found = await part("api.orders.get_order").asyncio("made", client=client)
        assert isinstance(found, models.OneOrder)
        assert (found.order.side, found.order.open_type) == (
            models.PositionSide.LONG,
            models.OpenType.ISOLATED,
        )
        waiting = await part("api.orders.list_orders").asyncio(
            client=client, state=[models.EntryState.WAITING, models.EntryState.OPEN]
        )
        assert [each.id for each in waiting.orders] == ["made"]
        order.quantity = "0.02"
        refused = await part("api.orders.place_order").asyncio(client=client, body=order)
        assert isinstance(refused, models.Error)
        assert await part("api.orders.cancel_order").asyncio("made", client=client)
        status = await part("api.engine.get_status").asyncio(client=client)
        assert (status.mode, status.pending_orders) == (models.Mode.PAPER, 0)
    assert desk.engine.state.orders["made"].state.value == "cancelled"


async def test_a_generated_client_asks_with_a_token(
    open_desk: Open, generator: Callable[[Desk], Awaitable[ModuleType]]
) -> None:
    async with open_desk(control_token=TOKEN) as desk:
        desk.http.headers["Authorization"] = f"Bearer {TOKEN}"
        package = await generator(desk)
        status = part("api.engine.get_status")
        async with package.Client(base_url=desk.address) as stranger:
            assert isinstance(await status.asyncio(client=stranger), part("models").Error)
        async with package.AuthenticatedClient(base_url=desk.address, token=TOKEN) as client:
            assert (await status.asyncio(client=client)).is_running
