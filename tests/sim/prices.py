"""What the market's prices really were in the last minutes, whatever the exchange says they were."""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from decimal import Decimal

from attrs import define, field, frozen

__all__ = ["KEPT_S", "Prices", "WildPrints"]

KEPT_S = 180.0
"""For how long prices are known; a price stands until the next trade."""
MINUTE_S = 60.0
PROMPT_S = 0.06
"""How long at most a push is under way where nothing is slow."""
UNCONFIRMED_S = 1.0
"""How long a price that is far from all others waits for somebody who says so too, or does not."""
WILD_KEPT_S = 60.0
PLAIN = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


@define
class Prices:
    """Times are seconds of the run."""

    _trades: dict[str, deque[tuple[float, Decimal, bool]]] = field(
        factory=lambda: defaultdict(deque)
    )
    _misdated: dict[str, list[tuple[float, float, Decimal]]] = field(
        factory=lambda: defaultdict(list)
    )
    """Those that were made while the exchange's clock was wrong: when they really were, and how wrong it was."""

    def traded(
        self,
        symbol: str,
        price: Decimal,
        now: float,
        *,
        stood: bool = True,
        skew_s: float = 0.0,
    ) -> None:
        """A trade; without `stood` it was told together with the one that followed it.

        `skew_s`: how far the exchange's clock, which dates it, is ahead of the true time.
        """
        trades = self._trades[symbol]
        trades.append((now, price, stood))
        if skew_s:
            self._misdated[symbol].append((now, skew_s, price))
        while len(trades) > 1 and trades[1][0] < now - KEPT_S:
            trades.popleft()

    def since(self, symbol: str, at: float) -> list[Decimal]:
        """All prices that there were from a moment on, with the one that stood then; none if nobody knows."""
        found: list[Decimal] = []
        for when, price, _ in reversed(self._trades[symbol]):
            found.append(price)
            if when <= at:
                break
        return found

    def that_stood_since(self, symbol: str, at: float) -> list[Decimal]:
        """The same without those that were told together with the one that followed: they were never the last."""
        found: list[Decimal] = []
        for when, price, stood in reversed(self._trades[symbol]):
            if stood:
                found.append(price)
            if when <= at:
                break
        return found

    def dated_since(self, symbol: str, at: float, now: float) -> list[Decimal]:
        """Those that the exchange itself says were traded since then, for its clock was wrong when they were.

        One that it dates within the minute that runs is in the bar of that minute.
        """
        misdated = self._misdated[symbol]
        behind_s = min([0.0, *(skew_s for _, skew_s, _ in misdated)])
        return [
            price
            for when, skew_s, price in misdated
            if at + behind_s <= when + skew_s <= now + MINUTE_S
        ]


@frozen
class _Print:
    symbol: str
    price: Decimal
    at: float
    there_at: float
    """By when it has reached whoever listens."""


@define
class WildPrints:
    """Prices that were told and that nobody made, and whether whoever heard of one could know better.

    An engine that hears nothing of a symbol for a second after such a print closes for it: it might be a crash. So a
    close for one is in order unless the exchange has told, in an answer to what was asked after it, what the price was.
    """

    prints: list[_Print] = field(factory=list)
    contradicted: set[_Print] = field(factory=set)

    def told(self, symbol: str, price: Decimal, now: float, slow_s: float) -> None:
        """One was told; nothing is under way for longer than `slow_s` and what is usual."""
        self.prints = [each for each in self.prints if each.at > now - WILD_KEPT_S]
        self.contradicted.intersection_update(self.prints)
        self.prints.append(_Print(symbol, price, now, now + PROMPT_S + slow_s))

    def heard(self, asked_at: float, now: float, answer: bytes) -> None:
        """An answer arrived, of the details of contracts."""
        for each in self.prints:
            in_time = each.there_at <= asked_at and now < each.at + UNCONFIRMED_S
            if in_time and _tells_another(answer, each):
                self.contradicted.add(each)

    def since(self, symbol: str, now: float) -> list[Decimal]:
        """Those that may be taken for the price by now."""
        return [
            each.price
            for each in self.prints
            if each.symbol == symbol
            and now >= each.at + UNCONFIRMED_S
            and each not in self.contradicted
        ]


def _tells_another(answer: bytes, wild: _Print) -> bool:
    """Whether an answer that nobody has altered says that the price is a very different one."""
    try:
        rows = json.loads(answer)["data"]["symbols"]
        row = next(each for each in rows if each["symbol"] == wild.symbol)
        numbers = [row[name] for name in ("last_price", "contract_size", "market_max_volume")]
    except (ValueError, LookupError, TypeError, StopIteration, RecursionError):
        return False
    if not all(isinstance(each, str) and PLAIN.fullmatch(each) for each in numbers):
        return False
    last = Decimal(row["last_price"])
    return abs(last - wild.price) > last / 10
