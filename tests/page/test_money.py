"""Money on the live page: fills, trades, and what trades earned since somebody was last here."""

from __future__ import annotations

from typing import Any

from ..control.conftest import Desk
from .conftest import Browser, Visit, bought

TRADE: dict[str, Any] = {
    "id": "order-1",
    "symbol": "BTCUSDT",
    "side": "long",
    "state": "closed",
    "reason": "stop_loss",
    "order_id": "order-1",
    "protection_id": "order-1",
    "size": 10,
    "closed_size": 10,
    "entry_price": "64200",
    "exit_price": "63000",
    "fees": "0.76",
    "funding": None,
    "gross_pnl": "-12",
    "realised_pnl": "-12.76",
    "percent": "-1.9875",
    "risk": "12",
    "r": "-1.06333333",
    "stop_slippage": None,
    "opened_ms": 1_790_000_000_000,
    "closed_ms": 1_790_000_060_000,
    "duration_ms": 60_000,
    "unknown": {"funding": "not read", "stop_slippage": "no price is known"},
}
GAIN = {**TRADE, "id": "order-2", "reason": "take_profit", "realised_pnl": "20.01"}


async def test_fills_tell_their_price_their_fee_and_whose_they_are(
    desk: Desk, browser: Browser
) -> None:
    await bought(desk)

    def look(visit: Visit) -> tuple[str, list[Any]]:
        visit.open(desk.address)
        visit.page.wait_for_selector("#fills tbody tr:has-text('an entry')")
        visit.page.wait_for_function("() => document.querySelector('.chart').chart?.marked > 0")
        assert visit.complaints == []
        return visit.page.inner_text("#fills tbody"), visit.faults_of_access()

    fills, faults = await browser.run(look)
    assert "buy, opens long" in fills
    assert "64\u202f200" in fills
    assert "order-123" in fills
    assert faults == []


async def test_trades_tell_what_they_came_to_and_why_a_number_is_not_known(
    desk: Desk, browser: Browser
) -> None:
    """The browser answers in the engine's place, so that the numbers are known."""

    def look(visit: Visit) -> tuple[str, str, str | None]:
        answer = {"ok": True, "trades": [GAIN, TRADE], "next": None}
        visit.page.route("**/api/trades*", lambda route: route.fulfill(json=answer))
        visit.open(desk.address)
        visit.page.wait_for_selector("#trades tbody tr >> nth=1")
        why = visit.page.get_attribute("#trades tbody tr >> nth=0 >> span.muted", "title")
        assert visit.complaints == []
        return visit.page.inner_text("#trades tbody"), visit.page.inner_text("#since .tally"), why

    trades, tally, why = await browser.run(look)
    assert "+20.01" in trades
    assert "−12.76" in trades
    assert "−1.06" in trades
    assert "+7.25 USDT realised" in tally
    assert why == "no price is known"


async def test_an_engine_that_tells_of_no_trades_has_no_panel_of_them(
    desk: Desk, browser: Browser
) -> None:
    def look(visit: Visit) -> int:
        for name in ("trades", "fills", "outages", "summary"):
            visit.page.route(f"**/api/{name}*", lambda route: route.fulfill(status=404, json={}))
        visit.open(desk.address)
        visit.page.wait_for_selector("#log")
        visit.page.wait_for_function(
            "() => document.getElementById('page').store.extras.fills === null"
        )
        assert visit.complaints == []
        return visit.page.locator("#trades, #fills").count()

    assert await browser.run(look) == 0
