"""An order that is said to have ended with contracts unfilled: read until that is certain.

The exchange may say so by mistake: a push, or a row, whose `deal_size` is missing or 0 although the order filled.
Believed too soon, a fill has no stop, or a second order goes out. So an end that was pushed is a claim, which a read
has to confirm. Where the read is at odds with what is held, or says nothing of fills, the order's trades and the
position are read too, several times some time apart. Nothing here gives up: until it is known the order stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import evolve

from ...exchange.errors import ExchangeError, Meaning, Refused
from ...logs import get_logger
from ...model.events import OrderUpdate
from ...model.orders import EntryOrder
from ..backoff import Backoff
from ..desk import Desk
from .progress import whole

if TYPE_CHECKING:
    from ..protections.protections import Protections
    from .entries import Entries

__all__ = ["contradicted", "settle_end", "unaccounted"]

log = get_logger()

READS_IN_DOUBT = 4
"""How many reads have to agree where something contradicts them: the last about 4 s after the first."""
LISTED_WITHIN_MS = 5_000
"""How long after its submit an order may not be listed. The exchange documents no lag."""


def unaccounted(order: EntryOrder, desk: Desk, protections: Protections) -> int:
    """Contracts held on the order's side that no order of ours is known to have brought."""
    key = (order.symbol, order.request.side)
    held = desk.positions.get(*key)
    if held is None:
        return 0
    ours = sum(each.remaining for each in protections.index.alive_on(*key) if each.entry_id)
    unprotected = 0 if order.request.protected else order.filled
    return max(held.size - ours - unprotected, 0)


def contradicted(update: OrderUpdate, before: int, now: int) -> bool:
    """Whether something speaks against an end with contracts unfilled, as `update` tells it.

    `before` and `now` are what is held without account, at the submit and now.
    """
    untold_fill = not update.deal_size and (update.deal_avg_price or update.last_fill)
    return not update.deal_size_known or now > before or bool(untold_fill)


async def settle_end(
    id: str, claim: OrderUpdate, desk: Desk, protections: Protections, entries: Entries
) -> None:
    """Find out how the order ended that `claim` says has ended, and have that taken in."""
    agreed = 0
    try:
        for pause_s in Backoff(0.25, 5.0):
            order = desk.state.orders.get(id)
            if order is None or not _is_claimed(order, claim):
                return
            try:
                update, agrees = await _read(order, claim, desk, protections, entries)
            except ExchangeError as failure:
                desk.counters.add("order_end_unconfirmed", id=id, why=failure)
                update, agrees = None, False
            order = desk.state.orders.get(id)
            if order is None or not _is_claimed(order, claim):
                return
            if update is not None and not update.final:
                entries.believe(update)
                agreed = 0
            elif update is not None:
                agreed += 1
                if agrees or agreed >= READS_IN_DOUBT:
                    entries.believe(update)
                    return
            await trio.sleep(pause_s)
    finally:
        entries.settled(claim.client_order_id)


def _is_claimed(order: EntryOrder, claim: OrderUpdate) -> bool:
    return order.client_order_id == claim.client_order_id and order.state.at_exchange


async def _read(
    order: EntryOrder, claim: OrderUpdate, desk: Desk, protections: Protections, entries: Entries
) -> tuple[OrderUpdate | None, bool]:
    """What the exchange says of the order now, None for nothing; and whether that settles it. Raises ExchangeError."""
    update: OrderUpdate | None
    try:
        update = await desk.exchange.order(order.symbol, claim.order_id)
    except Refused as refusal:
        if refusal.meaning is not Meaning.NO_SUCH_ORDER:
            raise
        update = await desk.exchange.find_order(order.symbol, order.client_order_id)
    listed = update is not None
    if update is None:
        if desk.now_ms() - (order.submitted_ms or 0) < LISTED_WITHIN_MS:
            return None, False
        update = claim
    if not update.final or update.deal_size >= whole(order, update):
        return update, True
    if listed and not entries.doubts(order, update):
        return update, True
    await protections.observe_positions(order.symbol)
    traded = await desk.exchange.traded_size(order.symbol, claim.order_id)
    if traded > update.deal_size:
        log.warning("order_fills_exceed_order", id=order.id, traded=traded)
        return evolve(update, deal_size=traded, deal_size_known=True), True
    return evolve(update, deal_size_known=True), False
