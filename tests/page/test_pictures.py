"""The pictures of the page in the docs are made by this test: with `--pictures` pytest writes them.

Without that option they are made and looked at all the same, and thrown away: no run leaves the tree changed.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bitmart_engine import control

from ..control.conftest import ORDER, Desk
from .conftest import Browser, Visit

KEPT = Path(control.__file__).parent / "pictures"
LARGEST_BYTES = 150_000
DESKTOP = {"width": 1240, "height": 720}
PHONE = {"width": 390, "height": 844}
PICTURES: dict[str, dict[str, Any]] = {
    "page-light.png": {"viewport": DESKTOP, "color_scheme": "light"},
    "page-dark.png": {"viewport": DESKTOP, "color_scheme": "dark"},
    "page-phone.png": {"viewport": PHONE, "color_scheme": "light"},
}
LAST_HERE = """localStorage.setItem('bitmart-engine last here', JSON.stringify(
    {last: Date.now() - 2 * 86400000, since: null}))"""


async def _story(desk: Desk) -> None:
    """One trade ends at its stop, one goes on, one order waits, and one was cancelled."""
    zone = {**ORDER, "entry_zone_min": 64960, "entry_zone_max": 65000}
    await desk.post("/api/place-order", {**zone, "id": "fade2", "stop_loss": 64950})
    await desk.fill("fade2", "64980")
    desk.paper.set_price("BTCUSDT", Decimal(64945))
    protections = desk.engine.state.protections
    await desk.until(lambda: protections["fade2"].state.value == "closed")
    plan = {"id": "breakout7", "stop_loss": 64700, "take_profit": 65400, "metadata": {"plan": "b7"}}
    await desk.post("/api/place-order", {**zone, **plan})
    await desk.fill("breakout7", "64980")
    below = {"entry_zone_min": 64760, "entry_zone_max": 64800, "stop_loss": 64600}
    for id in ("dip3", "dip4"):
        await desk.post("/api/place-order", {**ORDER, **below, "id": id, "take_profit": None})
    await desk.ask("DELETE", "/api/orders/dip4")
    desk.paper.set_price("BTCUSDT", Decimal(65040))


async def test_pictures_of_both_themes_and_of_a_phone_are_made_of_a_real_engine(
    desk: Desk, browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await _story(desk)
    folder = KEPT if request.config.getoption("--pictures") else tmp_path

    def take(visit: Visit, name: str) -> None:
        visit.page.goto(desk.address)
        visit.page.evaluate(LAST_HERE)
        visit.open(desk.address)
        visit.page.wait_for_selector(".verdict.green")
        visit.page.wait_for_selector("#since:has-text('1 stopped out')")
        visit.page.wait_for_selector("#exposure tbody:has-text('65\u202f040')")
        visit.page.wait_for_function("() => document.querySelector('.chart').chart?.lines >= 5")
        assert visit.complaints == []
        visit.page.screenshot(path=folder / name)

    for name, context in PICTURES.items():
        await browser.run(lambda visit, name=name: take(visit, name), **context)
        content = (folder / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert struct.unpack(">II", content[16:24]) == tuple(context["viewport"].values())
        assert len(content) < LARGEST_BYTES, name
    assert len({(folder / name).read_bytes() for name in PICTURES}) == len(PICTURES)
