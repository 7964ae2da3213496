"""How long to wait before asking again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

__all__ = ["Backoff"]


class Backoff:
    """Backoff in seconds for a task that asks until it knows: `first`, then twice as long each time up to `longest`.

    Endless on purpose: an order that the exchange may hold is never given up on.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        pause = self._first
        while True:
            yield pause
            pause = min(pause * 2, self._longest)

    def after(self, tries: int) -> float:
        """The pause after so many tries, from 1: as iterating says, where the tries are counted elsewhere."""
        return next(islice(self, tries - 1, None))
