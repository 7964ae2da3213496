"""Promises: what is said to users only once it is on disk.

A promise is given when its records are durable. While the journal cannot be written no promise is made; what protects
goes on without one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from ..counters import Counters
from ..model.errors import Conflict, Unavailable
from ..model.halting import Halt
from ..store import JournalUnavailable, Store

__all__ = ["Promises", "refuse_while_halted"]


def refuse_while_halted(halt: Halt | None) -> None:
    """Raises Conflict while nothing new may be promised."""
    if halt is not None:
        raise Conflict(f"trading is halted ({halt.level.value}): POST /resume ends that")


@define
class Promises:
    """Waits for the journal, and for promises that others are making."""

    _store: Store
    _counters: Counters
    _making: dict[str, trio.Event] = field(factory=dict)

    def check(self) -> None:
        """Raises Unavailable while no promise could be kept."""
        if self._store.trouble is not None:
            raise Unavailable(self._store.trouble)

    async def keep(self) -> None:
        """Return when what was recorded is durable: before a promise is given. Raises Unavailable."""
        try:
            await self._store.durable()
        except JournalUnavailable as trouble:
            raise Unavailable(str(trouble)) from None

    async def keep_if_possible(self) -> None:
        """Return when what was recorded is durable, or cannot be made so: what protects does not wait for a disk."""
        try:
            await self._store.durable()
        except JournalUnavailable as trouble:
            self._counters.add("acted_before_durable", why=trouble)

    @asynccontextmanager
    async def making(self, id: str) -> AsyncIterator[None]:
        """While the promise about `id` is being made: it may yet not be given, and nobody else is to build on it."""
        made = self._making[id] = trio.Event()
        try:
            yield
        finally:
            del self._making[id]
            made.set()

    async def wait_made(self, *ids: str | None) -> None:
        """Return when no promise about `ids` is being made: then it is known whether there are such things."""
        while under_way := [self._making[id] for id in ids if id in self._making]:
            await under_way[0].wait()
