"""What can be done on the live page: each act asks once, says what will happen, and is done by the engine."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import trio

from ..control.conftest import ORDER, Desk
from .conftest import Browser, Visit, bought


async def test_a_stop_is_moved_by_dragging_it_and_only_once_that_is_confirmed(
    desk: Desk, browser: Browser
) -> None:
    await bought(desk, stop_loss=63900, take_profit=65100)

    def drag(visit: Visit) -> tuple[str, float]:
        visit.open(desk.address)
        visit.page.wait_for_selector("#protections tbody tr")
        height = "([price]) => document.querySelector('.chart').chart.heightOf(price)"
        visit.page.wait_for_function(
            "() => document.querySelector('.chart').chart?.heightOf(63900) > 0"
        )
        visit.page.wait_for_timeout(300)  # the scale comes to rest
        box = visit.page.locator(".chart").bounding_box()
        x = box["x"] + box["width"] / 3
        start = box["y"] + visit.page.evaluate(height, [63900])
        end = box["y"] + visit.page.evaluate(height, [63800])
        visit.page.mouse.move(x, start)
        visit.page.mouse.down()
        visit.page.mouse.move(x, (start + end) / 2, steps=4)
        visit.page.mouse.move(x, end, steps=4)
        visit.page.mouse.up()
        visit.page.wait_for_selector("dialog[open]")
        assert desk.engine.state.protections["order-123"].stop_loss == Decimal(63900)
        said = visit.page.inner_text("#act-says")
        asked = float(visit.page.input_value("input[name=level]"))
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector("text=Done: Move")
        visit.page.wait_for_selector("#log:has-text('stop moved')")
        visit.page.wait_for_function(
            "() => document.querySelector('.chart').chart.texts.some(each => each.startsWith('stop 63900 → '))"
        )
        assert visit.complaints == []
        return said, asked

    said, asked = await browser.run(drag)
    assert "moves from 63\u202f900 to" in said
    assert abs(asked - 63800) < 15
    moved = desk.engine.state.protections["order-123"].stop_loss
    assert moved is not None
    assert abs(float(moved) - asked) <= 0.1


async def test_a_position_is_closed_and_the_page_says_so(desk: Desk, browser: Browser) -> None:
    await bought(desk)

    def close(visit: Visit) -> str:
        visit.open(desk.address)
        visit.page.click("#protections button.danger")
        said: str = visit.page.inner_text("#act-says")
        visit.page.keyboard.press("Escape")
        visit.page.wait_for_selector("dialog", state="detached")
        assert desk.engine.state.protections["order-123"].state.value == "armed"
        visit.page.click("#protections button.danger")
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector("#exposure .empty")
        visit.page.wait_for_selector("#protections .empty")
        return said

    assert "10 contracts of BTCUSDT long" in await browser.run(close)
    assert desk.engine.state.protections["order-123"].state.value == "closed"


async def test_an_order_is_placed_after_a_preview(desk: Desk, browser: Browser) -> None:
    await desk.until(lambda: {each.state for each in desk.engine.streams().connections} == {"up"})
    with trio.fail_after(20):
        while "BTCUSDT" not in desk.engine.prices():
            desk.paper.set_price("BTCUSDT", Decimal(65001))
            await trio.sleep(0.1)
    values = {
        "id": "fromThePage",
        "symbol": "btcusdt",
        "entry_zone_min": "64000",
        "entry_zone_max": "64 500,5",
        "size": "10",
        "stop_loss": "63000",
        "take_profit": "68000",
    }

    def place(visit: Visit) -> tuple[str, str]:
        visit.open(desk.address)
        visit.page.wait_for_selector(".bar .price:has-text('65')")
        visit.page.click("header button.primary")
        for name, value in values.items():
            visit.page.fill(f"dialog input[name={name}]", value)
        visit.page.wait_for_selector("dialog .preview:has-text('At the stop')")
        preview = visit.page.inner_text("dialog .preview")
        visit.page.click("dialog button[type=submit]")
        said = visit.page.inner_text("#act-says")
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector("text=fromThePage")
        return preview, said

    preview, said = await browser.run(place)
    assert "0.77 % from the price now to the zone" in preview
    assert "0.01 BTC, worth 645.00 USDT, 64.50 USDT of margin at 10×" in preview
    assert "At the stop 15.01 USDT are lost, before fees (0.15 % of what is available)" in preview
    assert "reward to risk 2.33" in preview
    assert "10 contracts of BTCUSDT, long" in said
    order = desk.engine.state.orders["fromThePage"]
    assert (order.request.zone_max, order.size) == (Decimal("64500.5"), 10)


async def test_an_order_is_placed_by_what_it_may_lose(desk: Desk, browser: Browser) -> None:
    values = {
        "id": "byRisk",
        "symbol": "btcusdt",
        "entry_zone_min": "64000",
        "entry_zone_max": "64500",
        "size": "3",
        "risk": "20",
        "stop_loss": "63000",
    }

    def place(visit: Visit) -> tuple[str, str]:
        visit.open(desk.address)
        visit.page.click("header button.primary")
        for name, value in values.items():
            visit.page.fill(f"dialog input[name={name}]", value)
        visit.page.wait_for_selector("dialog .preview:has-text('not both')")
        visit.page.fill("dialog input[name=size]", "")
        visit.page.wait_for_selector("dialog .preview:has-text('13 contracts')")
        preview = visit.page.inner_text("dialog .preview")
        visit.page.click("dialog button[type=submit]")
        said = visit.page.inner_text("#act-says")
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector("#orders:has-text('byRisk')")
        assert visit.complaints == []
        return preview, said

    preview, said = await browser.run(place)
    assert "At the stop 19.50 USDT are lost" in preview
    assert "loses no more than 20 USDT at its stop 63 000" in said
    assert desk.engine.state.orders["byRisk"].size == 13


async def test_entries_are_paused_and_resumed_and_the_page_says_so(
    desk: Desk, browser: Browser
) -> None:
    def press(visit: Visit, shown: str, then: str) -> str:
        visit.page.click(f"header button:has-text('{shown}')")
        said: str = visit.page.inner_text("#act-says")
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector(f"header button:has-text('{then}')")
        return said

    def pause(visit: Visit) -> str:
        visit.open(desk.address)
        said = press(visit, "Pause entries", "Resume entries")
        visit.page.wait_for_selector("text=Entries are paused")
        return said

    def resume(visit: Visit) -> str:
        visit.open(desk.address)
        return press(visit, "Resume entries", "Pause entries")

    assert "Stops and targets are watched on" in await browser.run(pause)
    assert desk.engine.state.paused_ms is not None
    assert "at once" in await browser.run(resume)
    assert desk.engine.state.paused_ms is None


async def test_close_all_names_each_position_and_closes_those_that_stay_ticked(
    desk: Desk, browser: Browser
) -> None:
    for each in ("one", "two", "three"):
        await bought(desk, id=each)

    def close(visit: Visit) -> tuple[str, str]:
        visit.open(desk.address)
        visit.page.wait_for_selector("#protections tbody tr >> nth=2")
        visit.page.click("#exposure header button.danger")
        said = visit.page.inner_text("dialog[open]")
        visit.page.uncheck("dialog li:has-text('(two)') input")
        visit.page.click("dialog button.danger:has-text('Close 2 at the market')")
        visit.page.wait_for_function(
            "() => document.querySelectorAll('dialog li b.good').length === 2"
        )
        answers = visit.page.inner_text("dialog[open]")
        visit.page.click("dialog button:has-text('Done')")
        visit.page.wait_for_function(
            "() => document.querySelectorAll('#protections > .scroll tbody tr').length === 1"
        )
        assert visit.complaints == []
        return said, answers

    said, answers = await browser.run(close)
    for each in ("one", "two", "three"):
        assert f"10 contracts of BTCUSDT long ({each}) are closed at the market" in said
    assert answers.count("asked") == 2
    states = {id: each.state.value for id, each in desk.engine.state.protections.items()}
    assert states == {"one": "closed", "two": "armed", "three": "closed"}


async def test_a_callback_that_was_given_up_is_sent_again_when_asked(
    desk: Desk, browser: Browser
) -> None:
    """The receiver says 404, which is final, until it has been mended."""
    mended = trio.Event()
    taken: list[bytes] = []

    async def receive(stream: trio.SocketStream) -> None:
        asked = bytearray()
        while not asked.endswith(b"}"):  # the body is one JSON object, and comes last
            asked += await stream.receive_some()
        if mended.is_set():
            taken.append(bytes(asked))
        said = b"200 OK" if mended.is_set() else b"404 Not Found"
        await stream.send_all(
            b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % said
        )
        await stream.aclose()

    serve = partial(trio.serve_tcp, receive, 0, host="127.0.0.1")

    def retry(visit: Visit) -> str:
        visit.open(desk.address)
        said: str = visit.asked("#outbox td.act button >> nth=0")
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector("text=Done: Send again")
        visit.page.wait_for_selector(".verdict:has-text('Notifications given up: 1')")
        assert visit.complaints == []
        return said

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(serve)
        port = listeners[0].socket.getsockname()[1]
        await bought(desk, callback_url=f"http://127.0.0.1:{port}/callback")
        await desk.until(lambda: desk.engine.outbox().dead == 2 and not desk.engine.outbox().owed)
        mended.set()
        assert "is owed again and sent" in await browser.run(retry)
        await desk.until(lambda: desk.engine.outbox().delivered == 1)
        nursery.cancel_scope.cancel()
    assert len(taken) == 1


async def test_the_kill_switch_says_what_each_level_does_and_can_be_undone(
    desk: Desk, browser: Browser
) -> None:
    await bought(desk)
    await desk.post("/api/place-order", {**ORDER, "id": "waits"})
    await desk.until(lambda: desk.engine.state.orders["waits"].state.value != "submitting")

    def halt(visit: Visit) -> list[str]:
        said = []
        visit.open(desk.address)
        visit.page.wait_for_selector("#orders tbody tr")
        visit.page.click("header button:has-text('Halt')")
        for level in ("no_new", "cancel", "flatten"):
            visit.page.check(f"dialog input[value={level}]")
            said.append(visit.page.inner_text("#act-says"))
        faults = visit.faults_of_access()
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector(".verdict:has-text('Trading is halted')")
        visit.page.wait_for_selector("#exposure .empty")
        visit.page.wait_for_selector("#log:has-text('trading was halted')")
        visit.page.click("header button:has-text('Resume entries')")
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector(".verdict:not(:has-text('halted'))")
        assert visit.complaints == []
        assert faults == []
        return said

    said = await browser.run(halt)
    assert "No new entry goes out" in said[0]
    assert "every entry order (1) is cancelled" in said[1]
    assert "every guarded position (1) is closed" in said[2]
    assert desk.engine.state.protections["order-123"].state.value == "closed"
    assert desk.engine.state.orders["waits"].state.value == "cancelled"
    assert desk.engine.state.halt is None
