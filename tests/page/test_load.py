"""The live page with much of everything: a thousand orders, a day of the stream, hostile text in every field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import trio

from bitmart_engine import PlaceOrder

from ..control.conftest import ORDER, Desk
from .conftest import Browser, Visit, bought

HOSTILE = "<img src=x onerror=window.hurt=1>\"'&</td><script>window.hurt=1</script>"
HALF_HOUR_S = 1800
HALF_HOURS = 16
START_S = 1_790_000_000 // HALF_HOUR_S * HALF_HOUR_S
MOST_GROWN_BYTES = 3_000_000


async def test_a_thousand_orders_are_shown_in_parts_and_found_by_their_ids(
    desk: Desk, browser: Browser
) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(1000):
            order = PlaceOrder(**{**ORDER, "id": f"many{number:04}"})
            nursery.start_soon(desk.engine.place_order, order)

    def look(visit: Visit) -> tuple[int, int, int, str]:
        rows = visit.page.locator("#orders > .scroll tbody tr")
        visit.open(desk.address)
        visit.page.wait_for_selector("#orders .rest:has-text('100 of 1000 shown')")
        first = rows.count()
        visit.page.click("#orders .rest button")
        visit.page.wait_for_selector("#orders .rest:has-text('200 of')")
        more = rows.count()
        visit.page.wait_for_function("() => document.querySelector('.chart').chart?.lines > 0")
        lines = visit.page.evaluate("document.querySelector('.chart').chart.lines")
        visit.page.fill("#orders input[type=search]", "MANY0777")
        visit.page.wait_for_function(
            "() => document.querySelectorAll('#orders > .scroll tbody tr').length === 1"
        )
        visit.page.click("#orders td.act button")
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector("text=Done: Cancel")
        assert visit.complaints == []
        return first, more, lines, visit.page.inner_text("#figures [data-name=orders]")

    first, more, lines, figure = await browser.run(look)
    assert (first, more) == (100, 200)
    assert lines <= 50
    assert "1\u202f000" in figure or "999" in figure
    assert desk.engine.state.orders["many0777"].state.value == "cancelled"


def _half_hour(number: int) -> Iterator[dict[str, Any]]:
    """The stream of half an hour: two candles that move every 2 s, an order every 10 s that ends, a stop that moves."""
    begin = START_S + number * HALF_HOUR_S
    for second in range(0, HALF_HOUR_S, 2):
        at_s = begin + second
        for symbol, price in (("BTCUSDT", 65000 + second % 60), ("ETHUSDT", 3200)):
            bar = {"open": "65000", "high": "65100", "low": "64900", "close": str(price)}
            place = {"symbol": symbol, "timeframe": "1m", "open_time_s": at_s // 60 * 60}
            yield {"type": "kline", "at_ms": at_s * 1000, "symbol": symbol, "data": bar | place}
        if second % 10 == 0:
            placed = _order_of(f"o{at_s}", at_s)
            yield from (
                {"type": "entry", "at_ms": at_s * 1000, "symbol": "BTCUSDT", "data": data}
                for data in (placed, {**placed, "state": "cancelled", "reason": "by the test"})
            )


def _order_of(id: str, at_s: int) -> dict[str, Any]:
    asked = {"symbol": "BTCUSDT", "side": "long", "state": "waiting", "reason": "", "size": 10}
    prices = {"entry_zone_min": "64000", "entry_zone_max": "64500", "price": None}
    kept = {"stop_loss": None, "take_profit": None, "average_price": None, "filled_size": 0}
    others = {"quantity": "0.01", "accepted_ms": at_s * 1000, "metadata": {"plan": "x" * 100}}
    return {"id": id, "cancel_asked": False, **asked, **prices, **kept, **others}


def _as_stream(events: Iterator[dict[str, Any]], first_id: int) -> tuple[str, int]:
    blocks, id = [], first_id
    for id, each in enumerate(events, first_id):
        blocks.append(
            f"id: {id}\nevent: {each['type']}\ndata: {json.dumps({'id': id, **each})}\n\n"
        )
    return "".join(blocks), id


async def test_eight_hours_of_the_stream_leave_the_page_no_larger(
    desk: Desk, browser: Browser
) -> None:
    """Half an hour is read in one go, and the page's clock is set on; memory is compared after a collection."""

    def replay(visit: Visit) -> tuple[list[int], list[int], int]:
        sent = {"id": 1_000_000, "half_hours": 0}

        def stream(route: Any) -> None:
            body = ":\n\n"
            if sent["half_hours"] < sent["allowed"]:
                body, sent["id"] = _as_stream(_half_hour(sent["half_hours"]), sent["id"] + 1)
                sent["half_hours"] += 1
            route.fulfill(status=200, content_type="text/event-stream", body=body)

        sent["allowed"] = 0
        visit.page.route("**/events*", stream)
        visit.page.clock.install()
        visit.open(desk.address)
        tools = visit.page.context.new_cdp_session(visit.page)
        bytes_used, nodes = [], []
        for number in range(HALF_HOURS):
            sent["allowed"] = number + 1
            while sent["half_hours"] <= number:
                visit.page.clock.run_for(500)
            last = sent["id"]
            visit.page.wait_for_function(
                "last => document.getElementById('page').store.lastId === last", arg=last
            )
            visit.page.clock.run_for(5000)
            tools.send("HeapProfiler.collectGarbage")
            bytes_used.append(int(tools.send("Runtime.getHeapUsage")["usedSize"]))
            nodes.append(visit.page.evaluate("document.querySelectorAll('*').length"))
        assert visit.complaints == []
        remembered = visit.page.evaluate("document.getElementById('page').store.past.orders.size")
        return bytes_used, nodes, remembered

    bytes_used, nodes, remembered = await browser.run(replay)
    assert remembered == 1000
    half = HALF_HOURS // 2
    assert max(bytes_used[half:]) - max(bytes_used[:half]) < MOST_GROWN_BYTES, bytes_used
    assert max(nodes[half:]) - max(nodes[:half]) < 300, nodes


