"""Query parameters of lists: filters and pages, the newest first.

There may be a hundred thousand of them, most packed away: a page looks into no more of them than it has to, and lets
everybody else run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from enum import Enum
from itertools import islice
from typing import Protocol, TypeVar

import trio
from attrs import frozen
from quart import request
from werkzeug.datastructures import MultiDict

from ..model.errors import BadRequest
from ..store.archive import Archive, Archived, Unreadable
from .bodies import unknown
from .pieces import unhurried

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "Asked",
    "Span",
    "archive_page",
    "asked_for",
    "check_parameters",
    "lately_ended",
    "limit_asked",
    "list_asked",
    "page",
    "since_asked",
    "span_asked",
]

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
PARAMETERS = ("state", "symbol", "limit", "after")
SPAN_PARAMETERS = ("since", "symbol", "limit", "after")
LOOKED_AT_AT_ONCE = 10
"""Between two checkpoints: half a millisecond, if all of them have to be read from disk."""
SPARE = 10
"""More that are looked at, where some cannot be read or have come to life meanwhile."""
TOLD_APART_AT_ONCE = 10_000
"""Ids between two checkpoints: about a millisecond."""


class Listed(Archived, Protocol):
    """A thing of an archive that lists can filter."""

    @property
    def id(self) -> str: ...

    @property
    def symbol(self) -> str: ...


T = TypeVar("T")
L = TypeVar("L", bound=Listed)


@frozen
class Asked:
    """Filters and page of a request; no `states` and no `symbol` mean any."""

    states: frozenset[Enum]
    symbol: str
    limit: int
    after: str | None


def asked_for(
    states: type[Enum], parameters: Iterable[str] = PARAMETERS, *, named: str = "state"
) -> Asked:
    """Filters and page of the present request.

    `state` (`named` otherwise, where the caller says so) is one state or several, `after` the id that ended the page
    before. Raises BadRequest naming the parameter.
    """
    check_parameters(request.args, parameters, lists=named)
    symbol = request.args.get("symbol", "").upper()
    return Asked(_states(states, named), symbol, _limit(), request.args.get("after"))


@frozen
class Span:
    """A page of what happened since a time; no `symbol` means any."""

    symbol: str
    since_ms: int
    limit: int
    after: str | None


def span_asked() -> Span:
    """The page of what happened, of the present request. Raises BadRequest naming the parameter."""
    check_parameters(request.args, SPAN_PARAMETERS)
    return Span(
        request.args.get("symbol", "").upper(),
        since_asked(),
        _limit(),
        request.args.get("after"),
    )


def since_asked() -> int:
    """The `since` of the present request, Unix ms; 0 where there is none. Raises BadRequest."""
    text = request.args.get("since", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest("must be a time in Unix ms, such as 1785726000000", "since")
    return int(text)


def check_parameters(
    args: MultiDict[str, str], parameters: Iterable[str], *, lists: str = ""
) -> None:
    """Raise BadRequest, naming the parameter, if one is none of `parameters`, or is given twice and not `lists`."""
    for name, values in args.lists():
        if name not in parameters:
            raise unknown("parameter", name, parameters, name)
        if len(values) > 1 and name != lists:
            raise BadRequest("is given twice", name)


def list_asked(args: MultiDict[str, str], name: str) -> str:
    """The values of a list with commas between, as which they may be sent; clients send it several times instead."""
    return ",".join(args.getlist(name))


def limit_asked() -> int:
    """The `limit` of the present request, which has no other parameter. Raises BadRequest."""
    check_parameters(request.args, ("limit",))
    return _limit()


async def page(
    newest_first: Iterable[str],
    find: Callable[[str], T | None],
    asked: Asked,
    candidates: Callable[[list[str]], list[str]] = list,
) -> tuple[list[T], str | None]:
    """A page of things, and the `after` of the next page, or None.

    `find` has what belongs on the page by its id, and None for everything else; `candidates` those of some ids that
    may, at little cost. A checkpoint now and then.
    """
    found: dict[str, T] = {}
    ids = _after(list(newest_first), asked.after)
    await trio.lowlevel.checkpoint()
    for start in range(0, len(ids), TOLD_APART_AT_ONCE):
        some = candidates(ids[start : start + TOLD_APART_AT_ONCE])
        await trio.lowlevel.checkpoint()
        async for id in unhurried(some, LOOKED_AT_AT_ONCE):
            thing = find(id)
            if thing is None:
                continue
            if len(found) == asked.limit:
                return list(found.values()), list(found)[-1]
            found[id] = thing
    return list(found.values()), None


async def archive_page(
    things: Archive[L], states: type[Enum], *, named: str = "state"
) -> tuple[list[L], str | None]:
    """The page of orders, or protections, that the present request asks for. Raises BadRequest."""
    asked = asked_for(states, (named, *PARAMETERS[1:]), named=named)
    wanted: Collection[object] = asked.states
    names = {str(each.value) for each in asked.states}
    living = bool(wanted) and not any(getattr(each, "final", True) for each in wanted)

    def find(id: str) -> L | None:
        each = _readable(things, id)
        if each is None or (wanted and each.state not in wanted):
            return None
        return each if not asked.symbol or each.symbol == asked.symbol else None

    def candidates(ids: list[str]) -> list[str]:
        if living:
            ids = list(filter(things.is_alive, ids))
        return things.candidates(ids, names, asked.symbol)

    return await page(reversed(things), find, asked, candidates)


async def lately_ended(things: Archive[L], alive: Iterable[L], most: int) -> list[L]:
    """The youngest `most` of what has ended, the oldest of them first, without what was `alive` when that was asked.

    It looks into no others that have ended. A checkpoint now and then.
    """
    known = {each.id for each in alive}
    ended: list[L] = []
    ids = list(islice((id for id in reversed(things) if id not in known), most + SPARE))
    async for id in unhurried(ids, LOOKED_AT_AT_ONCE):
        if len(ended) == most:
            break
        with suppress(Unreadable):  # what is under way is worth more than all that has ended
            each = _readable(things, id)
            if each is not None and each.state.final:
                ended.append(each)
    return ended[::-1]


def _readable(things: Archive[L], id: str) -> L | None:
    """The thing with that id; None if it was forgotten meanwhile or is damaged. A damaged one hides no others.

    The engine counts what is damaged, and says so in `/status`. Raises Unreadable, which is answered with 503, where
    the disk cannot be read: a list without it would say that it is not there.
    """
    try:
        return things.get(id)
    except Unreadable:
        raise
    except ValueError:
        return None


def _states(states: type[Enum], named: str) -> frozenset[Enum]:
    text = list_asked(request.args, named)
    try:
        return frozenset(states(each.strip()) for each in text.lower().split(",") if each.strip())
    except ValueError:
        allowed = ", ".join(each.value for each in states)
        raise BadRequest(f"{text[:100]!r} is not a {named}; there are: {allowed}", named) from None


def _limit() -> int:
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"must be a whole number from 1 to {MAX_LIMIT}", "limit")
    return int(text)


def _after(newest_first: list[str], after: str | None) -> list[str]:
    """All of the ids if none was named, else those that are older than it."""
    if after is None:
        return newest_first
    try:
        return newest_first[newest_first.index(after) + 1 :]
    except ValueError:
        raise BadRequest(f"nothing here has the id {after[:100]!r}", "after") from None
