"""Which of what has ended need not be in memory any more, because the disk has it as it is.

What ended of late stays: late fills, a position that is held after all, a stop that is armed again concern it. So does
an order as long as its protection is in memory, and the other way round: a stop must not wait for a disk.
"""

from __future__ import annotations

from collections.abc import Iterator

from .archive import Archive
from .state import State

__all__ = ["READY_MS", "Shelving"]

READY_MS = 2 * 3600 * 1000
"""What ended since is in memory: twice as long as a protection may be armed again after its end."""


class Shelving:
    """Looks now and then, and lets go what was the same the time before and is on disk since."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._seen: dict[tuple[str, str], tuple[object, int]] = {}
        """What could go, as it was at the look before, and the last record there was then."""

    def look(self, now_ms: int, appended: int, folded: int) -> Iterator[None]:
        """Let go what can go; yields after each thing, so that the caller may let others run.

        `appended` is the last record there is, `folded` the last of which the disk has what it adds up to.
        """
        state, before = self._state, self._seen
        archives: dict[str, Archive] = {  # type: ignore[type-arg]  # of different things
            "protection": state.protections,
            "order": state.orders,
            "futures_order": state.futures_orders,
        }
        found: dict[tuple[str, str], tuple[object, int]] = {}
        for what, archive in archives.items():
            for id in archive.ended_in_memory(now_ms - READY_MS):
                yield
                thing = archive.as_it_is(id)
                if thing is None:
                    continue
                known, seq = before.get((what, id), (None, 0))
                if known is thing and seq <= folded and not self._needed(what, id):
                    archive.shelve(id)
                else:
                    found[what, id] = (thing, seq if known is thing else appended)
        self._seen = found

    def _needed(self, what: str, id: str) -> bool:
        """Whether something that is in memory is of a piece with it."""
        state = self._state
        if what == "order":
            protection = state.protection_by_entry.get(id)
            return protection is not None and state.protections.is_in_memory(protection)
        if what == "protection":
            entry_id = getattr(state.protections.as_it_is(id), "entry_id", None)
            return entry_id is not None and state.orders.is_alive(entry_id)
        return False
