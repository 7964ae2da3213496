"""What was dropped, merged, retried or given up: counted by reason, logged the first time, never silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from .logs import get_logger

__all__ = ["Counters"]

log = get_logger()


class Counters:
    """Counts by reason. The first of a reason is logged with its details; the rest only count."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, reason: str, times: int = 1, **details: object) -> None:
        """Count one more (or `times` more) of `reason`, a short phrase such as `malformed order event`."""
        if reason not in self._counts:
            log.bind(**details).warning(reason)
        self._counts[reason] += times

    def counts(self) -> Mapping[str, int]:
        """How often each reason was counted."""
        return dict(self._counts)
