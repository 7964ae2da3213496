"""What goes wrong is in the OpenAPI document too: every error that can be provoked is one that it describes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import trio
from attrs import frozen

from bitmart_engine.control import app as app_module
from bitmart_engine.control import make_app
from bitmart_engine.model.notifications import Notification
from bitmart_engine.store.records import NotificationOwed, NotificationSettled

from .conftest import ORDER, Desk, Open
from .test_openapi import contract, undescribed
from .test_promises import Disk, opened_on

JSON = {"Content-Type": "application/json"}
BODIES: dict[str, Any] = {
    "PlaceOrder": {**ORDER, "id": "new"},
    "MonitorPosition": {"id": "p", "symbol": "BTCUSDT", "side": "long", "stop_loss": 60000},
    "Levels": {"stop_loss": 63100},
    "KlineView": {"symbol": "BTCUSDT", "tfs": ["1m"]},
    "HaltAsked": {"level": "no_new"},
}
WRITES = ("POST", "PATCH", "DELETE")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
OPEN_ENDED = ("GET", "/events")


@frozen
class Operation:
    """One operation of the document, and how to ask for it."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def body(self) -> Any:
        """A body that is good, where there is one."""
        content = self.described.get("requestBody", {"content": {}})["content"]
        for each in content.values():
            return BODIES[each["schema"]["$ref"].rpartition("/")[2]]
        return None

    def to(self, id: str = "ghost") -> str:
        return self.path.format(id=id, symbol="BTCUSDT", tf="1m")


@frozen
class Contract:
    """The document of a served engine, and what is held against it."""

    document: dict[str, Any]

    def __iter__(self) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method, described in item.items():
                yield Operation(method.upper(), path, described)

    def __getitem__(self, method_and_path: str) -> Operation:
        return next(each for each in self if f"{each.method} {each.path}" == method_and_path)

    def response(self, described: dict[str, Any]) -> dict[str, Any]:
        """A response of an operation, which may be one that has a name."""
        if "$ref" not in described:
            return described
        named: dict[str, Any] = self.document["components"]["responses"]
        found: dict[str, Any] = named[described["$ref"].rpartition("/")[2]]
        return found

    def check(self, operation: Operation, answer: httpx.Response) -> None:
        """The answer is one of those that the operation has, in status, headers, shape and fields."""
        name = f"{operation.method} {operation.path}: {answer.status_code} {answer.text[:200]}"
        responses = operation.described["responses"]
        assert str(answer.status_code) in responses, name
        response = self.response(responses[str(answer.status_code)])
        [(content_type, content)] = response["content"].items()
        assert answer.headers["Content-Type"] == content_type, name
        for header, each in response.get("headers", {}).items():
            assert header in answer.headers or not each["required"], name
        schema = {**content["schema"], "components": self.document["components"]}
        said = answer.json() if content_type == JSON["Content-Type"] else answer.text
        jsonschema_rs.validate(schema, said)
        assert list(undescribed(said, schema, self.document)) == [], name


async def contract_of(desk: Desk) -> Contract:
    return Contract(await contract(desk))


async def test_who_may_not_ask_is_told_so_on_every_path(open_desk: Open) -> None:
    async with open_desk(control_token="s3cret") as desk:
        desk.http.headers["Authorization"] = "Bearer s3cret"
        document = await contract_of(desk)
        desk.http.headers["Authorization"] = "Bearer guessed"
        refused = {}
        for each in document:
            answer = await desk.ask(each.method, each.to(), each.body)
            document.check(each, answer)
            refused[each.path] = answer.status_code
        assert {path for path, status in refused.items() if status != 401} == {"/healthz"}


async def test_another_machine_is_told_so_on_every_path(desk: Desk) -> None:
    document = await contract_of(desk)
    for each in document:
        answer = await desk.ask(each.method, each.to(), each.body, headers={"Host": "evil.example"})
        assert answer.status_code == 403
        document.check(each, answer)


