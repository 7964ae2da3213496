"""Asking for an entry order to be taken away from the exchange: a record, which a task follows (`tasks`)."""

from __future__ import annotations

from ...model.orders import EntryOrder
from ...store.records import EntryCancelAsked

__all__ = ["asked_away"]


def asked_away(order: EntryOrder, now_ms: int) -> list[EntryCancelAsked]:
    """The record of a cancel being asked for: none where that is asked already, or the order has ended."""
    if order.cancel_asked or order.state.final:
        return []
    return [EntryCancelAsked(order.id, now_ms)]
