"""The dead-man timers of cancel-all-after: one a symbol, started anew by every call, and by nothing else.

When one runs out, every working order of its symbol is cancelled, once. Plan orders and trailing orders stay unless
`PaperConfig.cancel_all_after_plans` says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

LEAST_S = 5


class DeadMan:
    """All timers. Durations are on Trio's clock."""

    def __init__(self, run_out: Callable[[str], None]) -> None:
        self._run_out = run_out
        self._deadlines: dict[str, float] = {}
        self._changed = trio.Event()

    @property
    def symbols(self) -> list[str]:
        """The symbols with a timer that runs."""
        return list(self._deadlines)

    def start(self, symbol: str, timeout_s: int) -> None:
        """Let a symbol's timer run for so long from now; 0 stops it."""
        if timeout_s:
            self._deadlines[symbol] = trio.current_time() + timeout_s
        else:
            self._deadlines.pop(symbol, None)
        self._changed.set()

    async def run(self) -> None:
        """Wait for timers to run out, until cancelled."""
        while True:
            self._changed = trio.Event()
            with trio.move_on_at(min(self._deadlines.values(), default=math.inf)):
                await self._changed.wait()
            now = trio.current_time()
            for symbol in [one for one, at in self._deadlines.items() if at <= now]:
                del self._deadlines[symbol]
                self._run_out(symbol)
