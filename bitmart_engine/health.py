"""What is wrong, since when, and who keeps the stops: from facts about the engine, without clock, network or tasks.

A trouble has a stable id, a subject (a symbol, an order, a connection, or nothing), a level and the time since which it
stands. `red`: a stop may not be kept, or what was promised may be lost. `amber`: something works less well than it
should, and nothing held is at risk by it. Nothing wrong is `green`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from enum import Enum

from attrs import define, field, frozen

from .model.lifecycle import ProtectionState
from .model.positions import Protection

__all__ = [
    "Fact",
    "Health",
    "HealthLevel",
    "Keeper",
    "Naked",
    "Report",
    "Trouble",
    "contracts",
    "keeper",
]


class HealthLevel(Enum):
    """How bad it is."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class Keeper(Enum):
    """Who would close the position where its stop is reached."""

    BOTH = "both"
    ENGINE = "engine"
    EXCHANGE = "exchange"
    NOBODY = "nobody"


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
class Naked:
    """How long contracts with a promised stop were kept by nobody, since the engine started, in seconds."""

    now_s: float = 0.0
    """Since when they are now; 0 while there are none."""
    longest_s: float = 0.0
    sum_s: float = 0.0


@frozen
class Report:
    """How the engine was at one look."""

    at_ms: int
    level: HealthLevel
    troubles: tuple[Trouble, ...]
    """The worst first, of these the oldest."""
    kept: Mapping[Keeper, int]
    """Contracts with a promised stop, by who keeps it."""
    naked: Naked


@define
class Health:
    """What stands since when. Asked again and again, and no two times at once."""

    _since: dict[tuple[str, str], tuple[int, float]] = field(factory=dict)
    _naked_since: float | None = None
    _longest_s: float = 0.0
    _sum_s: float = 0.0
    _looked: float | None = None

    def report(
        self, facts: Iterable[Fact], kept: Mapping[Keeper, int], now_ms: int, now_s: float
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
        naked = self._measure(kept.get(Keeper.NOBODY, 0) > 0, now_s)
        level = troubles[0].level if troubles else HealthLevel.GREEN
        return Report(now_ms, level, tuple(troubles), kept, naked)

    def _measure(self, naked: bool, now_s: float) -> Naked:
        looked, self._looked = self._looked, now_s
        if self._naked_since is not None and looked is not None:
            self._sum_s += now_s - looked
            self._longest_s = max(self._longest_s, now_s - self._naked_since)
        if not naked:
            self._naked_since = None
        elif self._naked_since is None:
            self._naked_since = now_s
        lasts_s = 0.0 if self._naked_since is None else now_s - self._naked_since
        return Naked(lasts_s, self._longest_s, self._sum_s)


def keeper(protection: Protection, unpriced: Collection[str], *, watching: bool) -> Keeper | None:
    """Who keeps the stop of what a protection covers; None where there is nothing, or no stop.

    `unpriced` are the symbols without a price now; `watching` says whether the engine acts on prices at all.
    """
    alive = protection.state in (ProtectionState.ARMED, ProtectionState.CLOSING)
    if not alive or not protection.remaining or protection.stop_loss is None:
        return None
    closing = protection.state is ProtectionState.CLOSING
    ours = watching and (closing or protection.symbol not in unpriced)
    if protection.exchange_stop_loss is not None:
        return Keeper.BOTH if ours else Keeper.EXCHANGE
    return Keeper.ENGINE if ours else Keeper.NOBODY


def contracts(kept: Iterable[tuple[Keeper, int]]) -> Mapping[Keeper, int]:
    """The sums of contracts by keeper, of all keepers."""
    sums: Counter[Keeper] = Counter(dict.fromkeys(Keeper, 0))
    for who, size in kept:
        sums[who] += size
    return dict(sums)
