"""The OpenAPI document: true of every route, and nothing that schemathesis sends gets an answer outside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis
import trio
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from trio_websocket import open_websocket_url

from bitmart_engine.control import make_app
from bitmart_engine.control.events import event_view
from bitmart_engine.feed import Happening

from .conftest import ORDER, Desk

LEFT_OUT = {("POST", "/stop"), ("GET", "/events")}
"""The first ends the engine, the second does not end."""
EXAMPLES = 6
"""Of each operation."""

KNOWN = ["order-123", "o2"]
SENSIBLE = {"symbol": "BTCUSDT", "id": "o2"}


async def contract(desk: Desk) -> dict[str, Any]:
    answer = await desk.ask("GET", "/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    document: dict[str, Any] = answer.json()
    return document


async def test_every_route_is_in_the_contract(desk: Desk) -> None:
    document = await contract(desk)
    served = {
        (method, re.sub(r"<(?:[a-z]+:)?([a-z]+)>", r"{\1}", rule.rule))
        for rule in make_app(desk.engine).url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS") and not rule.endpoint.startswith("page.")
    }
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert served == described
    ids = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(ids) == len(set(ids))
    assert all(each["summary"] for item in document["paths"].values() for each in item.values())


@cache
def checks() -> list[Any]:
    load_all_checks()
    return CHECKS.get_by_names(
        [
            "not_a_server_error",
            "status_code_conformance",
            "content_type_conformance",
            "response_headers_conformance",
            "response_schema_conformance",
            "negative_data_rejection",
        ]
    )


def send_to(operation: Any, mode: GenerationMode, address: str) -> int:
    """Send what the contract allows (or does not, as `mode` says) to one operation."""
    sent = 0
    allowed = mode is GenerationMode.POSITIVE

    @seed(20250101)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode),
        known=st.sampled_from([None, *KNOWN]),
    )
    def send(case: schemathesis.Case, known: str | None) -> None:
        nonlocal sent
        if known is not None and allowed:
            for name in case.path_parameters or ():
                case.path_parameters[name] = {"symbol": "btcusdt", "tf": "5m"}.get(name, known)
            if case.path == "/api/place-order":
                case.body = {**ORDER, **case.body, **SENSIBLE}
        answer = case.call(base_url=address)
        case.validate_response(answer, checks=checks())
        sent += 1

    try:
        send()
    except Unsatisfiable:
        assert not allowed  # nothing can be wrong with it
    return sent


def fuzz(document: dict[str, Any], address: str) -> int:
    """Send what the contract allows, and what it does not, to every operation. Returns how much was sent."""
    schema = schemathesis.openapi.from_dict(document)
    sent = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if (operation.method.upper(), operation.path) in LEFT_OUT:
            continue
        for mode in GenerationMode:
            sent += send_to(operation, mode, address)
    return sent


def undescribed(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    """The names of fields in `value` that the schema says nothing of."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
        if value is not None:
            yield from undescribed(value, schema, document)
    elif isinstance(value, list):
        for each in value:
            yield from undescribed(each, schema.get("items", {}), document)
    elif isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name in schema["properties"]:
                yield from undescribed(inner, schema["properties"][name], document)
            else:
                yield name
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for inner in value.values():
            yield from undescribed(inner, schema["additionalProperties"], document)


async def test_nothing_is_shown_that_is_not_described(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    document = await contract(desk)
    for path, item in document["paths"].items():
        if "get" not in item or path == "/events":
            continue
        asked = path.format(id="order-123", symbol="BTCUSDT", tf="1m")
        answer = await desk.ask("GET", asked)
        if answer.status_code == 200:
            [(kind, content)] = item["get"]["responses"]["200"]["content"].items()
            said = answer.json() if kind == "application/json" else answer.text
            assert list(undescribed(said, content["schema"], document)) == [], path


async def test_what_happens_is_told_as_described(desk: Desk) -> None:
    document = await contract(desk)
    [content] = document["paths"]["/events"]["get"]["responses"]["200"]["content"].values()
    schemas = document["components"]["schemas"]
    kinds = [schemas[each["$ref"].rpartition("/")[2]] for each in schemas["Event"]["oneOf"]]
    by_type = {each["properties"]["type"]["const"]: each for each in kinds}
    assert content["schema"] == {"$ref": "#/components/schemas/Event"}
    assert set(by_type) == {each.value for each in Happening} | {"lagged"}
    seen: set[str] = set()
    with desk.engine.feed.read() as reader:
        await desk.post("/klines/subscribe", {"symbol": "BTCUSDT", "tfs": ["1m"]})
        await desk.post("/api/place-order", ORDER)
        await desk.fill()
        await desk.ask("POST", "/api/halt", {"level": "no_new"})
        with trio.fail_after(30):
            while seen != set(by_type) - {"lagged"}:
                for each in await reader.some(100):
                    view = json.loads(msgspec.json.encode(event_view(each)))
                    seen.add(view["type"])
                    schema = {**by_type[view["type"]], "components": document["components"]}
                    jsonschema_rs.validate(schema, view)
                    assert list(undescribed(view, schema, document)) == []


async def test_the_stream_is_a_websocket_for_whoever_asks_for_one_as_the_contract_says(
    desk: Desk,
) -> None:
    document = await contract(desk)
    responses = document["paths"]["/events"]["get"]["responses"]
    assert responses["101"]["headers"]["Upgrade"]["schema"]["const"] == "websocket"
    schema = {**document["components"]["schemas"]["Event"], "components": document["components"]}
    url = desk.address.replace("http://", "ws://") + "/events?types=entry"
    with trio.fail_after(30):
        async with open_websocket_url(url) as socket:
            await desk.post("/api/place-order", ORDER)
            jsonschema_rs.validate(schema, json.loads(await socket.get_message()))


@pytest.mark.timeout(300)
async def test_schemathesis_finds_nothing(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    document = await contract(desk)
    sent = await trio.to_thread.run_sync(fuzz, document, desk.address)
    assert sent > 150
