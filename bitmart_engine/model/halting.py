"""The kill switch: how much of the trading is halted, and since when."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

__all__ = ["Halt", "HaltLevel"]


class HaltLevel(Enum):
    """What is halted. Each level includes those before it."""

    NO_NEW = "no_new"
    CANCEL = "cancel"
    FLATTEN = "flatten"

    def includes(self, other: HaltLevel) -> bool:
        """Whether all that `other` halts is halted."""
        levels = list(HaltLevel)
        return levels.index(self) >= levels.index(other)


@frozen
class Halt:
    """The kill switch was used: nothing new is opened until a user resumes."""

    level: HaltLevel
    since_ms: int
    """When it was used first since the last resume."""

    @property
    def cancels(self) -> bool:
        """Whether every entry order is taken back."""
        return self.level.includes(HaltLevel.CANCEL)

    @property
    def flattens(self) -> bool:
        """Whether every position of the engine's own is closed."""
        return self.level.includes(HaltLevel.FLATTEN)
