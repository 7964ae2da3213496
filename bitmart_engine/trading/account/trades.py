"""What a trade is made of: its fills, and what the journal knows of its order and of what protected it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from ...model.fills import AccountFill
from ...model.instruments import Instrument
from ...model.orders import EntryOrder
from ...model.positions import Protection
from ...model.trades import Trade, trade_of
from ...store import State

__all__ = ["trade_found"]


def trade_found(
    id: str,
    fills: Sequence[AccountFill],
    state: State,
    instrument: Callable[[str], Instrument | None],
    ends: Protection | None = None,
) -> Trade:
    """The trade of that id; `ends` is a protection as it is about to be.

    Raises Unreadable where what the journal knows of it cannot be read now.
    """
    of_an_order = any(each.order_id for each in fills) or bool(ends and ends.entry_id)
    order = state.orders.get(id) if of_an_order else None
    ids = [each.protection_id for each in fills if each.protection_id]
    latest = state.protection_by_entry.get(id) if order is not None else None
    if latest is not None:
        ids = [*(each for each in ids if each != latest), latest]
    found = [
        ends if ends and ends.id == each else state.protections.get(each)
        for each in dict.fromkeys(ids)
    ]
    return trade_of(
        id,
        fills,
        order=order,
        protections=[each for each in found if each is not None],
        contract_size=_contract_size(order, fills, instrument),
    )


def _contract_size(
    order: EntryOrder | None,
    fills: Sequence[AccountFill],
    instrument: Callable[[str], Instrument | None],
) -> Decimal | None:
    """What one contract was when the order was accepted, or is now; None where neither is known."""
    if order is not None and order.request.size and order.sent_size in (None, order.request.size):
        return order.request.quantity / order.request.size
    known = instrument(fills[0].symbol) if fills else None
    return known.contract_size if known else None
