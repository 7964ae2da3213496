"""Funding as it is told: a rate that never changes, every eight hours. Nobody pays it here."""

from __future__ import annotations

FUNDING_RATE = "0.0001"
UPPER_LIMIT, LOWER_LIMIT = "0.0375", "-0.0375"
FUNDING_MS = 8 * 3600 * 1000


def next_funding_ms(now_ms: int) -> int:
    """When the next settlement is."""
    return now_ms - now_ms % FUNDING_MS + FUNDING_MS
