"""Facts of the engine's answers in a few words: sizes, zones, durations. None where there is nothing to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = [
    "UNKNOWN",
    "View",
    "age",
    "as_json",
    "contracts",
    "duration",
    "filled",
    "joined",
    "levels",
    "zone",
]

UNKNOWN = "not known yet"
"""Where an answer has null: that is not the same as nothing."""
View = Mapping[str, Any]
"""An object of an answer."""


def zone(each: View) -> str:
    return f"{each.get('entry_zone_min')}..{each.get('entry_zone_max')}"


def filled(each: View) -> str:
    return f"{each.get('filled_size')}/{each.get('size')}"


def contracts(size: object) -> str | None:
    return None if size is None else f"{size} contract{'' if size == 1 else 's'}"


def levels(stop: object, target: object) -> str | None:
    told = [f"{name} {price}" for name, price in (("stop", stop), ("target", target)) if price]
    return ", ".join(told) or None


def joined(*words: object) -> str | None:
    return " ".join(str(each) for each in words if each is not None) or None


def as_json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def age(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.1f} s"


def duration(seconds: float) -> str:
    """The largest unit, and the next one."""
    left = int(seconds)
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts or name == "s":
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])
