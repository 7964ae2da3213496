"""What a mutant is: a small change of one file of the package."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Patch"]


@frozen
class Patch:
    """One bug. `what` says it in words."""

    name: str
    what: str
    file: str
    old: str
    new: str
    only: str = ""
    """The kinds of trouble, with commas, that a campaign against it is played with; all, if empty."""
    world: int = 3
    """The world that it is played in."""
    seed: int = 1
    """Where a campaign against it begins: one that caught it, where few do."""
