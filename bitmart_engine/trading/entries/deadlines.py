"""When what waits has waited long enough. It knows times and ids, and nothing of what they mean."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import trio

__all__ = ["Deadlines"]

LONGEST_NAP_S = 30.0
"""Deadlines are wall-clock times, and a wall clock may be set: look again this often."""


class Deadlines:
    """Tells of each deadline once it has come, whatever has become of its owner: that is for the owner to know."""

    def __init__(self, now_ms: Callable[[], int], overdue: Callable[[str, int], None]) -> None:
        self._now_ms = now_ms
        self._overdue = overdue
        self._waiting: list[tuple[int, str]] = []
        self._added = trio.Event()

    def add(self, id: str, deadline_ms: int) -> None:
        """Tell of `id` at Unix time `deadline_ms`. One that was added before stays."""
        heapq.heappush(self._waiting, (deadline_ms, id))
        self._added.set()

    async def run(self) -> None:
        """Tell of what has come, for ever. Runs as a task."""
        while True:
            now_ms = self._now_ms()
            while self._waiting and self._waiting[0][0] <= now_ms:
                self._overdue(heapq.heappop(self._waiting)[1], now_ms)
            self._added = trio.Event()
            nap_s = LONGEST_NAP_S
            if self._waiting:
                nap_s = min(nap_s, (self._waiting[0][0] - now_ms) / 1000)
            with trio.move_on_after(nap_s):
                await self._added.wait()
