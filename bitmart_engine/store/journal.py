"""Where records are kept. The engine knows this interface only; what is behind it decides how durable a promise is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import trio

from .records import Record

__all__ = ["Journal", "MemoryJournal"]


class Journal(Protocol):
    """An append-only list of records."""

    @property
    def trouble(self) -> str | None:
        """Why records cannot be made durable now; None while they can."""

    def append(self, records: Sequence[Record]) -> None:
        """Put `records` at the end, as one unit: all of them will be kept, or none. Does not block."""

    async def durable(self) -> None:
        """Return when everything appended so far would survive a crash. A checkpoint."""


class MemoryJournal:
    """A journal that lasts as long as the process, and keeps only the count of what it was given."""

    def __init__(self) -> None:
        self.appended = 0
        self.trouble: str | None = None

    def append(self, records: Sequence[Record]) -> None:
        self.appended += len(records)

    async def durable(self) -> None:
        await trio.lowlevel.checkpoint()
