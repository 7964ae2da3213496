"""The journal's SQLite file. Plain and synchronous: every method blocks until the disk has answered.

WAL mode with `synchronous=FULL`: what `commit` returned from survives a power cut, and a unit is there as a whole or
not at all. It knows nothing of Trio, keeps no queue and never tries again by itself; a call that failed has changed
nothing, and may be made again, even one whose success was only not heard of.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final
from zlib import crc32

from attrs import frozen

from ..clocks import Mark
from . import kept
from .codec import Subject, encode, pack, subject_of, unpack
from .errors import JournalUnusable, code_of, corrupted, explained
from .records import Record
from .schema import MIGRATIONS, Migration, check, prepare
from .state import State

__all__ = ["CrashPoint", "Database", "Unit", "no_crash"]

CrashPoint = Callable[[str], None]
"""Called with "before commit" and "after commit", for a test that wants the process to die there."""

BUSY_S = 2.0
"""How long another program, an operator's shell say, may keep the file locked."""
KEPT_WAL_BYTES = 64 * 1024 * 1024
STEP = 500
"""Rows removed in one transaction, so that a commit never waits long."""


def no_crash(point: str) -> None:
    """The crash point of real life."""


@frozen
class Unit:
    """Records that were appended together. `first_seq` numbers the first of them; the others follow."""

    first_seq: int
    at_ms: int
    rows: tuple[tuple[str, str, str], ...]
    """Kind, subject and body of each."""

    @classmethod
    def of(cls, first_seq: int, at_ms: int, records: Sequence[Record]) -> Unit:
        """Raises TypeError or ValueError if a record holds what JSON cannot."""
        rows = []
        for record in records:
            kind, body = encode(record)
            rows.append((kind, subject_of(record)[1], body))
        return cls(first_seq, at_ms, tuple(rows))

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.rows) - 1


@final
class Database:
    """The open file. Made by `Database.open`; used by one thread at a time, and closed by whoever opened it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, crash_point: CrashPoint) -> None:
        self._path = path
        self._connection = connection
        self._crash_point = crash_point
        self._broken = False
        self.folded = 0
        """The seq of the last record that a start would not fold again."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        crash_point: CrashPoint = no_crash,
        migrations: Mapping[int, Migration] = MIGRATIONS,
    ) -> Database:
        """The journal at `path`, made or brought to the present schema where needed. Raises JournalError."""
        with _explaining(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = _connect(path)
        database = cls(path, connection, crash_point)
        try:
            with _explaining(path):
                check(connection, path)
                _configure(connection, path)
                with database._transaction():
                    prepare(connection, path, migrations)
                database.folded = kept.folded(connection)
        except BaseException:
            database.close()
            raise
        return database

    def load(self) -> State:
        """What the journal adds up to. Raises JournalError."""
        with _explaining(self._path):
            return kept.load(self._connection)

    def last_seq(self) -> int:
        """The seq of the last record there ever was. Raises JournalError."""
        with _explaining(self._path):
            return max(self._last_in_journal(), self.folded)

    def mark(self) -> Mark | None:
        """The mark that the last process kept. Raises JournalError."""
        with _explaining(self._path):
            row = self._connection.execute("SELECT value FROM meta WHERE key = 'clock'").fetchone()
        try:
            return None if row is None else unpack(Mark, row[0])
        except ValueError:
            return None  # a nuisance, and no reason not to guard anything

    def keep_mark(self, mark: Mark | None) -> None:
        """Keep the mark for the next process. Raises JournalError."""
        with _explaining(self._path), self._transaction():
            if mark is None:
                self._connection.execute("DELETE FROM meta WHERE key = 'clock'")
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('clock', ?)", (pack(mark),)
                )

    def commit(self, units: Sequence[Unit]) -> None:
        """Put `units` on disk, all of them or none. Raises sqlite3.Error or OSError."""
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

    def advance(self, limit: int) -> bool:
        """Take up to `limit` records into what is kept. Whether there may be more. Raises sqlite3.Error, Damage."""
        with self._transaction():
            count = kept.advance(self._connection, limit)
            folded = kept.folded(self._connection)
        self.folded = folded
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
        return removed == STEP

    def close(self) -> None:
        """Close the file. Nothing is lost by not coming to it."""
        with suppress(sqlite3.Error):
            self._connection.close()

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
        self.close()
        self._connection = _connect(self._path)
        _configure(self._connection, self._path)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._broken = False


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path.absolute().as_uri() + "?mode=rw",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise JournalUnusable(f"{path}: this file system does not support SQLite's WAL mode")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {KEPT_WAL_BYTES}")


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Turn what SQLite, the operating system and `kept` raise into a JournalError."""
    try:
        yield
    except kept.Damage as failure:
        raise corrupted(path, str(failure)) from failure
    except (sqlite3.Error, OSError) as failure:
        raise explained(failure, path) from failure
