"""Query parameters: which of many things are asked for, a page at a time, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Protocol, TypeVar

from quart import request

from ..model.errors import BadRequest
from .bodies import unknown

__all__ = ["DEFAULT_LIMIT", "MAX_LIMIT", "page"]

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
PARAMETERS = ("state", "symbol", "limit", "after")


class Listed(Protocol):
    """What can be listed."""

    @property
    def id(self) -> str: ...

    @property
    def symbol(self) -> str: ...

    @property
    def state(self) -> Enum: ...


L = TypeVar("L", bound=Listed)


def page(things: Mapping[str, L], states: type[Enum]) -> tuple[list[L], str | None]:
    """The `things` that the present request asks for, newest first, and the `after` of the next page.

    `state` is one state or several with commas between, `after` the id that ended the page before. Raises BadRequest
    naming the parameter.
    """
    for name, values in request.args.lists():
        if name not in PARAMETERS:
            raise unknown("parameter", name, PARAMETERS, name)
        if len(values) > 1:
            raise BadRequest("is given twice", name)
    wanted = _states(states)
    symbol = request.args.get("symbol", "").upper()
    limit = _limit()
    matching = [
        each
        for each in _after(things)
        if (not wanted or each.state in wanted) and (not symbol or each.symbol == symbol)
    ]
    chosen = matching[:limit]
    return chosen, chosen[-1].id if len(matching) > limit else None


def _states(states: type[Enum]) -> frozenset[Enum]:
    text = request.args.get("state", "")
    try:
        return frozenset(states(each.strip()) for each in text.lower().split(",") if each.strip())
    except ValueError:
        allowed = ", ".join(each.value for each in states)
        raise BadRequest(f"{text[:100]!r} is not a state; there are: {allowed}", "state") from None


def _limit() -> int:
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"must be a whole number from 1 to {MAX_LIMIT}", "limit")
    return int(text)


def _after(things: Mapping[str, L]) -> Iterator[L]:
    """All of them if none was named, else those that are older than it."""
    newest_first = reversed(list(things.values()))
    after = request.args.get("after")
    if after is None:
        return newest_first
    if after not in things:
        raise BadRequest(f"nothing here has the id {after[:100]!r}", "after")
    for each in newest_first:
        if each.id == after:
            break
    return newest_first
