"""GET /openapi.json: the contract of the control API, OpenAPI 3.1.

It is made of the app's own routes: every one but the live page's is in it, whoever added it, with the sentence that
`GET /help` has for it.
`OPERATIONS` adds names, parameters, bodies and answers; `hooks` adds what the engine sends. It is not made by
quart-schema, whose decorators read the bodies themselves, by `get_json`: a decimal would have been a float, and a field
given twice, or mistyped, would go unnoticed or be refused in other words than everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from quart import Blueprint, Response, current_app, request
from werkzeug.routing import Rule

from ..engine import Engine
from ..version import VERSION
from .guide import ENDPOINTS
from .health import Alive
from .hooks import CALLBACKS, HEADERS, WEBHOOKS
from .operations import ANYTHING, OPERATIONS, TAGS, Operation
from .refusals import NOT_READY, RESPONSES, refused
from .samples import ANSWER_SAMPLES, BODY_SAMPLES
from .schemas import COMPONENTS
from .shapes import Schema, always, named

__all__ = ["document", "endpoints"]

ALIASES = {
    "POST /subscribe": "POST /klines/subscribe",
    "POST /unsubscribe": "POST /klines/unsubscribe",
}
NO_TOKEN_NEEDED = "GET /healthz"
PAGE = "page."
READY = ("GET /readyz", 503)
ADDRESS = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+")

DESCRIPTION = (
    "Decimals may be sent as numbers or text, and come back as text."
    " Without a token only this machine is served, and others get 403."
    " An answer, and a notification, may gain fields."
)
SECURITY_SCHEMES: Schema = {
    "token": {"type": "http", "scheme": "bearer", "description": "CTRL_TOKEN"},
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "CTRL_TOKEN as the password of any user name: `http://user:TOKEN@host`",
    },
}


def endpoints(engine: Engine) -> Blueprint:
    """GET /openapi.json."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    async def contract() -> Response:
        made = document(current_app.url_map.iter_rules(), request.host_url.rstrip("/"))
        return Response(msgspec.json.encode(made), content_type="application/json")

    return routes


def document(rules: Iterable[Rule], address: str = "") -> Schema:
    """The OpenAPI document of these routes. `address` is where they were asked for, as `http://host:port`."""
    paths: dict[str, Schema] = {}
    for rule in rules:
        if rule.websocket:
            continue  # the same path answers GET, and says so
        if rule.endpoint.startswith(PAGE):
            continue  # it is for people
        path = _path(rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(method, path)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bitmart-engine",
            "version": VERSION,
            "summary": "the control API of bitmart-engine",
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": _servers(address),
        "security": [{}, *({name: []} for name in SECURITY_SCHEMES)],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "webhooks": WEBHOOKS,
        "components": {
            "schemas": COMPONENTS,
            "responses": RESPONSES,
            "parameters": HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _servers(address: str) -> list[Schema]:
    """Servers: the address that was asked for the document, and the place that it came from.

    The first is for clients made from a file, which must not ask another engine; the second holds behind a proxy too.
    """
    own = {"url": address, "description": "the address that was asked for this document"}
    place = {"url": "/", "description": "where this document came from, through whatever proxy"}
    return [own, place] if ADDRESS.fullmatch(address) else [place]


def _path(rule: Rule) -> str:
    """A route as OpenAPI writes it: `/api/orders/{id}`."""
    return "".join(
        f"{{{part.rpartition(':')[2]}}}" if in_braces else part
        for each in rule.rule.split("<")
        for part, in_braces in _parts(each)
    )


def _parts(text: str) -> list[tuple[str, bool]]:
    inside, end, after = text.partition(">")
    return [(inside, True), (after, False)] if end else [(text, False)]


def _operation(method: str, path: str) -> Schema:
    name = f"{method} {path}"
    known = ALIASES.get(name, name.replace("/api/positions", "/api/protections"))
    operation = OPERATIONS.get(name)
    if operation is None:
        operation = Operation(_name_of(method, path), "engine", Alive, ANYTHING)
    described: Schema = {
        "operationId": operation.name,
        "summary": ENDPOINTS.get(name, ENDPOINTS.get(known, "")),
        "tags": [operation.tag],
        "parameters": [*_in_path(path), *operation.parameters],
        "responses": {
            "200": {"description": "done", "content": _answer(operation)},
            **{
                str(status): _error(NOT_READY if (name, status) == READY else refused(status))
                for status in sorted(operation.errors)
            },
        },
    }
    if name == NO_TOKEN_NEEDED:
        described["security"] = []
    if operation.socket:
        described["responses"]["101"] = {
            "description": f"with `Upgrade: websocket`, {operation.socket}",
            "headers": {"Upgrade": {"schema": always("websocket"), "required": True}},
        }
    if operation.body:
        content: Schema = {"schema": named(operation.body)}
        if known in BODY_SAMPLES:
            content["example"] = BODY_SAMPLES[known]
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
        if operation.body_note:
            described["requestBody"]["description"] = operation.body_note
    if operation.callbacks:
        described["callbacks"] = {each: CALLBACKS[each] for each in operation.callbacks}
    return described


def _answer(operation: Operation) -> Schema:
    content: Schema = {"schema": named(operation.schema)}
    if operation.schema in ANSWER_SAMPLES:
        content["example"] = ANSWER_SAMPLES[operation.schema]
    return {operation.content_type: content}


def _in_path(path: str) -> list[Schema]:
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    return [
        {
            "name": each,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
        for each in names
    ]


def _error(name: str) -> Schema:
    return {"$ref": f"#/components/responses/{name}"}


def _name_of(method: str, path: str) -> str:
    """The name of an operation that has none: its method and its path."""
    words = path.replace("{", "").replace("}", "").replace("-", "_").replace(".", "_").split("/")
    return "_".join([method.lower(), *filter(None, words)])
