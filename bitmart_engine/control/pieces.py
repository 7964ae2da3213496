"""JSON encoded in pieces, with checkpoints: a reader of ten thousand orders delays no monitor and no close."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol, TypeVar

import attrs
import msgspec
import trio
from msgspec import UNSET

__all__ = ["Pieces", "body_of", "count", "encoded", "encoded_list", "encoded_map", "unhurried"]

ENCODED_AT_ONCE = 10
"""Between two checkpoints: about half a millisecond."""
LOOKED_AT_AT_ONCE = 500


class HasId(Protocol):
    """A thing with an id."""

    @property
    def id(self) -> str: ...


T = TypeVar("T")
Item = TypeVar("Item", bound=HasId)


class Pieces:
    """A JSON value of megabytes, perhaps: made and sent a piece at a time, never copied whole.

    No attrs class, for msgspec would make its schema of it.
    """

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.parts = parts


def encoded(what: object) -> bytes:
    """`what` as JSON; whatever JSON does not know is text."""
    return msgspec.json.encode(what, enc_hook=str)


def body_of(what: attrs.AttrsInstance) -> list[bytes]:
    """The JSON of an answer some of whose fields may be `Pieces`."""
    parts: list[bytes] = []
    for field in attrs.fields(type(what)):
        value = getattr(what, field.name)
        if value is not UNSET:
            parts.append((b"," if parts else b"{") + encoded(field.name) + b":")
            parts += value.parts if isinstance(value, Pieces) else [encoded(value)]
    return [*parts, b"}"]


async def encoded_list(things: Iterable[T], view: Callable[[T], object]) -> Pieces:
    """A JSON array of the views of `things`. A checkpoint now and then."""
    made = [part async for part in _parts(things, lambda each: encoded(view(each)))]
    return Pieces([b"[", *made, b"]"])


async def encoded_map(things: Iterable[Item], view: Callable[[Item], object]) -> Pieces:
    """A JSON object of the views of `things` by their ids. A checkpoint now and then."""

    def pair(each: Item) -> bytes:
        return encoded(each.id) + b":" + encoded(view(each))

    return Pieces([b"{", *[part async for part in _parts(things, pair)], b"}"])


async def _parts(things: Iterable[T], encode: Callable[[T], bytes]) -> AsyncIterator[bytes]:
    comma, rest = b"", iter(things)
    while some := list(islice(rest, ENCODED_AT_ONCE)):
        yield comma + b",".join(map(encode, some))
        comma = b","
        await trio.lowlevel.checkpoint()


async def count(things: Iterable[T], true: Callable[[T], bool]) -> int:
    """How many of `things` are so. A checkpoint now and then."""
    return sum([true(each) async for each in unhurried(things)])


async def unhurried(things: Iterable[T], at_once: int = LOOKED_AT_AT_ONCE) -> AsyncIterator[T]:
    """Each of `things`, with a checkpoint after every `at_once` of them."""
    for number, each in enumerate(things, 1):
        yield each
        if number % at_once == 0:
            await trio.lowlevel.checkpoint()
