"""What the overviews cost with a long history: what is alive, and the few that ended last."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import trio

from bitmart_engine.control.queries import LOOKED_AT_AT_ONCE
from bitmart_engine.engine import Engine
from bitmart_engine.model.lifecycle import EntryState, ProtectionState
from bitmart_engine.model.orders import EntryOrder, EntryRequest
from bitmart_engine.model.positions import Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.store.archive import Archive, Facts, Packed
from bitmart_engine.store.records import (
    EntryAccepted,
    EntryMoved,
    ProtectionMoved,
    ProtectionOpened,
)

from .conftest import ORDER, Desk

FINISHED = 20_000
SHOWN = 100


def finish(engine: Engine, count: int) -> None:
    """Orders, with their protections, that were promised and cancelled."""
    state = engine.state
    for number in range(count):
        id = f"o{number}"
        asked = EntryRequest(
            id=id,
            symbol="BTCUSDT",
            side=PositionSide.LONG,
            zone_min=Decimal(64000),
            zone_max=Decimal(64500),
            size=10,
            quantity=Decimal("0.01"),
            timeout_seconds=Decimal(300),
        )
        order = EntryOrder(request=asked, accepted_ms=number, deadline_ms=number + 300_000)
        made = Protection(id=id, symbol="BTCUSDT", side=PositionSide.LONG, created_ms=number)
        for record in (
            EntryAccepted(order),
            ProtectionOpened(made),
            EntryMoved(id, number, EntryState.CANCELLED),
            ProtectionMoved(id, number, ProtectionState.RELEASED),
        ):
            state.apply(record)


class Touched:
    """Counts what is looked at on shelves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        look, walk, back = Archive.__getitem__, Archive.__iter__, Archive.__reversed__

        def counted_look(archive: Archive[Any], id: str) -> Any:
            self.count += 1
            return look(archive, id)

        def counted_walk(archive: Archive[Any]) -> Iterator[str]:
            for id in walk(archive):
                self.count += 1
                yield id

        def counted_back(archive: Archive[Any]) -> Iterator[str]:
            for id in back(archive):
                self.count += 1
                yield id

        monkeypatch.setattr(Archive, "__getitem__", counted_look)
        monkeypatch.setattr(Archive, "__iter__", counted_walk)
        monkeypatch.setattr(Archive, "__reversed__", counted_back)


async def test_the_overviews_do_not_walk_through_what_has_ended(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.post("/api/place-order", {**ORDER, "id": "oldest"})
    finish(desk.engine, FINISHED)
    await desk.post("/api/place-order", {**ORDER, "id": "latest"})
    touched = Touched(monkeypatch)
    status = await desk.get("/status")
    assert touched.count < 20
    assert (status["pending_orders"], status["monitored_positions"]) == (2, 0)
    touched.count = 0
    overview = await desk.get("/api/orders/status")
    assert touched.count < 5 * SHOWN
    youngest = [f"o{number}" for number in range(FINISHED - SHOWN, FINISHED)]
    assert list(overview["orders"]) == ["oldest", "latest", *youngest]
    assert list(overview["positions"]) == ["oldest", "latest", *youngest]
    assert (overview["pending_orders"], overview["monitored_positions"]) == (2, 0)


async def test_a_list_looks_into_what_it_shows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.post("/api/place-order", {**ORDER, "id": "oldest"})
    finish(desk.engine, FINISHED)
    looked_into: list[str] = []
    look = Archive.__getitem__

    def counted(archive: Archive[Any], id: str) -> Any:
        looked_into.append(id)
        return look(archive, id)

    monkeypatch.setattr(Archive, "__getitem__", counted)
    listed = await desk.get("/api/orders?limit=5")
    assert [each["id"] for each in listed["orders"]] == [f"o{FINISHED - n}" for n in range(1, 6)]
    assert listed["next"] == f"o{FINISHED - 5}"
    assert len(looked_into) < 20
    looked_into.clear()
    waiting = await desk.get("/api/orders?state=waiting,open")
    assert [each["id"] for each in waiting["orders"]] == ["oldest"]
    assert len(looked_into) < 20


async def test_a_list_of_everything_lets_others_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(desk.engine, FINISHED)
    look, in_a_row, longest = Archive.__getitem__, 0, 0

    def counted(archive: Archive[Any], id: str) -> Any:
        nonlocal in_a_row, longest
        in_a_row += 1
        longest = max(longest, in_a_row)
        return look(archive, id)

    async def run_too() -> None:
        nonlocal in_a_row
        while True:
            await trio.lowlevel.checkpoint()
            in_a_row = 0

    monkeypatch.setattr(Archive, "__getitem__", counted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_too)
        assert (await desk.get("/api/orders?symbol=ETHUSDT"))["orders"] == []
        nursery.cancel_scope.cancel()
    assert 0 < longest <= 4 * LOOKED_AT_AT_ONCE  # who runs first in a round is drawn by lot


async def test_what_cannot_be_read_hides_nothing_else(desk: Desk) -> None:
    finish(desk.engine, 3)
    desk.engine.state.orders.put_packed("damaged", Packed(b"{}", 0, 0))
    assert [each["id"] for each in (await desk.get("/api/orders"))["orders"]] == ["o2", "o1", "o0"]
    assert list((await desk.get("/api/orders/status"))["orders"]) == ["o0", "o1", "o2"]


async def test_what_is_on_a_disk_that_cannot_be_read_is_not_said_to_be_absent(desk: Desk) -> None:
    finish(desk.engine, 3)
    desk.engine.state.orders.put_stored("away", 0, Facts("filled", "BTCUSDT"))
    for method, path, body in (
        ("GET", "/api/orders", None),
        ("GET", "/api/orders?state=filled", None),
        ("GET", "/api/orders/away", None),
        ("POST", "/api/place-order", {**ORDER, "id": "away"}),
    ):
        answer = await desk.ask(method, path, body)
        assert answer.status_code == 503
        assert "cannot be read" in answer.json()["error"]
    assert (await desk.get("/api/orders?symbol=ETHUSDT"))["orders"] == []
    assert (await desk.get("/api/orders?state=waiting"))["orders"] == []
    assert list((await desk.get("/api/orders/status"))["orders"]) == ["o0", "o1", "o2"]
