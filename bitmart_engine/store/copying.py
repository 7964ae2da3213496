"""A whole copy of a journal, made beside the running engine.

SQLite's own backup reads one moment of the journal, WAL included. The engine goes on writing meanwhile: a reader never
stops the writer of a WAL.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from .errors import JournalUnusable, NotAJournal, explained, why
from .opening import FILE_NAME
from .wal import check_wal, close_wal

__all__ = ["copy_journal"]


def copy_journal(directory: Path, to: Path) -> int:
    """Copy the journal in `directory` to the new file `to`, readable by its owner only. Returns its last record's seq.

    Raises JournalError; then there is no such file.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        raise JournalUnusable(f"{path} does not exist; name the engine's state directory")
    check_wal(path)
    draft = to.with_name(to.name + ".part")
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as failure:
        raise JournalUnusable(f"{draft} cannot be made: {why(failure)}") from failure
    try:
        seq = _copy(path, draft)
        os.link(draft, to)  # never over a file that is there
    except (sqlite3.Error, OSError) as failure:
        raise explained(failure, to) from failure
    finally:
        for rest in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                draft.with_name(draft.name + rest).unlink()
    return seq


def _copy(path: Path, draft: Path) -> int:
    source = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master")}
        if not {"meta", "journal"} <= tables:
            raise NotAJournal(f"{path} is not a journal of this engine")
        copy.execute("BEGIN")
        close_wal(copy)
        copy.execute("COMMIT")
        (seq,) = copy.execute(
            "SELECT max(value, (SELECT coalesce(max(seq), 0) FROM journal)) FROM"
            " (SELECT CAST(value AS INTEGER) AS value FROM meta WHERE key = 'folded')"
        ).fetchone()
    file = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
    return int(seq)
