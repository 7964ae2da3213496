"""Small JSON files beside the journal, for what may be lost: statistics, and messages to people.

Each is replaced as a whole and not synced: it survives the end of the process, and a power failure only with luck. One
that cannot be read is begun anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from .logs import get_logger

__all__ = ["read_state_file", "write_state_file"]

T = TypeVar("T")

log = get_logger()


def read_state_file(path: Path, kind: type[T]) -> T | None:
    """What was written; None where there is nothing, or nothing that can be read, which is logged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeError) as failure:
        log.warning("state_file_unreadable", path=str(path), why=failure)
        return None


def write_state_file(path: Path, value: object) -> None:
    """Replace it. Raises OSError."""
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode(value))
    draft.replace(path)
