"""Who wants which topic, and which connection carries it.

A topic is wanted while anybody holds it. Two plain objects: `Holds` remembers the holders, `Spread` finds a place for
each topic. Neither opens anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from ..model.errors import BadRequest, Unavailable

__all__ = [
    "ENGINE",
    "KEPT_SHARE",
    "MAX_CONNECTIONS",
    "MONITORS",
    "NEEDED_BY",
    "TOPICS_PER_CONNECTION",
    "Holds",
    "Spread",
    "check_topic",
]

MONITORS = "armed"
"""The holder of what the monitors need, whoever else listens."""

ENGINE = "engine"
"""The holder of what the engine itself needs."""

NEEDED_BY = (MONITORS, ENGINE)
"""What these hold is asked for until it is acknowledged; what is only looked at is refused once for each connection."""

TOPICS_PER_CONNECTION = 100
"""BitMart states no limit; 100 were seen to work (fact sheet 3.5)."""

MAX_CONNECTIONS = 500
"""BitMart's limit for one address, public and private together. One of them is kept for the private connection."""

KEPT_SHARE = 10
"""One place in so many is kept for the monitors: what protects money finds room however much is only looked at."""

LONGEST_TOPIC = 200


def check_topic(topic: str) -> None:
    """Raise `BadRequest` for a name that no channel can have, would not fit into a frame, or asks for a push speed.

    Names may hold letters of any script: the exchange lists symbols that are not ASCII, and frames are UTF-8.
    """
    plain = topic.isprintable() and not set(topic) & set(' "\\@')
    if not plain or not 0 < len(topic) <= LONGEST_TOPIC:
        raise BadRequest(f"not the name of a channel: {topic[:LONGEST_TOPIC]!r}")


class Holds:
    """Holders and what they hold."""

    def __init__(self) -> None:
        self._by_holder: dict[str, set[str]] = {}
        self._counts: dict[str, int] = {}

    def __contains__(self, topic: object) -> bool:
        return topic in self._counts

    @property
    def wanted(self) -> frozenset[str]:
        """Everything that anybody holds."""
        return frozenset(self._counts)

    def by(self, holder: str) -> frozenset[str]:
        """What `holder` holds."""
        return frozenset(self._by_holder.get(holder, ()))

    def is_needed(self, topic: str) -> bool:
        """Whether anybody holds the topic who cannot do without."""
        return any(topic in self._by_holder.get(each, ()) for each in NEEDED_BY)

    def is_held_by_others(self, topic: str, than: str) -> bool:
        """Whether anybody but `than` holds the topic."""
        return self._counts.get(topic, 0) > (topic in self._by_holder.get(than, ()))

    def hold(self, holder: str, topics: Iterable[str]) -> None:
        """`holder` wants these too. What it holds already counts once."""
        held = self._by_holder.setdefault(holder, set())
        for topic in topics:
            if topic not in held:
                held.add(topic)
                self._counts[topic] = self._counts.get(topic, 0) + 1
        if not held:
            del self._by_holder[holder]

    def release(self, holder: str, topics: Iterable[str] | None = None) -> list[str]:
        """`holder` wants these (None: all of its own) no longer. Returns those that nobody wants now."""
        held = self._by_holder.get(holder, set())
        gone = []
        for topic in sorted(held if topics is None else held.intersection(topics)):
            held.discard(topic)
            self._counts[topic] -= 1
            if not self._counts[topic]:
                del self._counts[topic]
                gone.append(topic)
        if not held:
            self._by_holder.pop(holder, None)
        return gone


Place = TypeVar("Place")


class Spread(Generic[Place]):
    """Public topics over connections: on one that has room, as long as one has. Every answer costs the same time."""

    def __init__(self, most: int = MAX_CONNECTIONS - 1, room: int = TOPICS_PER_CONNECTION) -> None:
        self._most = most
        self._room = room
        self._places: dict[str, Place] = {}
        self._loads: dict[Place, int] = {}
        self._with_room: dict[Place, None] = {}

    @property
    def places(self) -> Mapping[Place, int]:
        """The connections, and how many topics each carries."""
        return self._loads

    def of(self, topic: str) -> Place | None:
        """The connection that carries a topic."""
        return self._places.get(topic)

    def left(self, holder: str) -> int:
        """How many more topics there is room for, if `holder` wants them."""
        room = self._most * self._room
        kept = 0 if holder == MONITORS else room // KEPT_SHARE
        return max(0, room - kept - len(self._places))

    def check_room(self, more: int, holder: str) -> None:
        """Raise `Unavailable` if `more` topics for `holder` do not fit."""
        left = self.left(holder)
        if more > left:
            raise Unavailable(
                f"{more} more topics do not fit on {self._most} connections of {self._room}: {left} are left"
            )

    def with_room(self) -> Place | None:
        """A connection that can carry one more topic."""
        return next(iter(self._with_room), None)

    def put(self, topic: str, place: Place) -> None:
        """The connection carries the topic from now on."""
        self._places[topic] = place
        load = self._loads[place] = self._loads.get(place, 0) + 1
        if load < self._room:
            self._with_room[place] = None
        else:
            self._with_room.pop(place, None)

    def remove(self, topic: str) -> None:
        """The topic is carried no longer, if it was. A connection that carries nothing is forgotten."""
        place = self._places.pop(topic, None)
        if place is None:
            return
        self._loads[place] -= 1
        self._with_room[place] = None
        if not self._loads[place]:
            del self._loads[place], self._with_room[place]
