"""The account's balance as last heard of, and the signals that tell the application of it.

A push says how the balance is; beside that it is read at the start and every minute. An answer that was asked for
before a push came is older than the push, and is dropped.

Of signals at most one is owed at a time: while it is not settled, changes only show in `known`. Once it is settled,
the balance is told again if it differs by then. So a receiver that is slow or down gets the first change and the latest
one, not each between them. The first balance after a start is told too: nobody knows what the application heard last.
"""

from __future__ import annotations

import trio
from attrs import evolve, frozen

from ..exchange.errors import ExchangeError
from ..model.decimals import plain
from ..model.events import BalanceUpdate
from ..store.records import NotificationSettled, Record
from .desk import Desk, text

__all__ = ["BalanceBook", "KnownBalance"]

CURRENCY = "USDT"
LANE = "balance"
KIND = "balance_signal"
READ_EVERY_S = 60.0
READ_AGAIN_AFTER_S = 5.0


@frozen
class KnownBalance:
    """A balance, from a `push` or read over `rest`, and when it was heard of (unix ms)."""

    balance: BalanceUpdate
    source: str
    at_ms: int


class BalanceBook:
    """One balance. It trades nothing, and nothing trades by it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._heard = 0
        self._told: BalanceUpdate | None = None
        self._owed = next((each.id for each in desk.state.owed.values() if each.kind == KIND), None)
        self.known: KnownBalance | None = None
        desk.store.observe(self._on_record)

    def take(self, update: BalanceUpdate, source: str = "push") -> None:
        """The balance is so from now on. What an update leaves out stays as it was known."""
        if update.currency != CURRENCY:
            return
        self._heard += 1
        if self.known is not None:
            before = self.known.balance
            update = evolve(
                update,
                frozen=before.frozen if update.frozen is None else update.frozen,
                position_deposit=before.position_deposit
                if update.position_deposit is None
                else update.position_deposit,
            )
        self.known = KnownBalance(update, source, self._desk.now_ms())
        self._tell()

    async def run(self) -> None:
        """Read the balance, now and every minute. Runs as a task."""
        while True:
            pause_s = READ_EVERY_S if await self._read() else READ_AGAIN_AFTER_S
            await trio.sleep(pause_s)

    async def _read(self) -> bool:
        heard = self._heard
        try:
            found = await self._desk.exchange.balance(CURRENCY)
        except ExchangeError as failure:
            self._desk.tally.add("balance could not be read", why=str(failure))
            return False
        if heard == self._heard:
            self.take(
                BalanceUpdate(
                    currency=found.currency,
                    available=found.available,
                    frozen=found.frozen,
                    position_deposit=found.position_deposit,
                ),
                "rest",
            )
        return True

    def _tell(self) -> None:
        """Owe a signal if the balance is not what was told last, and none is owed."""
        if self.known is None or self._owed is not None or self.known.balance == self._told:
            return
        balance = self.known.balance
        body = {
            "kind": "BALANCE",
            "currency": balance.currency,
            "available": plain(balance.available),
            "frozen": text(balance.frozen),
            "position_deposit": text(balance.position_deposit),
            "source": self.known.source,
            "at_ms": self.known.at_ms,
        }
        records = self._desk.balance_signal(LANE, body)
        if records:
            self._told = balance
            self._owed = records[0].notification.id
            self._desk.store.record(*records)

    def _on_record(self, record: Record) -> None:
        if isinstance(record, NotificationSettled) and record.id == self._owed:
            self._owed = None
            with self._desk.surviving("balance to tell"):
                self._tell()
