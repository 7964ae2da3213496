"""What lists and look-ups need of what has ended, in a table of its own: a start reads this, and no bodies.

The table `ended` is derived from `kept`, and is made again where it does not fit: an engine that did not know of it has
written the journal meanwhile, say. Functions here run inside a transaction of their caller's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from .archive import Facts

__all__ = ["Row", "covered_since", "drop", "fits", "mark", "prepare", "put", "read"]

TABLE = """CREATE TABLE IF NOT EXISTS ended (
    place INTEGER PRIMARY KEY, -- as in kept
    what TEXT NOT NULL,        -- order, protection, futures_order
    id TEXT NOT NULL,
    ended_ms INTEGER NOT NULL,
    entry_id TEXT,
    client_ids TEXT NOT NULL,
    state TEXT NOT NULL,
    symbol TEXT NOT NULL
)"""
COUNTS = """SELECT
    (SELECT count(*) FROM kept WHERE what = 'order')
    + (SELECT count(*) FROM kept WHERE what = 'protection')
    + (SELECT count(*) FROM kept WHERE what = 'futures_order')
    - (SELECT count(*) FROM kept WHERE ended_ms IS NULL AND what NOT IN ('owed', 'dead'))
    - (SELECT count(*) FROM ended)"""


Row = tuple[int, str, str, int, str | None, str, str, str]
"""Something that has ended, but for its body: the columns of the table."""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the table if it is not there."""
    connection.execute(TABLE)


def fits(connection: sqlite3.Connection) -> bool:
    """Whether the table is of the same records as what is kept, and of as many things."""
    marks = dict(
        connection.execute(
            "SELECT key, value FROM meta WHERE key IN ('folded', 'ended')"
        ).fetchall()
    )
    if marks.get("ended") != marks.get("folded"):
        return False
    (missing,) = connection.execute(COUNTS).fetchone()
    return bool(missing == 0)


def mark(connection: sqlite3.Connection) -> None:
    """The table is of the same records as what is kept."""
    connection.execute(
        "INSERT OR REPLACE INTO meta SELECT 'ended', value FROM meta WHERE key = 'folded'"
    )


def put(
    connection: sqlite3.Connection,
    place: int,
    what: str,
    id: str,
    ended_ms: int,
    entry_id: str | None,
    client_ids: str,
    facts: Facts,
) -> None:
    """Put something in that has ended, or in its place what it is now."""
    connection.execute(
        "INSERT OR REPLACE INTO ended VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (place, what, id, ended_ms, entry_id, client_ids, facts.state, facts.symbol),
    )


def drop(connection: sqlite3.Connection, what: str, id: str) -> None:
    """Take something out, before it goes from what is kept: it is forgotten, or alive again."""
    connection.execute(
        "DELETE FROM ended WHERE place = (SELECT place FROM kept WHERE what = ? AND id = ?)",
        (what, id),
    )


def read(connection: sqlite3.Connection) -> Iterator[Row]:
    """All of it, the oldest first."""
    return connection.execute("SELECT * FROM ended ORDER BY place")


def covered_since(connection: sqlite3.Connection, since_ms: int) -> set[str]:
    """The orders of protections that ended since."""
    rows = connection.execute(
        "SELECT entry_id FROM ended"
        " WHERE what = 'protection' AND ended_ms >= ? AND entry_id IS NOT NULL",
        (since_ms,),
    )
    return {entry_id for (entry_id,) in rows}
