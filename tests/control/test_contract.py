"""The OpenAPI document is one that tools can live with: valid, with names for everything that generated code names."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from bitmart_engine import __version__

from .conftest import Desk, Open

Document = dict[str, Any]


async def served(desk: Desk, **more: Any) -> Document:
    answer = await desk.ask("GET", "/openapi.json", **more)
    document: Document = answer.json()
    return document


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    """Every operation: what is asked of the engine, and what it asks of others."""
    items = [(path, item) for path, item in document["paths"].items()]
    items += document["webhooks"].items()
    for name, item in items:
        for operation in item.values():
            yield name, operation
            for callback in operation.get("callbacks", {}).values():
                for url, inner in callback.items():
                    yield url, inner["post"]


def within(value: Any, path: str = "#") -> Iterator[tuple[str, Document]]:
    """Every object in a document, with its path."""
    if isinstance(value, dict):
        yield path, value
        for name, each in value.items():
            if name not in ("example", "examples"):
                yield from within(each, f"{path}/{name}")
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from within(each, f"{path}/{place}")


async def test_the_validator_has_no_complaint(desk: Desk) -> None:
    document = await served(desk)
    assert [str(each) for each in OpenAPIV31SpecValidator(document).iter_errors()] == []


async def test_what_the_engine_sends_has_schemas_that_are_valid_and_exist(desk: Desk) -> None:
    document = await served(desk)
    for path, each in within(document):
        if isinstance(reference := each.get("$ref"), str):
            found = document
            for name in reference.removeprefix("#/").split("/"):
                assert name in found, f"{path}: {reference}"
                found = found[name]
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
        assert re.fullmatch(r"[A-Z][A-Za-z]+", name), name


async def test_every_operation_has_a_name_that_is_one_in_python_too(desk: Desk) -> None:
    document = await served(desk)
    names = [each["operationId"] for _, each in operations(document)]
    assert len(names) == len(set(names))
    for name in names:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), name
        assert not keyword.iskeyword(name)
        assert not re.match("(get|post|patch|delete)_api_", name), f"{name} was given no name"


async def test_every_operation_has_a_tag_that_is_described(desk: Desk) -> None:
    document = await served(desk)
    described = {each["name"] for each in document["tags"] if each["description"]}
    used = {tag for _, each in operations(document) for tag in each["tags"]}
    assert used == described


async def test_every_set_of_words_has_a_name_of_its_own(desk: Desk) -> None:
    document = await served(desk)
    for path, each in within(document):
        if "enum" in each and isinstance(each["enum"], list):
            assert re.fullmatch(r"#/components/schemas/[A-Za-z]+", path), path
            assert len(each["x-enum-varnames"]) == len(each["enum"]), path
            assert all(name.isidentifier() for name in each["x-enum-varnames"]), path


async def test_every_object_within_an_answer_has_a_name_of_its_own(desk: Desk) -> None:
    document = await served(desk)
    for path, each in within(document):
        if isinstance(each.get("properties"), dict) and "type" in each:
            assert re.fullmatch(r"#/components/schemas/[A-Za-z]+", path), path


async def test_every_refusal_has_a_name(desk: Desk) -> None:
    document = await served(desk)
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                assert status in ("101", "200") or list(response) == ["$ref"], path


async def test_every_example_is_valid(desk: Desk) -> None:
    document = await served(desk)
    components = document["components"]
    checked = 0
    for path, each in within({"of": [document["paths"], document["webhooks"], components]}):
        if "schema" not in each:
            continue
        examples = [each["example"]] if "example" in each else []
        examples += [one["value"] for one in each.get("examples", {}).values()]
        for example in examples:
            validator = jsonschema_rs.Draft202012Validator(
                {**each["schema"], "components": components}, validate_formats=True
            )
            assert [str(error) for error in validator.iter_errors(example)] == [], path
            checked += 1
    assert checked > 30


async def test_every_body_and_every_status_of_a_callback_has_an_example(desk: Desk) -> None:
    document = await served(desk)
    for name, operation in operations(document):
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            assert "example" in content or "examples" in content, name
    for schema, operation in (
        ("OrderOrPositionCallback", "place-order"),
        ("PositionCallback", "monitor-position"),
    ):
        statuses = document["components"]["schemas"][schema]["discriminator"]["mapping"]
        callbacks = document["paths"][f"/api/{operation}"]["post"]["callbacks"]
        [callback] = callbacks.values()
        [(url, item)] = callback.items()
        assert url == "{$request.body#/callback_url}"
        [content] = item["post"]["requestBody"]["content"].values()
        assert content["schema"] == {"$ref": f"#/components/schemas/{schema}"}
        assert set(content["examples"]) == set(statuses)


async def test_what_the_engine_sends_is_described_with_its_headers_and_answers(desk: Desk) -> None:
    document = await served(desk)
    assert set(document["webhooks"]) == {"orderSignal", "balanceSignal", "rawEvent"}
    names = document["components"]["parameters"]
    for name, operation in operations(document):
        if operation["tags"] != ["notifications"]:
            continue
        headers = {
            names[each["$ref"].rpartition("/")[2]]["name"] for each in operation["parameters"]
        }
        assert {
            "Idempotency-Key",
            "X-WS-Worker-Timestamp",
            "X-WS-Worker-Signature",
        } <= headers, name
        assert ("X-Webhook-Token" in headers) == (name == "rawEvent")
        said = {status: each["description"] for status, each in operation["responses"].items()}
        assert {status for status, text in said.items() if text.startswith("settled")} == {
            "2XX",
            "409",
        }
        assert {status for status, text in said.items() if text.startswith("sent again")} == {
            "408",
            "429",
            "5XX",
        }
        assert operation["security"] == []


async def test_a_token_is_a_bearer_or_the_password_of_basic(desk: Desk) -> None:
    document = await served(desk)
    schemes = document["components"]["securitySchemes"]
    assert {each["scheme"] for each in schemes.values()} == {"bearer", "basic"}
    assert document["security"] == [{}, *({name: []} for name in schemes)]
    assert document["paths"]["/healthz"]["get"]["security"] == []


async def test_a_client_made_of_a_saved_document_asks_the_engine_that_served_it(
    desk: Desk,
) -> None:
    document = await served(desk)
    assert [each["url"] for each in document["servers"]] == [desk.address, "/"]
    assert document["info"]["version"] == __version__


@pytest.mark.parametrize("host", ["odd{host}", "a b", 'x"', "user@host"])
async def test_a_host_that_is_no_address_is_not_named_as_a_server(
    open_desk: Open, host: str
) -> None:
    async with open_desk(control_token="secret") as desk:
        headers = {"Host": host, "Authorization": "Bearer secret"}
        answer = await desk.ask("GET", "/openapi.json", headers=headers)
        assert answer.status_code == 200
        assert [each["url"] for each in answer.json()["servers"]] == ["/"]
