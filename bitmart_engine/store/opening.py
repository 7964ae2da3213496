"""Opening the journal: the directory, its lock, the file, the state it adds up to, and the tasks that serve it.

What is wrong with any of them is said before anything runs. Nothing outlives the block.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import trio

from ..clocks import SteadyClock
from ..counters import Counters
from .database import CrashPoint, Database, no_crash
from .errors import JournalUnavailable, JournalUnusable, why
from .lock import DirectoryLock, locked
from .retention import forget_old
from .shelving import READY_MS, Shelving
from .sqlite import FOLD_EVERY, LOOK_EVERY_S, Run, SqliteJournal
from .state import State
from .thread import in_a_thread

__all__ = ["FILE_NAME", "open_journal"]

FILE_NAME = "engine.sqlite3"
LOCK_NAME = "engine.lock"
DAY_S = 86_400
SHELVED_EVERY_S = 60.0
SHELVED_AT_ONCE = 100
UNPACKED_AT_ONCE = 20
"""Finished orders that are unpacked between two checkpoints: a fraction of a millisecond."""


@asynccontextmanager
async def open_journal(
    directory: Path,
    *,
    wall_ms: Callable[[], int],
    history_days: int = 30,
    fold_every: int = FOLD_EVERY,
    counters: Counters,
    crash_point: CrashPoint = no_crash,
    run: Run | None = None,
    clock: SteadyClock | None = None,
    accept_older: bool = False,
    moved_back: Callable[[], None] = lambda: None,
    look_every_s: float = LOOK_EVERY_S,
    admit: Callable[[State], None] = lambda state: None,
    committed_in: Callable[[float], None] = lambda seconds: None,
) -> AsyncIterator[tuple[SqliteJournal, State]]:
    """The journal in `directory` (made if it is not there), and what it adds up to, for as long as the block lasts.

    Give both to one `Store`. Once a day orders and protections that ended more than `history_days` ago are dropped
    from that very state, and from the disk. Raises JournalError, before the block, if the journal cannot be used; at
    the end of the block JournalUnavailable if something could not be written.

    `admit` is shown the state before anything else happens, and raises what it has against it. A journal that lacks
    its latest records is refused unless `accept_older`. `moved_back` is called, in the journal's thread, when the
    directory was deleted and the journal has been written into a new one, for which it is looked every `look_every_s`.

    `clock` goes on from where the last process on the directory left its own, if it can. `committed_in` is told how
    many seconds each commit took.
    """
    history_ms = history_days * DAY_S * 1000
    with ExitStack() as held:
        run = run or held.enter_context(in_a_thread())
        whole = DirectoryLock(directory)
        database, state, last_seq = await run(
            _open,
            directory,
            whole,
            held,
            crash_point,
            clock,
            accept_older,
            wall_ms() - READY_MS,
        )
        try:
            admit(state)
        except BaseException:
            await run(database.close)
            raise

        def put_back() -> None:
            if not (directory / LOCK_NAME).exists():
                held.enter_context(locked(directory / LOCK_NAME))
            whole.take()
            moved_back()

        journal = SqliteJournal(
            database,
            last_seq,
            wall_ms=wall_ms,
            fold_every=fold_every,
            counters=counters,
            run=run,
            moved_back=put_back,
            look_every_s=look_every_s,
            committed_in=committed_in,
        )

        def compact() -> None:
            before_ms = wall_ms() - history_ms
            journal._compact(forget_old(state, before_ms), before_ms)

        compact()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(journal._write)
                nursery.start_soon(_daily, compact)
                nursery.start_soon(_unpack, state, counters)
                nursery.start_soon(_shelve, Shelving(state), journal, wall_ms)
                yield journal, state
                nursery.cancel_scope.cancel()
        except BaseException:
            with trio.CancelScope(shield=True), suppress(JournalUnavailable):
                await journal._finish()  # logs it too; what ended the block is the greater news
            raise
        with trio.CancelScope(shield=True):
            await journal._finish()


def _open(
    directory: Path,
    whole: DirectoryLock,
    held: ExitStack,
    crash_point: CrashPoint,
    clock: SteadyClock | None,
    accept_older: bool,
    shelved_ms: int,
) -> tuple[Database, State, int]:
    """Lock, open and read. What has to be undone at the end goes on `held`."""
    try:
        if directory.exists() and not directory.is_dir():
            raise JournalUnusable(
                f"the state directory {directory} is a file; name a directory, or move the file away"
            )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        held.enter_context(locked(directory / LOCK_NAME))
        held.callback(whole.drop)
        whole.take()
    except OSError as failure:
        raise JournalUnusable(
            f"the state directory {directory} cannot be used: {why(failure)}"
        ) from failure
    database = Database.open(
        directory / FILE_NAME, crash_point=crash_point, accept_older=accept_older
    )
    held.callback(database.drop)
    state = database.load(shelved_ms)
    if clock is not None:
        alive = bool(state.orders.alive() or state.protections.alive() or state.owed)
        database.keep_mark(clock.go_on_from(database.mark(), alive=alive))
    return database, state, database.last_seq()


async def _daily(compact: Callable[[], None]) -> None:
    while True:
        await trio.sleep(DAY_S)
        compact()


async def _shelve(shelving: Shelving, journal: SqliteJournal, wall_ms: Callable[[], int]) -> None:
    while True:
        await trio.sleep(SHELVED_EVERY_S)
        steps = shelving.look(wall_ms(), journal.appended, journal.folded)
        for number, _ in enumerate(steps, 1):
            if number % SHELVED_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()


async def _unpack(state: State, counters: Counters) -> None:
    """Unpack what has ended while nothing else is to be done: the first to list it all must not stop the prices."""
    for archive in (state.orders, state.protections, state.futures_orders):
        try:
            for number, _ in enumerate(archive.unpack_each()):
                if number % UNPACKED_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
        except ValueError as failure:
            counters.add("archived_order_unreadable", why=failure)
    await trio.lowlevel.checkpoint()
