"""How often each call may be made, as data, the count that the exchange reports in its headers, and what follows.

`X-BM-RateLimit-Remaining` carries, despite its name, the number already used; `Reset` the window's length. Whether
going over is refused is `PaperConfig.enforce_rate_limits`: with 429 (code 30013), and for who goes on all the same,
with 418 (code 30017) for everything, for a while.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

from attrs import frozen

from .config import PaperConfig

WINDOW_S: Final = 2
GOING_ON_S: Final = 10
"""Refusals this close together are going on."""

IP, KEY, UID = "IP", "KEY", "UID"

# path -> requests in two seconds, and what they are counted by
LIMITS: Final[dict[str, tuple[int, str]]] = {
    "/system/time": (20, IP),
    "/system/service": (20, IP),
    "/contract/public/details": (12, IP),
    "/contract/public/kline": (12, IP),
    "/contract/public/markprice-kline": (12, IP),
    "/contract/public/depth": (12, IP),
    "/contract/public/market-trade": (12, IP),
    "/contract/public/funding-rate": (12, IP),
    "/contract/public/funding-rate-v2": (12, IP),
    "/contract/public/funding-rate-history": (12, IP),
    "/contract/public/leverage-bracket": (12, IP),
    "/contract/public/open-interest": (2, IP),
    "/contract/private/assets-detail": (12, KEY),
    "/contract/private/trade-fee-rate": (2, KEY),
    "/contract/private/position": (6, KEY),
    "/contract/private/position-v2": (6, KEY),
    "/contract/private/position-risk": (24, KEY),
    "/contract/private/get-position-mode": (2, KEY),
    "/contract/private/order": (50, KEY),
    "/contract/private/order-history": (6, KEY),
    "/contract/private/get-open-orders": (50, KEY),
    "/contract/private/current-plan-order": (50, KEY),
    "/contract/private/trades": (6, KEY),
    "/contract/private/transaction-history": (6, KEY),
    "/contract/private/submit-order": (24, KEY),
    "/contract/private/cancel-order": (40, KEY),
    "/contract/private/cancel-orders": (2, KEY),
    "/contract/private/modify-limit-order": (24, UID),
    "/contract/private/cancel-all-after": (4, UID),
    "/contract/private/submit-leverage": (24, KEY),
    "/contract/private/set-position-mode": (2, KEY),
    "/contract/private/submit-tp-sl-order": (24, UID),
    "/contract/private/modify-tp-sl-order": (24, UID),
    "/contract/private/submit-plan-order": (24, UID),
    "/contract/private/cancel-plan-order": (40, UID),
    "/contract/private/modify-plan-order": (24, UID),
    "/contract/private/modify-preset-plan-order": (24, UID),
    "/contract/private/submit-trail-order": (24, UID),
    "/contract/private/cancel-trail-order": (24, UID),
    "/contract/private/claim": (2, KEY),
    "/account/v1/transfer-contract": (2, KEY),
    "/account/v1/transfer-contract-list": (2, KEY),
}


@frozen
class Count:
    """One request as it was counted: how many there are in the window, how many there may be, and by what.

    `refusal` is the code that it is refused with, if it is.
    """

    used: int
    limit: int
    by: str
    refusal: int | None = None

    def headers(self) -> dict[str, str]:
        """The headers that tell a client where it stands."""
        return {
            "X-BM-RateLimit-Remaining": str(self.used),
            "X-BM-RateLimit-Limit": str(self.limit),
            "X-BM-RateLimit-Reset": str(WINDOW_S),
            "X-BM-RateLimit-Mode": self.by,
        }


class RateLimits:
    """Counts requests by path over the last two seconds, and refuses what is too much."""

    def __init__(self, config: PaperConfig) -> None:
        self._config = config
        self._times: defaultdict[str, deque[int]] = defaultdict(deque)
        self.reset()

    def reset(self) -> None:
        """Enforced as the config has it, and nobody is banned."""
        self.enforced = self._config.enforce_rate_limits
        self._refused: deque[int] = deque()
        self._banned_until_ms = 0

    def count(self, path: str, now_ms: int) -> Count:
        """Count one request, and judge it."""
        per_window, by = LIMITS[path]
        limit = max(1, int(per_window * self._config.rate_limit_factor))
        times = self._times[path]
        _forget(times, now_ms - WINDOW_S * 1000)
        times.append(now_ms)
        code = self._judge(len(times) > limit, now_ms) if self.enforced else None
        return Count(len(times), limit, by, code)

    def _judge(self, too_many: bool, now_ms: int) -> int | None:
        if now_ms < self._banned_until_ms:
            return 30017
        if not too_many:
            return None
        _forget(self._refused, now_ms - GOING_ON_S * 1000)
        self._refused.append(now_ms)
        if len(self._refused) <= self._config.ban_after:
            return 30013
        self._refused.clear()
        self._banned_until_ms = now_ms + int(self._config.ban_s * 1000)
        return 30017


def _forget(times: deque[int], before_ms: int) -> None:
    while times and times[0] <= before_ms:
        times.popleft()
