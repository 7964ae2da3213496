"""What a receiver of the application answers, and what it understood."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from .reading import Complaint

__all__ = ["Answer", "answer", "as_object", "header"]


@frozen
class Answer:
    """A status and a JSON body, and beside what goes over the wire: what was understood, and what was complained of."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict)
    heard: Any = None
    """A `Callback`, a `Signal`, a `Balance` or `Frames`; None where it was refused or could not be used."""
    complaints: tuple[Complaint, ...] = ()


def answer(
    status: int,
    error: str = "",
    *,
    heard: Any = None,
    complaints: tuple[Complaint, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer as this application words them all."""
    said = {"ok": False, "error": error} if error else {"ok": True}
    return Answer(status, json.dumps(said).encode(), headers or {}, heard, complaints)


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value whatever the case of its name; empty where there is none."""
    for each, value in headers.items():
        if each.lower() == name.lower():
            return value
    return ""


def as_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in `body`; None for another JSON value. Raises ValueError for what is not JSON."""
    read = json.loads(body)
    return read if isinstance(read, dict) else None
