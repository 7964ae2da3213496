"""JSON answers. Every one has `ok`; an error says what was wrong, and where."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from quart import Response

__all__ = ["answer", "refusal"]


def answer(http_status: int = 200, /, **facts: object) -> Response:
    """`{"ok": true, ...}`: the facts, decimals and whatever else JSON does not know as text."""
    body = msgspec.json.encode({"ok": True, **facts}, enc_hook=str) + b"\n"
    return Response(body, status=http_status, content_type="application/json")


def refusal(
    http_status: int,
    error: str,
    field: str | None = None,
    /,
    *,
    headers: Mapping[str, str] | None = None,
    **facts: object,
) -> Response:
    """`{"ok": false, "error": "...", "field": "$.path"}`; `field` only where one is at fault."""
    where = {} if field is None else {"field": field}
    response = answer(http_status, **{"ok": False, "error": error, **where, **facts})
    response.headers.update(headers or {})
    return response
