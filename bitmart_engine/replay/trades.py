"""Trades and totals out of fills: what was bought and sold for what, and what was left of it. Pure arithmetic.

A trade is all that one entry order filled and what closed it. A fill that closes and is nobody's by name closes the
oldest trades of its side first. Amounts are in the quote currency; fees are costs, and positive.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from attrs import define, field, frozen

from ..model.sides import PositionSide
from .candles import Candle

__all__ = ["CANDLES_ENDED", "Execution", "Plan", "Totals", "Trade", "totals_of", "trades_of"]

CANDLES_ENDED = "candles_ended"
"""Why a trade is shown with a price at which nothing was sold."""
ZERO = Decimal(0)
SHOWN = Decimal("0.00000001")


@frozen(kw_only=True)
class Execution:
    """One fill at the exchange. `trade` is the entry order's id, empty where it is not known."""

    at_ms: int
    trade: str
    side: PositionSide
    opens: bool
    price: Decimal
    size: int
    fee: Decimal
    reason: str = ""
    """Why it closes."""
    closed_by: str = ""
    """Whose order it is that closes: the engine's, or one of the exchange's own making."""


@frozen(kw_only=True)
class Plan:
    """The exits that an entry order went out with."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


@frozen(kw_only=True)
class Trade:
    """An entry and its exit. Of one that was open at the end, `average_out` is the last price, and `open` is true."""

    id: str
    side: PositionSide
    size: int
    entry_ms: int
    average_in: Decimal
    exit_ms: int
    average_out: Decimal
    reason: str
    closed_by: str
    open: bool
    gross: Decimal
    fees: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None
    risk: Decimal | None
    """What it would have lost at its first stop, without fees; None without a stop."""

    @property
    def net(self) -> Decimal:
        return self.gross - self.fees

    @property
    def r(self) -> Decimal | None:
        """What it made, in multiples of what it risked."""
        return shown(self.net / self.risk) if self.risk else None


@frozen(kw_only=True)
class Totals:
    """All trades together. The drawdown is of the account, looked at at the close of each candle."""

    trades: int
    won: int
    lost: int
    gross: Decimal
    fees: Decimal
    net: Decimal
    balance: Decimal
    """At the end, with what was open valued at the last price."""
    max_drawdown: Decimal
    max_drawdown_percent: Decimal
    exposure_s: int
    exposure_percent: Decimal
    r: Decimal | None


@define
class _Open:
    """A trade in the making."""

    id: str
    side: PositionSide
    entry_ms: int
    size_in: int = 0
    value_in: Decimal = ZERO
    size_out: int = 0
    value_out: Decimal = ZERO
    fees: Decimal = ZERO
    exit_ms: int = 0
    reasons: dict[str, None] = field(factory=dict)
    closers: dict[str, None] = field(factory=dict)

    @property
    def left(self) -> int:
        return self.size_in - self.size_out

    def close(self, fill: Execution, size: int) -> None:
        self.size_out += size
        self.value_out += fill.price * size
        self.fees += fill.fee * size / fill.size
        self.exit_ms = fill.at_ms
        self.reasons[fill.reason] = None
        self.closers[fill.closed_by] = None


def shown(amount: Decimal) -> Decimal:
    """To the eight decimals that amounts are kept in."""
    return amount.quantize(SHOWN)


def trades_of(
    fills: Iterable[Execution],
    plans: Mapping[str, Plan],
    contract_size: Decimal,
    last: Decimal,
    end_ms: int,
) -> list[Trade]:
    """The trades that `fills`, in order of time, make, by time of entry; what is open is valued at `last`."""
    found: dict[str, _Open] = {}
    for fill in fills:
        if fill.opens:
            trade = found.setdefault(fill.trade, _Open(fill.trade, fill.side, fill.at_ms))
            trade.size_in += fill.size
            trade.value_in += fill.price * fill.size
            trade.fees += fill.fee
            continue
        left = fill.size
        named = [found[fill.trade]] if fill.trade in found else []
        for trade in [*named, *(each for each in found.values() if each not in named)]:
            if left and trade.side is fill.side and trade.left:
                size = min(left, trade.left)
                trade.close(fill, size)
                left -= size
    return [_done(each, plans, contract_size, last, end_ms) for each in found.values()]


def _done(
    trade: _Open, plans: Mapping[str, Plan], contract_size: Decimal, last: Decimal, end_ms: int
) -> Trade:
    still = trade.left
    if still:
        trade.reasons[CANDLES_ENDED] = None
    out = trade.value_out + last * still
    average_in = trade.value_in / trade.size_in
    sign = 1 if trade.side is PositionSide.LONG else -1
    plan = plans.get(trade.id, Plan())
    risk = None
    if plan.stop_loss is not None:
        risk = shown(abs(average_in - plan.stop_loss) * trade.size_in * contract_size)
    return Trade(
        id=trade.id,
        side=trade.side,
        size=trade.size_in,
        entry_ms=trade.entry_ms,
        average_in=shown(average_in),
        exit_ms=end_ms if still else trade.exit_ms,
        average_out=shown(out / trade.size_in),
        reason=" ".join(trade.reasons),
        closed_by=" ".join(trade.closers),
        open=bool(still),
        gross=shown((out - trade.value_in) * contract_size * sign),
        fees=shown(trade.fees),
        stop_loss=plan.stop_loss,
        take_profit=plan.take_profit,
        risk=risk,
    )


def totals_of(
    trades: Sequence[Trade],
    fills: Sequence[Execution],
    candles: Sequence[Candle],
    every_ms: int,
    contract_size: Decimal,
    balance: Decimal,
) -> Totals:
    """What the trades come to. `balance` is what the account had at first."""
    gross = sum((each.gross for each in trades), ZERO)
    fees = sum((each.fees for each in trades), ZERO)
    risked = [each for each in trades if each.r is not None]
    fall, percent = _drawdown(fills, candles, every_ms, contract_size, balance)
    exposed_ms = _exposed_ms(trades)
    lasted_ms = candles[-1].at_ms + every_ms - candles[0].at_ms
    return Totals(
        trades=len(trades),
        won=sum(each.net > 0 for each in trades),
        lost=sum(each.net < 0 for each in trades),
        gross=gross,
        fees=fees,
        net=gross - fees,
        balance=balance + gross - fees,
        max_drawdown=shown(fall),
        max_drawdown_percent=percent.quantize(Decimal("0.01")),
        exposure_s=exposed_ms // 1000,
        exposure_percent=(Decimal(100) * exposed_ms / lasted_ms).quantize(Decimal("0.01")),
        r=sum((each.r for each in risked if each.r is not None), ZERO) if risked else None,
    )


def _exposed_ms(trades: Iterable[Trade]) -> int:
    """For how long anything was held."""
    total = until = 0
    for trade in sorted(trades, key=lambda each: each.entry_ms):
        begin = max(trade.entry_ms, until)
        if trade.exit_ms > begin:
            total += trade.exit_ms - begin
            until = trade.exit_ms
    return total


def _drawdown(
    fills: Sequence[Execution],
    candles: Sequence[Candle],
    every_ms: int,
    contract_size: Decimal,
    balance: Decimal,
) -> tuple[Decimal, Decimal]:
    """The deepest fall of the account from a peak, in money and in percent of that peak."""
    at = [each.at_ms for each in fills]
    cash, held, done = balance, ZERO, 0
    peak, worst, worst_percent = balance, ZERO, ZERO
    for candle in candles:
        upto = bisect_right(at, candle.at_ms + every_ms, lo=done)
        for fill in fills[done:upto]:
            bought = (fill.side is PositionSide.LONG) is fill.opens
            amount = fill.size * contract_size if bought else -fill.size * contract_size
            held += amount
            cash -= amount * fill.price + fill.fee
        moved, done = upto > done, upto
        if not held and not moved:
            continue
        worth = cash + held * candle.close
        peak = max(peak, worth)
        if peak - worth > worst:
            worst = peak - worth
        if peak > 0 and (peak - worth) * 100 > worst_percent * peak:
            worst_percent = (peak - worth) * 100 / peak
    return worst, worst_percent
