"""Whose orders a state directory holds: those of BitMart, of its demo hosts, or of a paper exchange. Never mixed.

What was asked for on the demo hosts must not be bought with real money because the same directory was named again.
"""

from __future__ import annotations

from pathlib import Path

from .errors import JournalUnusable, why

__all__ = ["check_environment_mark"]

FILE_NAME = "exchange"


def check_environment_mark(directory: Path, mode: str) -> None:
    """Mark `directory` as that of `mode`, or raise JournalUnusable if it is that of another or cannot be marked."""
    mark = directory / FILE_NAME
    if directory.exists() and not directory.is_dir():
        raise JournalUnusable(
            f"the state directory {directory} is a file; name a directory, or move the file away"
        )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not mark.exists():
            # A process may end between making a file and writing it: the mark appears as a whole or not at all.
            draft = mark.with_suffix(".new")
            draft.write_text(mode + "\n")
            draft.replace(mark)
        found = mark.read_text().strip()
    except (OSError, UnicodeDecodeError) as failure:
        reason = why(failure) if isinstance(failure, OSError) else "it is not text"
        raise JournalUnusable(f"{mark} cannot be used: {reason}") from failure
    if found != mode:
        raise JournalUnusable(
            f"the state directory {directory} belongs to {found} trading, and this is {mode};"
            " name another directory with STATE_DIR or --state-dir"
        )
