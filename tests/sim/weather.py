"""When something goes wrong: storms with a few kinds of trouble each, and calm between them.

After each storm everything works again, for long enough that everything has to converge; then the run looks whether it
has. Which kinds of trouble come, how bad they are and when, is decided by the seed. The kinds are `troubles.py` (those
of the first world), `oddities.py` (the exchange says something odd), `owner.py` (what the account's owner does beside
the engine) and `machine.py` (clocks and files). Those of the later worlds have generators of their own, so that what a
seed draws of the first world stays what it was.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import trio
from attrs import define, field

from bitmart_engine.paper import PaperExchange

from .disk import Disk
from .doorway import HARMLESS
from .facts import FACTS
from .network import Conditions, Network
from .pushes import Pushes
from .receiver import Receiver
from .trace import Trace
from .troubles import Kinds

__all__ = ["Weather"]

STORM_S = (360.0, 600.0)
CALM_S = 300.0
"""Deliveries are tried every two minutes at the slowest."""
FIRST_CALM_S = 60.0
BELIEVED_S = 600.0
MILD = HARMLESS | {"fills told late"}
"""What leaves requests, pushes and processes alone."""
CLEAR_OF_OLD = 0.4
"""How likely a storm with newer kinds has none of the first world's, so that nothing hides what they do."""

LATER = 0.1
"""How likely a storm has one of the kinds that came later."""


@define(eq=False)
class Weather:
    """`calmed` is awaited at the end of each calm."""

    paper: PaperExchange
    network: Network
    disk: Disk
    receiver: Receiver
    pushes: Pushes
    rng: random.Random
    trace: Trace
    first: Kinds
    """The kinds of trouble of the first world."""
    newer: Kinds
    """Those of the later worlds; empty where a run is of the first."""
    newer_rng: random.Random
    only: frozenset[str] = frozenset()
    """The kinds of trouble there may be; all, if empty."""
    later: Kinds = field(factory=dict)
    """Those that came to a world when seeds of it were kept already: drawn beside the others, not among them."""
    later_rng: random.Random = field(factory=random.Random)
    cleared: Callable[[], None] = lambda: None
    """Called when a storm ends."""
    calm_since: float | None = 0.0
    """Since when nothing goes wrong; None during a storm."""
    storms: list[tuple[frozenset[str], float]] = field(factory=list)
    """What went wrong in each of the storms that are over, and when it ended."""
    kinds: tuple[str, ...] = ()
    """What goes wrong in this storm."""
    before: tuple[str, ...] = ()
    """What went wrong in the last one."""

    def __attrs_post_init__(self) -> None:
        known_ones = {*self.first, *self.newer, *self.later, *FACTS}
        unknown = self.only - known_ones
        if unknown:
            known = ", ".join(sorted(known_ones))
            raise ValueError(f"no such trouble: {', '.join(sorted(unknown))}; there are {known}")

    async def run(self, until_s: float, calmed: Callable[[], Awaitable[None]]) -> None:
        """Storms and calms until the `until_s`-th second is over; the last is a calm."""
        await trio.sleep(FIRST_CALM_S)
        while trio.current_time() < until_s - CALM_S:
            length_s = min(self.rng.uniform(*STORM_S), until_s - CALM_S - trio.current_time())
            await self._storm(length_s)
            await trio.sleep(CALM_S)
            await calmed()

    async def _storm(self, length_s: float) -> None:
        names = sorted(self.only & set(self.first) if self.only else self.first)
        drawn = self.rng.sample(names, min(len(names), self.rng.randint(2, 6)))
        self.kinds = (*self._drawn_later(), *self._drawn_newer(drawn), *drawn)
        self.trace("weather", "storm", length_s, *self.kinds)
        if not self.kinds or not HARMLESS.issuperset(self.kinds):
            self.calm_since = None
        kinds = {**self.first, **self.newer, **self.later}
        with trio.move_on_after(length_s):
            async with trio.open_nursery() as nursery:
                for name in self.kinds:
                    nursery.start_soon(kinds[name])
        self.clear()

    def _drawn_newer(self, drawn: list[str]) -> list[str]:
        """The newer kinds of a storm, for which those `drawn` of the first world may have to go."""
        names = sorted(self.only & set(self.newer) if self.only else self.newer)
        if not names:
            return []
        count = self.newer_rng.choice((1, 1, 2, 3))
        found = self.newer_rng.sample(names, min(len(names), count))
        if self.newer_rng.random() < CLEAR_OF_OLD:
            drawn.clear()
        return found

    def _drawn_later(self) -> list[str]:
        if self.only:
            return sorted(self.only & set(self.later))
        return [each for each in sorted(self.later) if self.later_rng.random() < LATER]

    def longer_s(self) -> float:
        """For how long the last storm may be felt: what a header has said of ten minutes is believed for so long."""
        return BELIEVED_S if "false limits" in self.before else 0.0

    def is_mild(self) -> bool:
        """Whether nothing goes wrong now but what is mild."""
        return MILD.issuperset(self.kinds)

    def nothing_but_since(self, *kinds: str) -> float | None:
        """Since when nothing else has gone wrong, nor been felt; None while something does."""
        if not set(kinds).issuperset(self.kinds):
            return None
        others = [
            ended_at + (BELIEVED_S if "false limits" in storm - set(kinds) else 0.0)
            for storm, ended_at in self.storms
            if not storm.issubset(kinds)
        ]
        return max(others, default=0.0)

    def clear(self) -> None:
        """Everything works again. What is half-open stays so until somebody notices."""
        self.network.now = Conditions()
        self.disk.mood = "well"
        self.receiver.failing = 0.0
        self.pushes.clear()
        self.cleared()
        self.paper.clear_faults()
        self.before, self.kinds = self.kinds, ()
        self.calm_since = trio.current_time()
        self.storms.append((frozenset(self.before), self.calm_since))
        self.trace("weather", "calm")
