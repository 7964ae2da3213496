"""Trades: an entry with what closed it, and what that earned. Pure: fills, order and protection in, money out.

Everything is computed from fills, whose fees are the exchange's; nothing is assumed. Where fills are missing, or do not
add up to what the order and the protection say, the numbers that need them are None, and `unknown` says of each why. So
a number that is there is whole. Money is in USDT, exact where a division does not come in; averages are quotients.

A fee counts by its size, whatever its sign, for that is not established: what was a rebate would count as a cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from typing import Any

from attrs import Factory, frozen

from .fills import AccountFill, Whose
from .lifecycle import ProtectionState
from .orders import EntryOrder
from .positions import CloseReason, Protection
from .sides import PositionSide

__all__ = ["Trade", "TradeState", "rounded", "trade_of"]

USDT = "USDT"
HUNDRED = Decimal(100)
STOPS = (CloseReason.STOP_LOSS, CloseReason.EXCHANGE_STOP_LOSS)
FUNDING = "the exchange tells funding by symbol, not by position; it is in no number here"


SHOWN = Decimal("1e-8")


def rounded(value: Decimal) -> Decimal:
    """A quotient as it is shown: to 8 decimals."""
    return value if value == value.to_integral_value() else value.quantize(SHOWN)


class TradeState(Enum):
    """Whether all is closed that was opened, as far as is known."""

    OPEN = "open"
    CLOSED = "closed"


@frozen(kw_only=True)
class Trade:
    """What an entry order, or a monitored position, came to. Of what is open still: what it came to so far."""

    id: str
    """Of the entry order, or of the protection where that has none."""
    symbol: str
    side: PositionSide | None
    state: TradeState
    order_id: str | None = None
    protection_id: str | None = None
    reason: CloseReason | None = None
    """What the last close was for."""
    size: int | None = None
    """Contracts that were opened."""
    closed_size: int | None = None
    entry_price: Decimal | None = None
    """The average."""
    exit_price: Decimal | None = None
    opened_ms: int | None = None
    """The first and the last fill, by the exchange's clock."""
    closed_ms: int | None = None
    fees: Decimal | None = None
    gross_pnl: Decimal | None = None
    realised_pnl: Decimal | None = None
    """Without fees, and after them."""
    percent: Decimal | None = None
    """`realised_pnl` in percent of what the entry was worth."""
    risk: Decimal | None = None
    """What would have been lost, without fees, at the first stop."""
    r: Decimal | None = None
    """`realised_pnl` in multiples of that."""
    stop_slippage: Decimal | None = None
    """By how much worse than the level of the stop its close was filled; below zero: better."""
    unknown: Mapping[str, str] = Factory(dict)
    """By name, why what is None is not known."""

    @property
    def duration_ms(self) -> int | None:
        """From the first fill to the last; None while it is open."""
        if self.state is TradeState.OPEN or self.opened_ms is None or self.closed_ms is None:
            return None
        return max(self.closed_ms - self.opened_ms, 0)


def trade_of(
    id: str,
    fills: Iterable[AccountFill],
    *,
    order: EntryOrder | None,
    protections: Sequence[Protection],
    contract_size: Decimal | None,
) -> Trade:
    """The trade of these fills. `protections` are all that closed contracts of it, the newest last.

    Without `order` it is that of a monitored position, of which nobody knows what opened it. `contract_size` is in the
    base currency; None where it is not known.
    """
    fills = list(fills)
    entries = [each for each in fills if each.whose is Whose.ENTRY]
    exits = [each for each in fills if each.whose is not Whose.ENTRY]
    latest = protections[-1] if protections else None
    thing: EntryOrder | Protection | None = order or latest
    side = order.request.side if order else (latest.side if latest else None)
    wrong: dict[str, str] = {}
    made = _Sums(wrong)
    opened = made.entries(entries, order)
    closed = made.exits(exits, order, protections)
    fees = made.fees(fills if opened is not None or order is None else None)
    if closed is None and "fees" not in wrong:
        fees, wrong["fees"] = None, wrong["exit_price"]
    gross = _gross(opened, closed, exits, side, contract_size, order, wrong)
    net = None if gross is None or fees is None else gross - fees
    if net is None:
        wrong["realised_pnl"] = wrong.get("gross_pnl") or wrong["fees"]
    worth = None
    if opened is None or contract_size is None:
        wrong["percent"] = wrong.get("entry_price") or NO_CONTRACT
    else:
        worth = opened.value * contract_size
        if net is None:
            wrong["percent"] = wrong["realised_pnl"]
    risk = _risk(opened, order, side, contract_size, wrong)
    if net is None or risk is None:
        wrong["r"] = wrong.get("risk") or wrong["realised_pnl"]
    done = latest is not None and latest.state is ProtectionState.CLOSED
    if order is not None and not order.state.final:
        done = False
    return Trade(
        id=id,
        symbol=thing.symbol if thing else (fills[0].symbol if fills else ""),
        side=side,
        state=TradeState.CLOSED if done else TradeState.OPEN,
        order_id=order.id if order else None,
        protection_id=latest.id if latest else None,
        reason=_reason(latest),
        size=opened.size if opened else None,
        closed_size=closed.size if closed else None,
        entry_price=opened.average if opened else None,
        exit_price=closed.average if closed else None,
        opened_ms=min((each.at_ms for each in entries), default=None),
        closed_ms=max((each.at_ms for each in exits), default=None),
        fees=fees,
        gross_pnl=gross,
        realised_pnl=net,
        percent=None if net is None or not worth else net / worth * HUNDRED,
        risk=risk,
        r=None if net is None or not risk else net / risk,
        stop_slippage=_slippage(exits, side, latest, wrong),
        unknown={**wrong, "funding": FUNDING},
    )


