"""Whether the position under an armed protection is gone: asked until that is certain, one way or the other.

A comparison or a push that shows nothing is a reason to ask, and no more. What closed the contracts is looked for among
the exchange's orders, and a stop of ours that it still lists speaks for them; what has to speak against them, and for
how long, is decided by `evidence`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio
from attrs import frozen

from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...logs import get_logger
from ...model.events import OrderUpdate
from ...model.lifecycle import ProtectionState
from ...model.positions import Protection
from ...store import Store
from ..account.positions import PositionBook
from ..account.reconcile import is_young
from ..backoff import Backoff
from ..clock_tolerance import MAY_BE_SINCE_MS
from ..closes.attribution import made_there
from ..closes.settling import Waits, wait_settled
from ..order_news import OrderNews
from .shared_positions import Sides

__all__ = ["Confirming"]

log = get_logger()

ASK_AGAIN_S = 0.5
ASK_UP_TO_S = 5.0
LOOK_EVERY = 4
"""With every so manieth answer it is looked for what closed the contracts, and whether our stop is listed."""


class Confirmed(Waits, Sides, Protocol):
    """What is read and told while the end of a position is being confirmed."""

    async def observe_positions(self, symbol: str) -> None: ...

    def could_not_read(self, symbol: str, failure: ExchangeError) -> None: ...

    def is_gone(self, protection: Protection) -> bool: ...

    def gone(self, id: str) -> None: ...

    def confirmed(self, id: str) -> None: ...

    def on_update(self, update: OrderUpdate) -> None: ...

    def on_fired(self, update: OrderUpdate) -> bool: ...


@frozen(kw_only=True)
class Confirming:
    """Asks whether positions are gone."""

    _exchange: ExchangeClient
    _now_ms: Callable[[], int]
    _order_news: OrderNews
    _positions: PositionBook
    _store: Store
    _protections: Confirmed

    async def confirm_gone(self, id: str) -> None:
        """The position under an armed protection was reported flat: ask until that is certain."""
        try:
            for number, pause_s in enumerate(Backoff(ASK_AGAIN_S, ASK_UP_TO_S)):
                protection = self._store.state.protections[id]
                if protection.state is not ProtectionState.ARMED:
                    return
                try:
                    await self._protections.observe_positions(protection.symbol)
                    held = self._positions.get(protection.symbol, protection.side)
                    if held is not None and held.size:
                        log.info("position_still_held", id=id, size=held.size)
                        return
                    if number % LOOK_EVERY == 0:
                        await self._look_for_reasons(protection)
                except ExchangeError as failure:
                    self._protections.could_not_read(protection.symbol, failure)
                else:
                    protection = self._store.state.protections[id]
                    if protection.state is not ProtectionState.ARMED:
                        return
                    if self._protections.is_gone(protection) and not is_young(
                        protection, self._now_ms()
                    ):
                        await wait_settled(protection, self._order_news, self._protections)
                        if self._store.state.protections[id].state is ProtectionState.ARMED:
                            self._protections.gone(id)
                        return
                await trio.sleep(pause_s)
        finally:
            self._protections.confirmed(id)

    async def _look_for_reasons(self, protection: Protection) -> None:
        """Look for orders that closed what is not held any more, and for a stop that should be gone with it.

        Raises ExchangeError.
        """
        symbol, side = protection.symbol, protection.side
        evidence = self._protections.evidence.on(symbol, side)
        if evidence.explained:
            return
        if evidence.size is None:
            evidence.expect(
                sum(each.remaining for each in self._protections.index.alive_on(symbol, side))
            )
        since_ms = protection.covered_ms + (self._exchange.clock_offset_ms or 0) - MAY_BE_SINCE_MS
        for update in await self._exchange.order_history(symbol):
            closes = update.side is not None and update.side is side.closing and update.deal_size
            if closes and (update.update_time_ms or 0) >= since_ms:
                ours = self._store.state.is_closing(update.client_order_id)
                if not ours and not made_there(update):
                    self._protections.on_update(update)
                elif made_there(update):
                    self._protections.on_fired(update)
        if not evidence.explained and protection.kept_at_exchange:
            plans = await self._exchange.plan_orders(symbol, plan_type="profit_loss")
            levels = (protection.exchange_stop_loss, protection.exchange_take_profit)
            evidence.stop_listed(
                any(
                    plan.side is side.closing
                    and (
                        plan.order_id in (*protection.exchange_plans, *protection.exchange_parts)
                        or (not protection.exchange_plans and plan.trigger_price in levels)
                    )
                    for plan in plans
                )
            )
