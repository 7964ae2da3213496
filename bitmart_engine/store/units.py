"""Units: records that come to be on disk together, or not at all, as rows of the journal."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from .codec import encode, subject_of
from .records import Record

__all__ = ["Unit"]


@frozen
class Unit:
    """Records that were appended together. `first_seq` numbers the first of them; the others follow."""

    first_seq: int
    at_ms: int
    rows: tuple[tuple[str, str, str], ...]
    """Kind, subject and body of each."""

    @classmethod
    def of(cls, first_seq: int, at_ms: int, records: Sequence[Record]) -> Unit:
        """Raises TypeError or ValueError if a record holds what JSON cannot."""
        rows = []
        for record in records:
            kind, body = encode(record)
            rows.append((kind, subject_of(record)[1], body))
        return cls(first_seq, at_ms, tuple(rows))

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.rows) - 1
