"""Bars that the stream missed, asked for from the exchange's history and told to whoever listens.

After a reconnect, a silence, or a hole in a channel's bars, `ask` has what may be missing read by the one task of this
module: one channel after the other and never in a hurry, so that it takes nothing from what protects money, and live
klines never wait for it. What is guaranteed: each bar that a channel missed and history has is published once,
`backfilled` and `closed`, in order of time among those of its channel; a bar that was told complete is not told again.
It may come after live bars that are younger. A history that cannot be read is asked again for as long as anybody
wants the channel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ..model.events import Kline
from ..model.timeframes import Timeframe
from .history import MOST_BARS, History

__all__ = ["Backfill", "ReadBars"]

PACE_S = 0.25
"""Between two requests: a third of the exchange's limit stays free for others (12 in 2 s, fact sheet 5.2)."""
RETRY_FROM_S = 1.0
RETRY_UP_TO_S = 30.0

ReadBars = Callable[[str, Timeframe, int, int], Awaitable[list[Kline] | None]]
"""Reads the bars of a symbol that open from a time to a time (Unix time in s); None if they could not be read."""

Channel = tuple[str, Timeframe]


class Backfill:
    """What has to be asked for, by channel. `run` is its only task."""

    def __init__(
        self,
        history: History,
        read: ReadBars,
        publish: Callable[[Kline], None],
        wanted: Callable[[str, Timeframe], bool],
        now_ms: Callable[[], int],
    ) -> None:
        self._history = history
        self._read = read
        self._publish = publish
        self._wanted = wanted
        self._now_ms = now_ms
        self._since: dict[Channel, int] = {}
        self._asked = trio.Event()

    def ask(self, symbol: str, timeframe: Timeframe, since_s: int) -> None:
        """Have the bars that open from `since_s` on looked up, those that are over. Does not block."""
        if self._wanted(symbol, timeframe):
            channel = (symbol, timeframe)
            self._since[channel] = min(since_s, self._since.get(channel, since_s))
            self._asked.set()

    async def run(self) -> None:
        """Look up what is asked for, for ever. Runs as a task."""
        pause_s = RETRY_FROM_S
        while True:
            while not self._since:
                self._asked = trio.Event()
                await self._asked.wait()
            channel = next(iter(self._since))
            if await self._look_up(channel, self._since.pop(channel)):
                pause_s = RETRY_FROM_S
                await trio.sleep(PACE_S)
            else:
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_UP_TO_S)

    async def _look_up(self, channel: Channel, since_s: int) -> bool:
        """Publish what a channel missed. False if it could not be read; then it is asked for again."""
        symbol, timeframe = channel
        newest = self._history.newest(symbol, timeframe)
        if newest is None or not self._wanted(symbol, timeframe):
            return True
        # What is over: by the clock, or because a later bar has started.
        until_s = max(self._now_ms() // 1000 - timeframe.seconds, newest.open_time_s - 1)
        since_s = max(since_s, until_s - (MOST_BARS - 1) * timeframe.seconds)
        if since_s > until_s:
            return True
        # Whether history includes its ends is not established, so it is asked for a second more.
        bars = await self._read(symbol, timeframe, since_s - 1, until_s)
        if bars is None:
            self.ask(symbol, timeframe, since_s)
            return False
        if self._wanted(symbol, timeframe):
            for bar in self._history.fill(
                bar for bar in bars if since_s <= bar.open_time_s <= until_s
            ):
                self._publish(bar)
        return True
