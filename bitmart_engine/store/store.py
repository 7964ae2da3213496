"""The one way to change what the engine knows: record it, wait until it is durable, then say or do it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..logs import get_logger
from .journal import Journal
from .records import Record
from .state import State
from .told import Telling, tellings

__all__ = ["Store"]

log = get_logger()


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
        self._unfollowed: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why nothing more may be promised now: what is recorded cannot be made durable, or was not acted upon."""
        return self._journal.trouble or self._unfollowed

    def observe(self, observer: Callable[[Record], None]) -> None:
        """Have `observer` called, synchronously, with every record after it was taken in."""
        self._observers.append(observer)

    def record(self, *records: Record) -> None:
        """Take `records` in and journal them as one unit: all of them or, if this raises, none.

        An observer that fails takes nothing back, and keeps no other from being told. That is a bug of ours, and
        something may not be watched as it should: it is said, and nothing more is promised until the next start.
        """
        if not records:
            return
        append = self._journal.prepare(records)
        self.state.apply_all(records)
        append()
        for each in records:
            for observer in self._observers:
                try:
                    observer(each)
                except Exception as failure:
                    self._not_followed(each, failure)

    def _not_followed(self, record: Record, failure: Exception) -> None:
        kind = type(record).__name__
        log.critical("record_not_followed", record=kind, exc_info=failure)
        self._unfollowed = f"a {kind} was recorded and not acted upon ({failure!r}): restart"

    async def durable(self) -> None:
        """Return when everything recorded so far would survive a crash. A checkpoint."""
        await self._journal.durable()

    async def told(self, lanes: Collection[str]) -> list[Telling]:
        """All that was told, or is owed, in these lanes, in the order made. A checkpoint. Raises JournalError."""
        return tellings(await self._journal.told(lanes), lanes, self.state)
