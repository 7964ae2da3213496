"""Whether pauses and halts are kept: nothing new goes out meanwhile, and what a halt cancels or closes ends.

From when a pause or a halt is on disk no entry order is intended, and no request that opens something leaves the
engine, until the resume is on disk. What had left before may still arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define

from tests.support.judge import Violation

from .chronicle import Chronicle

__all__ = ["HaltsKept"]

LEVELS = ("no_new", "cancel", "flatten")
BEGUN_WITHIN_S = 30.0
"""How soon in a calm what a halt cancels has ended, and what it closes is being closed."""


@define(eq=False)
class HaltsKept:
    """`broken` is called for each promise that is broken."""

    chronicle: Chronicle
    broken: Callable[[Violation], None]
    level: str = ""
    """`pause`, or that of the halt; empty while entries go out."""
    since_s: float = 0.0
    """When that was first seen on disk."""

    def written(self, kind: str, body: Mapping[str, Any], now_s: float) -> None:
        """A record is on disk."""
        match kind:
            case "EntriesHalted":
                level = body["level"]
                if self.level not in LEVELS or LEVELS.index(level) > LEVELS.index(self.level):
                    self.since_s = now_s
                    self.level = level
            case "EntriesPaused" if not body["paused"]:
                self.level = ""
            case "EntriesPaused" if not self.level:
                self.level, self.since_s = "pause", now_s

    def forget(self) -> None:
        """The journal is another one."""
        self.level = ""

    def intended(self, body: Mapping[str, Any], is_there: bool) -> None:
        """An entry order is about to go out, or was found at the exchange."""
        if self.level and not is_there:
            detail = f"it is sent, and {self.level} is in force"
            self.broken(Violation("halted is halted", body["id"], detail))

    def left(self, client_order_id: str, now_s: float) -> None:
        """A request that opens something left the engine."""
        if self.level and now_s > self.since_s:
            detail = f"it leaves, and {self.level} is in force since {now_s - self.since_s:.1f} s"
            self.broken(Violation("halted is halted", client_order_id, detail))

    def look(self, now_s: float, calm_since_s: float | None) -> None:
        """Whether what a halt asks for is done, where nothing is wrong."""
        if self.level not in LEVELS[1:] or calm_since_s is None:
            return
        if now_s - max(calm_since_s, self.since_s) < BEGUN_WITHIN_S:
            return
        for id, state in self.chronicle.state.items():
            if state in ("waiting", "open", "partially_filled"):
                self._late(id, state)
        for guard in self.chronicle.alive.values():
            if self.level == "flatten" and guard.entry_id is not None and guard.state == "armed":
                self._late(guard.id, f"armed with {guard.remaining} contracts")

    def _late(self, id: str, state: str) -> None:
        detail = f"it is {state} {BEGUN_WITHIN_S:g} s after {self.level}, and nothing is wrong"
        self.broken(Violation("a halt is carried out", id, detail))
