"""Connections to the journal's SQLite file: how they are set, and what their errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import kept
from .errors import JournalUnusable, corrupted, explained

__all__ = ["configure", "connect", "explaining", "has_meta"]

BUSY_S = 2.0
"""How long another program, an operator's shell say, may keep the file locked."""
KEPT_WAL_BYTES = 64 * 1024 * 1024


def connect(path: Path) -> sqlite3.Connection:
    """The file at `path`, which is there, for one thread at a time. Raises sqlite3.Error."""
    return sqlite3.connect(
        path.absolute().as_uri() + "?mode=rw",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )


def has_meta(connection: sqlite3.Connection) -> bool:
    """Whether a journal was begun in the file."""
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone())


def configure(connection: sqlite3.Connection, path: Path) -> None:
    """Have a commit survive a power cut, and no checkpoint come by itself. Raises JournalUnusable, sqlite3.Error."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise JournalUnusable(f"{path}: this file system does not support SQLite's WAL mode")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # see `wal`
    connection.execute(f"PRAGMA journal_size_limit = {KEPT_WAL_BYTES}")


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what SQLite, the operating system and `kept` raise into a JournalError."""
    try:
        yield
    except kept.Damage as failure:
        raise corrupted(path, str(failure)) from failure
    except (sqlite3.Error, OSError) as failure:
        raise explained(failure, path) from failure
