"""What is owed to the application: one callback or signal."""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["DeadLetter", "Notification"]


@frozen(kw_only=True)
class Notification:
    """One HTTP POST that is owed until its receiver took it.

    `lane` is the id of the order or protection it speaks of, or `balance`: within a lane, things arrive in order.
    `body` is the JSON as it goes out; `id` is its idempotency key.
    """

    id: str
    lane: str
    url: str
    kind: str
    body: bytes = field(repr=False)
    created_ms: int


@frozen
class DeadLetter:
    """A notification that was given up: refused for good, or not taken for a day."""

    notification: Notification
    at_ms: int
    why: str
