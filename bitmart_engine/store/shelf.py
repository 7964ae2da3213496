"""What has ended, read from the journal's file one at a time, by a connection of its own that only reads.

It is read where it is asked for, on the event loop: some ten microseconds from the system's cache. The writer's own
connection would not do, for it waits for the disk. A thread that commits is not waited for; one that opens the file
again after an error is, for as long as it closes this connection: while it is doubtful what the file holds, nothing is
read, and nobody takes that for an absence.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Lock

from . import kept
from .archive import Packed, Unreadable

__all__ = ["Shelf"]

CACHE_KB = 1024
BUSY_S = 0.05
"""How long a read waits for a lock: only whoever recovers the file has one that keeps readers out."""


class Shelf:
    """Reads what has ended, between `open` and `close`, from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._open = False
        self._inode = 0
        self._connection: sqlite3.Connection | None = None

    def open(self, inode: int) -> None:
        """The file at the path, which has this inode, may be read from now on."""
        with self._lock:
            self._open, self._inode = True, inode

    def close(self) -> None:
        """The file is not read any more; the connection to it is closed on return."""
        with self._lock:
            self._open = False
            self._drop()

    def read(self, what: str, id: str) -> Packed:
        """Something that has ended. Blocks. Raises Unreadable."""
        with self._lock:
            if not self._open:
                raise Unreadable(f"the journal cannot be read now, where {what} {id!r} is kept")
            try:
                if self._connection is None:
                    self._connection = self._connect()
                return kept.read_body(self._connection, what, id)
            except (sqlite3.Error, OSError) as failure:
                self._drop()
                raise Unreadable(f"{what} {id!r} cannot be read: {failure}") from failure

    def _connect(self) -> sqlite3.Connection:
        if self._path.stat().st_ino != self._inode:
            raise FileNotFoundError(f"another file has taken the place of {self._path}")
        connection = sqlite3.connect(
            self._path.absolute().as_uri() + "?mode=ro",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
