"""Whose a fill is: of an entry order, of a close of ours, of a stop that the exchange keeps, of somebody's hand. Pure.

The engine knows its own orders by the client order ids that it gave them, and those that the exchange made of its stops
once it has told them apart. An order of which nothing is known yet is nobody's: that it was sent by hand is only said
where the order itself is known and is none of these.
"""

from __future__ import annotations

from attrs import evolve, frozen

from ...model.events import PLANNED, OrderUpdate
from ...model.fills import AccountFill, Whose
from ...model.futures_orders import OrderAction
from ...store import State
from ..closes.attribution import made_there

__all__ = ["OrderKnown", "attributed", "known_by", "of_the_book"]

LIQUIDATING = ("liquidate", "bankruptcy", "adl")
FORCED = frozenset(
    (
        OrderAction.PART_LIQUIDATE,
        OrderAction.BANKRUPTCY_ORDER,
        OrderAction.PASSIVE_ADL_MATCH_DEAL,
        OrderAction.ACTIVE_ADL_MATCH_DEAL,
    )
)
MADE_THERE = ("stop_loss", "take_profit", "plan_order", "planorder")


@frozen(kw_only=True)
class OrderKnown:
    """What is known of the order of a fill."""

    client_order_id: str = ""
    of_a_plan: bool = False
    """Whether the exchange made it of a stop, a target or another plan."""
    forced: bool = False
    """Whether the exchange made it to liquidate a position."""


def known_by(update: OrderUpdate) -> OrderKnown:
    """What an order event says of its order."""
    return OrderKnown(
        client_order_id=update.client_order_id,
        of_a_plan=made_there(update),
        forced=update.type in LIQUIDATING or update.action in FORCED,
    )


def attributed(fill: AccountFill, order: OrderKnown | None, state: State) -> AccountFill:
    """`fill`, with whose it is as far as that is known now; `order` is what is known of its order, if anything.

    Raises ValueError where what has to be read for that cannot be read now.
    """
    client_id = fill.client_order_id or (order.client_order_id if order else "")
    fill = evolve(fill, client_order_id=client_id)
    if client_id and (entry_id := state.entry_by_client_id.get(client_id)):
        protection = state.protection_by_entry.get(entry_id)
        return evolve(fill, whose=Whose.ENTRY, order_id=entry_id, protection_id=protection)
    for named, whose in ((client_id, Whose.CLOSE), (fill.exchange_order_id, Whose.EXCHANGE_STOP)):
        protection_id = state.protection_by_client_id.get(named) if named else None
        if protection_id is not None:
            found = state.protections.get(protection_id)
            entry = found.entry_id if found else None
            return evolve(fill, whose=whose, order_id=entry, protection_id=protection_id)
    if order is None:
        return fill
    if order.forced:
        return evolve(fill, whose=Whose.LIQUIDATION)
    if order.of_a_plan or client_id.startswith(PLANNED):
        return evolve(fill, whose=Whose.EXCHANGE_STOP)
    return evolve(fill, whose=Whose.BY_HAND)


def of_the_book(fill: AccountFill, state: State) -> OrderKnown | None:
    """What the book of the account's orders knows of the order of a fill; None if nothing. Raises ValueError."""
    order = state.futures_orders.get(fill.exchange_order_id)
    if order is None:
        return None
    return OrderKnown(
        client_order_id=order.client_order_id,
        of_a_plan=order.type in MADE_THERE,
        forced=order.type in LIQUIDATING,
    )
