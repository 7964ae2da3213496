"""Closes that wait for their turn at the exchange: told to the application, now and then."""

from __future__ import annotations

import math

import trio
from attrs import define, field

from ...exchange.turns import HeldBack
from ...model.lifecycle import ProtectionState
from ...store import Store
from .view import ClosesView

__all__ = ["HeldBackCloses"]

TELL_EVERY_S = 60.0


@define(kw_only=True, eq=False)
class HeldBackCloses:
    """Remembers when each was told."""

    _store: Store
    _protections: ClosesView
    _told_at: dict[str, float] = field(init=False, factory=dict)

    def tell(self, held: HeldBack) -> None:
        """A close waits for its turn at the exchange: told for each that is being closed, once a minute at most."""
        now = trio.current_time()
        alive = self._store.state.protections.alive()
        closing = [each for each in alive if each.state is ProtectionState.CLOSING]
        before = self._told_at
        told_at = {each.id: before[each.id] for each in closing if each.id in before}
        self._told_at = told_at
        for each in closing:
            if now >= told_at.get(each.id, -math.inf) + TELL_EVERY_S:
                told_at[each.id] = now
                self._protections.close_failed(
                    each, f"waits for its turn at {held.path}: {held.why}"
                )
