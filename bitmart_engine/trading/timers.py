"""Timers: what is to be done when, by key, in one heap. Pure: the clock and the waiting are the caller's.

A key has one time at most: `schedule` moves it, `cancel` drops it. Keys that are due at the same time come in the order
in which they were scheduled.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Generic, TypeVar

__all__ = ["Timers"]

K = TypeVar("K", bound=Hashable)

SPARE = 64
"""Entries without a timer that are kept at least: with fewer it is not worth making the heap anew."""


class Timers(Generic[K]):
    """When each key is due. Times are numbers of any one clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._numbers: dict[K, int] = {}
        """By key, the number of its entry; other entries are of timers that were moved or cancelled."""
        self._next = count()

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, key: object) -> bool:
        return key in self._numbers

    def schedule(self, key: K, at: float) -> None:
        """Have `key` be due at a time, and no more at the one before."""
        number = self._numbers[key] = next(self._next)
        heappush(self._heap, (at, number, key))
        self._tidy()

    def cancel(self, key: K) -> None:
        """Have `key` not be due any more, if it was to be."""
        if self._numbers.pop(key, None) is not None:
            self._tidy()

    def due(self, now: float) -> list[K]:
        """Take out the keys that are due by `now`, the earliest first."""
        keys = []
        while self._heap and self._heap[0][0] <= now:
            _, number, key = heappop(self._heap)
            if self._numbers.get(key) == number:
                del self._numbers[key]
                keys.append(key)
        return keys

    @property
    def next_at(self) -> float:
        """When the next key is due; infinity where none is."""
        while self._heap and self._numbers.get(self._heap[0][2]) != self._heap[0][1]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else inf

    def _tidy(self) -> None:
        """Make the heap anew once most of it is of timers that were moved or cancelled."""
        if len(self._heap) > 2 * len(self._numbers) + SPARE:
            self._heap = [each for each in self._heap if self._numbers.get(each[2]) == each[1]]
            heapify(self._heap)
