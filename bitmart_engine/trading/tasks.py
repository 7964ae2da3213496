"""The lifecycles in flight: each follows from a record, and at a restart from the state. Nobody else starts them.

    an order is about to be sent        submit, which ends when the order is known to be there or not
    a cancel is asked for               withdraw
    a protection begins to close        close

So recovery is the ordinary path: what the journal says is under way is taken up as if it had just been recorded. What
only reads to learn something (a claimed end, a position that seems gone, whose stop it was) is started where that is
asked.
"""

from __future__ import annotations

from collections.abc import Callable

from ..model.lifecycle import EntryState, ProtectionState
from ..store import Store
from ..store.records import EntryCancelAsked, EntryIntended, ProtectionMoved, Record
from .in_flight import InFlight

__all__ = ["Tasks"]

Task = Callable[[str], object]
"""An async function of an order's or a protection's id."""


class Tasks:
    """Starts a task for what the records and the state say is under way."""

    def __init__(
        self, store: Store, in_flight: InFlight, *, submit: Task, withdraw: Task, close: Task
    ) -> None:
        self._state = store.state
        self._in_flight = in_flight
        self._submit, self._withdraw, self._close = submit, withdraw, close
        store.observe(self._follow)

    def _follow(self, record: Record) -> None:
        match record:
            case EntryIntended(id=id):
                # An order that the exchange turned out to have is recorded as intended and as open in one unit.
                if self._state.orders[id].state is EntryState.SUBMITTING:
                    self._in_flight.start(self._submit, id)
            case EntryCancelAsked(id=id):
                self._in_flight.start(self._withdraw, id)
            case ProtectionMoved(id=id, to=ProtectionState.CLOSING):
                self._in_flight.start(self._close, id)

    def resume_protection(self, id: str) -> None:
        """Take up the close that the last process left, if there is one."""
        if self._state.protections[id].state is ProtectionState.CLOSING:
            self._in_flight.start(self._close, id)

    def resume_order(self, id: str) -> None:
        """Take up the journey to the exchange, and the cancel, that the last process left, if there are such."""
        order = self._state.orders[id]
        if order.state is EntryState.UNKNOWN or (order.state.at_exchange and not order.announced):
            self._in_flight.start(self._submit, id)
        if order.cancel_asked and order.state.at_exchange:
            self._in_flight.start(self._withdraw, id)
