"""The tables of the journal, their version, and how older ones become the present one.

`journal` is append-only: what happened, a row for each record, the records of one unit under one `unit`. `kept` is what
the rows up to `meta.folded` add up to, a row for each order, protection and owed notification; it can always be made
again from the journal as long as nothing was removed from that. Nothing here reads or writes records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import JournalTooNew, JournalTooOld, NotAJournal

__all__ = ["MIGRATIONS", "VERSION", "Migration", "check", "prepare"]

VERSION = 5
"""1: as first released. 2: has records of what the exchange's own stops closed; 3: of entries that are paused;
4: of entries that are halted;
5: of submits that are signed anew. An older engine cannot read these."""

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE journal (
        seq INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        unit INTEGER NOT NULL,    -- the seq of the first record that was appended together with this one
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,    -- the id of the order, protection or notification it speaks of
        check32 INTEGER NOT NULL, -- CRC-32 of the body
        body TEXT NOT NULL
    )""",
    """CREATE TABLE kept (
        place INTEGER PRIMARY KEY, -- the seq of the record that made it
        what TEXT NOT NULL,        -- order, protection, futures_order, owed, dead
        id TEXT NOT NULL,
        ended_ms INTEGER,          -- NULL while it is alive
        entry_id TEXT,             -- of a protection: the order whose fills it covers
        client_ids TEXT NOT NULL,  -- all client order ids it ever sent
        check32 INTEGER NOT NULL,
        body TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX kept_by_id ON kept (what, id)",
    "CREATE INDEX kept_alive ON kept (id) WHERE ended_ms IS NULL",
    "INSERT INTO meta VALUES ('folded', '0'), ('viewed', '[]')",
)

Migration = Callable[[sqlite3.Connection], None]


def _as_it_is(connection: sqlite3.Connection) -> None:
    """All that an older journal holds is still read: records only gained a kind, and fields that have defaults."""


MIGRATIONS: Mapping[int, Migration] = {1: _as_it_is, 2: _as_it_is, 3: _as_it_is, 4: _as_it_is}
"""By version: what turns a journal of that version into one of the next. Runs inside a transaction."""


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Whether this engine may use what is there: nothing yet, or a journal it knows. Changes nothing.

    Raises NotAJournal, JournalTooNew.
    """
    tables = _tables(connection)
    if not tables:
        return
    if not {"meta", "journal"} <= tables:
        raise NotAJournal(f"{path} is a database, but not a journal of this engine; move it away")
    version = _version(connection, path)
    if version > VERSION:
        raise JournalTooNew(
            f"{path} has schema version {version}, this engine knows {VERSION}; install the newer engine again"
        )


def prepare(
    connection: sqlite3.Connection, path: Path, migrations: Mapping[int, Migration] = MIGRATIONS
) -> None:
    """Make the tables, or bring them to the present version. After `check`, in a transaction of the caller's.

    Raises JournalTooOld.
    """
    if not _tables(connection):
        for statement in TABLES:
            connection.execute(statement)
        _set_version(connection, VERSION)
        return
    version = _version(connection, path)
    for step in range(version, VERSION):
        if step not in migrations:
            raise JournalTooOld(
                f"{path} has schema version {version}, which this engine cannot convert to {VERSION}; "
                "start a release between them once"
            )
        migrations[step](connection)
        _set_version(connection, step + 1)


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _version(connection: sqlite3.Connection, path: Path) -> int:
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if row is None or not str(row[0]).isdigit():
        raise NotAJournal(f"{path} does not say which schema version it has; move it away")
    return int(row[0])


def _set_version(connection: sqlite3.Connection, version: int) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(version),))