@pytest.mark.parametrize(
    ("status", "content", "headers"),
    [
        (400, "{]", JSON),
        (400, '{"unheard_of": 1}', JSON),
        (413, " " * 65_537, JSON),
        (415, "a=b", {"Content-Type": "text/plain"}),
    ],
)
async def test_a_body_that_is_wrong_is_refused_as_described(
    desk: Desk, status: int, content: str, headers: dict[str, str]
) -> None:
    document = await contract_of(desk)
    for each in document:
        if each.method in WRITES:
            answer = await desk.ask(each.method, each.to(), content=content, headers=headers)
            assert answer.status_code == status, each
            document.check(each, answer)
    assert not desk.engine.stopping


async def test_a_body_that_never_comes_is_refused_as_described(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "BODY_WITHIN_S", 0.05)
    async with open_desk() as desk:
        document = await contract_of(desk)
        for each in document:
            if each.method in WRITES:
                answer = await never_ending(desk, each)
                assert answer.status_code == 408
                document.check(each, answer)


async def test_a_parameter_that_is_wrong_is_refused_as_described(desk: Desk) -> None:
    document = await contract_of(desk)
    for each in document:
        names = [one["name"] for one in each.described["parameters"] if one["in"] == "query"]
        for query in [{"unheard_of": "1"}, *({name: "~"} for name in names)] if names else []:
            answer = await desk.ask(each.method, each.to(), params=query)
            if answer.status_code != 200:
                document.check(each, answer)
        if names:
            answer = await desk.ask(each.method, each.to(), params={"unheard_of": "1"})
            assert answer.status_code == 400


async def test_what_is_not_there_is_said_as_described(desk: Desk) -> None:
    document = await contract_of(desk)
    for each in document:
        if "{id}" in each.path:
            answer = await desk.ask(each.method, each.to("ghost"), each.body)
            assert answer.status_code == 404
            document.check(each, answer)
    klines = document["GET /api/klines/{symbol}/{tf}"]
    for path in ("/api/klines/NOPEUSDT/1m", "/api/klines/BTCUSDT/7m"):
        answer = await desk.ask("GET", path)
        assert answer.status_code == 404
        document.check(klines, answer)


async def test_any_other_method_is_refused_with_those_there_are(desk: Desk) -> None:
    document = await contract_of(desk)
    for path, item in document.document["paths"].items():
        here = {method.upper() for method in item}
        if "}/" in path or path == "/api/orders/status":
            continue  # an id may be called so, and then another method is for that
        for method in set(METHODS) - here:
            answer = await desk.ask(method, path.format(id="x", symbol="BTCUSDT", tf="1m"))
            assert (answer.status_code, answer.json()["ok"]) == (405, False), (method, path)
            assert here <= set(answer.headers["Allow"].split(", ")), path
    assert not desk.engine.stopping


async def test_a_conflict_is_said_as_described(open_desk: Open) -> None:
    async with open_desk() as desk:
        document = await contract_of(desk)
        await desk.post("/api/place-order", ORDER)
        await desk.fill()
        owe(desk, "owed-1", dead=False)
        conflicts = [
            ("POST /api/place-order", "", {**ORDER, "quantity": 0.02}),
            ("POST /api/monitor-position", "", {**BODIES["MonitorPosition"], "id": "order-123"}),
            ("DELETE /api/orders/{id}", "order-123", None),
            ("POST /api/outbox/{id}/retry", "owed-1", None),
        ]
        await desk.post("/api/positions/order-123/close")
        await desk.until(lambda: desk.engine.state.protections["order-123"].state.value == "closed")
        conflicts += [
            ("PATCH /api/positions/{id}", "order-123", {"stop_loss": 60000}),
            ("DELETE /api/positions/{id}", "order-123", None),
            ("POST /api/positions/{id}/close", "order-123", None),
        ]
        for name, id, body in conflicts:
            operation = document[name]
            answer = await desk.ask(operation.method, operation.to(id), body)
            assert answer.status_code == 409, (name, answer.text)
            document.check(operation, answer)


