"""A closing order that is said to have ended with less filled than its size: read before another one goes out.

The exchange may say so by mistake (see `endings`, which does the same for entries). Believed too soon, a second close
goes out, which closes contracts of somebody else's. So the order is read, and its trades and the position with it; what
none of them contradicts is believed at once, for contracts may be held without a stop meanwhile. Where one does, they
are read several times some time apart.
"""

from __future__ import annotations

import trio
from attrs import evolve, frozen

from ...counters import Counters
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError, Meaning, Refused
from ...logs import get_logger
from ...model.events import OrderState, OrderUpdate
from ..account.positions import PositionBook
from ..backoff import Backoff
from .view import ClosesView

__all__ = [
    "Claims",
    "Readings",
    "UnfilledEnds",
    "as_far_as_certain",
    "counted",
    "ended_short",
    "weighed",
]

log = get_logger()

READS_IN_DOUBT = 4
"""How many reads have to agree where something contradicts them: the last about 4 s after the first."""
POSITION_AFTER_S = 10.0
"""From when on it does, where the order cannot be read, that the position has lost nothing."""
TOLD_AFTER_S = 20.0
"""From when on a failure to read is one of the close: it is told, and all begins again."""


def ended_short(update: OrderUpdate, size: int | None = None) -> bool:
    """Whether `update` claims an end with less filled than the order's size."""
    return update.final and update.deal_size < (size or update.size or 1)


def as_far_as_certain(update: OrderUpdate) -> OrderUpdate:
    """What `update` says without its end."""
    return evolve(update, state=OrderState.CHECK)


@frozen
class Readings:
    """How often the end was read, in a row, that something contradicts, and how often only the position was."""

    agreed: int = 0
    unread: int = 0

    def after(self, update: OrderUpdate) -> Readings:
        """The same once the order was read as `update`."""
        return evolve(self, agreed=self.agreed + 1 if update.final else 0)

    def settle(self, update: OrderUpdate, *, agrees: bool) -> bool:
        """Whether `update`, which was read last, is believed: it has not ended, or nothing contradicts it any more."""
        return not update.final or agrees or self.agreed >= READS_IN_DOUBT


def counted(told: OrderUpdate, traded: int, filled: int, size: int) -> OrderUpdate:
    """The order with the most that it, its trades or an earlier word says it has filled."""
    most = max(traded, filled, told.deal_size)
    return evolve(told, deal_size=min(most, size), deal_size_known=True)


def weighed(
    told: OrderUpdate, known: OrderUpdate, traded: int, lost: int, size: int
) -> tuple[OrderUpdate, bool]:
    """What is held to have filled of an order that `told` so and is `known` to have filled as much, when the position
    has `lost` contracts, and whether nothing contradicts that."""
    if lost > known.deal_size and not told.deal_size_known:
        return evolve(known, deal_size=min(lost, size)), lost >= size
    untold = not told.deal_size and told.deal_avg_price
    contradicted = (
        not told.deal_size_known
        or bool(untold)
        or known.deal_size > traded
        or lost > known.deal_size
    )
    return known, not contradicted


@frozen(kw_only=True)
class UnfilledEnds:
    """Finds out how closing orders have ended that are said to have ended unfilled."""

    _counters: Counters
    _exchange: ExchangeClient
    _positions: PositionBook
    _view: ClosesView

    async def settled_end(
        self, claim: OrderUpdate, size: int, before: int | None, filled: int
    ) -> OrderUpdate:
        """How the closing order of `size` contracts stands that `claim` says has ended with less. Raises ExchangeError.

        `before` is what was held before it was sent, where that is known, and `filled` what is known to have filled.
        """
        began_at, readings = trio.current_time(), Readings()
        for pause_s in Backoff(0.25, 2.0):
            try:
                update, agrees = await self._read(claim, size, before, filled)
            except ExchangeError as failure:
                self._counters.add("close_end_unconfirmed", why=failure)
                since_s = trio.current_time() - began_at
                if since_s >= POSITION_AFTER_S and await self._whole(claim, before):
                    readings = evolve(readings, unread=readings.unread + 1)
                    if readings.unread >= READS_IN_DOUBT:
                        return evolve(claim, deal_size=max(filled, claim.deal_size))
                if since_s >= TOLD_AFTER_S:
                    raise
            else:
                filled = max(filled, update.deal_size)
                readings = readings.after(update)
                if readings.settle(update, agrees=agrees):
                    return update
            await trio.sleep(pause_s)
        raise AssertionError("pauses never end")

    async def _read(
        self, claim: OrderUpdate, size: int, before: int | None, filled: int
    ) -> tuple[OrderUpdate, bool]:
        """What the exchange says of the order now, and whether that settles it. Raises ExchangeError."""
        listed = True
        try:
            ask = self._exchange.order_or_past
            told = await ask(claim.symbol, claim.order_id, urgency=Urgency.CLOSE)
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
            listed, told = False, claim
        if not ended_short(told, size):
            return told, True
        traded = await self._exchange.traded_size(
            claim.symbol, claim.order_id, urgency=Urgency.CLOSE
        )
        known = counted(told, traded, filled, size)
        if max(traded, filled) > told.deal_size:
            log.warning("close_fills_exceed_order", client=claim.client_order_id)
        if known.deal_size >= size:
            return known, True
        lost = await self._lost(claim, before)
        update, agrees = weighed(told, known, traded, lost, size)
        if update is not known:
            self._counters.add("close_fill_inferred", size=update.deal_size)
            return update, agrees
        return update, listed and agrees

    async def _lost(self, claim: OrderUpdate, before: int | None) -> int:
        """How many contracts less are held than before; 0 where that is not known. Raises ExchangeError."""
        if claim.side is None:
            return 0
        await self._view.observe_positions(claim.symbol, Urgency.CLOSE)
        held = self._positions.get(claim.symbol, claim.side.position_side)
        return 0 if held is None or before is None else max(before - held.size, 0)

    async def _whole(self, claim: OrderUpdate, before: int | None) -> bool:
        """Whether all is held that was, so that nothing has filled."""
        try:
            return before is not None and not await self._lost(claim, before)
        except ExchangeError:
            return False


class Claims(dict[str, OrderUpdate]):
    """By the exchange's order id: ends with contracts unfilled that are said of closes, and not confirmed yet."""

    def certain_of(
        self, update: OrderUpdate, size: int | None = None, *, settled: bool = False
    ) -> OrderUpdate:
        """`update` as far as it is certain; the rest is noted as a claim, unless it is `settled`."""
        if settled or not ended_short(update, size):
            if update.final:
                self.pop(update.order_id, None)
            return update
        self[update.order_id] = update
        return as_far_as_certain(update)
