"""Taking up, after a start, what the journal says was promised."""

from __future__ import annotations

from attrs import define, field

from ..counters import Counters
from ..logs import get_logger
from ..store import Store
from .entries.entries import Entries
from .entries.tracking import Tracking
from .event_errors import EventErrors
from .protections.protections import Protections
from .tasks import Tasks

__all__ = ["Resuming"]

log = get_logger()


@define(kw_only=True, eq=False)
class Resuming:
    """Takes up orders and protections, each by itself."""

    _counters: Counters
    _errors: EventErrors
    _store: Store
    _entries: Entries
    _protections: Protections
    _tasks: Tasks
    _tracking: Tracking
    not_resumed: dict[tuple[str, str], str] = field(init=False, factory=dict)
    """What of the journal could not be taken up at the start, by what it is and its id, and why."""

    def resume(self) -> None:
        """Take up what the journal says was promised. Entries stay where they are until the exchange agrees.

        What cannot be taken up keeps nothing else from it: it is said, and tried again after every comparison.
        """
        self.not_resumed = {
            **{("protection", each.id): "" for each in self._store.state.protections.alive()},
            **{("order", each.id): "" for each in self._store.state.orders.alive()},
        }
        self.resume_rest()
        with self._errors.surviving("ended protections taken up"):
            self._protections.rearming.resume()

    def resume_rest(self) -> None:
        """Try again what could not be taken up so far."""
        for (what, id), why in list(self.not_resumed.items()):
            try:
                self._resume_one(what, id)
            except Exception as failure:
                if not why:
                    log.error("not_resumed", what=what, id=id, exc_info=failure)
                    self._counters.count("not_resumed")
                self.not_resumed[what, id] = repr(failure)
            else:
                del self.not_resumed[what, id]

    def _resume_one(self, what: str, id: str) -> None:
        state = self._store.state
        protection = state.protections.get(id) if what == "protection" else None
        if protection is not None:
            self._protections.resume(protection.id)
            self._tasks.resume_protection(protection.id)
        elif what == "order" and id in state.orders:
            self._entries.resume(id)
            self._tasks.resume_order(id)
            self._tracking.begin(state.orders[id])
