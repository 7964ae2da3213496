"""Long answers: whole, with their length, and made in pieces between which everybody else runs."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
import trio
from attrs import frozen

from bitmart_engine.control import orders, views
from bitmart_engine.control.pieces import (
    ENCODED_AT_ONCE,
    Pieces,
    body_of,
    encoded_list,
    encoded_map,
)
from bitmart_engine.engine import Engine
from bitmart_engine.model.lifecycle import EntryState, IllegalMove, ProtectionState
from bitmart_engine.model.orders import EntryOrder, EntryRequest
from bitmart_engine.model.positions import Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.store.records import EntryMoved

from .conftest import Desk

ARMED = 2_000


@frozen
class Thing:
    id: str


@pytest.mark.parametrize("count", [0, 1, ENCODED_AT_ONCE, 2 * ENCODED_AT_ONCE + 1])
async def test_pieces_add_up_to_the_json_of_the_whole(count: int) -> None:
    things = [Thing(f'"{number}"\n') for number in range(count)]
    views = [{"id": each.id} for each in things]
    a_list = await encoded_list(things, lambda each: {"id": each.id})
    a_map = await encoded_map(things, lambda each: {"id": each.id})
    assert json.loads(b"".join(a_list.parts)) == views
    assert json.loads(b"".join(a_map.parts)) == {each["id"]: each for each in views}

    @frozen(slots=False)
    class Page:
        ok: bool
        things: Pieces
        next: str | None

    page = json.loads(b"".join(body_of(Page(True, a_list, None))))
    assert page == {"ok": True, "things": views, "next": None}


def arm(engine: Engine, count: int) -> None:
    """Orders that wait for their price, and protections that keep a level."""
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
        engine.state.orders[id] = order
        engine.state.protections[id] = Protection(
            id=id,
            symbol="BTCUSDT",
            side=PositionSide.LONG,
            created_ms=number,
            stop_loss=Decimal(63000),
            state=ProtectionState.ARMED,
        )


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/orders/status", 2 * ARMED),
        ("/api/orders?limit=1000", 1000),
        ("/api/protections?limit=1000", 1000),
    ],
)
async def test_a_long_answer_lets_others_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, shown: int
) -> None:
    arm(desk.engine, ARMED)
    in_a_row, longest, made = 0, 0, 0
    view_of = views.view_of

    def counted(kind: type[Any], source: object, /, **given: object) -> Any:
        nonlocal in_a_row, longest, made
        if kind in (views.Order, views.Position):
            made += 1
            in_a_row += 1
            longest = max(longest, in_a_row)
        return view_of(kind, source, **given)

    async def run_too() -> None:
        nonlocal in_a_row
        while True:
            await trio.lowlevel.checkpoint()
            in_a_row = 0

    monkeypatch.setattr(views, "view_of", counted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_too)
        answer = await desk.ask("GET", path)
        nursery.cancel_scope.cancel()
    assert made == shown
    assert 0 < longest <= 4 * ENCODED_AT_ONCE  # who runs first in a round is drawn by lot
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert answer.content.endswith(b"}\n")
    body = answer.json()
    assert len(body["orders" if "order" in path else "positions"]) in (ARMED, 1000)


async def test_the_head_of_a_long_answer_has_its_length_and_no_body(desk: Desk) -> None:
    arm(desk.engine, ARMED)
    whole = await desk.ask("GET", "/api/orders?limit=1000")
    head = await desk.ask("HEAD", "/api/orders?limit=1000")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert (await desk.get("/healthz"))["ok"] is True  # on the same connection


async def test_an_overview_shows_each_order_once_whatever_ends_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm(desk.engine, 3)
    count = orders.count

    async def ends_meanwhile(things: Any, true: Any) -> int:
        found: int = await count(things, true)
        with suppress(IllegalMove):
            desk.engine.state.apply(EntryMoved("o1", 5, EntryState.CANCELLED))
        return found

    monkeypatch.setattr(orders, "count", ends_meanwhile)
    answer = await desk.ask("GET", "/api/orders/status")
    assert desk.engine.state.orders["o1"].state is EntryState.CANCELLED
    pairs: list[list[str]] = []
    json.loads(answer.content, object_pairs_hook=lambda each: pairs.append([k for k, _ in each]))
    assert pairs.count(["o0", "o1", "o2"]) == 2
    assert answer.json()["pending_orders"] == 3
