"""Telling the application of a close that does not get through: when it fails, and when it only waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import trio

from ..exchange.judge import SUBMIT
from .desk import Desk

if TYPE_CHECKING:
    from .guard import Guard

__all__ = ["Report", "told_if_it_waits"]

log = structlog.get_logger()

REPORT_EVERY_S = 60.0
WAITS_AFTER_S = 2.0
"""How long a close may wait for its turn at the exchange before that is told."""


class Report:
    """What the application is told of one close: the first failure at once, and then every minute."""

    def __init__(self, id: str, desk: Desk, guard: Guard) -> None:
        self.id = id
        self.desk = desk
        self._guard = guard
        self._failed_at: float | None = None
        self._waiting_told = False

    def failed(self, why: str) -> None:
        """A closing order did not go through."""
        now = trio.current_time()
        if self._failed_at is None or now - self._failed_at >= REPORT_EVERY_S:
            self._failed_at = now
            self._guard.close_failed(self.desk.state.protections[self.id], why)

    def waits(self, why: str) -> None:
        """A closing order waits for its turn; told once."""
        self.desk.tally.add("close waits for its turn", id=self.id)
        if not self._waiting_told:
            self._waiting_told = True
            log.error("close waits", id=self.id, why=why)
            self._guard.close_failed(self.desk.state.protections[self.id], why)


@contextmanager
def told_if_it_waits(report: Report) -> Iterator[None]:
    """What is sent to the exchange inside is told to wait, if it has not left after two seconds."""
    scope = trio.CancelScope()
    report.desk.fly(_watch, report, scope)
    try:
        yield
    finally:
        scope.cancel()


async def _watch(report: Report, scope: trio.CancelScope) -> None:
    with scope:
        while True:
            await trio.sleep(WAITS_AFTER_S)
            line = report.desk.exchange.statistics().endpoints.get(SUBMIT)
            if line is not None and line.waiting:
                report.waits(
                    f"the close waits for its turn: {line.used} of {line.limit} requests to {SUBMIT}"
                    f" in {line.window_s:g} s are used, or that is what its answers say"
                )
                return
