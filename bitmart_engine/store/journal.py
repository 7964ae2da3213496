"""Where records are kept. The engine knows this interface only; what is behind it decides how durable a promise is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from .records import Record

__all__ = ["Journal", "MemoryJournal"]


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


class MemoryJournal:
    """A journal that lasts as long as the process, and keeps only the count of what it was given."""

    def __init__(self) -> None:
        self.appended = 0
        self.trouble: str | None = None

    def prepare(self, records: Sequence[Record]) -> Callable[[], None]:
        def append() -> None:
            self.appended += len(records)

        return append

    async def durable(self) -> None:
        await trio.lowlevel.checkpoint()
