"""Errors that are the caller's: what was wrong, where, and what would be right.

The exchange's refusals and the network's silence are other families, in `exchange.errors`.
"""

from __future__ import annotations

import re

__all__ = ["BadRequest", "CallerError", "Conflict", "NotFound", "Unavailable"]


PREDICATES = ("must ", "is ", "has ", "may ")
"""How an error begins that goes on from the name of its field."""


class CallerError(Exception):
    """A request that cannot be done as it was asked. `field` is the path of what is at fault, `$.symbol` say."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class BadRequest(CallerError):
    """The request is malformed or out of range. As text it is one sentence with the field's name in it."""

    def __str__(self) -> str:
        name = (self.field or "").removeprefix("$.")
        if not name or re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.message):
            return self.message
        return f"{name}{' ' if self.message.startswith(PREDICATES) else ': '}{self.message}"


class NotFound(CallerError):
    """What the request speaks of does not exist."""


class Conflict(CallerError):
    """The request contradicts what is there."""


class Unavailable(CallerError):
    """The engine cannot do that now, and may later: after about `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
