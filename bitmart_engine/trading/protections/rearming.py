"""Protections that ended though nobody was seen to close their contracts: watched for a while, in case they are held.

Where the exchange shows contracts after all, told alike for some seconds and claimed by nothing else, and where they
are those that were covered (see `evidence`), the protection is armed again. Contracts that may be somebody else's are
left alone, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio
from attrs import define, evolve

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...logs import get_logger
from ...model.events import OrderUpdate, PositionUpdate
from ...model.lifecycle import ProtectionState
from ...model.positions import Protection
from ...model.sides import PositionSide
from ...store import Store
from ...store.records import ProtectionCovers, ProtectionMoved
from ..account.working import WorkingOrders
from ..in_flight import InFlight
from ..signals.notifications import Notifications
from .evidence import Ended, is_same_position
from .shared_positions import Sides

__all__ = ["Rearming"]

log = get_logger()

WITHIN_S = 3600.0
"""How long after its end a protection may be taken up again."""
TOLD_FOR_S = 3.0
"""How long contracts have to be told alike: right after a close, a position may still be told from before it."""
TOLD_FOR_LONGER_S = 6.0
"""Where an order of ours may be filling: the position may be told before the order is."""
LOOK_EVERY_S = 1.0
LOOKS = 8

Key = tuple[str, PositionSide]


class Positions(Sides, Protocol):
    """What is known of the sides, and a read of what is held."""

    async def observe_positions(self, symbol: str) -> None: ...

    def could_not_read(self, symbol: str, failure: ExchangeError) -> None: ...


@define
class _Seen:
    """Contracts that are held and that nothing covers, told alike since then."""

    size: int
    claimed: int
    since: float


class Rearming:
    """What ended unexplained, by side, and what is held there since."""

    def __init__(
        self,
        *,
        counters: Counters,
        exchange: ExchangeClient,
        in_flight: InFlight,
        notifications: Notifications,
        store: Store,
        working: WorkingOrders,
        now_ms: Callable[[], int],
        positions: Positions,
    ) -> None:
        self._counters = counters
        self._exchange = exchange
        self._in_flight = in_flight
        self._notifications = notifications
        self._store = store
        self._working = working
        self._now_ms = now_ms
        self._positions = positions
        self._ended: dict[Key, dict[str, Ended]] = {}
        self._seen: dict[Key, _Seen] = {}
        self._looking: set[Key] = set()
        self._left_alone: set[str] = set()

    # What ended

    def ended(self, protection: Protection) -> int:
        """`protection`, as it was when it ended, covered contracts that nobody was seen to close.

        Returns how many contracts of its side were of none of ours.
        """
        key = (protection.symbol, protection.side)
        side = self._positions.evidence.on(*key)
        others = self._claimed(key) - protection.remaining
        others += sum(each.size for each in self._ended.get(key, {}).values())
        held, marks = side.before or (side.size, side.marks)
        if held is None:
            held = protection.remaining + others
        foreign = max(held - max(others, 0) - protection.remaining, 0)
        foreign = max(foreign, protection.others_held or 0)
        self._add(protection, trio.current_time(), others=foreign, marks=marks)
        return foreign

    def resume(self) -> None:
        """Take up what ended so in the process before."""
        now_ms = self._now_ms()
        protections = self._store.state.protections
        for id in protections.ended_since(now_ms - round(WITHIN_S * 1000)):
            each = protections[id]
            if each.unexplained:
                ago_s = (now_ms - each.history[-1].at_ms) / 1000 if each.history else 0.0
                self._add(each, trio.current_time() - max(ago_s, 0.0), others=each.others_held or 0)

    def _add(self, protection: Protection, at: float, **more: object) -> None:
        ended = Ended(
            id=protection.id,
            at=at,
            covered_ms=protection.covered_ms,
            ended_ms=self._now_ms(),
            size=protection.remaining,
            **more,  # type: ignore[arg-type]  # the two fields that differ
        )
        self._ended.setdefault((protection.symbol, protection.side), {})[ended.id] = ended

    def opened(self, update: OrderUpdate) -> None:
        """An order that is not ours has opened contracts: a price that is alike tells no longer whose they are."""
        if update.side is not None and update.deal_size:
            key = (update.symbol, update.side.position_side)
            for id, ended in self._ended.get(key, {}).items():
                self._ended[key][id] = evolve(ended, joined=True)

    def waits(self, key: Key) -> bool:
        """Whether something is to be learnt of this side."""
        return bool(self._ended.get(key)) and key in self._seen

    def explains(self, update: OrderUpdate, *, named_only: bool = False) -> bool:
        """Whether `update`, of a closing order that is no living protection's, is how one of these ended.

        Told by the plan order that it was made of, or, unless `named_only`, by the price that this waited for.
        """
        if update.side is None or not update.deal_size:
            return False
        mine = self._ended.get((update.symbol, update.side.position_side), {})
        for ended in sorted(mine.values(), key=lambda each: each.at):
            protection = self._store.state.protections[ended.id]
            levels = (protection.exchange_stop_loss, protection.exchange_take_profit)
            named = update.plan_order_id and update.plan_order_id in protection.exchange_plans
            alike = not named_only and update.trigger_price in levels
            if (named or alike) and update.deal_size >= ended.size:
                log.info("close_explained", id=ended.id, by=update.order_id)
                del mine[ended.id]
                return True
        return False

    # What is held since

    def on_position(self, update: PositionUpdate, *, was_read: bool) -> None:
        """Take in what is held of a side. Does not block."""
        key = (update.symbol, update.side)
        if not self._ended.get(key):
            return
        now, claimed = trio.current_time(), self._claimed(key)
        if update.size <= claimed:
            self._seen.pop(key, None)
            return
        seen = self._seen.get(key)
        if seen is None or (seen.size, seen.claimed) != (update.size, claimed):
            seen = self._seen[key] = _Seen(update.size, claimed, now)
        told_for_s = TOLD_FOR_LONGER_S if self._working.ours.get(key) else TOLD_FOR_S
        if now - seen.since >= told_for_s:
            self._decide(key, update, claimed, was_read)
        elif key not in self._looking:
            self._looking.add(key)
            self._in_flight.start(_look, key, self, self._positions)

    def looked(self, key: Key) -> None:
        """The position of a side is not being read any more."""
        self._looking.discard(key)

    def _claimed(self, key: Key) -> int:
        return sum(each.remaining for each in self._positions.index.alive_on(*key))

    def _decide(self, key: Key, update: PositionUpdate, claimed: int, was_read: bool) -> None:
        now = trio.current_time()
        mine = self._ended[key]
        alive = self._positions.index.alive_on(*key)
        for ended in sorted(mine.values(), key=lambda each: each.at):
            protection = self._store.state.protections.get(ended.id)
            over = protection is None or protection.state is not ProtectionState.CLOSED
            if over or now - ended.at > WITHIN_S:
                del mine[ended.id]
                continue
            assert protection is not None, "it is not over"
            unclaimed = update.size - claimed - ended.others
            together = sum(each.size for each in mine.values())
            ahead_ms = self._exchange.clock_offset_ms
            grown = ended.joined or any(each.covered_ms > ended.ended_ms for each in alive)
            if is_same_position(
                ended, update, unclaimed, together, ahead_ms, was_read=was_read, grown=grown
            ):
                size = min(unclaimed, ended.size)
                del mine[ended.id]
                self._rearm(protection, size)
                claimed += size
            elif update.size > claimed and ended.id not in self._left_alone:
                self._left_alone.add(ended.id)
                self._counters.count("held_after_end")
                log.warning(
                    "held_after_end",
                    id=ended.id,
                    symbol=update.symbol,
                    size=update.size - claimed,
                )

    def _rearm(self, protection: Protection, size: int) -> None:
        id = protection.id
        now_ms = self._now_ms()
        self._store.record(
            ProtectionCovers(id, protection.closed + size, now_ms),
            ProtectionMoved(id, now_ms, ProtectionState.ARMED, "still held"),
            *self._notifications.of_protection(
                protection,
                "rearmed",
                reason="still_held",
                size=size,
                stop_loss=protection.stop_loss,
            ),
        )
        self._counters.count("protection_rearmed")
        log.error(
            "protection_rearmed",
            id=id,
            symbol=protection.symbol,
            size=size,
        )


async def _look(key: Key, rearming: Rearming, positions: Positions) -> None:
    """Read the positions of a side a few times: pushes are far between."""
    try:
        for _ in range(LOOKS):
            await trio.sleep(LOOK_EVERY_S)
            if not rearming.waits(key):
                return
            try:
                await positions.observe_positions(key[0])
            except ExchangeError as failure:
                positions.could_not_read(key[0], failure)
    finally:
        rearming.looked(key)
