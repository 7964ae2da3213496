"""A browser, where there is one: Debian's Chromium, driven by playwright in a thread, and an engine to look at."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
from attrs import define, field

from ..control.conftest import ORDER, Desk, opened

T = TypeVar("T")

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TOKEN = "a token of this test"
WITHIN_MS = 60_000
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
PRESSES = 20
FULL_VIEW = {"width": 1360, "height": 900}


@define(eq=False)
class Visit:
    """A page of the browser, and what it complained of. Used in the browser's thread alone."""

    page: Any
    complaints: list[str] = field(factory=list)
    origins: set[str] = field(factory=set)

    def open(self, address: str, token: str | None = TOKEN) -> None:
        """Open the live page, give it the token, and wait until it shows data."""
        self.page.goto(address)
        if token is not None:
            self.page.fill("input[name=token]", token)
            self.page.click("form.token button[type=submit]")
            self.page.wait_for_selector("#exposure")

    def asked(self, button: str) -> str:
        """Press a button until the page asks whether it is meant, and what it says then.

        Again where it does not ask: the row may have been drawn anew under the press, or the data be some seconds old.
        """
        from playwright.sync_api import TimeoutError as TimedOut  # there is none without playwright

        says = self.page.locator("#act-says")
        for _ in range(PRESSES):
            self.page.click(button)
            try:
                says.wait_for(timeout=2_000)
            except TimedOut:
                continue
            break
        said: str = says.inner_text()
        return said

    def faults_of_access(self) -> list[str]:
        """What axe-core finds. It is run by the browser's tools, past the page's policy, which lets no eval in."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run().then(all => all.violations)")
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found
            for node in each["nodes"]
        ]


class Browser:
    """Chromium in a thread of its own: playwright's objects may be used in no other."""

    def __init__(self, playwright: Any, chromium: Any, thread: ThreadPoolExecutor) -> None:
        self._playwright = playwright
        self._chromium = chromium
        self._thread = thread

    async def run(self, visit: Callable[[Visit], T], **context: Any) -> T:
        """Have `visit` called with a fresh page, in the browser's thread, while the engine runs on."""
        call = partial(self._visited, visit, context)
        return await trio.to_thread.run_sync(lambda: self._thread.submit(call).result())

    def _visited(self, visit: Callable[[Visit], T], context: dict[str, Any]) -> T:
        chosen = {"viewport": FULL_VIEW, "locale": "en-GB", "timezone_id": "Europe/Paris"}
        with self._chromium.new_context(**{**chosen, **context}) as opened:
            opened.set_default_timeout(WITHIN_MS)
            one = Visit(opened.new_page())
            one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
            one.page.on("console", lambda message: _note(one, message))
            one.page.on("request", lambda asked: one.origins.add(_origin(asked.url)))
            return visit(one)


def _note(visit: Visit, message: Any) -> None:
    if message.type == "error" and "Failed to load resource" not in message.text:
        visit.complaints.append(message.text)


def _origin(url: str) -> str:
    return "/".join(url.split("/")[:3])


@contextmanager
def _launched() -> Iterator[Browser]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium: apt-get install chromium")
    with ThreadPoolExecutor(1) as thread:
        playwright = thread.submit(lambda: driver.sync_playwright().start()).result()
        try:
            launch = partial(
                playwright.chromium.launch, executable_path=CHROMIUM, args=list(ARGUMENTS)
            )
            chromium = thread.submit(launch).result()
            yield Browser(playwright, chromium, thread)
            thread.submit(chromium.close).result()
        finally:
            thread.submit(playwright.stop).result()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with _launched() as browser:
        yield browser


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """An engine with a token, that streams BTCUSDT."""
    async with opened(control_token=TOKEN) as desk:
        desk.http.headers["Authorization"] = f"Bearer {TOKEN}"
        await desk.post("/klines/subscribe", {"symbol": "BTCUSDT", "tfs": ["1m"]})
        yield desk


async def bought(desk: Desk, **changes: Any) -> None:
    """An order that filled, and is guarded by the engine and by the exchange."""
    await desk.post("/api/place-order", {**ORDER, **changes})
    await desk.fill(changes.get("id", ORDER["id"]))
