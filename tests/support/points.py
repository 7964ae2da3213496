"""The points that the engine names when it reaches them, where a test may have it die."""

from __future__ import annotations

__all__ = ["POINTS"]

POINTS = (
    "promise kept",
    "intent journalled",
    "order submitted",
    "fill seen",
    "cancel submitted",
    "close journalled",
    "close submitted",
    "position closed",
    "callback due",
    "callback delivered",
    "before commit",
    "after commit",
)
"""All of them. A test checks that."""
