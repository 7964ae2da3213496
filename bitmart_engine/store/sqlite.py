"""The journal on disk, for the engine: appending never waits, and one writer commits for everybody who waits.

`opening.open_journal` makes it, and owns the file and the writer. What queues up while a commit is on its way
goes into the next one, so that many promises share a commit. A commit that fails is not the end: whoever waits is told
so, what was appended stays in memory, in order, and is tried again until the disk takes it.

With every commit, and once a second, it is looked whether the file that is written is still the one at its path. If it
was deleted, nothing is durable any more; all of it is written to a new file as soon as the directory is there.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import final

import trio

from ..counters import Counters
from ..logs import get_logger
from ..world import Run
from .codec import Subject, decode
from .database import STEP, Database
from .errors import JournalError, JournalMoved, JournalUnavailable, why
from .kept import Damage
from .records import Record
from .told import concerns
from .units import Unit

__all__ = ["FOLD_EVERY", "LOOK_EVERY_S", "Run", "SqliteJournal"]

log = get_logger()

FOLD_EVERY = 250
"""Records. A start folds at most about so many, and the writer is busy with it for some ten milliseconds at a time."""
TOLD_AT_ONCE = 1000
THINNED_AT_ONCE = 1000
"""Records looked at between two commits by who asks what was told: about a millisecond."""
LOOK_EVERY_S = 1.0
"""How often it is looked whether the file is still at its path, idle or not."""
RETRY_FIRST_S = 0.1
RETRY_LONGEST_S = 5.0
PAUSES_AT_THE_END_S = (0.1, 0.4, 1.0, 0.0)
"""Between tries to leave everything in the file: one that was deleted has to be put back, or nothing is left."""

Trouble = (sqlite3.Error, OSError, JournalError)


@final
class SqliteJournal:
    """The `Journal` on disk. Made by `open_journal`."""

    def __init__(
        self,
        database: Database,
        last_seq: int,
        *,
        wall_ms: Callable[[], int],
        fold_every: int,
        counters: Counters,
        run: Run,
        moved_back: Callable[[], None] = lambda: None,
        look_every_s: float = LOOK_EVERY_S,
        committed_in: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """`moved_back` puts back what else belongs into the directory, in the journal's thread. `committed_in` is told
        how many seconds each commit took."""
        self._database = database
        self._appended = last_seq
        self._committed = last_seq
        self._wall_ms = wall_ms
        self._fold_every = fold_every
        self._fold_next = database.folded + fold_every
        self._counters = counters
        self._run = run
        self._queue: deque[Unit] = deque()
        self._chores: deque[Callable[[], bool]] = deque()
        self._trouble: str | None = None
        self._moved_back = moved_back
        self._missing = False
        self._look_every_s = look_every_s
        self._committed_in = committed_in
        self._look_at = trio.current_time() + look_every_s
        self._closed = False
        self._reader = trio.Lock()
        self._thinned = 0
        """Up to which record those of forwarded frames were removed by this process."""
        self._work = trio.lowlevel.ParkingLot()
        self._news = trio.lowlevel.ParkingLot()

    def prepare(self, records: Sequence[Record]) -> Callable[[], None]:
        """What queues `records` as one unit: all of them will be kept, or none. To be called before the next is made.

        Raises TypeError or ValueError if a record holds what JSON cannot, and trio.ClosedResourceError after the end
        of `open_journal`. What is returned neither fails nor blocks.
        """
        if self._closed:
            raise trio.ClosedResourceError("the journal is closed")
        unit = Unit.of(self._appended + 1, self._wall_ms(), records)
        return partial(self._put, unit)

    def append(self, records: Sequence[Record]) -> None:
        """Queue `records` as one unit. Raises what `prepare` raises; then nothing was queued. Does not block."""
        self.prepare(records)()

    def _put(self, unit: Unit) -> None:
        if not unit.rows:
            return
        assert unit.first_seq == self._appended + 1, "a unit is put before the next is made"
        self._queue.append(unit)
        self._appended = unit.last_seq
        self._work.unpark_all()

    async def durable(self) -> None:
        """Return when everything appended so far would survive a crash. A checkpoint.

        Raises JournalUnavailable, at once, while the disk does not take it. What was appended is not taken back by
        that, nor by cancelling the waiter: it is written as soon as possible.
        """
        target = self._appended
        await trio.lowlevel.checkpoint()
        while self._committed < target:
            if self._trouble is not None:
                raise JournalUnavailable(self._trouble)
            if self._closed:
                raise JournalUnavailable("the journal was closed before it was written")
            await self._news.park()

    async def told(self, lanes: Collection[str]) -> list[Record]:
        """What was appended of notifications of these lanes, in order, as far as it is kept. A checkpoint.

        It is read in parts, by the writer, so that no commit waits longer than for one of them; one reader at a time.
        Raises JournalError.
        """
        async with self._reader:
            last, waiting = self._committed, list(self._queue)
            ids: set[str] = set()
            found: list[Record] = []
            after = await self._run(self._database.first_seq) - 1
            while after < last:
                until = min(after + TOLD_AT_ONCE, last)
                found += await self._run(self._database.told, after, until, lanes, ids)
                after = until
        for unit in waiting:
            records = (decode(kind, body) for kind, _, body in unit.rows)
            found += [each for each in records if concerns(each, lanes, ids)]
        return found

    @property
    def healthy(self) -> bool:
        """Whether the latest commit succeeded: whether a promise can be made."""
        return self._trouble is None

    @property
    def trouble(self) -> str | None:
        """Why the latest commit failed; None as soon as one has succeeded and nothing is left behind."""
        return self._trouble

    @property
    def waiting(self) -> int:
        """How many records are in memory only."""
        return self._appended - self._committed

    @property
    def appended(self) -> int:
        """The seq of the last record."""
        return self._appended

    @property
    def folded(self) -> int:
        """The seq of the last record that is in what the disk says of each thing."""
        return self._database.folded

    def _compact(self, gone: Sequence[Subject], before_ms: int) -> None:
        """Have `gone`, and the records of before `before_ms` that nothing alive needs, removed in small steps."""
        self._chores.append(self._caught_up)
        for start in range(0, len(gone), STEP):
            self._chores.append(_forgetting(self._database, gone[start : start + STEP], before_ms))
        self._chores.append(lambda: self._database.trim(before_ms))
        self._chores.append(self._thin)
        self._work.unpark_all()

    def _thin(self) -> bool:
        """Remove some of what tells of forwarded frames. Whether there may be more. Runs in the journal's thread."""
        after = max(self._thinned, self._database.first_seq() - 1)
        self._thinned = min(after + THINNED_AT_ONCE, self._database.folded)
        self._database.thin(after, self._thinned)
        return self._thinned < self._database.folded

    async def _write(self) -> None:
        """Commit, and between commits tidy up. Runs until it is cancelled."""
        pause = RETRY_FIRST_S
        while True:
            if trio.current_time() >= self._look_at:
                await self._look()
            if self._missing:
                await trio.sleep_until(self._look_at)
                continue
            if self._queue:
                if not await self._commit():
                    await trio.sleep(pause)
                    pause = min(2 * pause, RETRY_LONGEST_S)
                    continue
                pause = RETRY_FIRST_S
            if self._database.checkpoint_due:
                await self._checkpoint()
            elif self._committed >= self._fold_next:
                await self._fold()
            elif self._chores and not self._queue:
                await self._do_chore()
            elif not self._queue:
                with trio.CancelScope(deadline=self._look_at):
                    await self._work.park()

    async def _commit(self) -> bool:
        units = list(self._queue)
        began_s = trio.current_time()
        try:
            await self._run(self._database.commit, units)
        except Trouble as failure:
            self._failed(failure)
            if isinstance(failure, JournalMoved):
                self._look_at = trio.current_time()
            return False
        self._committed_in(trio.current_time() - began_s)
        for _ in units:
            self._queue.popleft()
        self._committed = units[-1].last_seq
        if self._trouble is not None:
            log.info("journal_recovered", records=units[-1].last_seq - units[0].first_seq + 1)
            self._trouble = None
        self._news.unpark_all()
        return True

    def _failed(self, failure: Exception) -> None:
        reason = why(failure) if isinstance(failure, (sqlite3.Error, OSError)) else str(failure)
        if self._trouble is None:
            log.error("journal_write_failed", why=reason, records=self.waiting)
        self._trouble = f"the journal cannot be written: {reason}"
        self._counters.add("journal_commit_failed", why=reason)
        self._news.unpark_all()

    async def _look(self) -> None:
        """Whether the file is still at its path; if not, put it there again as soon as that can be done.

        It may be there again by itself: its owner has moved it back, or it was written anew and only the end failed.
        """
        self._look_at = trio.current_time() + self._look_every_s
        try:
            missing = await self._run(self._database.missing)
        except Trouble:
            return  # a disk that fails says so when it is written
        if missing is None and not self._missing:
            return
        if missing is not None:
            self._missing = True
            self._failed(JournalMoved(missing))
        try:
            if missing is not None:
                await self._run(self._database.write_anew)
            await self._run(self._moved_back)
        except Trouble as failure:
            self._counters.add("journal_rewrite_failed", why=failure)
            return
        self._missing = False
        self._trouble = None
        log.warning("journal_rewritten" if missing else "journal_in_its_place_again", why=missing)
        self._news.unpark_all()

    async def _checkpoint(self) -> None:
        try:
            await self._run(self._database.checkpoint)
        except Trouble as failure:
            self._counters.add("journal_checkpoint_failed", why=failure)

    async def _fold(self) -> None:
        """Take some of what was committed into what a start reads."""
        try:
            await self._run(self._database.advance, self._fold_every)
        except (*Trouble, Damage) as failure:
            self._counters.add("journal_fold_failed", why=failure)
            self._fold_next = self._committed + self._fold_every
        else:
            self._fold_next = self._database.folded + self._fold_every

    async def _do_chore(self) -> None:
        try:
            again = await self._run(self._chores[0])
        except (*Trouble, Damage) as failure:
            self._counters.add("journal_compaction_failed", why=failure)
            again = False
        if not again:
            self._chores.popleft()

    def _caught_up(self) -> bool:
        return self._database.advance(self._fold_every)

    async def _finish(self) -> None:
        """Write what is left, and fold it. Raises JournalUnavailable if it cannot be written."""
        self._closed = True
        self._chores.clear()
        self._chores.append(self._caught_up)
        closed = False
        for pause_s in PAUSES_AT_THE_END_S:
            await self._look()
            if not self._missing and (not self._queue or await self._commit()):
                while self._chores:
                    await self._do_chore()
                closed = await self._run(self._database.close)
            if closed:
                break
            await trio.sleep(pause_s)
        if not closed:
            if self._queue:
                log.error("journal_records_lost", records=self.waiting)
            if not await self._run(self._database.close):
                log.error("journal_file_missing", why=self._trouble)
        self._news.unpark_all()
        if self.waiting:
            raise JournalUnavailable(f"{self.waiting} records are lost: {self._trouble}")


def _forgetting(database: Database, gone: Sequence[Subject], before_ms: int) -> Callable[[], bool]:
    def forget() -> bool:
        database.forget(gone, before_ms)
        return False

    return forget
