"""What happens, as it happens."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
import trio

from bitmart_engine import PlaceOrder
from bitmart_engine.remote import views
from bitmart_engine.remote.client import _events
from bitmart_engine.remote.tables import Screen

from .conftest import Desk, typed
from .test_failures import answering, says

PIPE = Screen()
SSE = "text/event-stream; charset=utf-8"


def stream(*events: object) -> bytes:
    return b"retry: 2000\n\n:\n\n" + b"".join(
        b"id: 1\nevent: x\ndata: %s\n\n" % json.dumps(each, ensure_ascii=False).encode()
        for each in events
    )


async def test_what_happens_to_an_order_is_told(desk: Desk) -> None:
    async def told(*words: str) -> list[str]:
        """The lines of two events, with orders placed until there are two."""
        async with trio.open_nursery() as nursery:

            async def place() -> None:
                while True:
                    id = f"a{len(desk.engine.state.orders)}"
                    asked = PlaceOrder(
                        id=id, symbol="BTCUSDT", side="long", size=1,
                        entry_zone_min=Decimal(64000), entry_zone_max=Decimal(64500),
                    )  # fmt: skip
                    await desk.engine.place_order(asked)
                    await trio.sleep(0.02)

            nursery.start_soon(place)
            said = await desk.done("events", "--types", "entry", "--count", "2", *words)
            nursery.cancel_scope.cancel()
        return said.splitlines()

    for line in await told():
        assert re.match(r"20\d\d-\S+Z  entry       BTCUSDT   id=a\d+ state=waiting ", line)
        assert " size=1" in line
    first, second = map(json.loads, await told("--json", "--symbol", "btcusdt"))
    assert first["data"]["state"] == "waiting"
    assert second["id"] > first["id"]
    after = await desk.done("events", "--count", "1", "--json", "--after", str(first["id"]))
    assert json.loads(after)["id"] > first["id"]


async def test_an_engine_that_stops_ends_the_stream(desk: Desk) -> None:
    results = []
    async with trio.open_nursery() as nursery:

        async def listen() -> None:
            results.append(await desk.types("events"))

        nursery.start_soon(listen)
        await trio.sleep(0.3)
        desk.engine.stop()
    assert results[0].exit_code == 3
    assert "Traceback" not in results[0].output


async def test_what_is_asked_wrongly_is_refused(desk: Desk) -> None:
    result = await desk.types("events", "--types", "klin")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "did you mean 'kline'" in result.stderr


def test_where_it_ended_is_said() -> None:
    told = {"id": 7, "type": "lagged"}
    with answering(
        says(200, stream(told), Content_Type=SSE), says(200, stream(), Content_Type=SSE)
    ) as engine:
        result = typed("events", "--after", "5", "--url", engine.url)
        assert engine.requests[0][1] == "/events?last_event_id=5"
        assert result.exit_code == 3
        assert result.stderr == (
            "bitmart-engine: the engine has ended the stream; --after 7 goes on from here\n"
        )
        silent = typed("events", "--url", engine.url)
        assert silent.stderr == "bitmart-engine: the engine has ended the stream\n"


@pytest.mark.parametrize(
    ("answer", "code", "why"),
    [
        (says(200, {"ok": True}), 3, "answers, but streams no events"),
        (says(200, b"<html>"), 3, "is no engine"),
        (says(401, {"ok": False, "error": "x"}), 4, "wants a token"),
        (
            says(404, {"ok": False, "error": "there is no GET /events"}),
            1,
            "there is no GET /events",
        ),
        (says(0, b""), 3, "broke off"),
    ],
)
def test_what_is_no_stream_of_events(
    answer: tuple[int, bytes, dict[str, str]], code: int, why: str
) -> None:
    with answering(answer) as other:
        result = typed("events", "--url", other.url)
    assert (result.exit_code, result.stdout) == (code, "")
    assert why in result.stderr


def test_an_engine_that_is_silent_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitmart_engine.remote.client.SILENCE_S", 0.1)
    with answering(says(200, b""), after_s=1) as engine:
        result = typed("events", "--url", engine.url, "--timeout", "0.05")
    assert result.exit_code == 3
    assert "has said nothing for 0.1 s" in result.stderr
    assert typed("events", "--url", engine.url).exit_code == 3


def test_lines_end_where_the_protocol_says_and_nowhere_else() -> None:
    text = 'data: {"id": "a\u2028b\u0085c"}\r\n\r\n:\n\ndata:x\ndata: y\n\ndata: cut off'.encode()
    for size in (1, 3, 1000):
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        assert list(_events(parts)) == ['{"id": "a\u2028b\u0085c"}'.encode(), b"x\ny"]


def test_odd_events_are_a_line_each() -> None:
    odd = [
        {"type": "lagged", "missed": 3},
        {"type": "\x1b[2J", "at_ms": 0, "symbol": "A\nB", "data": {"a": [1], "b": "x y", "c": None}},
        {"type": "kline", "at_ms": 0, "symbol": "B", "data": {"open": "1.50", "closed": False}},
        {"type": "position", "at_ms": 0, "symbol": "B", "data": {"side": "long", "size": 0}},
        ["no event"],
        {},
    ]  # fmt: skip
    with answering(says(200, stream(*odd) + b"data: {\n\n", Content_Type=SSE)) as engine:
        result = typed("events", "--url", engine.url)
    assert result.stdout.splitlines() == [
        "-  lagged      -         missed=3",
        '1970-01-01T00:00:00.000Z  \\x1b[2J     A\\nB      a=[1] b="x y"',
        "1970-01-01T00:00:00.000Z  kline       B         open=1.50",
        "1970-01-01T00:00:00.000Z  position    B         side=long size=0",
        "-  None        -",
    ]


def test_on_a_terminal_an_event_is_ascii_as_json_and_short_as_a_line() -> None:
    told = {"type": "entry", "at_ms": 1, "symbol": "日", "data": {"id": "日", "odd": 1}}
    line = views.event(told, Screen(terminal=True, encoding="ascii"))
    assert line.endswith(r"id=\u65e5")
