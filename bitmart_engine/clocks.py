"""The engine's time: Unix time in ms that never jumps, whatever is done to the machine's clock.

A wall clock may be set: by a person, by NTP after a bad start, by a virtual machine that was moved. If ages and
deadlines were differences of wall-clock times, an order whose answer was lost could be "proved" absent at once and be
sent twice, and a deadline could pass at once or an hour late. So there is one clock for everything that the engine
decides by and writes into its journal:

    engine's time   = the wall clock when the engine started + what Trio's monotonic clock has run since
    exchange's time = engine's time + an offset that is measured against the engine's time

Setting the wall clock changes neither, so nothing that is compared, waited for or signed for the exchange notices it.

Times in the journal outlive the process. Within one boot of the machine the next process continues the engine's time
of the last one: the journal keeps the boot's id and what the engine's time was when the machine booted (`Mark`), and
the machine knows for how long it has been up, sleep included. After a reboot, or where the machine tells no boot id,
there is only the wall clock: then times of before the start are not `comparable`, and whoever relies on an age counts
from the start. With nothing alive in the journal the wall clock is believed in any case; so an engine that was started
by a wrong clock gets rid of it at the next quiet start.

What others on this machine compare with their own clock (the timestamp in a callback's signature) is told by the wall
clock, as it is: `World.machine_ms`.

A jump is noticed within a second, logged as `wall_clock_jumped`, counted, and the exchange's clock is measured again.
A machine that slept is another matter: that time did pass, and the engine's time is moved on by it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import trio
from attrs import frozen

from .counters import Counters
from .logs import get_logger
from .world import World

__all__ = ["LOOK_EVERY_S", "Mark", "SteadyClock"]

log = get_logger()

LOOK_EVERY_S = 1.0
JUMP_MS = 1000
"""A smaller difference is no jump: NTP moves a clock by less, and both clocks with it."""
SLEPT_MS = 1000


@frozen
class Mark:
    """What ties the engine's time to one boot of the machine: its id, and the engine's time when it booted."""

    boot: str
    zero_ms: int


@final
class SteadyClock:
    """Unix time in ms, by Trio's clock. It starts as the wall clock."""

    def __init__(self, world: World, counters: Counters) -> None:
        self.comparable = False
        """Whether the journal's times of before the start are of this clock."""
        self.jumps = 0
        self._world = world
        self._counters = counters
        self._boot = world.boot()
        self._at = trio.current_time()
        self._ms = world.wall_ms()
        self._ahead_ms = 0
        """How far the wall clock was ahead when that was last looked at and found to be news."""

    def now_ms(self) -> int:
        """The engine's time, Unix time in ms."""
        return self._ms + round((trio.current_time() - self._at) * 1000)

    @property
    def wall_ahead_ms(self) -> int:
        """How far the machine's clock is ahead of the engine's time, because it was set."""
        return self._world.wall_ms() - self.now_ms()

    def go_on_from(self, mark: Mark | None, *, alive: bool) -> Mark | None:
        """At the start: continue the clock of the last process, if that can be done. Returns the mark to keep.

        `alive`: whether anything in the journal may depend on how old something is.
        """
        if self._boot is None:
            return None
        id, up_ms = self._boot
        if mark is not None and mark.boot == id:
            ahead_ms = self._ms - (mark.zero_ms + up_ms)
            self.comparable = alive or abs(ahead_ms) <= JUMP_MS
            if abs(ahead_ms) > JUMP_MS:
                self._note(ahead_ms, "before the start")
                if alive:
                    self._ms -= ahead_ms
                    self._ahead_ms = ahead_ms
        return Mark(id, self._ms - up_ms)

    async def watch(self, jumped: Callable[[], None]) -> None:
        """Notice when the wall clock is set, for ever. Runs as a task."""
        while True:
            await trio.sleep(LOOK_EVERY_S)
            if self.look():
                jumped()

    def look(self) -> bool:
        """Whether the wall clock was set since the last look."""
        self._catch_up_on_sleep()
        ahead_ms = self.wall_ahead_ms
        if abs(ahead_ms - self._ahead_ms) <= JUMP_MS:
            return False
        by_ms, self._ahead_ms = ahead_ms - self._ahead_ms, ahead_ms
        self.jumps += 1
        self._note(by_ms, "while running")
        return True

    def _catch_up_on_sleep(self) -> None:
        """Trio's clock stands still while the machine sleeps."""
        boot = self._world.boot()
        if boot is None or self._boot is None or boot[0] != self._boot[0]:
            return
        slept_ms = boot[1] - self._boot[1] - round((trio.current_time() - self._at) * 1000)
        if slept_ms > SLEPT_MS:
            self._ms, self._at, self._boot = self.now_ms() + slept_ms, trio.current_time(), boot
            log.warning("machine_slept", for_s=round(slept_ms / 1000, 1))
            self._counters.count("machine_slept")

    def _note(self, by_ms: int, when: str) -> None:
        log.warning("wall_clock_jumped", by_s=round(by_ms / 1000, 1), when=when)
        self._counters.count("wall_clock_jumped")
