"""The account's fills: taken from order pushes as they come, read from the exchange's list where pushes were missed.

It is housekeeping. A push is only noted here; what is noted is written by a task of its own, in another thread, and no
order, stop or callback waits for that. The list is read after the start, after every login, every ten minutes, and
soon after a push, for it alone says whether an order was maker or taker; each time from where it was last read to its
end, with some overlap, behind all other requests, and not at all while closes are held back. What was read and what was
pushed of one fill adds up (`model.fills`), and it is kept once.

A list that is cut short is read by halves of its time. A fill that cannot be read is counted, and the rest is kept.
"""

from __future__ import annotations

import math
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...exchange.order_client import MOST_HISTORY
from ...model.errors import Unavailable
from ...model.events import OrderUpdate
from ...model.fills import AccountFill
from ...model.instruments import Instrument
from ...store import Store
from ...store.fills import FillTable
from ...store.thread import in_a_thread
from ...world import Run
from ..event_errors import EventErrors
from .alive_fills import AliveFills
from .whose import OrderKnown, attributed, known_by, of_the_book

__all__ = ["FillBook"]

FIRST_READ_AFTER_S = 20.0
READ_EVERY_S = 600.0
READ_AFTER_PUSH_S = 5.0
READ_APART_S = 10.0
"""How long at least between two reads."""
READ_AGAIN_AFTER_S = 30.0
"""After one that failed."""
HELD_BACK_S = 5.0
FIRST_READ_S = 7 * 86_400
"""How far back the first read ever goes: as far as the exchange does by itself."""
LONGEST_READ_S = 89 * 86_400
"""The exchange answers for at most 90 days. Source: fact sheet 5.3."""
OVERLAP_S = 300
"""A fill may be listed some time after it was made."""
PART_AFTER_S = 1.0
SETTLED_EVERY_S = 60.0
SETTLED_WITHIN_S = 3600
"""So long it may turn out later whose a fill is."""
FORGOTTEN_EVERY_S = 86_400.0
OPEN_WITHIN_S = 2.0
MOST_WAITING = 10_000
"""Pushed fills that wait to be written; the exchange's list has what is dropped beyond that."""
DAY_MS = 86_400_000

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class FillBook:
    """Keeps the fills. Nothing is traded by it."""

    def __init__(
        self,
        *,
        counters: Counters,
        errors: EventErrors,
        exchange: ExchangeClient,
        store: Store,
        directory: Path | None,
        history_days: int,
        run: Run | None,
        instrument: Callable[[str], Instrument | None],
        now_ms: Callable[[], int],
    ) -> None:
        """`directory` is where they are kept; None: in memory only, for as long as this lives."""
        self._counters = counters
        self._errors = errors
        self._exchange = exchange
        self._store = store
        self.alive = AliveFills(store.state, instrument)
        self._table = FillTable(directory)
        self._in_memory = directory is None
        self._history_ms = history_days * DAY_MS
        self._given_run = run
        self._run: Run | None = None
        self._now_ms = now_ms
        self._waiting: deque[AccountFill] = deque()
        self._work = trio.Event()
        self._due = trio.Event()
        self._read_at = -math.inf
        """Not before: what was just pushed is not listed yet."""
        self._opened = trio.Event()
        self._observers: list[Callable[[AccountFill], None]] = []
        self._read_ms: int | None = None

    def observe(self, observer: Callable[[AccountFill], None]) -> None:
        """Have `observer` called with every fill that is new, or of which more is known, once it is kept."""
        self._observers.append(observer)

    def take(self, update: OrderUpdate) -> None:
        """Note the fill that an order was pushed for, if it was for one. Does not block."""
        if update.last_fill is None:
            return
        with self._errors.surviving("fill"):
            self._note(update)

    def _note(self, update: OrderUpdate) -> None:
        said = update.last_fill
        assert said is not None
        fill = AccountFill(
            id=str(said.trade_id),
            symbol=update.symbol,
            side=update.side,
            price=said.price,
            size=said.size,
            at_ms=update.update_time_ms or self._exchange.now_ms(),
            exchange_order_id=update.order_id,
            fee=said.fee,
            fee_currency=said.fee_currency,
            client_order_id=update.client_order_id,
        )
        order = known_by(update)
        fill = self._attributed(fill, order)
        self.alive.take(fill, order)
        if len(self._waiting) >= MOST_WAITING:
            self._counters.add("fill_dropped", symbol=fill.symbol)
            self._waiting.popleft()
        self._waiting.append(fill)
        self._work.set()

    def read_soon(self) -> None:
        """Pushes may have been missed: read the list soon. Does not block."""
        self._due.set()

    # What is known

    async def page(
        self, *, symbol: str, since_ms: int, after: str | None, limit: int
    ) -> list[AccountFill] | None:
        """At most `limit` fills, the newest first, older than the fill `after`; None if that is none.

        A checkpoint. Raises Unavailable while they cannot be read.
        """
        return await self._asked(
            lambda: self._table.page(symbol=symbol, since_ms=since_ms, after=after, limit=limit)
        )

    async def of_trades(self, ids: Sequence[str]) -> list[AccountFill]:
        """The fills of some trades, the oldest first. A checkpoint. Raises Unavailable."""
        return await self._asked(lambda: self._table.of_trades(ids))

    async def trades(
        self, *, symbol: str, since_ms: int, after: str | None, limit: int
    ) -> list[tuple[str, list[AccountFill]]] | None:
        """At most `limit` trades with a fill since then, the latest begun first, begun before the trade `after`; None
        if that is none. Each with all of its fills. A checkpoint. Raises Unavailable.
        """

        def ask() -> list[tuple[str, list[AccountFill]]] | None:
            ids = self._table.trades(symbol=symbol, since_ms=since_ms, after=after, limit=limit)
            if ids is None:
                return None
            found: dict[str, list[AccountFill]] = {each: [] for each in ids}
            for fill in self._table.of_trades(ids):
                found[fill.trade_id or ""].append(fill)
            return list(found.items())

        return await self._asked(ask)

    @property
    def read_until_ms(self) -> int | None:
        """Up to when the exchange's list was read, by its clock; None: not since the start."""
        return self._read_ms

    async def _asked(self, ask: Callable[[], T]) -> T:
        with trio.move_on_after(OPEN_WITHIN_S):
            await self._opened.wait()
        if self._run is None:
            raise Unavailable("the fills cannot be read now; see task_crashed in the log")
        try:
            return await self._run(ask)
        except (sqlite3.Error, OSError) as failure:
            raise Unavailable(f"the fills cannot be read: {failure}") from None

    # Tasks

    async def run(self) -> None:
        """Write what is noted, read what was missed, forget what is old. Runs as a task."""
        async with self._opening() as run, trio.open_nursery() as nursery:
            nursery.start_soon(self._write, run)
            nursery.start_soon(self._read_now_and_then, run)
            nursery.start_soon(self._settle_now_and_then, run)
            nursery.start_soon(self._forget_daily, run)

    @asynccontextmanager
    async def _opening(self) -> AsyncIterator[Run]:
        given = _at_once if self._in_memory else self._given_run
        with nullcontext(given) if given is not None else in_a_thread("fills") as run:
            aside = await run(self._table.open)
            if aside is not None:
                self._counters.add("fills_put_aside", why=aside)
            self.alive.know(await run(self._table.of_trades, self.alive.ids()))
            self._run = run
            self._opened.set()
            try:
                yield run
            finally:
                self._run, self._opened = None, trio.Event()
                with trio.CancelScope(shield=True):
                    try:
                        await self._put_waiting(run)
                    finally:
                        await run(self._table.close)

    async def _write(self, run: Run) -> None:
        while True:
            await self._work.wait()
            self._work = trio.Event()
            await self._put_waiting(run)
            self._read_at = trio.current_time() + READ_AFTER_PUSH_S
            self._due.set()

    async def _put_waiting(self, run: Run) -> None:
        while self._waiting:
            some = list(self._waiting)
            self._waiting.clear()
            try:
                await self._put(run, some)
            except BaseException:
                self._waiting.extendleft(reversed(some))
                raise

    async def _put(self, run: Run, fills: Sequence[AccountFill]) -> None:
        news = await run(self._table.put, fills)
        self.alive.know(news)
        for fill in news:
            for observer in self._observers:
                with self._errors.surviving("fill to tell"):
                    observer(fill)

    async def _read_now_and_then(self, run: Run) -> None:
        await trio.sleep(FIRST_READ_AFTER_S)
        while True:
            self._due = trio.Event()
            again_s = READ_EVERY_S
            if self._exchange.held_back():
                again_s = HELD_BACK_S
            else:
                try:
                    await self._read(run)
                except ExchangeError as failure:
                    self._counters.add("fills_read_failed", why=failure)
                    again_s = READ_AGAIN_AFTER_S
            await trio.sleep(min(READ_APART_S, again_s))
            with trio.move_on_after(again_s):
                await self._due.wait()
            await trio.sleep_until(self._read_at)

    async def _read(self, run: Run) -> None:
        """Read the list from where it was last read to its end."""
        now_s = self._exchange.now_ms() // 1000
        known_ms = await run(self._table.read_until_ms)
        start_s = now_s - FIRST_READ_S
        if known_ms is not None:
            start_s = max(min(known_ms // 1000, now_s) - OVERLAP_S, now_s - LONGEST_READ_S)
        start_s = max(start_s, now_s - self._history_ms // 1000)
        parts: list[tuple[int, int | None]] = [(start_s, None)]
        while parts:
            start_s, end_s = parts.pop()
            rows = await self._exchange.account_fills(start_s=start_s, end_s=end_s)
            await self._put(run, [await self._known(each) for each in rows])
            if len(rows) < MOST_HISTORY:
                continue
            last_s = now_s if end_s is None else end_s
            if start_s >= last_s:
                self._counters.add("fills_cut_short", second=start_s, read=len(rows))
                continue
            middle_s = (start_s + last_s) // 2
            parts += [(middle_s + 1, end_s), (start_s, middle_s)]
            await trio.sleep(PART_AFTER_S)
        self._read_ms = now_s * 1000
        await run(self._table.mark_read, self._read_ms)

    async def _known(self, fill: AccountFill) -> AccountFill:
        """`fill`, with whose it is as far as that is known. A checkpoint."""
        await trio.lowlevel.checkpoint()
        return self._attributed(fill, None)

    def _attributed(self, fill: AccountFill, order: OrderKnown | None) -> AccountFill:
        state = self._store.state
        try:
            return attributed(fill, order or of_the_book(fill, state), state)
        except ValueError as failure:  # it is asked again, and meanwhile it is nobody's
            self._counters.add("fill_owner_unreadable", why=failure)
            return fill

    async def _settle_now_and_then(self, run: Run) -> None:
        """Look again whose fills are of which that was not known: the order was not read yet, say."""
        while True:
            await trio.sleep(SETTLED_EVERY_S)
            since_ms = self._exchange.now_ms() - SETTLED_WITHIN_S * 1000
            self.alive.forget_ended()
            found = await run(self._table.unsettled, since_ms)
            await self._put(run, [await self._known(each) for each in found])

    async def _forget_daily(self, run: Run) -> None:
        while True:
            await run(self._table.forget_before, self._now_ms() - self._history_ms)
            await trio.sleep(FORGOTTEN_EVERY_S)


async def _at_once(sync_fn: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run it here: memory does not block."""
    await trio.lowlevel.checkpoint()
    return sync_fn(*args)
