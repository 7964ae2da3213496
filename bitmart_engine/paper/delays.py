"""How late things are, by name, and the lines in which late frames wait.

A line never changes the order of what is in it; frames of different names may overtake each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from .config import PaperConfig

PUSHES = ("order_push", "position_push", "asset_push", "market_push")
NAMES = ("reply", "order_visibility", "listing", *PUSHES)


class Delays:
    """The delays in force, in ms. They begin as the config has them, and can be changed while the exchange is open."""

    def __init__(self, config: PaperConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """As the config has them."""
        config = self._config
        self.reply = config.reply_delay_ms
        self.order_visibility = config.order_visibility_delay_ms
        self.listing = config.listing_delay_ms
        self.order_push = config.order_push_delay_ms
        self.position_push = config.position_push_delay_ms
        self.asset_push = config.asset_push_delay_ms
        self.market_push = config.market_push_delay_ms

    def change(self, name: str, ms: int) -> None:
        """Change one (ValueError)."""
        if name not in NAMES:
            raise ValueError(f"unknown delay {name!r}; there are {', '.join(NAMES)}")
        if ms < 0:
            raise ValueError(f"a delay is 0 ms or more, not {ms}")
        setattr(self, name, ms)

    def in_force(self) -> dict[str, int]:
        """Those that are not 0."""
        values = {name: int(getattr(self, name)) for name in NAMES}
        return {name: ms for name, ms in values.items() if ms}

    def name_of(self, topic: str) -> str:
        """Which delay the pushes of a topic have."""
        match topic:
            case "futures/order":
                return "order_push"
            case "futures/position":
                return "position_push"
        return "asset_push" if topic.startswith("futures/asset:") else "market_push"

    def of_push(self, name: str) -> float:
        """One of the delays of pushes, in seconds."""
        return int(getattr(self, name)) / 1000


class DelayLine:
    """Frames that wait for their time, in their order."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._more = trio.Event()

    def put(self, delay_s: float, deliver: Callable[[], None]) -> None:
        """Deliver something so late, and after everything in the line; at once if there is nothing to wait for."""
        if not delay_s and not self._waiting:
            deliver()
            return
        self._waiting.append((trio.current_time() + delay_s, deliver))
        self._more.set()

    async def run(self) -> None:
        """Deliver what is due, until cancelled."""
        while True:
            while self._waiting:
                due, deliver = self._waiting[0]
                await trio.sleep_until(due)
                self._waiting.popleft()
                deliver()
            self._more = trio.Event()
            await self._more.wait()
