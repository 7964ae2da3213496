"""One engine to a state directory: a lock that the operating system takes back when its process dies.

There are three. One is on a file beside the journal, which tells who holds it and which older engines know; one on the
directory itself, which stays where both files in it were deleted a moment ago; and one on the journal's own file, which
nobody can delete and still find the journal there. The latter is a `flock` of a descriptor of its own: on Linux it has
nothing to do with the locks that SQLite takes in the same file, which are of another sort. But SQLite's are gone as
soon as the process closes any descriptor of the file, so this one is closed last.

The lock is on the open file, so one that was left behind by a dead process is no obstacle, and the file is never
removed. What is written in it (the process id) is only there to be named to whoever comes second.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import JournalLocked

__all__ = ["DirectoryLock", "lock_file", "locked"]

WORDS_SHOWN = 3
"""Of the holder's command line: enough to know it by. What comes after may be nobody's business."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` as long as the block lasts. Raises JournalLocked, or OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(path, file) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)


class DirectoryLock:
    """The lock on a state directory, which may be deleted and made anew meanwhile.

    A file system on which a directory cannot be locked (NFS) goes without: there the locks on the two files are all.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> None:
        """Hold the directory that is at the path now. Raises JournalLocked, or OSError where there is none."""
        file = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if self._file is not None and os.path.samestat(os.fstat(file), os.fstat(self._file)):
            os.close(file)
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise JournalLocked(f"another engine uses {self._path} (it holds it)", None) from None
        except OSError:
            os.close(file)
            return
        self.drop()
        self._file = file

    def drop(self) -> None:
        """Give it back."""
        if self._file is not None:
            os.close(self._file)
        self._file = None


def lock_file(path: Path) -> int:
    """A descriptor of the file at `path`, made if it is not there, and with it the lock.

    Raises JournalLocked and OSError.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise JournalLocked(f"another engine uses {path.parent} (it holds {path})", None) from None
    except BaseException:
        os.close(file)
        raise
    return file


def _held(path: Path, file: int) -> JournalLocked:
    text = os.pread(file, 32, 0).strip()
    if not text.isdigit():
        return JournalLocked(f"another engine uses {path.parent} (it holds {path})", None)
    pid = int(text)
    command = _command(pid)
    who = f"process {pid} ({command})" if command else f"process {pid}"
    return JournalLocked(
        f"another engine uses {path.parent}: {who} holds {path}; stop it, or name another state directory",
        pid,
    )


def _command(pid: int) -> str:
    """How the process was called, as far as the operating system tells."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return b" ".join(words[:WORDS_SHOWN]).decode(errors="replace").strip()[:120]
