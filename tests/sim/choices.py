"""What a run is besides its seed, and what it came to."""

from __future__ import annotations

from collections import Counter

from attrs import define, field, frozen

from tests.support.judge import Violation

__all__ = ["NEWEST", "Choices", "Outcome"]

NEWEST = 4
"""The world that runs are of unless told otherwise. The second has what was found outside the first; the third has also
what the application does at its two ends, and what an exchange does that can be traded with and not be read; the fourth
has also stops that act for a first part of an order while nothing is heard, and the rest fills after; and timestamps
that are taken for 5, 30 or 60 s, by either rule, and for another time in the next minute."""


@frozen(kw_only=True)
class Choices:
    """What a run is, besides its seed."""

    hours: float = 1.0
    world: int = NEWEST
    """Which world the run is of: a seed that found something in an earlier one is played in that."""
    only: frozenset[str] = frozenset()
    """The kinds of trouble there may be; all, if empty."""
    several_there: bool = True
    """Whether there may be several orders on one side whose stops the exchange keeps too."""
    real: bool = False
    """Whether BTCUSDT follows the real month."""
    unhurried: bool = False
    """Whether the user asks for half as much, which is less to play."""


@define
class Outcome:
    """What a run came to."""

    seed: int
    violations: list[Violation] = field(factory=list)
    at_s: float = 0.0
    """When it ended, in simulated seconds."""
    last_events: dict[str, list[str]] = field(factory=dict)
    faults: Counter[str] = field(factory=Counter)
    counts: Counter[str] = field(factory=Counter)
    exposed_ms: list[int] = field(factory=list)
    exposed_in_calm_s: float = 0.0
    worked_s: float = 0.0
    """Processor time."""
