"""Telling the application of a close that does not get through, at once, and then every minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..desk import Desk

if TYPE_CHECKING:
    from ..protections.protections import Protections

__all__ = ["Report"]

REPORT_EVERY_S = 60.0


class Report:
    """What the application is told of one close: the first failure at once, and then every minute."""

    def __init__(self, id: str, desk: Desk, protections: Protections) -> None:
        self.id = id
        self.desk = desk
        self._protections = protections
        self._failed_at: float | None = None

    def failed(self, why: str) -> None:
        """A closing order did not go through."""
        now = trio.current_time()
        if self._failed_at is None or now - self._failed_at >= REPORT_EVERY_S:
            self._failed_at = now
            self._protections.close_failed(self.desk.state.protections[self.id], why)
