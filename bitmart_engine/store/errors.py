"""What can be wrong with the journal. Each error says in one line what it is and what to do about it.

All but `JournalUnavailable` are raised while the journal is opened, and then the engine does not start. This module
decides nothing: it words what SQLite and the operating system said.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

__all__ = [
    "JournalCorrupted",
    "JournalError",
    "JournalIncomplete",
    "JournalLocked",
    "JournalMoved",
    "JournalTooNew",
    "JournalTooOld",
    "JournalUnavailable",
    "JournalUnusable",
    "NotAJournal",
    "explained",
    "why",
]


class JournalError(Exception):
    """The journal cannot be used."""


class JournalUnusable(JournalError):
    """The state directory cannot be read or written."""


class JournalLocked(JournalError):
    """Another engine uses the state directory. `pid` is its process, if that could be read."""

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class NotAJournal(JournalError):
    """There is a file where the journal should be, and it is not one."""


class JournalTooNew(JournalError):
    """The journal was written by a newer engine."""


class JournalTooOld(JournalError):
    """The journal was written by an engine so old that this one cannot convert it."""


class JournalCorrupted(JournalError):
    """What is in the journal is damaged, or contradicts itself."""


class JournalIncomplete(JournalError):
    """What is there is a part of a journal: its latest records are missing."""


class JournalMoved(JournalError):
    """The file that is written is not at its path any more: it was deleted, or another has taken its place."""


class JournalUnavailable(JournalError):
    """What was recorded is not on disk now. It is kept in memory and written as soon as that is possible."""


_SQLITE = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it cannot be written: read-only file or file system",
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk fails, or is full",
    sqlite3.SQLITE_CORRUPT: "it is corrupted",
    sqlite3.SQLITE_NOTADB: "it is not a database",
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_LOCKED: "another program has locked it",
}
_OS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "read-only file system",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
}
_ADVICE = (
    "restore the directory from a copy, or move it away: then orders and stops that only the engine "
    "knows are forgotten, so look at the exchange first"
)


def code_of(failure: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 if the error did not come from SQLite itself."""
    return (getattr(failure, "sqlite_errorcode", 0) or 0) & 0xFF


def why(failure: sqlite3.Error | OSError) -> str:
    """The reason in words, and what was said literally."""
    if isinstance(failure, sqlite3.Error):
        said = _SQLITE.get(code_of(failure))
        return f"{said} ({failure})" if said else str(failure)
    text = _OS.get(failure.errno or 0) or failure.strerror
    return text or str(failure)


def explained(failure: sqlite3.Error | OSError, path: Path) -> JournalError:
    """The error to raise for `failure`, which came up while the journal at `path` was being opened."""
    code = code_of(failure) if isinstance(failure, sqlite3.Error) else 0
    if code == sqlite3.SQLITE_NOTADB:
        return NotAJournal(
            f"{path} is not a database; move it away, or name another state directory"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return corrupted(path, str(failure))
    return JournalUnusable(f"{path}: {why(failure)}")


def corrupted(path: Path, what: str) -> JournalCorrupted:
    """The error for damage found in the journal at `path`."""
    return JournalCorrupted(f"{path} is corrupted: {what}; {_ADVICE}")
