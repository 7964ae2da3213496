"""The one way to change what the engine knows: record it, wait until it is durable, then say or do it."""

from __future__ import annotations

from collections.abc import Callable

from .journal import Journal
from .records import Record
from .state import State

__all__ = ["Store"]


class Store:
    """State and journal, kept together.

    `record` is synchronous, so that a decision and its record happen under no await and no other task can decide on
    what is already outdated. What leaves the process (an answer, an order, a callback) is preceded by `durable`.
    """

    def __init__(self, journal: Journal, state: State | None = None) -> None:
        """`state` is what `journal` adds up to so far: nothing, unless given."""
        self.state = State() if state is None else state
        self._journal = journal
        self._observers: list[Callable[[Record], None]] = []

    @property
    def trouble(self) -> str | None:
        """Why what is recorded cannot be made durable now; None while it can."""
        return self._journal.trouble

    def observe(self, observer: Callable[[Record], None]) -> None:
        """Have `observer` called, synchronously, with every record after it was taken in."""
        self._observers.append(observer)

    def record(self, *records: Record) -> None:
        """Take `records` in and journal them as one unit."""
        for each in records:
            self.state.apply(each)
        self._journal.append(records)
        for each in records:
            for observer in self._observers:
                observer(each)

    async def durable(self) -> None:
        """Return when everything recorded so far would survive a crash. A checkpoint."""
        await self._journal.durable()
