"""What is owed to the application, and what was given up."""

from __future__ import annotations

import pytest
import trio

from bitmart_engine.store.records import NotificationSettled

from .conftest import ORDER, Desk, Open

HOOK = "http://127.0.0.1:9/hook?chat=5"
"""Nothing listens there: what is owed to it stays owed."""


async def owe(desk: Desk, *ids: str) -> None:
    """Have orders cancelled that are to be called back about."""
    for id in ids:
        await desk.post("/api/place-order", {**ORDER, "id": id, "callback_url": HOOK})
        await desk.ask("DELETE", f"/api/orders/{id}")


def tried(desk: Desk, id: str) -> bool:
    """Whether an attempt to deliver a notification has failed."""
    waiting = desk.engine.still_owed(id)
    return waiting is not None and waiting.attempts > 0


async def given_up(desk: Desk, id: str) -> str:
    """Have the callback about an order given up; returns its id."""
    await owe(desk, id)
    [letter] = [each for each in desk.engine.state.owed.values() if each.lane == id]
    desk.engine._store.record(NotificationSettled(letter.id, False, 5000, "it said 404"))
    return letter.id


async def test_what_is_owed_is_listed(desk: Desk) -> None:
    assert await desk.get("/api/outbox") == {"ok": True, "notifications": [], "next": None}
    await owe(desk, "order-1")
    [notification] = desk.engine.state.owed.values()
    await desk.until(lambda: tried(desk, notification.id))
    before_ms = notification.created_ms
    answer = await desk.get("/api/outbox?state=owed")
    [owed] = answer["notifications"]
    assert before_ms < owed.pop("next_attempt_ms") < before_ms + 60_000
    assert owed == {
        "id": notification.id,
        "state": "owed",
        "lane": "order-1",
        "kind": "cancelled",
        "url": HOOK,
        "created_ms": notification.created_ms,
        "at_ms": None,
        "why": "no connection: connection refused",
        "attempts": 1,
    }
    assert (await desk.get("/api/outbox?state=dead"))["notifications"] == []
    status = await desk.get("/status")
    assert (status["outbox"]["owed"], status["outbox"]["dead"]) == (1, 0)


async def test_what_was_given_up_says_why_and_shows_its_body(desk: Desk) -> None:
    id = await given_up(desk, "order-1")
    [dead] = (await desk.get("/api/outbox?state=dead"))["notifications"]
    assert (dead["id"], dead["state"], dead["at_ms"]) == (id, "dead", 5000)
    assert dead["why"] == "it said 404"
    assert (dead["attempts"], dead["next_attempt_ms"]) == (None, None)
    one = (await desk.get(f"/api/outbox/{id}"))["notification"]
    assert one["body"]["event"] == "cancelled"
    assert one["body"]["order_id"] == "order-1"
    assert {name: value for name, value in one.items() if name != "body"} == dead
    assert (await desk.get("/status"))["outbox"]["dead"] == 1


async def test_a_signature_is_never_shown(open_desk: Open) -> None:
    async with open_desk(trading_app_shared_secret="hush-hush") as desk:
        id = await given_up(desk, "order-1")
        for path in ("/api/outbox", f"/api/outbox/{id}"):
            text = (await desk.ask("GET", path)).text
            assert "signature" not in text.lower()
            assert "hush" not in text


async def test_it_is_listed_by_pages_what_is_owed_first(desk: Desk) -> None:
    dead = [await given_up(desk, each) for each in ("d0", "d1", "d2")]
    await owe(desk, "o0", "o1")
    owed = [each.id for each in desk.engine.state.owed.values()]
    expected = [*reversed(owed), *reversed(dead)]
    seen: list[str] = []
    query = "?limit=2"
    for size, last in ((2, False), (2, False), (1, True)):
        answer = await desk.get(f"/api/outbox{query}")
        seen += [each["id"] for each in answer["notifications"]]
        assert (len(answer["notifications"]), answer["next"] is None) == (size, last)
        query = f"?limit=2&after={answer['next']}"
    assert seen == expected
    only = await desk.get(f"/api/outbox?state=DEAD&after={dead[2]}")
    assert [each["id"] for each in only["notifications"]] == [dead[1], dead[0]]
    for several in ("state=dead,owed", "state=dead&state=owed"):
        both = await desk.get(f"/api/outbox?{several}")
        assert [each["id"] for each in both["notifications"]] == expected


@pytest.mark.parametrize(
    ("query", "field", "error"),
    [
        ("state=lost", "state", "'lost' is not a state; there are: owed, dead"),
        ("limit=0", "limit", "from 1 to 1000"),
        ("after=ghost", "after", "nothing here has the id 'ghost'"),
        ("symbol=BTCUSDT", "symbol", "there are: state, limit, after"),
        ("limit=1&limit=1", "limit", "is given twice"),
    ],
)
async def test_a_query_that_is_wrong_is_refused_by_name(
    desk: Desk, query: str, field: str, error: str
) -> None:
    answer = await desk.ask("GET", f"/api/outbox?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert error in answer.json()["error"]


async def test_what_was_given_up_is_sent_again(desk: Desk) -> None:
    id = await given_up(desk, "order-1")
    again = await desk.post(f"/api/outbox/{id}/retry")
    assert (again["id"], again["notification"]["state"]) == (id, "owed")
    assert desk.engine.state.dead == {}
    assert id in desk.engine.state.owed
    twice = await desk.ask("POST", f"/api/outbox/{id}/retry")
    assert (twice.status_code, twice.json()["error"]) == (
        409,
        "it is owed already, and will be sent",
    )


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/api/outbox/ghost", "has the id 'ghost'"),
        ("POST", "/api/outbox/ghost/retry", "no dead letter has the id 'ghost'"),
    ],
)
async def test_what_is_not_there_is_a_404(desk: Desk, method: str, path: str, error: str) -> None:
    answer = await desk.ask(method, path)
    assert answer.status_code == 404
    assert error in answer.json()["error"]


async def test_a_receiver_that_is_back_gets_what_it_missed(open_desk: Open) -> None:
    refusing, bodies = True, []

    async def receive(stream: trio.SocketStream) -> None:
        head = await stream.receive_some(65_536)
        bodies.append(head)
        status = b"410 Gone" if refusing else b"200 OK"
        await stream.send_all(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        await stream.aclose()

    async with open_desk() as desk, trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, receive, [listener])
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        await desk.post("/api/place-order", {**ORDER, "callback_url": url})
        await desk.ask("DELETE", "/api/orders/order-123")
        await desk.until(lambda: bool(desk.engine.state.dead))
        [dead] = (await desk.get("/api/outbox?state=dead"))["notifications"]
        assert "410" in dead["why"]
        refusing = False
        await desk.post(f"/api/outbox/{dead['id']}/retry", {})
        await desk.until(lambda: not desk.engine.state.owed)
        assert (await desk.get("/api/outbox"))["notifications"] == []
        assert len(bodies) == 2
        nursery.cancel_scope.cancel()
