"""The journal's SQLite file. Plain and synchronous: every method blocks until the disk has answered.

WAL mode with `synchronous=FULL`: what `commit` returned from survives a power cut, and a unit is there as a whole or
not at all. It knows nothing of Trio, keeps no queue and never tries again by itself; a call that failed has changed
nothing, and may be made again, even one whose success was only not heard of. The file is locked while it is open.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import final
from zlib import crc32

from ..clocks import Mark
from ..model.notifications import PASSING
from . import kept
from .archive import Archive
from .codec import Subject, pack, unpack
from .connecting import configure, connect, explaining, has_meta
from .errors import JournalMoved, code_of
from .lock import lock_file
from .records import Record
from .schema import MIGRATIONS, Migration, check, prepare
from .shelf import Shelf
from .state import State
from .units import Unit
from .wal import await_next, begin, check_together, check_wal, close_wal, wal_of

__all__ = ["CrashPoint", "Database", "no_crash"]

CrashPoint = Callable[[str], None]
"""Called with "before commit" and "after commit", for a test that wants the process to die there."""

WAL_PAGES = 1000
STEP = 500
"""Rows removed in one transaction, so that a commit never waits long."""


def no_crash(point: str) -> None:
    """The crash point of real life."""


@final
class Database:
    """The open file. Made by `Database.open`; used by one thread at a time, and closed by whoever opened it."""

    def __init__(
        self, path: Path, lock: int, connection: sqlite3.Connection, crash_point: CrashPoint
    ) -> None:
        self._path = path
        self._lock: int | None = lock
        self._inode = os.fstat(lock).st_ino
        self._connection = connection
        self._crash_point = crash_point
        self._broken = False
        self._shelf = Shelf(path)
        self._wal_pages = 0
        """About how many were written since the last checkpoint."""
        self._wal_inode: int | None = None
        """None: it is not known whether there is one."""
        self._anew = False
        """Whether the file at the path was written anew, and was not opened yet."""
        self.folded = 0
        """The seq of the last record that a start would not fold again."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        crash_point: CrashPoint = no_crash,
        migrations: Mapping[int, Migration] = MIGRATIONS,
        accept_older: bool = False,
    ) -> Database:
        """The journal at `path`, made or brought to the present schema where needed. Raises JournalError.

        One that lacks what was in its WAL is refused unless `accept_older`.
        """
        with explaining(path):
            lock = lock_file(path)
            try:
                if not accept_older:
                    check_wal(path)
                connection = connect(path)
            except BaseException:
                os.close(lock)
                raise
        database = cls(path, lock, connection, crash_point)
        try:
            with explaining(path):
                check(connection, path)
                if not accept_older and has_meta(connection):
                    check_together(path, connection)
                configure(connection, path)
                with database._transaction():
                    prepare(connection, path, migrations)
                    kept.prepare_ended(connection)
                database.folded = kept.folded(connection)
                database.checkpoint()
                database._shelf.open(database._inode)
        except BaseException:
            database.drop()
            raise
        return database

    def load(self, shelved_ms: int | None = None) -> State:
        """What the journal adds up to. Raises JournalError.

        What had ended by `shelved_ms` is read from disk when it is asked for, as long as the file is open; None:
        nothing is.
        """
        with explaining(self._path):
            state = kept.load(self._connection, shelved_ms)
        for part in kept.PARTS:
            home = part.of(state)
            if isinstance(home, Archive) and shelved_ms is not None:
                home.read_by(partial(self._shelf.read, part.what))
        return state

    def last_seq(self) -> int:
        """The seq of the last record there ever was. Raises JournalError."""
        with explaining(self._path):
            return max(self._last_in_journal(), self.folded)

    def first_seq(self) -> int:
        """The seq of the first record that is kept; 1 where there is none. Raises JournalError."""
        with explaining(self._path):
            (first,) = self._connection.execute("SELECT min(seq) FROM journal").fetchone()
            return first or 1

    def told(self, after: int, until: int, lanes: Collection[str], ids: set[str]) -> list[Record]:
        """A part of what `kept.told` finds. Raises JournalError."""
        with explaining(self._path):
            return kept.told(self._connection, after, until, lanes, ids)

    def mark(self) -> Mark | None:
        """The mark that the last process kept. Raises JournalError."""
        with explaining(self._path):
            row = self._connection.execute("SELECT value FROM meta WHERE key = 'clock'").fetchone()
        try:
            return None if row is None else unpack(Mark, row[0])
        except ValueError:
            return None  # a nuisance, and no reason not to guard anything

    def keep_mark(self, mark: Mark | None) -> None:
        """Keep the mark for the next process. Raises JournalError."""
        with explaining(self._path), self._transaction():
            if mark is None:
                self._connection.execute("DELETE FROM meta WHERE key = 'clock'")
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('clock', ?)", (pack(mark),)
                )

    def commit(self, units: Sequence[Unit]) -> None:
        """Put `units` on disk, all of them or none, in the file that is at the path then.

        Raises sqlite3.Error, OSError, and JournalMoved where the file is not to be found there any more.
        """
        with self._transaction():
            there = self._last_in_journal()
            self._connection.executemany(
                "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (seq, unit.at_ms, unit.first_seq, kind, subject, crc32(body.encode()), body)
                    for unit in units
                    if unit.first_seq > there
                    for seq, (kind, subject, body) in enumerate(unit.rows, unit.first_seq)
                ],
            )
            self._crash_point("before commit")
        self._crash_point("after commit")
        self._wal_pages += sum(4 + len(body) // 2000 for unit in units for *_, body in unit.rows)
        missing = None
        with suppress(OSError):  # a disk that fails says so when it is written
            missing = self.missing()
        if missing is not None:
            raise JournalMoved(missing)

    def advance(self, limit: int) -> bool:
        """Take up to `limit` records into what is kept. Whether there may be more. Raises sqlite3.Error, Damage."""
        with self._transaction():
            count = kept.advance(self._connection, limit)
            folded = kept.folded(self._connection)
        self.folded = folded
        self._wal_pages += count
        return count == limit

    def forget(self, gone: Sequence[Subject], before_ms: int) -> None:
        """Remove `gone`, if it had ended by `before_ms`. Raises sqlite3.Error."""
        with self._transaction():
            kept.remove(self._connection, gone, before_ms)

    def trim(self, before_ms: int) -> bool:
        """Remove some records of before `before_ms` that nothing alive needs. Whether there may be more.

        Raises sqlite3.Error.
        """
        with self._transaction():
            young = self._connection.execute(
                "SELECT seq FROM journal WHERE at_ms >= ? ORDER BY seq LIMIT 1", (before_ms,)
            ).fetchone()
            last = min(self.folded, young[0] - 1) if young else self.folded
            removed = self._connection.execute(
                """DELETE FROM journal WHERE seq IN (
                    SELECT seq FROM journal WHERE seq <= ? AND subject NOT IN
                        (SELECT id FROM kept WHERE ended_ms IS NULL)
                    ORDER BY seq LIMIT ?)""",
                (last, STEP),
            ).rowcount
        self._wal_pages += removed
        return removed == STEP

    def thin(self, after: int, until: int) -> None:
        """Remove what `after` to `until` tells of forwarded frames that are owed no longer. Raises sqlite3.Error."""
        with self._transaction():
            self._wal_pages += self._connection.execute(
                """DELETE FROM journal WHERE seq > ? AND seq <= ?
                    AND kind IN ('NotificationOwed', 'NotificationSettled')
                    AND substr(subject, 1, ?) = ?
                    AND subject NOT IN (SELECT id FROM kept WHERE ended_ms IS NULL)""",
                (after, min(until, self.folded), len(PASSING), PASSING),
            ).rowcount

    @property
    def checkpoint_due(self) -> bool:
        """Whether the WAL has become so long that its pages belong into the main file."""
        return self._wal_pages >= WAL_PAGES

    def checkpoint(self) -> None:
        """Take the WAL into the main file, as far as nobody reads it. Raises sqlite3.Error."""
        self._checkpoint("PASSIVE")

    def _checkpoint(self, how: str) -> None:
        with self._transaction():
            await_next(self._connection, self._inode)
        busy, pages, done = self._connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        if not busy and pages == done:
            with self._transaction():
                begin(self._connection)
        self._wal_pages = 0
        self._wal_inode = wal_of(self._path).stat().st_ino

    def missing(self) -> str | None:
        """Why what is written does not come to be found at the path any more; None while it does. Raises OSError."""
        for path, inode in (
            (self._path, self._inode),
            (wal_of(self._path), self._wal_inode),
        ):
            if inode is None:
                continue
            try:
                if path.stat().st_ino != inode:
                    return f"another file has taken the place of {path}"
            except (FileNotFoundError, NotADirectoryError):
                return f"{path} was deleted"
        return None

    def write_anew(self) -> None:
        """Put the whole journal at its path again, as a new file: the one that is open was deleted.

        Raises sqlite3.Error, OSError, JournalError, as long as the directory is not there, or another file is in its
        place; then nothing has changed. Where only the new file's opening fails, what is written next opens it.
        """
        new = self._path.with_name(self._path.name + ".new")
        new.unlink(missing_ok=True)
        lock = lock_file(new)
        try:
            with closing(connect(new)) as copy:
                self._connection.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE").fetchone()
            os.fsync(lock)
            self._put_in_place(new)
        except BaseException:
            os.close(lock)
            with suppress(OSError):
                new.unlink()
            raise
        if self._lock is not None:
            os.close(self._lock)
        self._lock, self._inode = lock, os.fstat(lock).st_ino
        self._wal_inode, self._anew, self._broken = None, True, True
        self._reconnect()

    def _put_in_place(self, new: Path) -> None:
        """Give a new file the journal's name, but never in place of a file of somebody else's."""
        try:
            ours = self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            os.link(new, self._path)
            new.unlink()
            return
        if not ours:
            raise JournalMoved(f"another file has taken the place of {self._path}; move it away")
        new.replace(self._path)

    def close(self) -> bool:
        """Leave all in the main file, and close it, unless the only copy is in a file that is not at its path any more.

        Whether it is closed. Nothing that is at its path is lost by not coming to it.
        """
        if self._lock is None:
            return True
        self._shelf.close()
        with suppress(sqlite3.Error, OSError):
            if not self._broken and self.missing() is None:
                with self._transaction():
                    close_wal(self._connection)
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        with suppress(OSError):
            if self.missing() is not None:
                return False
        self.drop()
        return True

    def drop(self) -> None:
        """Close the file as it is, as the end of a process does."""
        self._shelf.close()
        with suppress(sqlite3.Error):
            self._connection.close()
        if self._lock is not None:
            os.close(self._lock)  # last: SQLite's own locks go with any descriptor of the file
            self._lock = None

    def _last_in_journal(self) -> int:
        (last,) = self._connection.execute("SELECT max(seq) FROM journal").fetchone()
        return last or 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._broken:
            self._reconnect()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as failure:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if isinstance(failure, sqlite3.Error):
                self._broken = code_of(failure) not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)
            raise

    def _reconnect(self) -> None:
        """Start from what is really in the file after an error that leaves doubts.

        A write or sync that failed may have left a commit in the WAL that the operating system no longer means to
        write. A checkpoint writes it to the main file, and syncs that; if it fails, so does whatever wanted to go on.
        """
        if not self._path.exists() or self._path.stat().st_ino != self._inode:
            raise JournalMoved(f"{self._path} was deleted")  # what is open is all there is of it
        self._shelf.close()
        with suppress(sqlite3.Error):
            self._connection.close()  # the last one to close takes the WAL away
        self._wal_inode = None
        if self._anew:
            for rest in (wal_of(self._path), self._path.with_name(self._path.name + "-shm")):
                rest.unlink(missing_ok=True)  # of the file that was deleted; the new one holds all
        self._connection = self._connected()
        self._anew = False
        self._broken = False
        try:
            self._checkpoint("TRUNCATE")
        except BaseException:
            self._broken = True
            raise
        self._shelf.open(self._inode)

    def _connected(self) -> sqlite3.Connection:
        """Another connection to the file at the path."""
        connection = connect(self._path)
        try:
            configure(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection
