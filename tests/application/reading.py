"""How the application reads a body: each field it needs, of the type it needs, or a complaint about it.

A complaint is no refusal: the application answers as it always does, and would go wrong later. Tests ask for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

__all__ = [
    "Check",
    "Complaint",
    "Reading",
    "decimal_text",
    "moment",
    "number",
    "one_of",
    "string",
    "text",
    "whole",
]

Check = Callable[[Any], str]
"""What is wrong with a value, in words; empty where nothing is."""
DECIMAL = re.compile(r"-?\d+(\.\d+)?")


@frozen
class Complaint:
    """What the application could not use: where it came in, in which field, and what was wrong."""

    where: str
    field: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field} {self.wrong}"


@define
class Reading:
    """Reads fields of `body`; what is wrong with them is in `complaints`."""

    where: str
    body: Mapping[str, Any]
    complaints: list[Complaint] = field(factory=list)

    def need(self, name: str, *checks: Check) -> Any:
        """The field, or None where it is missing or null, which is a complaint."""
        if self.body.get(name) is None:
            self.complain(name, "is null" if name in self.body else "is missing")
            return None
        return self._checked(name, checks)

    def may(self, name: str, *checks: Check, null: bool = True) -> Any:
        """The field if it is there. With `null=False` a null is a complaint: the key is to be left out."""
        if self.body.get(name) is None:
            if name in self.body and not null:
                self.complain(name, "is null, and is to be left out")
            return None
        return self._checked(name, checks)

    def complain(self, name: str, wrong: str) -> None:
        self.complaints.append(Complaint(self.where, name, wrong))

    def inside(self, name: str) -> Reading:
        """A reading of the object in a field, with the same complaints. An empty one where there is no object."""
        within = self.body.get(name)
        if not isinstance(within, dict):
            self.complain(name, "is missing" if within is None else "is no object")
            return Reading(f"{self.where}.{name}", {})
        return Reading(f"{self.where}.{name}", within, self.complaints)

    def _checked(self, name: str, checks: tuple[Check, ...]) -> Any:
        value = self.body[name]
        for check in checks:
            if wrong := check(value):
                self.complain(name, f"{wrong}: {value!r}")
                break
        return value


def text(value: Any) -> str:
    """A string that says something."""
    return "" if isinstance(value, str) and value else "is no text"


def string(value: Any) -> str:
    """A string, which may be empty."""
    return "" if isinstance(value, str) else "is no text"


def number(value: Any) -> str:
    """A JSON number."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return "" if good else "is no number"


def whole(value: Any) -> str:
    """A whole number of at least 0."""
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return "" if good else "is no whole number"


def decimal_text(value: Any) -> str:
    """A string that is a plain decimal number."""
    return (
        "" if isinstance(value, str) and DECIMAL.fullmatch(value) else "is no decimal in a string"
    )


def moment(value: Any) -> str:
    """ISO 8601 with an offset (`Z` is one)."""
    if not isinstance(value, str):
        return "is no text"
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return "is not ISO 8601"
    return "" if parsed.tzinfo else "has no offset"


def one_of(*words: str) -> Check:
    """One of these strings."""

    def check(value: Any) -> str:
        return "" if value in words else f"is none of {', '.join(words)}"

    return check
