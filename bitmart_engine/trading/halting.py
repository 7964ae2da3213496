"""The kill switch: what a halt asks of each order and position, done from when it is used until nothing is left to do.

What is left follows from the state, and is looked for again whenever something may have changed: so a halt that the
last process had begun is carried on by the next, and what shows up late (a fill, an order found at the exchange, a
position that was taken for closed) is dealt with as if it had been there.

A position that the user handed over for monitoring is closed if it was held when the switch was used. One that shows up
afterwards is guarded and not closed: nobody but its owner can have opened it.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from ..logs import get_logger
from ..model.errors import Conflict
from ..model.halting import Halt, HaltLevel
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import EntryOrder
from ..model.positions import CloseReason, Protection
from ..store import Store
from ..store.records import (
    EntriesHalted,
    EntryAccepted,
    EntryMoved,
    EntryObserved,
    ProtectionCovers,
    ProtectionMoved,
    Record,
)
from .entries.entries import Entries
from .event_errors import EventErrors
from .order_news import OrderNews
from .promises import Promises
from .protections.protections import Protections

__all__ = ["Halting", "is_left_to_cancel", "is_left_to_close"]

log = get_logger()

ANSWERED_WITHIN_S = 2.0
"""How long the answer to a halt waits for what it asks for to begin, and for orders that were on their way already."""
LOOKS_EVERY_S = 0.05
AT_ONCE = 100
"""Orders that are looked at between two checkpoints."""


def is_left_to_cancel(order: EntryOrder) -> bool:
    """Whether a halt that cancels has something left to do about the order."""
    return not order.state.final and not (order.state.at_exchange and order.cancel_asked)


def is_left_to_close(protection: Protection) -> bool:
    """Whether a halt that flattens has to close what the protection covers: not what its owner opened since."""
    if protection.state is not ProtectionState.ARMED:
        return False
    closing = ProtectionState.CLOSING.value
    return protection.entry_id is not None or any(
        each.state == closing for each in protection.history
    )


class Halting:
    """Uses the kill switch, and carries out what it asks for."""

    def __init__(
        self,
        *,
        errors: EventErrors,
        order_news: OrderNews,
        promises: Promises,
        store: Store,
        now_ms: Callable[[], int],
        entries: Entries,
        protections: Protections,
    ) -> None:
        self._errors = errors
        self._order_news = order_news
        self._promises = promises
        self._store = store
        self._now_ms = now_ms
        self._entries = entries
        self._protections = protections
        self._due = trio.Event()
        store.observe(self._follow)

    async def halt(self, level: HaltLevel) -> Halt:
        """Halt at `level`, or more. Returns once that is durable and no order is on its way to the exchange any more.

        What the level asks for is begun by then, also where the journal cannot be written. Raises Conflict for a level
        below the present one, and Unavailable where it is done and not durable.
        """
        now = self._store.state.halt
        if now is not None and not level.includes(now.level):
            raise Conflict(
                f"trading is halted at {now.level.value}; only POST /resume lowers that, then halt again"
            )
        first = [] if now is not None and now.level is level else [self._halted(level)]
        if level is HaltLevel.FLATTEN:
            self._protections.fire_all(CloseReason.MANUAL, first)
        else:
            self._store.record(*first)
        halt = self._store.state.halt
        assert halt is not None, "it was recorded"
        with trio.move_on_after(ANSWERED_WITHIN_S):
            await self._carry_out()
            await self._landed()
        await self._promises.keep()
        return halt

    def _halted(self, level: HaltLevel) -> EntriesHalted:
        log.warning("trading_halted", level=level.value)
        return EntriesHalted(self._now_ms(), level)

    async def _landed(self) -> None:
        """Wait until the exchange has answered what was on its way to it."""
        orders = self._store.state.orders
        under_way = [each.id for each in orders.alive() if each.state is EntryState.SUBMITTING]
        for id in under_way:
            while orders[id].state is EntryState.SUBMITTING:
                await self._order_news.wait_news(orders[id].client_order_id, LOOKS_EVERY_S)

    def look(self) -> None:
        """Have `run` look for what is left to do. Does not block."""
        self._due.set()

    def left(self) -> tuple[int, int]:
        """Orders that have not ended and positions that are not closed, of those that the halt is about."""
        state, halt = self._store.state, self._store.state.halt
        orders = sum(1 for _ in state.orders.alive()) if halt and halt.cancels else 0
        closing = (
            each.state is ProtectionState.CLOSING or is_left_to_close(each)
            for each in state.protections.alive()
        )
        return orders, sum(closing) if halt and halt.flattens else 0

    async def run(self) -> None:
        """Carry out what the halt asks for, whenever something may be left. Runs as a task."""
        while True:
            await self._due.wait()
            self._due = trio.Event()
            with self._errors.surviving("halt"):
                await self._carry_out()

    def _follow(self, record: Record) -> None:
        """Something may be left to do after each of these."""
        halt = self._store.state.halt
        if halt is None or not halt.cancels:
            return
        match record:
            case EntryAccepted() | EntryMoved() | EntryObserved():
                self.look()
            case ProtectionCovers() | ProtectionMoved(to=ProtectionState.ARMED):
                self.look()

    async def _carry_out(self) -> None:
        state = self._store.state
        for protection in list(state.protections.alive()):
            if state.halt is None or not state.halt.flattens:
                break
            if is_left_to_close(protection):
                log.warning("protection_fired", id=protection.id, reason="manual")
                with self._errors.surviving("halt of a position", id=protection.id):
                    self._protections.fire(protection.id, CloseReason.MANUAL)
        for number, order in enumerate(list(state.orders.alive()), 1):
            await self._promises.wait_made(order.id)
            if number % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            if state.halt is None or not state.halt.cancels:
                return
            now = state.orders.get(order.id)
            if now is None or not is_left_to_cancel(now) or not self._entries.is_searched(now.id):
                continue
            with self._errors.surviving("halt of an order", id=order.id):
                if now.state is EntryState.WAITING:
                    self._entries.cancel_waiting(now.id)
                else:
                    self._entries.withdraw(now.id)