KEPT_KEYS = frozenset({"id", "level", "state", "timeframe"})
"""A hostile level or state would only hide what is hostile elsewhere; ids have to stay apart from each other."""


def _hostile(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {
            f"{name}{HOSTILE}" if name.isupper() else name: _hostile(each, name)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_hostile(each, key) for each in value]
    if not isinstance(value, str) or value.replace(".", "").lstrip("-").isdigit():
        return value
    return value if key in KEPT_KEYS - {"id"} else f"{value}{HOSTILE}"


async def test_text_of_the_engine_is_text_in_every_panel(desk: Desk, browser: Browser) -> None:
    await bought(desk, metadata={"plan": "breakout"}, callback_url=f"{desk.address}/no")
    await desk.post("/api/place-order", {**ORDER, "id": "waits"})
    await desk.until(lambda: bool(desk.engine.outbox().dead))
    told = {"type": "notice", "id": 1, "at_ms": 1, "symbol": HOSTILE, "data": {"id": HOSTILE}}

    def look(visit: Visit) -> tuple[Any, int, str]:
        def poisoned(route: Any) -> None:
            answer = route.fetch()
            body = answer.json()
            if answer.ok:
                body = _hostile(body)
            route.fulfill(response=answer, json={**body, "ok": answer.ok})

        def stream(route: Any) -> None:
            body, _ = _as_stream(iter([_hostile(told)]), 1)
            route.fulfill(status=200, content_type="text/event-stream", body=body)

        visit.page.route("**/status", poisoned)
        visit.page.route("**/api/**", poisoned)
        visit.page.route("**/events*", stream)
        visit.open(desk.address)
        for name in ("exposure", "protections", "orders", "outbox", "log", "connections"):
            visit.page.wait_for_selector(f"#{name} tbody tr:has-text('onerror')")
        visit.page.click("#protections button.danger")
        visit.page.wait_for_selector("dialog[open]:has-text('onerror')")
        visit.page.keyboard.press("Escape")
        visit.page.wait_for_selector("dialog", state="detached")
        visit.page.click("#exposure header button")
        visit.page.wait_for_selector("dialog[open]:has-text('onerror')")
        found = visit.page.locator("main img, dialog img, main script, dialog script").count()
        return visit.page.evaluate("window.hurt"), found, "\n".join(visit.complaints)

    hurt, found, complaints = await browser.run(look)
    assert hurt is None
    assert found == 0
    assert complaints == ""
