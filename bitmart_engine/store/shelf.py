"""Orders, or protections, by id: in the order they were made, those that are alive within easy reach.

Most of what a long-running engine knows has ended. After a start such things stay on the shelf as they were read from
disk, packed, and are unpacked when somebody asks for them; that is what keeps the start fast. Nobody who reads a shelf
notices, except by its speed. A shelf does no IO.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Generic, Protocol, TypeVar

from attrs import frozen

from ..model.orders import Moment

__all__ = ["Packed", "Shelf", "ended_ms"]


class Ending(Protocol):
    """A state of something that ends."""

    @property
    def final(self) -> bool: ...


class Shelved(Protocol):
    """What has a place on a shelf: an order, a protection."""

    @property
    def state(self) -> Ending: ...

    @property
    def history(self) -> tuple[Moment, ...]: ...


T = TypeVar("T", bound=Shelved)


@frozen
class Packed(Generic[T]):
    """Something that has ended, when (unix ms), and how to have it back."""

    body: bytes
    ended_ms: int
    unpack: Callable[[bytes], T]


class Shelf(MutableMapping[str, T]):
    """A dict of things that end. What is put back under its id keeps its place."""

    def __init__(self) -> None:
        self._things: dict[str, T | Packed[T]] = {}
        self._alive: dict[str, None] = {}
        self._packed: dict[str, None] = {}

    def __getitem__(self, id: str) -> T:
        thing = self._things[id]
        if isinstance(thing, Packed):
            self._things[id] = thing = thing.unpack(thing.body)
            del self._packed[id]
        return thing

    def __setitem__(self, id: str, thing: T) -> None:
        self._things[id] = thing
        self._packed.pop(id, None)
        if ended_ms(thing) is None:
            self._alive.setdefault(id)
        else:
            self._alive.pop(id, None)

    def __delitem__(self, id: str) -> None:
        del self._things[id]
        self._alive.pop(id, None)
        self._packed.pop(id, None)

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
        return f"<Shelf of {len(self._things)}, {len(self._alive)} alive>"

    def alive(self) -> list[T]:
        """What has not ended. It costs the number of these, not of all there is."""
        return [self[id] for id in self._alive]

    def ended_before(self, when_ms: int) -> list[str]:
        """The ids of what had ended by `when_ms`. It unpacks nothing."""
        found = []
        for id, thing in self._things.items():
            ended = thing.ended_ms if isinstance(thing, Packed) else ended_ms(thing)
            if ended is not None and ended < when_ms:
                found.append(id)
        return found

    def put_packed(self, id: str, packed: Packed[T]) -> None:
        """Put something that has ended on the shelf without looking into it."""
        self._things[id] = packed
        self._packed[id] = None
        self._alive.pop(id, None)

    def unpack_some(self, count: int) -> bool:
        """Unpack `count` things, the newest first. Whether anything packed is left."""
        for _ in range(min(count, len(self._packed))):
            self[next(reversed(self._packed))]
        return bool(self._packed)


def ended_ms(thing: Shelved) -> int | None:
    """When it ended (unix ms), or None if it is alive."""
    if not thing.state.final:
        return None
    return thing.history[-1].at_ms if thing.history else 0
