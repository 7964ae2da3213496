"""Fills of what is under way, in memory: what a position came to is told when it is gone, and waits for no disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import final

from attrs import evolve

from ...model.decimals import plain
from ...model.fills import AccountFill, merged
from ...model.instruments import Instrument
from ...model.lifecycle import ProtectionState
from ...model.positions import CloseReason, Protection
from ...model.trades import rounded
from ...store import State, Unreadable
from .trades import trade_found
from .whose import OrderKnown, attributed

__all__ = ["TOLD", "AliveFills"]

MOST_LOOSE = 200
"""Fills of which it was not known yet whose they are."""
TOLD = ("gross_pnl", "fees", "realised_pnl", "percent", "r", "stop_slippage")
"""What is told of a position that is gone, as far as it is known."""


@final
class AliveFills:
    """Knows the fills of trades that have not ended, as far as they were pushed, or were on disk at the start."""

    def __init__(self, state: State, instrument: Callable[[str], Instrument | None]) -> None:
        self._state = state
        self._instrument = instrument
        self._fills: dict[str, dict[str, AccountFill]] = {}
        """By trade and id."""
        self._loose: deque[tuple[AccountFill, OrderKnown]] = deque(maxlen=MOST_LOOSE)

    def ids(self) -> list[str]:
        """The trades that are under way."""
        return [each.entry_id or each.id for each in self._state.protections.alive()]

    def take(self, fill: AccountFill, order: OrderKnown) -> None:
        """Know a fill that was pushed."""
        if fill.trade_id is None:
            self._loose.append((fill, order))
        self.know([fill])

    def know(self, fills: Iterable[AccountFill]) -> None:
        """Know fills, or more of them."""
        for fill in fills:
            if fill.trade_id is not None:
                known = self._fills.setdefault(fill.trade_id, {})
                known[fill.id] = merged(known.get(fill.id), fill)

    def forget_ended(self) -> None:
        """Drop the fills of what has ended."""
        alive = {*self.ids(), *(each.id for each in self._state.orders.alive())}
        for id in [each for each in self._fills if each not in alive]:
            del self._fills[id]

    def came_to(self, protection: Protection, reason: CloseReason) -> Mapping[str, object]:
        """What a protection's trade came to that ends now, for that reason: decimals as text, only what is known."""
        ended = evolve(protection, state=ProtectionState.CLOSED, reason=reason.value)
        id = protection.entry_id or protection.id
        try:
            for fill, order in self._loose:
                self.know([attributed(fill, order, self._state)])
            fills = list(self._fills.get(id, {}).values())
            trade = trade_found(id, fills, self._state, self._instrument, ended)
        except Unreadable:  # something older that is on disk only; no number is known then
            return {}
        found: dict[str, Decimal | None] = {name: getattr(trade, name) for name in TOLD}
        return {name: plain(rounded(value)) for name, value in found.items() if value is not None}
