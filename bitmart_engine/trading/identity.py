"""Client order ids: derived from what they stand for, and whether an order that bears one is ours.

BitMart takes 1 to 32 letters and digits (fact sheet 5.4); the ids of our users are any text. A digest of the id and of
the engine's own random name gives an id that is always valid, that is the same after a restart (the name is in the
journal with what was accepted under it), and that no other engine, and no earlier life of this one, ever derives.

One exception: an id that BitMart would take as it is names the first attempt of its entry order itself, so that whoever
gave it finds the order at the exchange. Such an id may have been used before, by anybody of the account.
"""

from __future__ import annotations

import re
from hashlib import sha256
from random import Random

from ..model.events import OrderUpdate
from ..model.orders import EntryOrder
from .clock_tolerance import SAME_ID_SINCE_MS

__all__ = [
    "close_client_order_id",
    "entry_client_order_id",
    "is_ours",
    "new_engine_id",
]

TAKEN_AS_IT_IS = re.compile(r"[A-Za-z0-9]{1,32}")


def new_engine_id(random: Random, now_ms: int) -> str:
    """A name that no other engine has, and no other life of this one."""
    return f"{random.getrandbits(64):016x}{now_ms:x}"


def entry_client_order_id(entry_id: str, attempt: int, engine_id: str = "") -> str:
    """The client order id of the given attempt (from 1) to submit an entry order.

    Without `engine_id`, as orders of older journals are, it is derived from the order's id alone.
    """
    if engine_id and attempt == 1 and TAKEN_AS_IT_IS.fullmatch(entry_id):
        return entry_id
    return _derived("e", entry_id, attempt, engine_id)


def close_client_order_id(protection_id: str, attempt: int, engine_id: str = "") -> str:
    """The client order id of the given attempt (from 1) to close what a protection covers."""
    return _derived("c", protection_id, attempt, engine_id)


def is_ours(order: EntryOrder, update: OrderUpdate, ahead_ms: int | None) -> bool:
    """Whether what the exchange has under the client order id of one of `order`'s attempts is that attempt.

    Symbol and side have to be the order's. An id without the engine's name in it may have been used by others, so size
    and time of creation have to fit too; with it they prove nothing, for the owner may have amended the order. For the
    same reason another size is no proof against an order that was surely made since, at a price in the zone.

    `ahead_ms` is how far the exchange's clock is ahead of ours now; None where that is not known. It may have been set
    since the order was accepted, so the time fits if it does by either measurement.
    """
    if update.symbol != order.symbol or update.side not in (None, order.request.side.opening):
        return False
    if order.exchange_order_id and update.client_order_id == order.client_order_id:
        return update.order_id == order.exchange_order_id
    if order.engine_id and update.client_order_id != order.id:
        return True
    accepted = [order.accepted_there_ms]
    if ahead_ms is not None:
        accepted.append(order.accepted_ms + ahead_ms)
    accepted = list(filter(None, accepted))
    made_ms = update.create_time_ms
    if update.size not in (None, order.size):
        surely_since = made_ms is not None and bool(accepted) and made_ms >= max(accepted)
        return surely_since and _in_zone(order, update)
    since_ms = min(filter(None, [*accepted, order.intended_there_ms]), default=0)
    return not since_ms or made_ms is None or made_ms + SAME_ID_SINCE_MS >= since_ms


def _in_zone(order: EntryOrder, update: OrderUpdate) -> bool:
    """Whether a limit order has a price that `order` could have gone out at."""
    low, high = order.request.zone_min, order.request.zone_max
    return update.price is not None and low <= update.price <= high


def _derived(kind: str, id: str, attempt: int, engine_id: str) -> str:
    name = f"{engine_id}:" if engine_id else ""
    seed = f"{name}{kind}:{attempt}:{id}".encode("utf-8", "surrogatepass")
    return kind + sha256(seed).hexdigest()[:31]
