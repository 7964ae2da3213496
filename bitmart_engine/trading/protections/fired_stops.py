"""Orders that the exchange made of the stops and targets it keeps: whose they are, and what is recorded of them.

Where it is not named whose an order is, and may be somebody else's or of a protection that has ended, that is looked
into first (`closes.settling`), and the order is taken in, or noted as somebody else's, after that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf

import trio

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...logs import get_logger
from ...model.events import OrderUpdate
from ...model.lifecycle import ProtectionState
from ...model.positions import CloseReason, Protection
from ...model.sides import PositionSide
from ...store import Store, Unreadable
from ...store.records import FiredObserved, ProtectionMoved, Record
from ..closes.attribution import fired_news, observed_there, whose
from ..closes.settling import Settles, Settling
from ..closes.unfilled import Claims
from ..in_flight import InFlight
from ..order_news import OrderNews
from ..signals.signalling import Signalling
from .evidence import SideEvidence
from .rearming import Rearming

__all__ = ["FiredStops", "fires"]

log = get_logger()

ENDED_LATELY_S = 60.0
"""How long after its end a protection's stop may be told to have acted."""
BEFORE_S = 5.0
"""How long before the price that fires a stop the exchange's own may have closed: what was held before that counts."""


def fires(
    protection: Protection, reason: CloseReason, side: SideEvidence, now_ms: int
) -> ProtectionMoved:
    """The record of a protection that begins to close, with what was others' on its side until now."""
    return ProtectionMoved(
        protection.id,
        now_ms,
        ProtectionState.CLOSING,
        reason.value,
        reason,
        others_held=side.others(trio.current_time(), BEFORE_S),
    )


class FiredStops:
    """What the exchange's own stops and targets have closed, or are closing."""

    def __init__(
        self,
        *,
        counters: Counters,
        exchange: ExchangeClient,
        in_flight: InFlight,
        order_news: OrderNews,
        signalling: Signalling,
        store: Store,
        now_ms: Callable[[], int],
        claims: Claims,
        rearming: Rearming,
        settling: Settling,
        protections: Settles,
    ) -> None:
        self._counters = counters
        self._exchange = exchange
        self._in_flight = in_flight
        self._order_news = order_news
        self._signalling = signalling
        self._store = store
        self._now_ms = now_ms
        self._claims = claims
        self._rearming = rearming
        self._protections = protections
        self._settlement = settling
        self._ends: dict[tuple[str, PositionSide], float] = {}
        self._settling: dict[str, OrderUpdate] = {}
        self._suspects: dict[str, tuple[str, CloseReason]] = {}
        """Whose stop each of them seemed to be when it was first told."""

    def ended(self, protection: Protection) -> None:
        """A protection ends: for a while its stop may still be told to have acted."""
        self._ends[protection.symbol, protection.side] = trio.current_time()

    def take(
        self,
        update: OrderUpdate,
        but_not: Collection[str] | None = None,
        *,
        settled: bool = False,
    ) -> bool:
        """Take in an order that the exchange made of a stop or target it keeps. False if it is of none of ours.

        Where it is not named whose it is, and may be somebody else's or of one that has ended, that is looked into
        first, and it is taken in, or noted as foreign, after that: then `but_not` are those whose it is not. The engine
        goes on from there as if its own had fired: it closes what is left, and withdraws the rest.
        """
        try:
            protection = self._store.state.fired_for(update.order_id)
        except Unreadable as failure:  # of one that ended long ago: it is looked at again
            self._counters.add("archived_order_unreadable", why=failure)
            return True
        if protection is not None:
            known = next(each for each in protection.fired if each.order_id == update.order_id)
            if not known.final:
                update = self._claims.certain_of(update, settled=settled)
            if update.deal_size <= known.filled and (known.final or not update.final):
                self._order_news.wake(fired_news(protection.id))
                return True
            reason = known.reason
        else:
            if self._rearming.explains(update, named_only=True):
                return False
            alive = [
                each for each in self._alive_on_side_of(update) if each.id not in (but_not or ())
            ]
            exchange = self._exchange
            found = whose(update, alive, exchange.clock_offset_ms, exchange.earliest_ms)
            if but_not is not None:
                suspected = self._suspected(update, alive)
                found = found or suspected
            if found is None:
                return False
            protection, reason = found
            if but_not is None and self._is_doubtful(update, protection):
                settling = update.order_id in self._settling
                self._settling[update.order_id] = update
                self._suspects.setdefault(update.order_id, (protection.id, reason))
                if not settling:
                    self._in_flight.start(self._settlement.settle, update.order_id, self._settling)
                return True
            update = self._claims.certain_of(update, settled=settled)
        order = observed_there(update, reason)
        records: list[Record] = [
            FiredObserved(protection.id, order),
            *self._signalling.fired_told(protection, order, update),
        ]
        if protection.state is ProtectionState.ARMED:
            side = self._protections.evidence.on(protection.symbol, protection.side)
            records.append(fires(protection, reason, side, self._now_ms()))
        self._store.record(*records)
        if protection.state is ProtectionState.ARMED:
            log.warning("exchange_stop_fired", id=protection.id, reason=reason.value)
        self._order_news.wake(fired_news(protection.id))
        return True

    def _is_doubtful(self, update: OrderUpdate, protection: Protection) -> bool:
        """Whether an order that is not named may be of a protection that has ended, or of somebody else."""
        if update.plan_order_id in (*protection.exchange_plans, *protection.exchange_parts):
            return False
        key, now = (protection.symbol, protection.side), trio.current_time()
        ended_lately = now - self._ends.get(key, -inf) < ENDED_LATELY_S
        return ended_lately or bool(self._protections.evidence.on(*key).others(now, BEFORE_S))

    def _suspected(
        self, update: OrderUpdate, alive: list[Protection]
    ) -> tuple[Protection, CloseReason] | None:
        """Whose stop it seemed to be when it was first told: a close of ours may have found it listed no more since."""
        id, reason = self._suspects.pop(update.order_id, ("", CloseReason.STOP_LOSS))
        for each in alive:
            if each.id == id and 0 < update.deal_size <= each.remaining:
                return each, reason
        return None

    def is_settling(self, protection: Protection) -> bool:
        """Whether it is being looked into whose stop an order of the protection's side was."""
        side = protection.side.closing
        return any(
            (each.symbol, each.side) == (protection.symbol, side)
            for each in self._settling.values()
        )

    def _alive_on_side_of(self, update: OrderUpdate) -> list[Protection]:
        return (
            self._protections.index.alive_on(update.symbol, update.side.position_side)
            if update.side is not None
            else []
        )
