"""Orders, or protections, by id: in the order they were made, those that are alive within easy reach.

Most of what a long-running engine knows has ended. Of such things the archive keeps the id and what lists filter by;
the rest is on disk, and is read when somebody asks for it. So they cost a start little and memory less. A reader of the
archive notices nothing of it, except by its speed. Whether there is such a thing is known without a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
from typing import NamedTuple, Protocol, TypeVar

from ..model.errors import Unavailable
from ..model.orders import Moment

__all__ = ["Archive", "Facts", "Packed", "Unreadable", "ended_ms"]


FACTS_BITS = 20
FACTS_MASK = (1 << FACTS_BITS) - 1


class Ending(Protocol):
    """A state of something that ends."""

    @property
    def final(self) -> bool: ...

    @property
    def value(self) -> object: ...


class Archived(Protocol):
    """What has a place in an archive: an order, a protection."""

    @property
    def state(self) -> Ending: ...

    @property
    def symbol(self) -> str: ...

    @property
    def history(self) -> tuple[Moment, ...]: ...


T = TypeVar("T", bound=Archived)


class Packed(NamedTuple):
    """Something that has ended, as it was read."""

    body: bytes
    check32: int
    """CRC-32 of the body."""
    ended_ms: int


class Unreadable(Unavailable, ValueError):
    """What is on disk only cannot be read now. It says nothing of what it is, nor that it is not."""


class Facts(NamedTuple):
    """What lists filter by."""

    state: str
    symbol: str


class Archive(MutableMapping[str, T]):
    """A dict of things that end. What is put back under its id keeps its place.

    `unpack` brings back what was packed; it raises ValueError if that cannot be read, and so does looking it up.
    """

    def __init__(self, unpack: Callable[[Packed], T]) -> None:
        self._unpack = unpack
        self._read: Callable[[str], Packed] | None = None
        self._things: dict[str, T | Packed | int] = {}
        """A number stands for what is on disk only: when it ended, and by the last bits which facts it has."""
        self._alive: dict[str, None] = {}
        self._whole: dict[str, None] = {}
        """What is in memory."""
        self._facts: list[Facts] = []
        self._numbers: dict[Facts, int] = {}

    def read_by(self, read: Callable[[str], Packed]) -> None:
        """Look up by `read` what is on disk only. It blocks, and raises ValueError if it cannot be read now."""
        self._read = read

    def __getitem__(self, id: str) -> T:
        thing = self._things[id]
        if isinstance(thing, int):
            if self._read is None:
                raise Unreadable(f"{id!r} is on a disk that cannot be read")
            return self._unpack(self._read(id))
        if isinstance(thing, Packed):
            self._things[id] = thing = self._unpack(thing)
        return thing

    def __setitem__(self, id: str, thing: T) -> None:
        back = id in self._things and id not in self._alive
        self._things[id] = thing
        self._whole[id] = None
        if ended_ms(thing) is not None:
            self._alive.pop(id, None)
            return
        self._alive[id] = None
        if back:  # it is in the right place again, not behind those that are younger
            self._alive = {each: None for each in self._things if each in self._alive}

    def __delitem__(self, id: str) -> None:
        del self._things[id]
        self._alive.pop(id, None)
        self._whole.pop(id, None)

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
        things = self._things
        return [things[id] for id in self._alive]  # type: ignore[misc]  # what is alive is neither packed nor stored

    def ended_before(self, when_ms: int) -> list[str]:
        """The ids of what had ended by `when_ms`. It unpacks nothing."""
        return [id for id, ended in self._ended() if ended < when_ms]

    def ended_since(self, when_ms: int) -> list[str]:
        """The ids of what ended at `when_ms` or later. It unpacks nothing."""
        return [id for id, ended in self._ended() if ended >= when_ms]

    def _ended(self) -> Iterator[tuple[str, int]]:
        for id, thing in self._things.items():
            if isinstance(thing, int):
                yield id, thing >> FACTS_BITS
            elif id not in self._alive:
                yield id, self._ended_ms(thing)

    @staticmethod
    def _ended_ms(thing: T | Packed | int) -> int:
        """When something ended that has."""
        if isinstance(thing, int):
            return thing >> FACTS_BITS
        ended = thing.ended_ms if isinstance(thing, Packed) else ended_ms(thing)
        assert ended is not None, "it has ended"
        return ended

    def candidates(self, ids: Iterable[str], states: Collection[str], symbol: str) -> list[str]:
        """Those of `ids` that may have one of these states (any, if none is given) and this symbol (any, if empty).

        What is on disk only is told by its facts: none is read.
        """
        fitting = {
            number
            for number, facts in enumerate(self._facts)
            if (not states or facts.state in states) and (not symbol or facts.symbol == symbol)
        }
        if not fitting:
            return [id for id in ids if id in self._whole]
        things = self._things
        return [
            id
            for id in ids
            if not isinstance(thing := things.get(id, 0), int) or thing & FACTS_MASK in fitting
        ]

    def ended_in_memory(self, before_ms: int) -> list[str]:
        """The ids of what had ended by then and is in memory. It costs the number of what is in memory."""
        return [
            id
            for id in self._whole
            if id not in self._alive and self._ended_ms(self._things[id]) < before_ms
        ]

    def as_it_is(self, id: str) -> T | Packed | None:
        """The thing as it is in memory, packed perhaps; None if it is not."""
        thing = self._things.get(id)
        return None if isinstance(thing, int) else thing

    def is_in_memory(self, id: str) -> bool:
        """Whether it is there, and not on disk only."""
        return id in self._whole

    def is_alive(self, id: str) -> bool:
        """Whether it is there and has not ended."""
        return id in self._alive

    def put_stored(self, id: str, ended: int, facts: Facts) -> None:
        """Put something that has ended, and is on disk, at the end of the archive, or in the place that it has."""
        number = self._numbers.get(facts)
        if number is None:
            number = self._numbers[facts] = len(self._facts)
            self._facts.append(facts)
            assert number <= FACTS_MASK, "so many symbols there are not"
        self._things[id] = (ended << FACTS_BITS) | number
        self._whole.pop(id, None)

    def shelve(self, id: str) -> None:
        """Keep of something that has ended what lists filter by. The caller knows that the rest is on disk."""
        whole = self[id]
        facts = Facts(str(whole.state.value), whole.symbol)
        self.put_stored(id, self._ended_ms(self._things[id]), facts)

    def put_packed(self, id: str, packed: Packed) -> None:
        """Put something that has ended at the end of the archive, without looking into it."""
        self._things[id] = packed
        self._whole[id] = None

    def unpack_each(self) -> Iterator[str]:
        """Unpack one thing after the other, the newest first, at the pace of whoever iterates. Raises ValueError."""
        for id in reversed(list(self._whole)):
            if isinstance(self._things.get(id), Packed):
                self[id]
                yield id


def ended_ms(thing: Archived) -> int | None:
    """When it ended (unix ms), or None if it is alive."""
    if not thing.state.final:
        return None
    return thing.history[-1].at_ms if thing.history else 0
