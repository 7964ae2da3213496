"""How long to wait before the next attempt: exponential, jittered, reset only by a connection that lived.

A plain object: it neither waits nor reads a clock.
"""

from __future__ import annotations

from random import Random

__all__ = ["LIVED_S", "Backoff"]

LIVED_S = 30.0
"""A connection counts as lived from here on: longer than the 5 s after which the exchange closes a connection that
subscribes to nothing and the 20 s after which it closes a silent one, so neither fault can reset the backoff."""


class Backoff:
    """Backoff that double from `base` to `cap` seconds (never below `base`), each drawn from its upper half."""

    def __init__(self, base: float, random: Random, cap: float = 60.0) -> None:
        self._base = base
        self._cap = max(base, cap)
        self._random = random
        self._full = base

    def next_delay(self) -> float:
        """Seconds to wait now. The next pause will be twice as long, up to the cap."""
        full, self._full = self._full, min(self._full * 2, self._cap)
        return self._random.uniform(full / 2, full)

    def lived(self, seconds: float) -> None:
        """A connection worked for so many seconds: if that was long enough, start again from the base."""
        if seconds >= LIVED_S:
            self._full = self._base
