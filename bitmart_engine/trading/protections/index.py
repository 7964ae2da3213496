"""Which protections are alive on each side of a symbol, and which of their levels the market touches.

It follows the records: what is armed is watched, and its symbol priced, until it is over. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import trio
from attrs import evolve

from ...exchange.client import ExchangeClient
from ...model.events import Tick
from ...model.lifecycle import ProtectionState
from ...model.positions import CloseReason, Protection
from ...model.sides import PositionSide
from ...store import Store
from ...store.records import (
    ProtectionKept,
    ProtectionLevelled,
    ProtectionMoved,
    ProtectionOpened,
    Record,
)
from ..market.prices import Prices
from .stops import Levels, StopBook

__all__ = ["ProtectionIndex"]


class ProtectionIndex:
    """An index of what has not ended, by symbol and side, and of the levels of what is armed."""

    def __init__(
        self,
        *,
        exchange: ExchangeClient,
        prices: Prices,
        store: Store,
        now_ms: Callable[[], int],
    ) -> None:
        self._exchange = exchange
        self._prices = prices
        self._store = store
        self._now_ms = now_ms
        self._stops = StopBook()
        self._alive: dict[tuple[str, PositionSide], set[str]] = {}
        self._closing: dict[tuple[str, PositionSide], set[str]] = {}
        self._since: dict[str, tuple[tuple[Decimal | None, Decimal | None], int | None]] = {}
        """The levels of what is armed, and since when they count."""
        self._started_ms = now_ms()
        store.observe(self._keep_watch)

    def __len__(self) -> int:
        """How many protections have their levels watched."""
        return len(self._stops)

    # What the market says

    def touched(self, tick: Tick) -> list[tuple[str, CloseReason]]:
        """What `tick` is the stop or the target of. It is not watched any more."""
        fired = self._stops.triggered(tick)
        if tick.gap_since is None:
            return fired
        return self._but_not_for_the_past(fired, tick, tick.gap_since)

    def _but_not_for_the_past(
        self, fired: list[tuple[str, CloseReason]], tick: Tick, gap_since: float
    ) -> list[tuple[str, CloseReason]]:
        """What `tick` fires, where a stop that was set in the gap before it is fired by the price now only.

        The extremes of such a tick may be from before the stop was set. The bars of the gap say more: see `gaps`.
        """
        gap_ms = self._now_ms() - round((trio.current_time() - gap_since) * 1000)
        spared = {
            id
            for id, reason in fired
            if reason is CloseReason.STOP_LOSS
            and self._store.state.protections[id].levelled_ms > gap_ms
        }
        for id in spared:
            self._watch_levels(self._store.state.protections[id])
        return [
            *(each for each in fired if each[0] not in spared),
            *(self._stops.triggered(tick.only_last()) if spared else ()),
        ]

    def with_stop(self, symbol: str) -> list[Protection]:
        """The armed protections of a symbol that have a stop, each with the time since when it counts."""
        return [
            each if each.levelled_ms else evolve(each, levelled_ms=self._started_ms)
            for side in PositionSide
            for each in self.alive_on(symbol, side)
            if each.state is ProtectionState.ARMED and each.stop_loss is not None
        ]

    # Who is there

    def alive_on(self, symbol: str, side: PositionSide) -> list[Protection]:
        """The protections of a side that have not ended."""
        ids = self._alive.get((symbol, side), ())
        return [self._store.state.protections[id] for id in sorted(ids)]

    def closing_on(self, symbol: str, side: PositionSide) -> list[Protection]:
        """The protections of a side that are being closed."""
        ids = self._closing.get((symbol, side), ())
        return [self._store.state.protections[id] for id in sorted(ids)]

    def owed_on(self, symbol: str, side: PositionSide) -> int:
        """Contracts that our orders filled on this side and that are not closed, as far as we know."""
        alive = self.alive_on(symbol, side)
        return sum(each.remaining for each in alive if each.entry_id is not None)

    # Bookkeeping

    def _keep_watch(self, record: Record) -> None:
        """Watch the levels of what is armed, and have its symbol priced as long as it is not over."""
        match record:
            case ProtectionOpened(protection=Protection(id=id)):
                pass
            case ProtectionMoved(id=id) | ProtectionLevelled(id=id) | ProtectionKept(id=id):
                pass
            case _:
                return
        self.keep(self._store.state.protections[id])

    def forget(self, protection: Protection) -> None:
        """The promise of this protection is not given after all."""
        self._alive.get((protection.symbol, protection.side), set()).discard(protection.id)
        self._stops.disarm(protection.id)
        self._since.pop(protection.id, None)
        self._prices.unneed(protection.symbol, ("protection", protection.id))

    def keep(self, protection: Protection) -> None:
        """Have its levels watched and its symbol priced, as far as its state asks for it."""
        id = protection.id
        key = (protection.symbol, protection.side)
        closing = self._closing.setdefault(key, set())
        if protection.state is ProtectionState.CLOSING:
            closing.add(id)
        elif id in closing:
            closing.discard(id)
        alive = self._alive.setdefault(key, set())
        if protection.state.final:
            alive.discard(id)
            self._prices.unneed(protection.symbol, ("protection", id))
            self._prices.recheck(protection.symbol)
        else:
            alive.add(id)
            self._prices.need(protection.symbol, ("protection", id))
        if protection.state is ProtectionState.ARMED:
            self._watch_levels(protection)
            self._prices.recheck(protection.symbol)
        else:
            self._stops.disarm(id)
            self._since.pop(id, None)

    def watch_again(self, id: str) -> None:
        """Watch the levels of a protection that was touched and not fired: the next price decides."""
        protection = self._store.state.protections[id]
        if protection.state is ProtectionState.ARMED:
            self._watch_levels(protection)

    def _watch_levels(self, protection: Protection) -> None:
        self._stops.arm(
            Levels(
                protection.id,
                protection.symbol,
                protection.side,
                protection.stop_loss,
                protection.take_profit,
                self._counts_from(protection),
            )
        )

    def _counts_from(self, protection: Protection) -> int | None:
        """Since when the levels of a protection are watched, by the exchange's clock; None while that is unmeasured."""
        levels = (protection.stop_loss, protection.take_profit)
        known = self._since.get(protection.id)
        if known is not None and known[0] == levels:
            return known[1]
        exchange = self._exchange
        since_ms = None if exchange.clock_offset_ms is None else exchange.now_ms()
        self._since[protection.id] = (levels, since_ms)
        return since_ms
