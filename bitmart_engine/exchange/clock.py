"""How far the exchange's clock is ahead of ours. Writes are signed by the exchange's time, and so is the login.

Ours is the engine's time, which nobody can set (see `clocks`): an offset stays right whatever becomes of the machine's.

The exchange takes a timestamp at most 1 s ahead of its own clock and 5 s, perhaps 60 s, behind it (fact sheet 2.2).
Nobody waits for the first measurement: until then our own clock has to do.

The exchange's clock may be set back while we run, or while no engine ran. Then it writes some times twice, and what it
dated before may look as if it were from after something of ours. So the times at which it was seen to have been set
back are remembered, and what the process before us knew of it is recalled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from ..counters import Counters
from ..logs import get_logger
from .budget import Urgency
from .errors import ExchangeError

__all__ = ["ExchangeClock"]

log = get_logger()

SAMPLES = 3
GOOD_ENOUGH_S = 0.5
"""A request that waits for the clock is content with a sample of half this precision."""
SKEW_WARNED_MS = 500
MEASURE_EVERY_S = 3600.0
DOUBTED_EVERY_S = 5.0
RETRY_FROM_S = 1.0
RETRY_UP_TO_S = 300.0
SET_BACK_MS = 1000
"""A smaller difference is how precise measurements are."""
REMEMBERED_MS = 36_000_000
"""For how long what the exchange dated is asked about: longer than the bars of one answer reach back."""
MOST_REMEMBERED = 50


@frozen
class _SetBack:
    """The exchange's clock was set back between `since_ms` and `until_ms` of ours, when it was measured. The offsets
    are from before and after."""

    since_ms: int
    until_ms: int
    before_ms: int
    after_ms: int


class ExchangeClock:
    """The exchange's time, from our wall clock and a measured offset."""

    def __init__(
        self,
        wall_ms: Callable[[], int],
        ask: Callable[[Urgency], Awaitable[tuple[int, float]]],
        counters: Counters,
    ) -> None:
        """`ask` reads the exchange's clock: its time in ms, and for how long the request was under way in s."""
        self.offset_ms: int | None = None
        """What to add to our wall clock to get the exchange's; None before it was measured."""
        self.attempts = 0
        """How often it was tried to measure, in vain or not."""
        self._wall_ms = wall_ms
        self._ask = ask
        self._counters = counters
        self._measuring = trio.Lock()
        self._failure: ExchangeError | None = None
        self._doubted = trio.Event()
        self._measured_ms = 0
        self._recalled: tuple[int, int] | None = None
        self._set_back: list[_SetBack] = []

    def recall(self, at_ms: int, offset_ms: int) -> None:
        """The offset was known to a process before this one, at a time of ours. It is not the offset of now."""
        if self.offset_ms is None:
            self._recalled = (at_ms, offset_ms)
        else:
            self._note_set_back(at_ms, offset_ms)

    def now_ms(self) -> int:
        """The exchange's time as well as it is known, Unix time in ms."""
        return self._wall_ms() + (self.offset_ms or 0)

    def latest_ms(self, at_ms: int) -> int:
        """The latest time that the exchange can have written on what was made until `at_ms`, our time. Unix ms."""
        shown = [min(at_ms, each.until_ms) + each.before_ms for each in self._set_back]
        return max([at_ms + (self.offset_ms or 0), *shown])

    def earliest_ms(self, there_ms: int) -> int:
        """The earliest time that the exchange can have written since its clock showed `there_ms`. Unix ms."""
        since = [each for each in self._set_back if each.until_ms + each.before_ms >= there_ms]
        return there_ms - sum(each.before_ms - each.after_ms for each in since)

    def dated_twice(self, there_ms: int) -> bool:
        """Whether the exchange's clock has shown this time twice, or will: what is dated so may be from the first."""
        return any(
            each.since_ms + each.after_ms < there_ms < each.until_ms + each.before_ms
            for each in self._set_back
        )

    async def measure(self, urgency: Urgency = Urgency.READ) -> int:
        """Measure the offset by the fastest of three answers. Raises ExchangeError; then nothing has changed."""
        async with self._measuring:
            return await self._measure(urgency, good_enough_s=0.0)

    async def measure_again(self, attempts: int, urgency: Urgency) -> None:
        """Have the offset measured since `attempts` was read. Raises ExchangeError.

        However many writes are refused for their timestamp at once, the clock is asked for one of them only.
        """
        async with self._measuring:
            if self.attempts == attempts:
                await self._measure(urgency, good_enough_s=GOOD_ENOUGH_S)
            elif self._failure is not None:
                raise self._failure

    def doubt(self) -> None:
        """Something says that the offset may be wrong: have it measured, `DOUBTED_EVERY_S` apart. Does not block."""
        self._doubted.set()

    async def keep(self) -> None:
        """Measure at once, when it is doubted, and every hour, for ever. Runs as a task."""
        pause_s = RETRY_FROM_S
        while True:
            self._doubted = trio.Event()
            try:
                await self.measure()
            except ExchangeError as failure:
                self._counters.add("exchange_clock_read_failed", why=failure)
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_UP_TO_S)
            else:
                pause_s = RETRY_FROM_S
                measured_at = trio.current_time()
                with trio.move_on_after(MEASURE_EVERY_S):
                    await self._doubted.wait()
                    self._counters.add("exchange_clock_doubted")
                    await trio.sleep_until(measured_at + DOUBTED_EVERY_S)

    async def _measure(self, urgency: Urgency, good_enough_s: float) -> int:
        fastest: tuple[float, int] | None = None
        try:
            for _ in range(SAMPLES):
                sample = await self._sample(urgency)
                fastest = min(fastest or sample, sample)
                if fastest[0] < good_enough_s:
                    break
        except ExchangeError as failure:
            if fastest is None:
                self.attempts += 1
                self._failure = failure
                raise
        assert fastest is not None, "there was a sample, or a failure"
        self.attempts += 1
        self._failure = None
        self._set(fastest[1])
        return fastest[1]

    async def _sample(self, urgency: Urgency) -> tuple[float, int]:
        """How long the answer took in seconds, and the offset, right to within half of that."""
        theirs_ms, took_s = await self._ask(urgency)
        return took_s, round(theirs_ms + took_s * 500 - self._wall_ms())

    def _set(self, offset_ms: int) -> None:
        before, self.offset_ms = self.offset_ms, offset_ms
        since_ms, self._measured_ms = self._measured_ms, self._wall_ms()
        if before is not None:
            self._note_set_back(since_ms, before)
        elif self._recalled is not None:
            self._note_set_back(*self._recalled)
        if abs(offset_ms) > SKEW_WARNED_MS:
            self._counters.add(
                "exchange_clock_skewed",
                ahead_ms=-offset_ms,
            )
        log.debug("exchange_clock_measured", offset_ms=offset_ms, before_ms=before)

    def _note_set_back(self, since_ms: int, before_ms: int) -> None:
        """Remember that the exchange's clock was set back since then, if the offset of now says so."""
        offset_ms = self.offset_ms
        if offset_ms is not None and offset_ms < before_ms - SET_BACK_MS:
            self._remember(_SetBack(since_ms, self._measured_ms, before_ms, offset_ms))

    def _remember(self, set_back: _SetBack) -> None:
        self._counters.add("exchange_clock_set_back", by_ms=set_back.before_ms - set_back.after_ms)
        lately = [
            each
            for each in self._set_back
            if each.until_ms + each.before_ms > self.now_ms() - REMEMBERED_MS
        ]
        self._set_back = [*lately, set_back][-MOST_REMEMBERED:]
