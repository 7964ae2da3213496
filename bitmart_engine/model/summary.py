"""What trades add up to: won, lost, earned, paid. Pure.

A trade whose result is not known is in no sum and is counted as such, so that nobody takes a sum for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import frozen

from .trades import Trade, TradeState

__all__ = ["TradeSums", "summed"]


@frozen(kw_only=True)
class TradeSums:
    """Of the trades that were closed since a time. Money in USDT."""

    closed: int = 0
    won: int = 0
    lost: int = 0
    even: int = 0
    unknown: int = 0
    """Of which it is not known what they earned."""
    gross_pnl: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    realised_pnl: Decimal = Decimal(0)
    """Sums over those that are known."""
    r: Decimal = Decimal(0)
    r_known: int = 0
    """Over how many `r` is the sum: not all have a stop."""


def summed(trades: Iterable[Trade], since_ms: int) -> TradeSums:
    """What of `trades` was closed since then adds up to. What was closed, nobody saw when, counts by its last fill."""
    closed = [
        each
        for each in trades
        if each.state is TradeState.CLOSED
        and (each.closed_ms or each.opened_ms or since_ms) >= since_ms
    ]
    known = [each for each in closed if each.realised_pnl is not None]
    earned = [each.realised_pnl or Decimal(0) for each in known]
    ratios = [each.r for each in known if each.r is not None]
    nothing = Decimal(0)
    return TradeSums(
        closed=len(closed),
        won=sum(each > 0 for each in earned),
        lost=sum(each < 0 for each in earned),
        even=sum(each == 0 for each in earned),
        unknown=len(closed) - len(known),
        gross_pnl=sum((each.gross_pnl or nothing for each in known), nothing),
        fees=sum((each.fees or nothing for each in known), nothing),
        realised_pnl=sum(earned, nothing),
        r=sum(ratios, nothing),
        r_known=len(ratios),
    )
