"""The exchange's clock: where wall time comes from when nobody hands it in."""

from __future__ import annotations

import time
from collections.abc import Callable

import trio


def wall_clock() -> Callable[[], int]:
    """Wall time at the call, moved on by Trio's clock: under a mock clock it moves with that."""
    opened_ms, opened_at = int(time.time() * 1000), trio.current_time()
    return lambda: opened_ms + int((trio.current_time() - opened_at) * 1000)
