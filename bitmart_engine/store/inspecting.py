"""What can be said of a journal's file from outside, also while an engine writes it: sizes, schema, counts.

It is read and never changed, and no record is read out: the counts say nothing of what was traded.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from attrs import frozen

from .errors import why
from .opening import FILE_NAME

__all__ = ["JournalFacts", "inspect_journal"]

WITHIN_S = 2.0


@frozen
class JournalFacts:
    """A journal from outside. `trouble` says why it could not be read; then the rest is empty."""

    schema: int | None
    last_seq: int | None
    rows: Mapping[str, int]
    """By table."""
    kinds: Mapping[str, int]
    """Records of the journal by kind, as far as they are kept."""
    trouble: str | None = None


def inspect_journal(directory: Path) -> JournalFacts:
    """Look at the journal in `directory`. Never raises for what is wrong with it."""
    path = directory / FILE_NAME
    if not path.is_file():
        return JournalFacts(None, None, {}, {}, f"there is no {FILE_NAME}")
    uri = path.absolute().as_uri() + "?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=WITHIN_S)) as database:
            (schema,) = database.execute("PRAGMA user_version").fetchone()
            named = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            tables = [name for (name,) in database.execute(named)]
            rows = {name: _count(database, name) for name in tables}
            (last,) = database.execute("SELECT max(seq) FROM journal").fetchone()
            counted = "SELECT kind, count(*) FROM journal GROUP BY kind ORDER BY kind"
            return JournalFacts(schema, last, rows, dict(database.execute(counted)))
    except (sqlite3.Error, OSError) as failure:
        return JournalFacts(None, None, {}, {}, why(failure))


def _count(database: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    (rows,) = database.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()
    return int(rows)
