"""The live page in a real browser: what it shows, what can be done with it, and what it lets nobody do."""

from __future__ import annotations

from typing import Any

import httpx
import trio

from ..control.conftest import ORDER, Desk, opened
from .conftest import TOKEN, Browser, Visit, bought

HOSTILE = "<img src=x onerror=window.hurt=1>\"'&</td><script>window.hurt=1</script>"


async def test_it_shows_what_is_held_and_who_keeps_the_stop_after_the_token_was_entered(
    desk: Desk, browser: Browser
) -> None:
    await bought(desk)

    def look(visit: Visit) -> dict[str, str]:
        visit.page.goto(desk.address)
        visit.page.wait_for_selector("input[name=token]")
        visit.page.fill("input[name=token]", "wrong")
        visit.page.press("input[name=token]", "Enter")
        visit.page.wait_for_selector("text=This token was refused")
        visit.open(desk.address)
        visit.page.wait_for_selector(".chart canvas")
        visit.page.reload()  # the token is kept in the tab
        visit.page.wait_for_selector("#protections tbody tr")
        visit.page.wait_for_selector(".verdict.green")
        assert visit.complaints == []
        assert visit.origins == {desk.address}
        kept = visit.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
        assert kept.count(TOKEN) == 1
        assert TOKEN not in visit.page.content()
        return {
            each: visit.page.inner_text(f"#{each} tbody") for each in ("exposure", "protections")
        }

    seen = await browser.run(look)
    assert seen["exposure"].split()[:5] == ["BTCUSDT", "long", "10", "10", "0"]
    assert "engine and exchange" in seen["protections"]
    assert "63\u202f000" in seen["protections"]


async def test_ids_symbols_and_metadata_are_text_and_never_markup(
    desk: Desk, browser: Browser
) -> None:
    hostile = {"id": HOSTILE, "metadata": {HOSTILE: HOSTILE}, "exchange_protection": False}
    await desk.post("/api/place-order", {**ORDER, **hostile})

    def look(visit: Visit) -> tuple[str, Any, int]:
        visit.open(desk.address)
        visit.page.wait_for_selector("#orders tbody tr")
        visit.page.click("#orders td.act button")
        visit.page.wait_for_selector("dialog[open]")
        shown = visit.page.inner_text("#act-says")
        hurt = visit.page.evaluate("window.hurt")
        images = visit.page.locator("main img, dialog img, main script").count()
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector("#orders .empty")
        assert visit.complaints == []
        return shown, hurt, images

    shown, hurt, images = await browser.run(look)
    assert HOSTILE in shown
    assert hurt is None
    assert images == 0
    assert desk.engine.state.orders[HOSTILE].state.value == "cancelled"


async def test_an_engine_that_dies_makes_the_page_red_and_refuses_acts_until_it_is_back(
    browser: Browser, free_tcp_port: int
) -> None:
    address = f"http://127.0.0.1:{free_tcp_port}"
    dead, noticed = trio.Event(), trio.Event()
    settings = {"control_address": f"127.0.0.1:{free_tcp_port}", "control_token": TOKEN}
    token = trio.lowlevel.current_trio_token()

    def look(visit: Visit) -> None:
        visit.page.clock.install()
        visit.open(address)
        visit.page.wait_for_selector(".verdict:not(.red)")
        visit.page.click("header button.danger")
        trio.from_thread.run_sync(dead.set, trio_token=token)
        trio.from_thread.run(gone.wait, trio_token=token)
        visit.page.clock.run_for(6000)
        visit.page.click("dialog button[type=submit]")
        visit.page.wait_for_selector("dialog .trouble:has-text('Nothing was sent')")
        visit.page.keyboard.press("Escape")
        visit.page.clock.run_for(12_000)
        visit.page.wait_for_selector(".verdict.red:has-text('silent')")
        trio.from_thread.run_sync(noticed.set, trio_token=token)
        trio.from_thread.run(back.wait, trio_token=token)
        for _ in range(20):
            visit.page.clock.run_for(1000)
            visit.page.wait_for_timeout(100)
            if visit.page.locator(".verdict.red").count() == 0:
                return
        raise AssertionError(visit.page.inner_text(".verdict"))

    gone, back, over = trio.Event(), trio.Event(), trio.Event()

    async def visit() -> None:
        await browser.run(look)
        over.set()

    async with trio.open_nursery() as nursery:
        async with opened(**settings) as desk:
            desk.http.headers["Authorization"] = f"Bearer {TOKEN}"
            nursery.start_soon(visit)
            await dead.wait()
        gone.set()
        await noticed.wait()
        async with opened(**settings):
            back.set()
            await over.wait()


