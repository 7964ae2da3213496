"""Whether the engine and the exchange agree, and so whether entries may go out.

It fails closed: nothing is opened from the start, or from the moment the private stream came or went, until a
comparison that began afterwards has succeeded. Cancels and closes never ask.
"""

from __future__ import annotations

from math import inf

import trio
from attrs import define, field

from ..store import Store

__all__ = ["SHOWS_WITHIN_S", "Agreement"]

SHOWS_WITHIN_S = 5.0
"""How long what is new may take to show in what the exchange lists: a doubt waits so long before it is looked into."""


@define
class Agreement:
    """What is known of the agreement, and when the next comparison is due."""

    _store: Store
    opening: bool = True
    """Whether entries are taken and sent at all. Off while the engine shuts down; closing never is."""
    reached: bool = False
    """Whether the engine and the exchange agreed since the engine started, or the private stream came or went."""
    seeing: bool = False
    """Whether the private stream is there, which tells what is filled and held."""
    why_not: str = ""
    """Why they do not, or did not when they were last compared; empty before that, and once they agreed."""
    _doubted_from: float = inf
    """When what did not add up is to be compared, by Trio's clock: also what was noticed during a comparison."""
    _until_next: trio.CancelScope = field(factory=trio.CancelScope)

    @property
    def may_open(self) -> bool:
        """Whether an entry may go out now."""
        state = self._store.state
        allowed = self.opening and state.paused_ms is None and state.halt is None
        return allowed and self.reached and self._store.trouble is None

    def doubt(self) -> None:
        """Something does not add up: compare soon, but not before what is new had time to show."""
        self._doubted_from = min(self._doubted_from, trio.current_time() + SHOWS_WITHIN_S)
        self._until_next.deadline = min(self._until_next.deadline, self._doubted_from)

    def begin_comparison(self) -> None:
        """A comparison begins: it looks into what was doubted so far."""
        self._doubted_from = inf

    async def wait_due(self, every_s: float, lost_sight: trio.Event) -> None:
        """Return when the next comparison is due: after `every_s`, when something is doubted, or with `lost_sight`."""
        with trio.move_on_at(min(trio.current_time() + every_s, self._doubted_from)) as scope:
            self._until_next = scope
            await lost_sight.wait()
