"""JSON answers. Every one has `ok`; an error says what was wrong, and where."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Annotated

from attrs import frozen
from msgspec import UNSET, UnsetType
from quart import Response
from quart.wrappers.response import ResponseBody

from .pieces import body_of
from .wire import Answer, Refusal, about

__all__ = ["Error", "answer", "refusal", "refused"]

MANY_PARTS = 200
"""More are sent one by one."""


@frozen(kw_only=True, slots=False)
class Error(Refusal):
    """What was wrong, and where."""

    field: Annotated[str | UnsetType, about("the path, or parameter, that is at fault")] = UNSET


def answer(what: Answer) -> Response:
    """A success."""
    return _sent(200, what)


def refusal(
    http_status: int,
    error: str,
    field: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """`{"ok": false, "error": "...", "field": "$.path"}`; `field` only where one is at fault."""
    return refused(http_status, Error(error=error, field=field or UNSET), headers)


def refused(http_status: int, what: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal that says more than `Error` does."""
    response = _sent(http_status, what)
    response.headers.update(headers or {})
    return response


def _sent(http_status: int, what: Answer | Refusal) -> Response:
    parts = [*body_of(what), b"\n"]
    response = Response(
        _Parts(parts) if len(parts) > MANY_PARTS else b"".join(parts),
        status=http_status,
        content_type="application/json",
    )
    response.content_length = sum(map(len, parts))
    return response


class _Parts(ResponseBody):
    """A long body, sent part by part."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts

    async def __aenter__(self) -> AsyncIterable[bytes]:
        return self._each()

    async def __aexit__(self, *failure: object) -> None:
        pass

    async def _each(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part
