"""A dead man's switch: a monitor elsewhere is asked every minute while the engine is ready, and alarms otherwise."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import trio

from ..counters import Counters

__all__ = ["keep_beating"]

EVERY_S = 60.0
WITHIN_S = 10.0


async def keep_beating(url: str, healthy: Callable[[], bool], counters: Counters) -> None:
    """GET `url` every minute while `healthy()`. What it answers does not matter; that it fails is counted."""
    async with httpx.AsyncClient(timeout=WITHIN_S) as client:
        while True:
            if healthy():
                try:
                    (await client.get(url)).raise_for_status()
                except httpx.HTTPStatusError as failure:
                    counters.add("heartbeat_failed", why=f"HTTP {failure.response.status_code}")
                except httpx.HTTPError as failure:
                    counters.add("heartbeat_failed", why=type(failure).__name__)
            await trio.sleep(EVERY_S)
