"""How submits that open are signed, so that they die soon, and whether one whose answer was lost is dead.

The theory, and the rule of what proves a death, stands in `window`. Here the probes are sent: in order to measure, at
the start, at every new session of the private stream, daily, and when something does not fit; and in order to prove.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import final

import msgspec
import trio

from ..counters import Counters
from ..logs import get_logger
from .budget import Urgency
from .classify import SUBMIT
from .clock import ExchangeClock
from .errors import ExchangeError, OutcomeUnknown
from .window import AGES_S, LATER_MS, Seen, age_s, is_dead, seen_in

__all__ = ["NO_ORDER", "SubmitWindow"]

log = get_logger()

NO_ORDER = msgspec.json.encode({"symbol": "NOTACONTRACT", "side": 0, "size": 0})
"""The body of a probe: no contract has that name, no side that number, nothing is asked, and an order has a type."""
MEASURE_EVERY_S = 86_400.0
DOUBTED_EVERY_S = 30.0
RETRY_FROM_S = 5.0
RETRY_UP_TO_S = 300.0

Ask = Callable[[bytes, int, Urgency], Awaitable[object]]
"""Sends a submit of this body once, signed with this timestamp. Raises ExchangeError."""


@final
class SubmitWindow:
    """The window that was measured, and what follows. `valid_s` of 0: nothing is measured, aged or proved."""

    def __init__(self, valid_s: float, clock: ExchangeClock, ask: Ask, counters: Counters) -> None:
        self.valid_s = valid_s
        self.taken_s: float | None = None
        """How old a probe was that was taken, when the window was measured; None before, and after a refusal."""
        self._clock = clock
        self._ask = ask
        self._counters = counters
        self._doubted = trio.Event()
        self._proving = trio.Semaphore(2)

    def timestamp_ms(self) -> int:
        """What a submit that leaves now is to be signed with, by the exchange's clock. Unix ms; 0: the present time."""
        if not self.valid_s:
            return 0
        return self._clock.now_ms() - round(age_s(self.taken_s, self.valid_s) * 1000)

    def refused(self) -> None:
        """An aged submit was refused for its timestamp: age none until the window was measured again."""
        self.taken_s = None
        self.doubt()

    def doubt(self) -> None:
        """Something may have changed the window: have it measured, `DOUBTED_EVERY_S` apart. Does not block."""
        self._doubted.set()

    async def is_dead(self, signed_ms: int) -> bool:
        """Whether a submit that was signed with this timestamp can no longer be taken. False: that is not known."""
        old_ms = signed_ms + LATER_MS
        async with self._proving:
            if old_ms >= self._clock.now_ms():
                return False  # one that is refused may be ahead of the exchange's clock
            present = await self._probe(self._clock.now_ms())
            if present is Seen.REFUSED:
                self._clock.doubt()
            if present is not Seen.TAKEN:
                return False
            old = await self._probe(old_ms)
            if old is not Seen.REFUSED:
                return False
            return is_dead(present, old, await self._probe(self._clock.now_ms()))

    async def keep(self) -> None:
        """Measure at once, when it is doubted, and daily, for ever. Runs as a task."""
        pause_s = RETRY_FROM_S
        while True:
            self._doubted = trio.Event()
            try:
                await self.measure()
            except ExchangeError as failure:
                self._counters.add("request_window_not_measured", why=failure)
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_UP_TO_S)
                continue
            pause_s = RETRY_FROM_S
            measured_at = trio.current_time()
            with trio.move_on_after(MEASURE_EVERY_S):
                await self._doubted.wait()
                await trio.sleep_until(measured_at + DOUBTED_EVERY_S)

    async def measure(self) -> None:
        """Find how old a probe may be. Raises ExchangeError if an answer is not clear: then nothing has changed."""
        if self._clock.offset_ms is None:
            await self._clock.measure()
        for old_s in (0.0, *AGES_S):
            seen = await self._probe(self._clock.now_ms() - round(old_s * 1000))
            if seen is Seen.UNCLEAR or (seen is Seen.REFUSED and not old_s):
                raise OutcomeUnknown(f"a probe signed {old_s:g} s ago: {seen.value}", SUBMIT)
            if seen is Seen.TAKEN and old_s:
                break
        else:
            old_s = 0.0
        self.taken_s = old_s
        log.debug("request_window_measured", taken_s=old_s)

    async def _probe(self, signed_ms: int) -> Seen:
        """Send what can be no order, no sooner than any entry."""
        try:
            await self._ask(NO_ORDER, signed_ms, Urgency.OPEN)
        except ExchangeError as failure:
            return seen_in(failure)
        return seen_in(None)
