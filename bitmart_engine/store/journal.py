"""Where records are kept. The engine knows this interface only; what is behind it decides how durable a promise is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import trio

from .records import NotificationOwed, NotificationSettled, Record
from .told import concerns

__all__ = ["Journal", "MemoryJournal"]

TOLD = (NotificationOwed, NotificationSettled)
TOLD_KEPT = 10_000


class Journal(Protocol):
    """An append-only list of records."""

    @property
    def trouble(self) -> str | None:
        """Why records cannot be made durable now; None while they can."""

    def prepare(self, records: Sequence[Record]) -> Callable[[], None]:
        """What puts `records` at the end, as one unit: all of them will be kept, or none. To be called at once.

        Whatever may fail fails here, and then nothing has changed; what is returned neither fails nor blocks.
        """

    async def durable(self) -> None:
        """Return when everything appended so far would survive a crash. A checkpoint."""

    async def told(self, lanes: Collection[str]) -> list[Record]:
        """What was appended of notifications of these lanes, in order, as far as it is kept. A checkpoint.

        Raises JournalError if it cannot be read.
        """


class MemoryJournal:
    """A journal that lasts as long as the process. It keeps the count of what it was given, and the latest of what the
    application was told, for nobody else has that."""

    def __init__(self) -> None:
        self.appended = 0
        self._told: deque[Record] = deque(maxlen=TOLD_KEPT)
        self.trouble: str | None = None

    def prepare(self, records: Sequence[Record]) -> Callable[[], None]:
        def append() -> None:
            self.appended += len(records)
            self._told.extend(each for each in records if isinstance(each, TOLD))

        return append

    async def durable(self) -> None:
        await trio.lowlevel.checkpoint()

    async def told(self, lanes: Collection[str]) -> list[Record]:
        await trio.lowlevel.checkpoint()
        ids: set[str] = set()
        return [each for each in self._told if concerns(each, lanes, ids)]
