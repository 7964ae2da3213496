"""What is wrong and since when: from facts about the engine, without clock, network or tasks.

A trouble has a stable id, a subject (a symbol, an order, a connection, or nothing), a level and the time since which it
stands. `red`: a stop may not be kept, or what was promised may be lost. `amber`: something works less well than it
should, and nothing held is at risk by it. Nothing wrong is `green`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from attrs import define, field, frozen

from .keeping import Keeping, Kept, PromisedStop

__all__ = ["Fact", "Health", "HealthLevel", "Report", "Trouble"]


class HealthLevel(Enum):
    """How bad it is."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@frozen
class Fact:
    """Something wrong that is so now. It is a trouble once it has been so for `after_s` seconds."""

    id: str
    level: HealthLevel
    what: str
    subject: str = ""
    after_s: float = 0.0


@frozen
class Trouble:
    """Something wrong, and since when (ms since 1970, by the engine's clock)."""

    id: str
    level: HealthLevel
    what: str
    subject: str
    since_ms: int


@frozen
class Report:
    """How the engine was at one look."""

    at_ms: int
    level: HealthLevel
    troubles: tuple[Trouble, ...]
    """The worst first, of these the oldest."""
    kept: Kept


@define
class Health:
    """What stands since when. Asked again and again, and no two times at once."""

    _since: dict[tuple[str, str], tuple[int, float]] = field(factory=dict)
    _keeping: Keeping = field(factory=Keeping)

    def report(
        self, facts: Iterable[Fact], stops: Iterable[PromisedStop], now_ms: int, now_s: float
    ) -> Report:
        """Take in what is so at `now_s` (seconds, monotonic; `now_ms` by the engine's clock)."""
        standing = {(each.id, each.subject): each for each in facts}
        self._since = {key: self._since.get(key, (now_ms, now_s)) for key in standing}
        troubles = []
        for key, fact in standing.items():
            since_ms, since_s = self._since[key]
            if now_s - since_s >= fact.after_s:
                troubles.append(Trouble(fact.id, fact.level, fact.what, fact.subject, since_ms))
        troubles.sort(key=lambda each: (each.level is not HealthLevel.RED, each.since_ms, each.id))
        level = troubles[0].level if troubles else HealthLevel.GREEN
        return Report(now_ms, level, tuple(troubles), self._keeping.observe(stops, now_s))
