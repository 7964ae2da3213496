"""How long something lasted, as a message says it."""

from __future__ import annotations

__all__ = ["lasted"]


def lasted(seconds: float) -> str:
    """In seconds below two minutes, in minutes below two hours, in hours below two days."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
