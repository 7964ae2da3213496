"""What is owed to the application: one callback or signal."""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["PASSING", "DeadLetter", "Notification"]

PASSING = "raw-"
"""What the id of a forwarded frame of the exchange begins with. There are very many, and nobody asks for one once it
was taken, so the journal does not keep it as long as what was told of orders."""


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
