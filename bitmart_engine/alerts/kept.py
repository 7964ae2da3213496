"""What alerts remember across restarts: the messages that no address has taken yet, and the day of the last summary.

They are no promises, and have nothing to do with callbacks, which the journal keeps. A message that was on its way when
the process ended is sent again; one of more than an hour ago is not. No address is written down, only a digest of it:
there are passwords in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256

from attrs import frozen

from .watching import Alert

__all__ = ["FILE_NAME", "Kept", "Owed", "digest", "taken_up"]

FILE_NAME = "alerts.json"
STILL_NEWS_MS = 3_600_000


@frozen
class Owed:
    """A message that its address has not taken."""

    address: str
    """A digest of it."""
    alert: Alert
    at_ms: int


@frozen
class Kept:
    """All that is remembered."""

    owed: tuple[Owed, ...] = ()
    summary_ms: int = 0
    """When the last daily summary was made; 0 if there was none."""


def digest(address: str) -> str:
    """By which an address is known again."""
    return sha256(address.encode()).hexdigest()[:16]


def taken_up(owed: Iterable[Owed], now_ms: int) -> list[Owed]:
    """What is sent after a restart: it says of when it is, and what is no news any more is left out."""
    found = []
    for each in owed:
        if now_ms - each.at_ms < STILL_NEWS_MS:
            at = datetime.fromtimestamp(each.at_ms / 1000, UTC)
            said = f"(Of {at:%H:%M:%S} UTC; sent after a restart.)"
            body = each.alert.body if said in each.alert.body else f"{each.alert.body}\n{said}"
            found.append(
                Owed(each.address, Alert(each.alert.level, each.alert.title, body), each.at_ms)
            )
    return found
