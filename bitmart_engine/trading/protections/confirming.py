"""Whether the position under an armed protection is gone: asked until that is certain, one way or the other.

A comparison or a push that shows nothing is a reason to ask, and no more. What closed the contracts is looked for among
the exchange's orders, and a stop of ours that it still lists speaks for them; what has to speak against them, and for
how long, is decided by `evidence`.
"""

from __future__ import annotations

from typing import Protocol

import trio

from ...exchange.errors import ExchangeError
from ...logs import get_logger
from ...model.events import OrderUpdate
from ...model.lifecycle import ProtectionState
from ...model.positions import Protection
from ..account.reconcile import is_young
from ..backoff import Backoff
from ..closes.attribution import made_there
from ..closes.settling import Waits, wait_settled
from ..desk import Desk
from .shared_positions import Sides

__all__ = ["confirm_gone"]

log = get_logger()

ASK_AGAIN_S = 0.5
ASK_UP_TO_S = 5.0
LOOK_EVERY = 4
"""With every so manieth answer it is looked for what closed the contracts, and whether our stop is listed."""
CLOCKS_MS = 5_000


class Confirmed(Waits, Sides, Protocol):
    """What is read and told while the end of a position is being confirmed."""

    async def observe_positions(self, symbol: str) -> None: ...

    def could_not_read(self, symbol: str, failure: ExchangeError) -> None: ...

    def is_gone(self, protection: Protection) -> bool: ...

    def gone(self, id: str) -> None: ...

    def confirmed(self, id: str) -> None: ...

    def on_update(self, update: OrderUpdate) -> None: ...

    def on_fired(self, update: OrderUpdate) -> bool: ...


async def confirm_gone(id: str, desk: Desk, protections: Confirmed) -> None:
    """The position under an armed protection was reported flat: ask until that is certain."""
    try:
        for number, pause_s in enumerate(Backoff(ASK_AGAIN_S, ASK_UP_TO_S)):
            protection = desk.state.protections[id]
            if protection.state is not ProtectionState.ARMED:
                return
            try:
                await protections.observe_positions(protection.symbol)
                held = desk.positions.get(protection.symbol, protection.side)
                if held is not None and held.size:
                    log.info("position_still_held", id=id, size=held.size)
                    return
                if number % LOOK_EVERY == 0:
                    await _look_for_reasons(protection, desk, protections)
            except ExchangeError as failure:
                protections.could_not_read(protection.symbol, failure)
            else:
                protection = desk.state.protections[id]
                if protection.state is not ProtectionState.ARMED:
                    return
                if protections.is_gone(protection) and not is_young(protection, desk.now_ms()):
                    await wait_settled(protection, desk, protections)
                    if desk.state.protections[id].state is ProtectionState.ARMED:
                        protections.gone(id)
                    return
            await trio.sleep(pause_s)
    finally:
        protections.confirmed(id)


async def _look_for_reasons(protection: Protection, desk: Desk, protections: Confirmed) -> None:
    """Look for orders that closed what is not held any more, and for a stop that should be gone with it.

    Raises ExchangeError.
    """
    symbol, side = protection.symbol, protection.side
    evidence = protections.evidence.on(symbol, side)
    if evidence.explained:
        return
    if evidence.size is None:
        evidence.expect(sum(each.remaining for each in protections.index.alive_on(symbol, side)))
    since_ms = protection.covered_ms + (desk.exchange.clock_offset_ms or 0) - CLOCKS_MS
    for update in await desk.exchange.order_history(symbol):
        closes = update.side is not None and update.side is side.closing and update.deal_size
        if closes and (update.update_time_ms or 0) >= since_ms:
            ours = desk.state.is_closing(update.client_order_id)
            if not ours and not made_there(update):
                protections.on_update(update)
            elif made_there(update):
                protections.on_fired(update)
    if not evidence.explained and protection.kept_at_exchange:
        plans = await desk.exchange.plan_orders(symbol, plan_type="profit_loss")
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
