"""While the journal cannot be written nothing is promised; what closes, cancels and shows goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bitmart_engine.model.notifications import Notification
from bitmart_engine.store.records import NotificationOwed, NotificationSettled

from .conftest import ORDER, Desk, Open

MONITORED = {"id": "p", "symbol": "BTCUSDT", "side": "long", "stop_loss": 60000}
KLINES = {"symbol": "BTCUSDT", "tfs": ["1m"]}
TROUBLE = "the journal cannot be written: the disk is full"


class Disk:
    """The disk of an engine's journal: full, and emptied again."""

    def __init__(self, desk: Desk) -> None:
        journal: Any = desk.engine._store._journal
        self._database = journal._database
        self._commit = self._database.commit
        self._desk = desk

    async def fill(self) -> None:
        def full(units: object) -> None:
            raise OSError(28, "No space left on device")

        self._database.commit = full
        answer = await self._desk.ask("POST", "/orders/unsubscribe")
        assert answer.status_code == 503
        assert self._desk.engine.trouble() is not None

    async def empty(self) -> None:
        self._database.commit = self._commit
        await self._desk.until(lambda: self._desk.engine.trouble() is None)


def opened_on(open_desk: Open, tmp_path: Path) -> Any:
    return open_desk(state_dir=str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/place-order", {**ORDER, "id": "new"}),
        ("POST", "/api/place-order", ORDER),
        ("POST", "/api/monitor-position", MONITORED),
        ("PATCH", "/api/positions/order-123", {"stop_loss": 63100}),
        ("DELETE", "/api/positions/order-123", None),
        ("POST", "/klines/subscribe", KLINES),
        ("POST", "/klines/unsubscribe", KLINES),
        ("POST", "/orders/subscribe", None),
        ("POST", "/orders/unsubscribe", None),
        ("POST", "/positions/subscribe", None),
        ("POST", "/positions/unsubscribe", None),
        ("POST", "/api/outbox/dead-1/retry", None),
    ],
)
async def test_what_promises_is_refused_for_now(
    open_desk: Open, tmp_path: Path, method: str, path: str, body: Any
) -> None:
    async with opened_on(open_desk, tmp_path) as desk:
        await desk.post("/api/place-order", ORDER)
        letter = Notification(
            id="dead-1", lane="x", url="http://127.0.0.1:9/", kind="k", body=b"{}", created_ms=1
        )
        desk.engine._store.record(
            NotificationOwed(letter), NotificationSettled("dead-1", False, 2, "why")
        )
        disk = Disk(desk)
        await disk.fill()
        before = {**desk.engine.state.orders}, {**desk.engine.state.protections}
        answer = await desk.ask(method, path, body)
        assert (answer.status_code, answer.json()["ok"]) == (503, False)
        assert int(answer.headers["Retry-After"]) >= 1
        assert TROUBLE in answer.json()["error"]
        assert ({**desk.engine.state.orders}, {**desk.engine.state.protections}) == before
        assert desk.engine.state.dead.keys() == {"dead-1"}
        await disk.empty()
        assert (await desk.ask(method, path, body)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/api/positions/nobody", {"stop_loss": 63100}),
        ("DELETE", "/api/positions/nobody", None),
        ("POST", "/api/positions/nobody/close", None),
        ("DELETE", "/api/orders/nobody", None),
        ("POST", "/api/outbox/nobody/retry", None),
    ],
)
async def test_what_is_not_there_is_a_404_all_the_same(
    open_desk: Open, tmp_path: Path, method: str, path: str, body: Any
) -> None:
    async with opened_on(open_desk, tmp_path) as desk:
        disk = Disk(desk)
        await disk.fill()
        answer = await desk.ask(method, path, body)
        assert (answer.status_code, answer.json()["ok"]) == (404, False)
        await disk.empty()


async def test_the_trouble_is_shown_until_it_is_over(open_desk: Open, tmp_path: Path) -> None:
    async with opened_on(open_desk, tmp_path) as desk:
        disk = Disk(desk)
        await disk.fill()
        ready = await desk.ask("GET", "/readyz")
        assert (ready.status_code, ready.headers["Retry-After"]) == (503, "5")
        assert TROUBLE in ready.json()["missing"][0]
        status = await desk.get("/status")
        assert TROUBLE in status["journal"]["trouble"]
        assert TROUBLE in status["not_ready"][0]
        assert status["dropped"]["journal_commit_failed"] >= 1
        assert (await desk.get("/healthz")) == {"ok": True}
        await disk.empty()
        assert (await desk.get("/readyz"))["ready"] is True
        assert (await desk.get("/status"))["journal"]["trouble"] is None


async def test_a_position_is_closed_meanwhile(open_desk: Open, tmp_path: Path) -> None:
    async with opened_on(open_desk, tmp_path) as desk:
        await desk.post("/api/place-order", ORDER)
        await desk.fill()
        await desk.until(lambda: any(each.size for each in desk.engine.positions()))
        disk = Disk(desk)
        await disk.fill()
        closing = await desk.post("/api/positions/order-123/close")
        assert closing["status"] in ("closing", "closed")
        await desk.until(lambda: not any(each.size for each in desk.engine.positions()))
        await desk.until(lambda: desk.engine.state.protections["order-123"].state.value == "closed")
        await disk.empty()


async def test_an_order_at_the_exchange_is_cancelled_meanwhile(
    open_desk: Open, tmp_path: Path
) -> None:
    async with opened_on(open_desk, tmp_path) as desk:
        await desk.post("/api/place-order", ORDER)
        await desk.enter()
        disk = Disk(desk)
        await disk.fill()
        answer = await desk.ask("DELETE", "/api/orders/order-123")
        assert not list(desk.paper.books.ledger.working())
        assert desk.engine.state.orders["order-123"].state.value == "cancelled"
        assert answer.status_code == 200
        await disk.empty()
        assert (await desk.ask("DELETE", "/api/orders/order-123")).status_code == 409
