"""Limits on what can be lost: what is at stake, and which limit a new entry would break. Pure.

At stake is what protections cover, at the last price, and what of entry orders has not filled yet, at the most
expensive price of its zone. Of something without a stop all of it is at risk. Closes and protections are never limited.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import field, frozen

from ..model.decimals import plain
from ..model.orders import EntryOrder, EntryRequest
from ..model.positions import Protection
from ..model.sides import PositionSide

__all__ = ["Breach", "Limits", "Stake", "broken", "of_order", "of_protection", "of_request", "used"]

ZERO = Decimal(0)


@frozen(kw_only=True)
class Limits:
    """What there may be at a time; None: as much as is asked for. Amounts are in the quote currency."""

    positions: int | None = None
    notional: Decimal | None = None
    risk: Decimal | None = None
    orders_per_minute: int | None = None

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return self != Limits()


@frozen(kw_only=True)
class Stake:
    """What is at stake, or would be: positions, their worth, what is lost at their stops, and orders of a minute."""

    positions: int = 0
    notional: Decimal = field(default=ZERO)
    risk: Decimal = field(default=ZERO)
    orders_per_minute: int = 0

    def __add__(self, other: Stake) -> Stake:
        return Stake(
            positions=self.positions + other.positions,
            notional=self.notional + other.notional,
            risk=self.risk + other.risk,
            orders_per_minute=self.orders_per_minute + other.orders_per_minute,
        )


@frozen
class Breach:
    """A limit that would be broken: its setting, its value, what is used of it, and what the entry would add."""

    name: str
    limit: Decimal
    used: Decimal
    adds: Decimal

    def __str__(self) -> str:
        left = max(self.limit - self.used, ZERO)
        return (
            f"{self.name} is {plain(self.limit)}: {plain(self.used)} is used and this order adds"
            f" {plain(self.adds)}; at most {plain(left)} more would be taken"
        )


def of_request(request: EntryRequest, size: int | None = None, *, filled: bool = False) -> Stake:
    """What an entry order puts at stake with `size` contracts left to fill: all of them unless given.

    `filled` says that a part has filled, and so that its position counts already.
    """
    left = request.size if size is None else size
    share = Decimal(left) / request.size
    notional = request.quantity * request.zone_max * share
    risk = notional if request.risk is None else request.risk * share
    return Stake(positions=0 if filled else 1, notional=notional, risk=risk)


def of_order(order: EntryOrder, *, covered: bool) -> Stake:
    """What is still to fill of an order. `covered`: a protection counts what has filled; else all of it counts here."""
    if covered and order.filled:
        return of_request(order.request, max(order.size - order.filled, 0), filled=True)
    return of_request(order.request, order.size)


def of_protection(protection: Protection, price: Decimal, contract_size: Decimal) -> Stake:
    """What a protection covers, worth `price`: what is lost from there to its stop."""
    quantity = protection.remaining * contract_size
    notional = quantity * price
    stop = protection.stop_loss
    if stop is None:
        return Stake(positions=1, notional=notional, risk=notional)
    distance = price - stop if protection.side is PositionSide.LONG else stop - price
    return Stake(positions=1, notional=notional, risk=quantity * max(distance, ZERO))


def used(stakes: Iterable[Stake]) -> Stake:
    """All of it together."""
    total = Stake()
    for each in stakes:
        total += each
    return total


def broken(limits: Limits, now: Stake, adds: Stake) -> Breach | None:
    """The first limit that `adds` beside what is at stake `now` would break; None if it fits."""
    for name, limit, have, more in (
        ("MAX_POSITIONS", limits.positions, now.positions, adds.positions),
        ("MAX_NOTIONAL", limits.notional, now.notional, adds.notional),
        ("MAX_RISK", limits.risk, now.risk, adds.risk),
        (
            "MAX_ORDERS_PER_MINUTE",
            limits.orders_per_minute,
            now.orders_per_minute,
            adds.orders_per_minute,
        ),
    ):
        if limit is not None and have + more > limit:
            return Breach(name, Decimal(limit), Decimal(have), Decimal(more))
    return None
