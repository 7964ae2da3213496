"""Protections under their own name, which is the same as what `/api/positions` has always meant."""

from __future__ import annotations

import pytest

from .conftest import ORDER, Desk
from .test_openapi import contract

BOTH = ["/api/protections", "/api/positions"]


@pytest.fixture
async def filled(desk: Desk) -> Desk:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    await desk.until(lambda: any(each.size for each in desk.engine.positions()))
    return desk


async def test_both_names_answer_the_same(filled: Desk) -> None:
    await filled.post("/api/place-order", {**ORDER, "id": "o2"})
    for asked in ("", "?limit=1", "?state=armed", "?symbol=ETHUSDT", "?after=o2", "/order-123"):
        one, other = [await filled.get(path + asked) for path in BOTH]
        assert one == other
    for asked in ("?state=nope", "?unheard_of=1", "/ghost"):
        answers = [await filled.ask("GET", path + asked) for path in BOTH]
        assert answers[0].status_code == answers[1].status_code >= 400
        assert answers[0].json() == answers[1].json()


async def test_a_page_has_the_protections_and_what_is_held(filled: Desk) -> None:
    page = await filled.get("/api/protections?state=armed")
    assert list(page) == ["ok", "positions", "held", "next"]
    [protection], [held] = page["positions"], page["held"]
    assert (protection["id"], protection["covered"]) == ("order-123", 10)
    assert (held["symbol"], held["size"], held["covered"]) == ("BTCUSDT", 10, 10)


@pytest.mark.parametrize("path", BOTH)
async def test_levels_are_moved_by_either_name(filled: Desk, path: str) -> None:
    moved = await filled.ask("PATCH", f"{path}/order-123", {"stop_loss": "63900.5"})
    assert moved.json()["position"]["stop_loss"] == "63900.5"
    assert list(moved.json()) == ["ok", "id", "status", "position"]
    wrong = await filled.ask("PATCH", f"{path}/order-123", {"stop": 1})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "$.stop")
    assert filled.engine.state.protections["order-123"].stop_loss == 63900.5


@pytest.mark.parametrize("path", BOTH)
async def test_a_protection_is_dropped_by_either_name(filled: Desk, path: str) -> None:
    dropped = await filled.ask("DELETE", f"{path}/order-123")
    assert (dropped.status_code, dropped.json()["status"]) == (200, "released")
    assert dropped.json()["exchange_protection_removed"] is True
    assert (await filled.ask("DELETE", f"{path}/order-123")).status_code == 409


@pytest.mark.parametrize("path", BOTH)
async def test_a_position_is_closed_by_either_name(filled: Desk, path: str) -> None:
    closing = await filled.post(f"{path}/order-123/close")
    assert closing["status"] in ("closing", "closed")
    await filled.until(lambda: filled.engine.state.protections["order-123"].state.value == "closed")
    assert (await filled.ask("POST", f"{path}/order-123/close")).status_code == 409


async def test_the_contract_and_the_help_have_both_and_say_that_they_are_the_same(
    desk: Desk,
) -> None:
    paths = (await contract(desk))["paths"]
    endpoints = (await desk.get("/help"))["endpoints"]
    mine = {path: item for path, item in paths.items() if path.startswith(BOTH[0])}
    assert sum(map(len, mine.values())) == 5
    for path, item in mine.items():
        old_path = path.replace(*BOTH)
        for method, operation in item.items():
            old = paths[old_path][method]
            for part in ("parameters", "responses", "requestBody"):
                assert operation.get(part) == old.get(part), (method, path, part)
            name = f"{method.upper()} {path}"
            assert old["summary"] == f"the same as {name}"
            assert operation["summary"] == endpoints[name] != old["summary"]
            assert old["summary"] == endpoints[f"{method.upper()} {old_path}"]
