"""What happened in a run, line by line: the last of it for reports, all of it into a file if wanted.

A line has the simulated second, who did something, and what. Nothing in it depends on anything but the seed, so two
runs of one seed write the same bytes.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TextIO

import trio

__all__ = ["Trace"]

KEPT = 20_000
LONGEST = 700


class Trace:
    """Calls are cheap while no file is written: lines are put together when somebody reads them."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._kept: deque[tuple[float, str, tuple[object, ...]]] = deque(maxlen=KEPT)
        self.faults: Counter[str] = Counter()
        """How often what went wrong on purpose."""

    def __call__(self, who: str, *what: object) -> None:
        entry = (trio.current_time(), who, what)
        self._kept.append(entry)
        if self._file is not None:
            self._file.write(_line(*entry) + "\n")

    def fault(self, kind: str, *what: object) -> None:
        """Something goes wrong on purpose."""
        self.faults[kind] += 1
        self("fault", kind, *what)

    def last_about(self, *words: str, most: int = 40) -> list[str]:
        """The last lines that have any of `words` in them."""
        found: deque[str] = deque(maxlen=most)
        for entry in self._kept:
            line = _line(*entry)
            if any(word in line for word in words):
                found.append(line)
        return list(found)


def _line(at: float, who: str, what: tuple[object, ...]) -> str:
    return f"{at:12.6f} {who:<9} {' '.join(map(str, what))}"[:LONGEST]
