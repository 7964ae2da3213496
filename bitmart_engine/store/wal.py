"""What the main file says of its WAL, so that a copy without it is not taken for the whole journal.

Between two checkpoints the latest records are in `engine.sqlite3-wal` only. Two rows of `meta` tell of that:

    awaits   a number, and which file (inode) it was written in: a WAL with this number follows; `closed` at a clean end
    begun    the number of the WAL that this was written into

Before every checkpoint `awaits` is counted up, and `begun` follows once the checkpoint is complete: it is the first
that the new WAL holds. So while an engine runs, and after a kill at any instant, the main file by itself awaits a WAL
whose beginning it has not seen. SQLite's own checkpoints are switched off, for they would not keep this order.

A shell that looks at the journal of a killed engine takes the WAL into the main file and removes it, with both rows:
then they agree, in the same file, and all is there.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
from attrs import evolve, frozen

from .errors import JournalIncomplete

__all__ = [
    "Awaited",
    "await_next",
    "begin",
    "check_together",
    "check_wal",
    "close_wal",
    "read_awaited",
    "wal_of",
]

ADVICE = (
    "copy engine.sqlite3-wal beside it, or use a copy made by `bitmart-engine backup`; with --accept-older-journal it"
    " is used as it is: orders and stops that are missing in it are then unknown to the engine, so look at the exchange"
)

FIRST_FRAME = 32 + 24
"""Bytes of a WAL before its first page: a shorter one holds nothing."""


@frozen
class Awaited:
    """What a main file says."""

    number: int = 0
    inode: int = 0
    closed: bool = True
    begun: int = 0
    page_size: int = 0


def wal_of(path: Path) -> Path:
    """Where SQLite keeps the WAL of a database."""
    return path.with_name(path.name + "-wal")


def check_wal(path: Path) -> None:
    """Raise JournalIncomplete if the journal at `path` is without the WAL it had. Before anything connects to it."""
    try:
        alone = _main_alone(path)
    except (sqlite3.Error, ValueError):
        return  # nothing readable by itself: it is new, or whoever opens it says what is wrong
    if alone is None or alone.closed:
        return
    wal = wal_of(path)
    same_file = alone.inode == path.stat().st_ino
    if not wal.exists():
        complete = same_file and alone.begun == alone.number
    elif wal.stat().st_size < FIRST_FRAME + alone.page_size:
        complete = same_file
    else:
        return
    if not complete:
        raise JournalIncomplete(
            f"{path} lacks its latest records, which were in {wal.name}: {ADVICE}"
        )


def check_together(path: Path, connection: sqlite3.Connection) -> None:
    """Raise JournalIncomplete if main file and WAL are of different times."""
    try:
        alone = _main_alone(path)
    except (sqlite3.Error, ValueError):
        return
    both = read_awaited(connection)
    if alone is None or both is None or alone.closed or alone.number in (both.number, both.begun):
        return
    raise JournalIncomplete(
        f"{path} and {wal_of(path).name} are of different times; copy both while no engine runs, or use a copy made"
        " by `bitmart-engine backup`"
    )


def read_awaited(connection: sqlite3.Connection) -> Awaited | None:
    """What the journal says, as far as this connection sees it; None if it is of an engine that did not say."""
    rows = dict(
        connection.execute(
            "SELECT key, value FROM meta WHERE key IN ('awaits', 'begun')"
        ).fetchall()
    )
    if "awaits" not in rows:
        return None
    return evolve(
        msgspec.json.decode(rows["awaits"], type=Awaited), begun=int(rows.get("begun", 0))
    )


def await_next(connection: sqlite3.Connection, inode: int) -> None:
    """Before a checkpoint, in a transaction of the caller's: the next WAL is awaited, unless it is already."""
    now = read_awaited(connection) or Awaited()
    number = now.number if not now.closed and now.begun < now.number else now.number + 1
    _write(connection, Awaited(number, inode, closed=False))


def begin(connection: sqlite3.Connection) -> None:
    """After a complete checkpoint, in a transaction of the caller's: the awaited WAL has begun."""
    now = read_awaited(connection)
    assert now is not None, "it was awaited"
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('begun', ?)", (str(now.number),))


def close_wal(connection: sqlite3.Connection) -> None:
    """Before the last checkpoint, in a transaction of the caller's: no WAL follows."""
    now = read_awaited(connection) or Awaited()
    _write(connection, evolve(now, closed=True))


def _write(connection: sqlite3.Connection, awaited: Awaited) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO meta VALUES ('awaits', ?)",
        (msgspec.json.encode(awaited).decode(),),
    )


def _main_alone(path: Path) -> Awaited | None:
    """What the main file says without its WAL, which is not touched."""
    uri = path.absolute().as_uri() + "?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        found = read_awaited(connection)
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        return None if found is None else evolve(found, page_size=size)
