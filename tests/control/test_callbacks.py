"""What was sent of one order or position, and what came of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from bitmart_engine.model.notifications import Notification
from bitmart_engine.store.records import NotificationOwed, NotificationSettled

from .conftest import ORDER, Desk, Open

NOBODY = "http://127.0.0.1:9/hook?chat=5"
"""Nothing listens there: what is owed to it stays owed."""


@asynccontextmanager
async def receiver(*statuses: int) -> AsyncIterator[str]:
    """The address of one that answers so, the last of them for ever."""
    left = list(statuses)

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            status = left.pop(0) if len(left) > 1 else left[0]
            await stream.send_all(
                b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status
            )

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}/hook"
        nursery.cancel_scope.cancel()


async def told(desk: Desk, id: str, query: str = "") -> list[dict[str, Any]]:
    callbacks: list[dict[str, Any]] = (await desk.get(f"/api/callbacks/{id}{query}"))["callbacks"]
    return callbacks


async def cancelled(desk: Desk, id: str, hook: str) -> None:
    await desk.post("/api/place-order", {**ORDER, "id": id, "callback_url": hook})
    await desk.ask("DELETE", f"/api/orders/{id}")


async def test_each_callback_is_there_with_its_body_and_its_answer_in_the_order_made(
    desk: Desk,
) -> None:
    async with receiver(202, 409) as hook:
        await desk.post("/api/place-order", {**ORDER, "callback_url": hook})
        await desk.fill()
        await desk.until(lambda: not desk.engine.state.owed)
        placed, filled = await told(desk, "order-123")
    assert (placed["kind"], filled["kind"]) == ("placed", "filled")
    assert (placed["state"], placed["answer"], placed["attempts"]) == ("delivered", "HTTP 202", 1)
    assert (filled["state"], filled["answer"], filled["why"]) == ("delivered", "HTTP 409", None)
    assert placed["url"] == hook
    assert placed["created_ms"] <= placed["at_ms"] <= filled["at_ms"]
    assert placed["body"]["status"] == "placed"
    assert (placed["body"]["quantity"], placed["body"]["quantity_text"]) == (0.01, "0.01")
    assert (placed["lane"], placed["next_attempt_ms"]) == ("order-123", None)


async def test_one_that_was_given_up_says_why_and_is_there_again_when_it_is_sent_again(
    desk: Desk,
) -> None:
    async with receiver(404, 200) as hook:
        await cancelled(desk, "a", hook)
        await desk.until(lambda: bool(desk.engine.state.dead))
        [dead] = await told(desk, "a")
        assert (dead["state"], dead["why"], dead["answer"]) == ("dead", "HTTP 404", "HTTP 404")
        await desk.post(f"/api/outbox/{dead['id']}/retry")
        await desk.until(lambda: not desk.engine.state.owed)
        first, second = await told(desk, "a")
    assert first == dead
    assert (second["id"], second["state"], second["answer"]) == (
        dead["id"],
        "delivered",
        "HTTP 200",
    )
    assert second["created_ms"] >= first["created_ms"]


async def test_one_that_is_owed_says_how_often_it_was_tried_and_what_came_of_that(
    desk: Desk,
) -> None:
    await cancelled(desk, "a", NOBODY)
    [id] = desk.engine.state.owed
    await desk.until(lambda: (desk.engine.still_owed(id) or desk).attempts > 0)
    [owed] = await told(desk, "a")
    assert (owed["state"], owed["attempts"], owed["answer"]) == ("owed", 1, None)
    assert owed["why"] == "no connection: connection refused"
    assert owed["next_attempt_ms"] > owed["created_ms"]
    assert owed["at_ms"] is None


async def test_an_order_of_which_nothing_was_sent_has_an_empty_list_and_an_unknown_id_is_404(
    desk: Desk,
) -> None:
    await desk.post("/api/place-order", {**ORDER, "id": "a/b"})
    assert await desk.get("/api/callbacks/a%2Fb") == {
        "ok": True,
        "id": "a/b",
        "callbacks": [],
        "left_off": 0,
    }
    for strange in ("nobody", "%ED%A0%80", "%22%27--"):
        answer = await desk.ask("GET", f"/api/callbacks/{strange}")
        assert answer.status_code == 404
        assert "no order and no position has the id" in answer.json()["error"]


async def test_the_latest_are_shown_and_the_number_of_earlier_ones(desk: Desk) -> None:
    for number in range(5):
        note = Notification(
            id=f"n{number}", lane="x", url=NOBODY, kind="k", body=b"{}", created_ms=number
        )
        desk.engine._store.record(NotificationOwed(note))
    answer = await desk.get("/api/callbacks/x?limit=2")
    assert [each["id"] for each in answer["callbacks"]] == ["n3", "n4"]
    assert answer["left_off"] == 3
    assert (await desk.ask("GET", "/api/callbacks/x?limit=0")).status_code == 400
    assert (await desk.ask("GET", "/api/callbacks/x?first=2")).status_code == 400


async def test_a_signal_is_shown_as_it_went_out_last_and_a_callback_as_it_is(desk: Desk) -> None:
    body = b'{"price":65000.10,"retry_count":0,"payload_version":"1.0"}'
    for kind in ("order_signal", "placed"):
        note = Notification(id=kind, lane="x", url=NOBODY, kind=kind, body=body, created_ms=1)
        desk.engine._store.record(
            NotificationOwed(note), NotificationSettled(kind, True, 2, "", "HTTP 202", 3)
        )
    answer = await desk.ask("GET", "/api/callbacks/x")
    found = msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw])["callbacks"]
    signal, callback = msgspec.json.decode(found, type=list[dict[str, msgspec.Raw]])
    assert bytes(signal["body"]) == body.replace(b'"retry_count":0', b'"retry_count":2')
    assert bytes(callback["body"]) == body


async def test_a_password_in_the_address_of_an_older_journal_is_not_shown(desk: Desk) -> None:
    url = "http://user:hunter2@app.test/hook"
    note = Notification(id="n", lane="x", url=url, kind="k", body=b"{}", created_ms=1)
    desk.engine._store.record(NotificationOwed(note), NotificationSettled("n", True, 2))
    [shown] = await told(desk, "x")
    assert shown["url"] == "http://***@app.test/hook"
    assert (shown["state"], shown["answer"], shown["attempts"]) == ("delivered", None, None)


@pytest.mark.parametrize("restart", [False, True])
async def test_what_was_delivered_is_there_after_a_restart(
    open_desk: Open, tmp_path: Path, *, restart: bool
) -> None:
    directory = str(tmp_path / "state")
    async with receiver(200) as hook, open_desk(state_dir=directory) as desk:
        await cancelled(desk, "a", hook)
        await cancelled(desk, "b", hook)
        await desk.until(lambda: not desk.engine.state.owed)
        before = await told(desk, "a")
    if restart:
        async with open_desk(state_dir=directory) as desk:
            assert await told(desk, "a") == before
    assert [json.dumps(each["body"]["event"]) for each in before] == ['"cancelled"']