async def test_it_speaks_french_to_a_french_browser(desk: Desk, browser: Browser) -> None:
    await bought(desk)

    def look(visit: Visit) -> tuple[str, str, str]:
        visit.open(desk.address)
        visit.page.wait_for_selector(".verdict.green")
        title, language = visit.page.title(), visit.page.get_attribute("html", "lang")
        verdict = visit.page.inner_text(".verdict strong")
        visit.page.select_option("header select >> nth=0", "en")
        visit.page.wait_for_selector("text=All is well")
        return title, language, verdict

    title, language, verdict = await browser.run(look, locale="fr-FR")
    assert (language, verdict) == ("fr", "Tout va bien")
    assert "Tout va bien" in title


async def test_axe_finds_nothing_in_either_theme_nor_on_a_phone(
    desk: Desk, browser: Browser
) -> None:
    await bought(desk, metadata={"plan": "breakout"})
    await desk.post("/api/place-order", {**ORDER, "id": "waits"})

    def look(visit: Visit) -> list[str]:
        visit.page.goto(desk.address)
        visit.page.wait_for_selector("input[name=token]")
        faults = visit.faults_of_access()
        visit.open(desk.address)
        visit.page.wait_for_selector("#orders tbody tr")
        visit.page.wait_for_selector(".chart canvas")
        faults += visit.faults_of_access()
        visit.page.click("header button.primary")
        visit.page.wait_for_selector("dialog[open]")
        return faults + visit.faults_of_access()

    phone = {"viewport": {"width": 390, "height": 844}}
    found: list[str] = []
    for context in ({"color_scheme": "light"}, {"color_scheme": "dark"}, phone):
        found += await browser.run(look, **context)
    assert not found, "\n".join(found)


async def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    desk: Desk, browser: Browser
) -> None:
    await bought(desk, metadata={"plan": "x" * 300})

    def width(visit: Visit) -> int:
        visit.open(desk.address)
        visit.page.wait_for_selector("#protections tbody tr")
        wide: int = visit.page.evaluate("document.documentElement.scrollWidth")
        return wide

    assert await browser.run(width, viewport={"width": 390, "height": 844}) <= 390


async def test_it_works_behind_a_prefix(desk: Desk, browser: Browser) -> None:
    """A proxy that takes `/desk/` off, played by the browser's own routing."""

    def look(visit: Visit) -> None:
        def passed_on(route: Any) -> None:
            asked = route.request
            answer = httpx.request(
                asked.method,
                asked.url.replace("http://desk.example/desk/", f"{desk.address}/"),
                headers={
                    name: value for name, value in asked.headers.items() if name == "authorization"
                },
            )
            headers = {
                name: value
                for name, value in answer.headers.items()
                if name in ("content-type", "content-security-policy")
            }
            route.fulfill(status=answer.status_code, headers=headers, body=answer.content)

        visit.page.route("http://desk.example/desk/**", passed_on)
        visit.page.route("**/events", lambda route: route.abort())  # the later rule counts
        visit.open("http://desk.example/desk/")
        visit.page.wait_for_selector(".chart canvas")
        assert visit.origins == {"http://desk.example"}

    await browser.run(look)


async def test_it_tells_what_happened_since_somebody_was_last_here(
    desk: Desk, browser: Browser
) -> None:
    """The clock is the browser's own: a week passes between two visits, not for the engine."""
    await bought(desk)
    left = (
        "localStorage.setItem('bitmart-engine last here', JSON.stringify({last: %d, since: null}))"
    )

    def first(visit: Visit) -> str:
        visit.open(desk.address)
        visit.page.wait_for_selector("#since .story li:has-text('filled')")
        return visit.page.inner_text("#since")

    def back(visit: Visit) -> tuple[str, str, str]:
        visit.page.goto(desk.address)
        now = visit.page.evaluate("Date.now()")
        visit.page.evaluate(left % (now - 7 * 86_400_000))
        visit.open(desk.address)
        visit.page.wait_for_selector("#since .story li:has-text('filled')")
        away = visit.page.inner_text("#since")
        visit.page.reload()
        visit.page.wait_for_selector("#since .story li:has-text('filled')")
        again = visit.page.inner_text("#since header")
        visit.page.click("#since button:has-text('Mark as seen')")
        visit.page.wait_for_selector("#since:has-text('Nothing has happened')")
        return away, again, visit.page.inner_text("#log")

    assert "first visit with this browser" in await browser.run(first)
    away, again, log = await browser.run(back)
    assert "7 d 0 h ago" in away
    assert "7 d 0 h ago" in again
    assert "1 filled" in away
    assert "1 accepted" in away
    assert "the engine was started" in away
    assert "order-123" in log
