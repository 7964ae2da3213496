"""Whether a price is near anything armed: a moment for what may hold the loop for a while, or not.

It looks at all that is armed, with checkpoints, and is asked rarely: what a tick triggers is found by indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import trio

from .model.lifecycle import EntryState, ProtectionState
from .store import State

__all__ = ["NEAR", "nothing_near"]

NEAR = Decimal("0.002")
"""Of the price: a liquid contract moves less in most seconds."""
LOOKED_AT_AT_ONCE = 500


async def nothing_near(state: State, last: Mapping[str, Decimal]) -> bool:
    """Whether no zone, stop or target is within `NEAR` of the last price of its symbol. A checkpoint now and then.

    One whose price is not known may be near. What is on its way to the exchange, or from it, is near.
    """
    number = 0
    for order in state.orders.alive():
        asked = order.request
        if order.state is EntryState.WAITING:
            if _is_near(last.get(order.symbol), (asked.zone_min, asked.zone_max), inside=True):
                return False
        elif order.state is EntryState.SUBMITTING:
            return False
        number += 1
        if number % LOOKED_AT_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    for each in state.protections.alive():
        if each.state is ProtectionState.ARMED:
            levels = [each.stop_loss, each.take_profit]
            if _is_near(last.get(each.symbol), [one for one in levels if one is not None]):
                return False
        elif each.state is ProtectionState.CLOSING:
            return False
        number += 1
        if number % LOOKED_AT_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return True


def _is_near(last: Decimal | None, levels: Sequence[Decimal], *, inside: bool = False) -> bool:
    """`inside`: it counts too if the price is between the levels, however far from each."""
    if last is None:
        return bool(levels)
    low, high = last * (1 - NEAR), last * (1 + NEAR)
    if any(low <= level <= high for level in levels):
        return True
    return inside and min(levels) < last < max(levels)
