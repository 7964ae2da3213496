"""How often each call may be made, as data, and the count that the exchange reports in its headers.

`X-BM-RateLimit-Remaining` carries, despite its name, the number already used; `Reset` the window's length.
Whether going over is refused (429, code 30013) is `PaperConfig.enforce_rate_limits`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

WINDOW_S: Final = 2
DEFAULT: Final = 12

# path -> requests in two seconds
LIMITS: Final[dict[str, int]] = {
    "/system/time": 20,
    "/contract/public/details": 12,
    "/contract/public/kline": 12,
    "/contract/private/assets-detail": 12,
    "/contract/private/trade-fee-rate": 2,
    "/contract/private/position": 6,
    "/contract/private/position-v2": 6,
    "/contract/private/get-position-mode": 2,
    "/contract/private/order": 50,
    "/contract/private/order-history": 6,
    "/contract/private/get-open-orders": 50,
    "/contract/private/trades": 6,
    "/contract/private/current-plan-order": 50,
    "/contract/private/submit-order": 24,
    "/contract/private/cancel-order": 40,
    "/contract/private/cancel-orders": 2,
    "/contract/private/submit-tp-sl-order": 24,
    "/contract/private/modify-tp-sl-order": 24,
    "/contract/private/cancel-plan-order": 40,
    "/contract/private/submit-leverage": 24,
    "/contract/private/set-position-mode": 2,
}


class RateLimits:
    """Counts requests by path over the last two seconds."""

    def __init__(self) -> None:
        self._times: defaultdict[str, deque[int]] = defaultdict(deque)

    def count(self, path: str, now_ms: int) -> tuple[int, int]:
        """Count one request: how many there are now in the window, and how many there may be."""
        times = self._times[path]
        while times and times[0] <= now_ms - WINDOW_S * 1000:
            times.popleft()
        times.append(now_ms)
        return len(times), LIMITS.get(path, DEFAULT)


def headers(used: int, limit: int, mode: str) -> dict[str, str]:
    """The headers that tell a client where it stands."""
    return {
        "X-BM-RateLimit-Remaining": str(used),
        "X-BM-RateLimit-Limit": str(limit),
        "X-BM-RateLimit-Reset": str(WINDOW_S),
        "X-BM-RateLimit-Mode": mode,
    }
