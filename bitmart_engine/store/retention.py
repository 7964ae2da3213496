"""What may be forgotten: orders, protections and exchange orders that ended long ago, and letters that died long ago.

Never what is alive or owed, nor what that needs. It decides; that the journal forgets the same is its caller's care.
"""

from __future__ import annotations

from .codec import Subject
from .state import State

__all__ = ["forget_old"]


def forget_old(state: State, before_ms: int) -> list[Subject]:
    """Drop from `state` what had ended by `before_ms`, and return it.

    An order and the protection of its fills go together: while one of them is young or alive, or a notification about
    it is owed, both stay.
    """
    orders = set(state.orders.ended_before(before_ms))
    protections = set(state.protections.ended_before(before_ms))
    lanes = {owed.lane for owed in state.owed.values()}
    orders -= lanes
    protections -= lanes
    for entry, protection in state.protection_by_entry.items():
        if entry in state.orders and entry not in orders:
            protections.discard(protection)
        elif protection in state.protections and protection not in protections:
            orders.discard(entry)
    orders -= {alive.entry_id for alive in state.protections.alive() if alive.entry_id}
    futures = state.futures_orders.ended_before(before_ms)
    letters = {id for id, letter in state.dead.items() if letter.at_ms < before_ms}
    for id in orders:
        del state.orders[id]
    for id in protections:
        del state.protections[id]
    for id in futures:
        del state.futures_orders[id]
    for id in letters:
        del state.dead[id]
    _drop(state.entry_by_client_id, orders)
    _drop(state.protection_by_client_id, protections)
    _drop(state.protection_by_entry, protections)
    _drop(state.futures_by_client_id, set(futures))
    return [
        *(("order", id) for id in sorted(orders)),
        *(("protection", id) for id in sorted(protections)),
        *(("futures_order", id) for id in sorted(futures)),
        *(("dead", id) for id in sorted(letters)),
    ]


def _drop(index: dict[str, str], owners: set[str]) -> None:
    for key in [key for key, owner in index.items() if owner in owners]:
        del index[key]
