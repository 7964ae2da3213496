"""What is known of the exchange's clock from before the start: the last offset that an order was accepted with. Pure.

Whether the exchange's clock was set back while no engine ran is seen by it. Then what happened meanwhile may be dated
before what caused it: a stop before the order that brought it along.
"""

from __future__ import annotations

from heapq import nlargest
from itertools import chain

from ..model.orders import EntryOrder
from ..store import State

__all__ = ["clock_before"]

MOST_READ = 100
"""How many of the armed protections have their orders looked at, the newest: an order that has ended is on disk."""


def clock_before(state: State) -> tuple[int, int] | None:
    """When, by our clock in ms, the exchange's was known last, and by how many ms it was ahead then; None: never."""
    guarded = (each for each in state.protections.alive() if each.entry_id)
    newest = nlargest(MOST_READ, guarded, key=lambda each: each.created_ms)
    filled = (state.orders.get(each.entry_id or "") for each in newest)
    known = [_known(order) for order in chain(state.orders.alive(), filled) if order is not None]
    return max((each for each in known if each is not None), default=None)


def _known(order: EntryOrder) -> tuple[int, int] | None:
    if not order.accepted_there_ms:
        return None
    return order.accepted_ms, order.accepted_there_ms - order.accepted_ms
