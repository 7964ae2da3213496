"""When connections were down in the last seven days: from the states that they enter, without clock, network or tasks.

A connection is down from the end of one that was up, or from its making, until its subscriptions are acknowledged.
What a start takes is no outage unless it takes long. Of so many outages that they fill the memory the oldest are
forgotten, and it is said since when nothing is missing. Times are the engine's, ms since 1970.
"""

from __future__ import annotations

from enum import Enum

from attrs import define, evolve, field, frozen

__all__ = ["KEPT_MS", "Outage", "OutageReport", "Outages", "Standing"]

KEPT_MS = 7 * 86_400_000
MOST_KEPT = 1000
START_MS = 10_000
"""A connection that is up so soon after it was wanted was never down."""
ENGINE = "engine"
"""Under this name stands the time in which no engine ran."""


class Standing(Enum):
    """What a state of a connection means to those who rely on it."""

    UP = "up"
    DOWN = "down"
    UNWANTED = "unwanted"


@frozen
class Outage:
    """One connection that was down, and why. `ended_ms` is None while it is."""

    connection: str
    began_ms: int
    ended_ms: int | None
    why: str


@frozen
class OutageReport:
    """The outages of the last seven days, the latest first."""

    outages: tuple[Outage, ...]
    complete_since_ms: int
    """None that ended after this is missing."""
    kept: bool
    """Whether they survive a restart."""


@define
class Outages:
    """All outages of one engine's connections."""

    complete_since_ms: int
    kept: bool = False
    """Whether somebody keeps them for the next start."""
    changes: int = 0
    """How often something of it changed."""
    _ended: list[Outage] = field(factory=list)
    _running: dict[str, Outage] = field(factory=dict)
    _was_up: set[str] = field(factory=set)

    def entered(self, connection: str, standing: Standing, why: str, now_ms: int) -> None:
        """A connection is in another state. `why` says what ended it last; empty if nothing has."""
        running = self._running.get(connection)
        if standing is Standing.DOWN:
            if running is None:
                self._running[connection] = Outage(connection, now_ms, None, why)
                self.changes += 1
            elif why:
                self._running[connection] = evolve(running, why=why)
            return
        if running is not None:
            del self._running[connection]
            if connection in self._was_up or now_ms - running.began_ms >= START_MS:
                self._end(running, now_ms)
        if standing is Standing.UP:
            self._was_up.add(connection)
        else:
            self._was_up.discard(connection)

    def remember(self, past: OutageReport, alive_ms: int, started_ms: int) -> None:
        """Take in what an earlier engine knew, which was alive at `alive_ms` last, as far as anybody knows."""
        before = [
            each if each.ended_ms is not None else evolve(each, ended_ms=alive_ms)
            for each in reversed(past.outages)
        ]
        if started_ms - alive_ms >= 1000:
            before.append(Outage(ENGINE, alive_ms, started_ms, "no engine ran"))
        self._ended = [*before, *self._ended]
        self.complete_since_ms = min(past.complete_since_ms, self.complete_since_ms)
        self._forget(started_ms)
        self.changes += 1

    def report(self, now_ms: int) -> OutageReport:
        """Everything that is known still."""
        self._forget(now_ms)
        known = [*self._ended, *self._running.values()]
        known.sort(key=lambda each: each.began_ms, reverse=True)
        return OutageReport(tuple(known), self.complete_since_ms, self.kept)

    def _end(self, running: Outage, now_ms: int) -> None:
        self._ended.append(evolve(running, ended_ms=now_ms))
        self._forget(now_ms)
        self.changes += 1

    def _forget(self, now_ms: int) -> None:
        """Let go of what is too old, and of the oldest where there is too much."""
        if len(self._ended) > MOST_KEPT:
            gone, self._ended = self._ended[:-MOST_KEPT], self._ended[-MOST_KEPT:]
            self.complete_since_ms = max(self.complete_since_ms, _end_of(gone[-1]))
        earliest_ms = now_ms - KEPT_MS
        self.complete_since_ms = max(self.complete_since_ms, earliest_ms)
        if self._ended and _end_of(self._ended[0]) < earliest_ms:
            self._ended = [each for each in self._ended if _end_of(each) >= earliest_ms]


def _end_of(outage: Outage) -> int:
    return outage.began_ms if outage.ended_ms is None else outage.ended_ms
