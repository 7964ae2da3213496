"""Orders, or protections, by id: in the order they were made, those that are alive within easy reach.

Most of what a long-running engine knows has ended. After a start such things stay in the archive as they were read
from disk, packed, and are unpacked when somebody asks for them; that keeps the start fast. A reader of the archive
notices nothing of it, except by its speed. An archive does no IO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import NamedTuple, Protocol, TypeVar

from ..model.orders import Moment

__all__ = ["Archive", "Packed", "ended_ms"]


class Ending(Protocol):
    """A state of something that ends."""

    @property
    def final(self) -> bool: ...


class Archived(Protocol):
    """What has a place in an archive: an order, a protection."""

    @property
    def state(self) -> Ending: ...

    @property
    def history(self) -> tuple[Moment, ...]: ...


T = TypeVar("T", bound=Archived)


class Packed(NamedTuple):
    """Something that has ended, as it was read."""

    body: bytes
    check32: int
    """CRC-32 of the body."""
    ended_ms: int


class Archive(MutableMapping[str, T]):
    """A dict of things that end. What is put back under its id keeps its place.

    `unpack` brings back what was packed; it raises ValueError if that cannot be read, and so does looking it up.
    """

    def __init__(self, unpack: Callable[[Packed], T]) -> None:
        self._unpack = unpack
        self._things: dict[str, T | Packed] = {}
        self._alive: dict[str, None] = {}

    def __getitem__(self, id: str) -> T:
        thing = self._things[id]
        if isinstance(thing, Packed):
            self._things[id] = thing = self._unpack(thing)
        return thing

    def __setitem__(self, id: str, thing: T) -> None:
        back = id in self._things and id not in self._alive
        self._things[id] = thing
        if ended_ms(thing) is not None:
            self._alive.pop(id, None)
            return
        self._alive[id] = None
        if back:  # it is in the right place again, not behind those that are younger
            self._alive = {each: None for each in self._things if each in self._alive}

    def __delitem__(self, id: str) -> None:
        del self._things[id]
        self._alive.pop(id, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __reversed__(self) -> Iterator[str]:
        """The ids, the newest first."""
        return reversed(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, id: object) -> bool:
        return id in self._things

    def __repr__(self) -> str:
        return f"<Archive of {len(self._things)}, {len(self._alive)} alive>"

    def alive(self) -> list[T]:
        """What has not ended, the oldest first. It costs the number of these, not of all there is."""
        return [self[id] for id in self._alive]

    def ended_before(self, when_ms: int) -> list[str]:
        """The ids of what had ended by `when_ms`. It unpacks nothing."""
        found = []
        for id, thing in self._things.items():
            ended = thing.ended_ms if isinstance(thing, Packed) else ended_ms(thing)
            if ended is not None and ended < when_ms:
                found.append(id)
        return found

    def ended_since(self, when_ms: int) -> list[str]:
        """The ids of what ended at `when_ms` or later. It unpacks nothing."""
        found = []
        for id, thing in self._things.items():
            ended = thing.ended_ms if isinstance(thing, Packed) else ended_ms(thing)
            if ended is not None and ended >= when_ms:
                found.append(id)
        return found

    def put_packed(self, id: str, packed: Packed) -> None:
        """Put something that has ended at the end of the archive, without looking into it."""
        self._things[id] = packed

    def unpack_each(self) -> Iterator[str]:
        """Unpack one thing after the other, the newest first, at the pace of whoever iterates. Raises ValueError."""
        for id in reversed(list(self._things)):
            if isinstance(self._things.get(id), Packed):
                self[id]
                yield id


def ended_ms(thing: Archived) -> int | None:
    """When it ended (unix ms), or None if it is alive."""
    if not thing.state.final:
        return None
    return thing.history[-1].at_ms if thing.history else 0
