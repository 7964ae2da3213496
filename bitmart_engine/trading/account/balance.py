"""The account's balance as last heard of, and the signals that tell the application of it.

A push says how the balance is; beside that it is read at the start, every minute, and soon after a push while signals
are on: a signal has to have the equity, which no push has. An answer that was asked for before a push came is older
than the push; what both say, the push says.

Of signals at most one is owed at a time: while it is not settled, changes only show in `known`. Once it is settled,
the balance is told again if it differs by then. So a receiver that is slow or down gets the first change and the latest
one, not each between them. The first balance after a start is told too: nobody knows what the application heard last.

An older application has no place for these signals. It answers the first one 404: that is said, and none is sent until
the next start.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import evolve, frozen

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...exchange.rows import Balance
from ...logs import get_logger
from ...model.decimals import plain
from ...model.events import BalanceUpdate
from ...settings import Settings
from ...store import Store
from ...store.records import NotificationSettled, Record
from ..event_errors import EventErrors
from ..signals.notifications import Notifications
from ..signals.signal_forms import PAYLOAD_VERSION, SOURCE, moment

__all__ = ["BalanceBook", "KnownBalance"]

log = get_logger()

CURRENCY = "USDT"
LANE = "balance"
KIND = "balance_signal"
READ_EVERY_S = 60.0
READ_AGAIN_AFTER_S = 5.0
READ_AFTER_PUSH_S = 0.5
"""Pushes of one change come together."""
READS_AFTER_PUSH = 4
"""Where pushes keep coming while it is read: then the equity is that of a moment before."""
NO_SUCH_ROUTE = "HTTP 404"


@frozen
class KnownBalance:
    """A balance, from a `push` or read over `rest`, and when it was heard of (unix ms)."""

    balance: BalanceUpdate
    source: str
    at_ms: int


class BalanceBook:
    """One balance. It trades nothing, and nothing trades by it."""

    def __init__(
        self,
        *,
        counters: Counters,
        errors: EventErrors,
        exchange: ExchangeClient,
        notifications: Notifications,
        settings: Settings,
        store: Store,
        now_ms: Callable[[], int],
    ) -> None:
        self._counters = counters
        self._errors = errors
        self._exchange = exchange
        self._notifications = notifications
        self._settings = settings
        self._store = store
        self._now_ms = now_ms
        self._heard = 0
        self._equity: Balance | None = None
        """The latest answer: what a push does not say."""
        self._is_whole = False
        """Whether it is younger than the latest push."""
        self._straddled = 0
        self._pushed = trio.Event()
        self._told: dict[str, str] = {}
        self._taken = False
        """Whether the application took a signal since the start."""
        self._stopped = False
        self._owed = next(
            (each.id for each in store.state.owed.values() if each.kind == KIND), None
        )
        self.known: KnownBalance | None = None
        store.observe(self._on_record)

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
        self.known = KnownBalance(update, source, self._now_ms())
        if source == "push":
            self._is_whole = False
            self._pushed.set()

    async def run(self) -> None:
        """Read the balance: now, every minute, and where it is to be told soon after a push. Runs as a task."""
        while True:
            self._pushed = trio.Event()
            if not await self._read():
                await trio.sleep(READ_AGAIN_AFTER_S)
                continue
            with trio.move_on_after(READ_EVERY_S):
                await self._wait_push()
                await trio.sleep(READ_AFTER_PUSH_S)

    async def _wait_push(self) -> None:
        """Wait for a push, if one is of interest."""
        if self._settings.balance_signal_url is None or self._stopped:
            await trio.sleep_forever()
        await self._pushed.wait()

    async def _read(self) -> bool:
        """Read it once, and owe a signal if that is whole now. False if it could not be read."""
        heard = self._heard
        try:
            found = await self._exchange.balance(CURRENCY)
        except ExchangeError as failure:
            self._counters.add("balance_read_failed", why=failure)
            return False
        self._equity = found
        self._straddled = 0 if heard == self._heard else self._straddled + 1
        if not self._straddled:
            self.take(
                BalanceUpdate(
                    currency=found.currency,
                    available=found.available,
                    frozen=found.frozen,
                    position_deposit=found.position_deposit,
                ),
                "rest",
            )
        self._is_whole = self._straddled in (0, READS_AFTER_PUSH)
        self._straddled %= READS_AFTER_PUSH
        self._tell()
        return True

    def _tell(self) -> None:
        """Owe a signal if the balance is known whole, is not what was told last, and none is owed."""
        if self.known is None or self._equity is None or not self._is_whole:
            return
        if self._owed is not None or self._stopped:
            return
        values = _values(self.known.balance, self._equity)
        if values == self._told:
            return
        body = {
            **values,
            "timestamp": moment(self.known.at_ms),
            "context": {"source": SOURCE, "from": self.known.source},
            "retry_count": 0,
            "payload_version": PAYLOAD_VERSION,
        }
        records = self._notifications.balance_signal(LANE, body)
        if records:
            self._told = values
            self._owed = records[0].notification.id
            self._store.record(*records)

    def _on_record(self, record: Record) -> None:
        if isinstance(record, NotificationSettled) and record.id == self._owed:
            self._owed = None
            if record.delivered:
                self._taken = True
            elif record.why.startswith(NO_SUCH_ROUTE) and not self._taken:
                self._stopped = True
                log.warning(
                    "balance_signals_stopped",
                    why="the application has no route for them (HTTP 404); none is sent until the next start",
                    setting="TRADING_APP_BALANCE_SIGNAL_PATH",
                )
                return
            with self._errors.surviving("balance to tell"):
                self._tell()


def _values(balance: BalanceUpdate, read: Balance) -> dict[str, str]:
    """The amounts of a signal, in units of the currency: of `read` what `balance` does not say."""
    frozen = read.frozen if balance.frozen is None else balance.frozen
    deposit = (
        read.position_deposit if balance.position_deposit is None else balance.position_deposit
    )
    return {
        "asset": balance.currency,
        "available_balance": plain(balance.available),
        "frozen_balance": plain(frozen),
        "equity": plain(read.equity),
        "unrealized_pnl": plain(read.unrealized),
        "position_deposit": plain(deposit),
        **({} if read.bonus is None else {"bonus": plain(read.bonus)}),
    }