async def test_what_needs_an_account_is_refused_as_described(open_desk: Open) -> None:
    async with open_desk(credentials=False) as desk:
        document = await contract_of(desk)
        for each in document:
            if each.path in ("/stop", "/events"):
                continue
            answer = await desk.ask(each.method, each.to(), each.body)
            document.check(each, answer)
            if each.path.rpartition("/")[0] in ("/orders", "/positions", "/balance"):
                assert answer.status_code == 409


async def test_what_cannot_be_done_now_is_said_as_described(
    open_desk: Open, tmp_path: Path
) -> None:
    async with opened_on(open_desk, tmp_path) as desk:
        document = await contract_of(desk)
        await desk.post("/api/place-order", ORDER)
        owe(desk, "dead-1", dead=True)
        disk = Disk(desk)
        await disk.fill()
        unable = set()
        for each in document:
            if each.path in ("/stop", "/events"):
                continue
            id = "dead-1" if "outbox" in each.path else "order-123"
            answer = await desk.ask(each.method, each.to(id), each.body)
            document.check(each, answer)
            if answer.status_code == 503:
                unable.add(f"{each.method} {each.path}")
        assert unable >= {
            "POST /api/place-order",
            "POST /api/monitor-position",
            "PATCH /api/positions/{id}",
            "DELETE /api/positions/{id}",
            "DELETE /api/orders/{id}",
            "POST /api/outbox/{id}/retry",
            "POST /klines/subscribe",
            "POST /balance/subscribe",
            "GET /readyz",
        }
        await disk.empty()


async def test_an_exchange_out_of_reach_is_said_as_described(open_desk: Open) -> None:
    strangers = {"api_key": "k", "api_secret": "s", "api_memo": "m"}
    async with open_desk(rest_uri="http://127.0.0.1:1", credentials=False, **strangers) as desk:
        document = await contract_of(desk)
        unable = set()
        for each in document:
            if each.path in ("/stop", "/events"):
                continue
            answer = await desk.ask(each.method, each.to(), each.body)
            document.check(each, answer)
            if answer.status_code == 503:
                unable.add(f"{each.method} {each.path}")
            if each.path == "/api/halt":  # else what follows would be refused for that
                await desk.ask("POST", "/resume")
        assert unable == {
            "POST /api/place-order",
            "POST /api/monitor-position",
            "GET /api/klines/{symbol}/{tf}",
            "GET /readyz",
        }


async def test_a_crash_is_said_as_described(desk: Desk) -> None:
    document = await contract_of(desk)

    class Broken:
        settings = desk.engine.settings

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("hidden detail")

    broken: Any = Broken()
    crashed = set()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(make_app(broken), raise_app_exceptions=False),
        base_url="http://localhost",
    ) as client:
        for each in document:
            answer = await client.request(each.method, each.to(), json=each.body)
            document.check(each, answer)
            crashed.add((each.path, answer.status_code))
    assert {path for path, status in crashed if status == 200} == {
        "/healthz",
        "/help",
        "/openapi.json",
    }
    assert {status for _, status in crashed} == {200, 500}


def owe(desk: Desk, id: str, *, dead: bool) -> None:
    """A callback that is owed, to a receiver that is not there; or one that was given up."""
    now_ms = round(time.time() * 1000)
    letter = Notification(
        id=id, lane="x", url="http://127.0.0.1:9/", kind="k", body=b"{}", created_ms=now_ms
    )
    desk.engine._store.record(NotificationOwed(letter))
    if dead:
        desk.engine._store.record(NotificationSettled(id, False, 2, "refused"))


async def never_ending(desk: Desk, operation: Operation) -> httpx.Response:
    """The answer to a request whose body never comes."""
    url = httpx.URL(desk.address)
    asked = f"{operation.method} {operation.to()} HTTP/1.1\r\nHost: localhost\r\n"
    found = b""
    async with await trio.open_tcp_stream(url.host, url.port or 0) as stream:
        await stream.send_all(f"{asked}Content-Length: 9\r\n\r\n".encode())
        with trio.fail_after(5):
            while not found.endswith(b"}\n"):
                found += await stream.receive_some(65536)
    head, _, body = found.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return httpx.Response(int(first.split()[1]), headers=headers, content=body)
