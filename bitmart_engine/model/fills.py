"""Fills: the matches of the account's orders at the exchange, each a thing of its own, with what it cost.

What the exchange tells of a fill it tells twice: in the push of its order, and in the list of trades. Neither says
everything: a push has the currency of the fee, the list whether the order was maker or taker. `merged` is what both
say.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from attrs import evolve, frozen

from .sides import OrderSide

__all__ = ["AccountFill", "Liquidity", "Whose", "merged"]


class Whose(Enum):
    """What kind of order it was that filled."""

    ENTRY = "entry"
    CLOSE = "close"
    EXCHANGE_STOP = "exchange_stop"
    BY_HAND = "by_hand"
    LIQUIDATION = "liquidation"


class Liquidity(Enum):
    """Whether the order had waited in the book, or took what waited there."""

    MAKER = "maker"
    TAKER = "taker"


@frozen(kw_only=True)
class AccountFill:
    """One match of one order of the account, of whomever it is. None: not known (yet)."""

    id: str
    """As the exchange numbers it."""
    symbol: str
    side: OrderSide | None
    price: Decimal
    size: int
    """Contracts."""
    at_ms: int
    """By the exchange's clock; by ours where it did not say."""
    exchange_order_id: str
    fee: Decimal | None = None
    """As the exchange gave it. Its sign is not established: pushes were seen with a minus for a cost, lists without."""
    fee_currency: str | None = None
    liquidity: Liquidity | None = None
    realised: Decimal | None = None
    """What the exchange itself says that it earned, without fees; None where it did not say."""
    client_order_id: str = ""
    whose: Whose | None = None
    order_id: str | None = None
    """Our entry order, if it is one of its fills, or closes what that opened."""
    protection_id: str | None = None

    @property
    def trade_id(self) -> str | None:
        """What it is a part of: the id of our entry order, or of the protection where that has none."""
        return self.order_id or self.protection_id


def merged(known: AccountFill | None, said: AccountFill) -> AccountFill:
    """A fill as it is known once `said` was heard of it too. What was known stays, but for whose it is."""
    if known is None:
        return said
    whose = said if said.trade_id or (said.whose and not known.trade_id) else known
    return evolve(
        known,
        side=known.side or said.side,
        fee=said.fee if known.fee is None else known.fee,
        fee_currency=known.fee_currency or said.fee_currency,
        liquidity=known.liquidity or said.liquidity,
        realised=said.realised if known.realised is None else known.realised,
        client_order_id=known.client_order_id or said.client_order_id,
        whose=whose.whose,
        order_id=whose.order_id,
        protection_id=whose.protection_id,
    )
