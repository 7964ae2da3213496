"""How often each endpoint may be asked, as data, and what the headers of an answer say about it.

Pure data and one pure function. Windows are per endpoint. Sources: fact sheet 5.2 to 5.4 and 6.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import frozen

from ..model.decimals import decimal_or_none

__all__ = ["KEPT_FOR_CLOSES", "LIMITS", "UNLISTED", "RateLimit", "Reported", "reported"]


@frozen
class RateLimit:
    """At most so many requests in any `window_s` seconds."""

    requests: int
    window_s: float = 2.0


LIMITS: Mapping[str, RateLimit] = {
    "/system/time": RateLimit(10),  # the documents say 10 in 1 s, a widely used client 10 in 2 s
    "/contract/public/details": RateLimit(12),
    "/contract/public/kline": RateLimit(12),
    "/contract/public/market-trade": RateLimit(12),
    "/contract/private/assets-detail": RateLimit(12),
    "/contract/private/position-v2": RateLimit(6),
    "/contract/private/get-position-mode": RateLimit(2),
    "/contract/private/order": RateLimit(50),
    "/contract/private/order-history": RateLimit(6),
    "/contract/private/get-open-orders": RateLimit(50),
    "/contract/private/trades": RateLimit(6),
    "/contract/private/current-plan-order": RateLimit(50),
    "/contract/private/submit-order": RateLimit(24),
    "/contract/private/cancel-order": RateLimit(40),
    "/contract/private/cancel-plan-order": RateLimit(40),
    "/contract/private/submit-leverage": RateLimit(24),
    "/contract/private/set-position-mode": RateLimit(2),
}
UNLISTED = RateLimit(2)
"""For a path that is not in the table: the strictest limit that BitMart has for anything, its headers correct it."""

KEPT_FOR_CLOSES = frozenset(
    {
        "/contract/private/submit-order",
        "/contract/private/position-v2",
        "/contract/private/order",
        "/contract/private/order-history",
        "/contract/private/get-open-orders",
    }
)
"""What a close cannot do without: a part of these windows is not to be had by anything else."""

MOST_BELIEVED = 10_000
LONGEST_BELIEVED_S = 600


@frozen
class Reported:
    """What one answer says of its endpoint. None: it says nothing, or nothing that makes sense."""

    limit: int | None = None
    used: int | None = None
    window_s: float | None = None
    counted_by: str | None = None


def reported(headers: Mapping[str, str]) -> Reported:
    """What the rate limit headers say. `Remaining` counts what is used, and `Reset` is the length of the window."""
    limit = _number(headers.get("X-BM-RateLimit-Limit"), MOST_BELIEVED)
    used = _number(headers.get("X-BM-RateLimit-Remaining"), MOST_BELIEVED)
    window_s = _number(headers.get("X-BM-RateLimit-Reset"), LONGEST_BELIEVED_S)
    return Reported(
        int(limit) if limit and limit >= 1 else None,
        int(used) if used else None,
        float(window_s) if window_s else None,
        (headers.get("X-BM-RateLimit-Mode") or "")[:16] or None,
    )


def _number(text: str | None, most: int) -> Decimal | None:
    number = decimal_or_none(text) if text else None
    return number if number is not None and 0 <= number <= most else None
