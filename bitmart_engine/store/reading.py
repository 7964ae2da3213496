"""What a journal says of one order or position, read beside the engine that may be writing it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from attrs import frozen

from .codec import decode, pack
from .errors import JournalUnusable, corrupted, explained
from .opening import FILE_NAME
from .records import Record
from .told import lane_texts
from .wal import check_wal

__all__ = ["Written", "read_story"]

OPENED = "SELECT subject, body FROM journal WHERE kind = 'ProtectionOpened' AND instr(body, ?)"
OWED = "SELECT subject FROM journal WHERE kind = 'NotificationOwed' AND instr(body, ?)"
WRITTEN = """
    SELECT seq, at_ms, kind, body FROM journal
    WHERE subject IN (SELECT value FROM json_each(?))
    AND kind NOT IN ('EntriesHalted', 'EntriesPaused', 'FuturesOrderSeen', 'ViewChanged')
    ORDER BY seq
"""


@frozen
class Written:
    """A record, and when it was written by the engine's clock (ms since 1970, UTC)."""

    seq: int
    at_ms: int
    record: Record


def read_story(directory: Path, id: str) -> list[Written]:
    """Every record that is left of an order, its protection and what was told of them, oldest first; none if unknown.

    Raises JournalError.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        raise JournalUnusable(f"{path} does not exist; name the engine's state directory")
    check_wal(path)
    try:
        with closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)) as journal:
            rows = _rows(journal, id)
    except sqlite3.Error as failure:
        raise explained(failure, path) from failure
    try:
        return [Written(seq, at_ms, decode(kind, body)) for seq, at_ms, kind, body in rows]
    except ValueError as failure:
        raise corrupted(path, str(failure)) from failure


def _rows(journal: sqlite3.Connection, id: str) -> list[tuple[int, int, str, str]]:
    journal.execute("BEGIN")  # one moment, whatever the engine writes meanwhile
    subjects = {id}
    for subject, body in journal.execute(OPENED, [f'"entry_id":{pack(id)}']):
        if json.loads(body)["protection"]["entry_id"] == id:
            subjects.add(subject)
    for text in lane_texts(list(subjects)):
        subjects |= {subject for (subject,) in journal.execute(OWED, [text])}
    return journal.execute(WRITTEN, [json.dumps(sorted(subjects))]).fetchall()