NO_CONTRACT = "the contract's size is not known"


@frozen
class _Sum:
    """What some fills add up to: contracts, and price times contracts."""

    size: int
    value: Decimal

    @property
    def average(self) -> Decimal | None:
        return self.value / self.size if self.size else None


def _sum(fills: Iterable[AccountFill]) -> _Sum:
    size, value = 0, Decimal(0)
    for each in fills:
        size += each.size
        value += each.price * each.size
    return _Sum(size, value)


@frozen
class _Sums:
    """Sums that are whole, or None: then `wrong` says why."""

    wrong: dict[str, str]

    def entries(self, fills: Sequence[AccountFill], order: EntryOrder | None) -> _Sum | None:
        if order is None:
            self._say("it was monitored, and what opened it is not known", "size", "entry_price")
            return None
        total = _sum(fills)
        if total.size != order.filled or not total.size:
            self._say(_lacking(total.size, order.filled), "size", "entry_price")
            return None
        return total

    def exits(
        self,
        fills: Sequence[AccountFill],
        order: EntryOrder | None,
        protections: Sequence[Protection],
    ) -> _Sum | None:
        if not protections:
            self._say("nobody watches what closes it", "closed_size", "exit_price")
            return None
        total, closed = _sum(fills), sum(each.closed for each in protections)
        if total.size != closed:
            self._say(_lacking(total.size, closed), "closed_size", "exit_price")
            return None
        latest = protections[-1]
        if latest.state.final and (order is None or total.size != order.filled):
            left = (order.filled if order else latest.covered) - total.size
            if left:
                self._say(f"{left} contracts of it {_left(latest)}", "closed_size", "exit_price")
                return None
        if not total.size:
            self.wrong["exit_price"] = "nothing of it is closed yet"
        return total

    def fees(self, fills: Sequence[AccountFill] | None) -> Decimal | None:
        if fills is None:
            self._say(self.wrong["entry_price"], "fees")
            return None
        if any(each.fee is None for each in fills):
            self._say("the exchange has not told the fee of every fill", "fees")
            return None
        others = {each.fee_currency for each in fills} - {None, USDT}
        if others:
            self._say(f"a fee is in {', '.join(sorted(map(str, others)))}", "fees")
            return None
        return sum((abs(each.fee) for each in fills if each.fee is not None), Decimal(0))

    def _say(self, why: str, *names: str) -> None:
        for name in names:
            self.wrong[name] = why


def _reason(protection: Protection | None) -> CloseReason | None:
    """What closed it: the reason of its end once it has ended, else what it is being closed for."""
    if protection is None:
        return None
    if protection.state is ProtectionState.CLOSED:
        with suppress(ValueError):  # an older journal may hold other words
            return CloseReason(protection.reason)
    return protection.closing_for


def _left(protection: Protection) -> str:
    if protection.state is ProtectionState.RELEASED:
        return "are not watched any more: its protection was released"
    return "were closed by others; which fills those were is not known"


def _lacking(known: int, needed: int) -> str:
    return f"fills of {known} contracts are known, and {needed} filled"


def _gross(
    opened: _Sum | None,
    closed: _Sum | None,
    exits: Sequence[AccountFill],
    side: PositionSide | None,
    contract_size: Decimal | None,
    order: EntryOrder | None,
    wrong: dict[str, str],
) -> Decimal | None:
    """What was earned without fees. Of a monitored position: what the exchange itself says of each close."""
    if closed is None:
        wrong["gross_pnl"] = wrong["exit_price"]
        return None
    if order is None:
        if exits and all(each.realised is not None for each in exits):
            return sum((each.realised for each in exits if each.realised is not None), Decimal(0))
        wrong["gross_pnl"] = wrong["entry_price"]
        return None
    if opened is None or contract_size is None:
        wrong["gross_pnl"] = wrong.get("entry_price") or NO_CONTRACT
        return None
    paid = opened.value
    if closed.size != opened.size:
        paid = opened.value * closed.size / opened.size
    earned = closed.value - paid if side is PositionSide.LONG else paid - closed.value
    return earned * contract_size


def _risk(
    opened: _Sum | None,
    order: EntryOrder | None,
    side: PositionSide | None,
    contract_size: Decimal | None,
    wrong: dict[str, str],
) -> Decimal | None:
    if opened is None or contract_size is None or order is None or side is None:
        wrong["risk"] = wrong.get("entry_price") or NO_CONTRACT
        return None
    stop = order.request.stop_loss
    if stop is None:
        wrong["risk"] = "it was placed without a stop"
        return None
    distance = opened.value - stop * opened.size
    if side is PositionSide.SHORT:
        distance = -distance
    if distance <= 0:
        wrong["risk"] = "it was filled at its stop, or beyond it"
        return None
    return distance * contract_size


def _slippage(
    exits: Sequence[AccountFill],
    side: PositionSide | None,
    protection: Protection | None,
    wrong: dict[str, Any],
) -> Decimal | None:
    if protection is None or _reason(protection) not in STOPS or protection.stop_loss is None:
        wrong["stop_slippage"] = "no stop is known to have closed it"
        return None
    average = _sum(exits).average
    if average is None or "exit_price" in wrong:
        wrong["stop_slippage"] = wrong.get("exit_price", "nothing of it is closed yet")
        return None
    worse = protection.stop_loss - average
    return worse if side is PositionSide.LONG else -worse
