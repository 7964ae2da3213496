"""Where what is in flight lives: submits, look-ups, cancels and closes, one task each, out of reach of a cancellation.

When the engine stops they are asked to land, which has a bounded time: a close that is under way is not cut off in the
middle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import trio
from attrs import define, field

from ..counters import Counters
from .agreement import Agreement

__all__ = ["FLIGHT_GRACE_S", "InFlight", "landing", "run_in_flight"]

FLIGHT_GRACE_S = 2.0
"""How long a submit or a close that is in flight may go on when the engine stops."""


@define
class InFlight:
    """What is in flight: out of reach of a cancellation from outside, until it is asked to land."""

    nursery: trio.Nursery
    _agreement: Agreement
    _counters: Counters
    land: trio.Event = field(factory=trio.Event)
    landed: trio.Event = field(factory=trio.Event)

    def start(self, lifecycle: Callable[..., object], *args: object) -> None:
        """Run something in flight as a task of its own. Once the engine has landed, it is for the next start."""
        function = lifecycle.func if isinstance(lifecycle, partial) else lifecycle
        name = f"{function.__name__}({args[0]!r})"
        try:
            self.nursery.start_soon(lifecycle, *args, name=name)  # type: ignore[arg-type]
        except RuntimeError:
            if self._agreement.opening:
                raise
            self._counters.add("left_for_next_start", what=name)


@contextmanager
def landing(in_flight: InFlight) -> Iterator[None]:
    """However the block ends, those in flight are asked to land: else the end of the nursery would wait for ever."""
    try:
        yield
    finally:
        in_flight.land.set()


async def run_in_flight(
    agreement: Agreement, counters: Counters, task_status: trio.TaskStatus[InFlight]
) -> None:
    """Hold the nursery of what is in flight until that has landed. Runs as a task, which the engine core starts."""
    in_flight: InFlight | None = None
    try:
        with trio.CancelScope(shield=True) as scope:
            async with trio.open_nursery() as nursery:
                in_flight = InFlight(nursery, agreement, counters)
                task_status.started(in_flight)
                await in_flight.land.wait()
                scope.deadline = trio.current_time() + FLIGHT_GRACE_S
    finally:
        if in_flight is not None:
            in_flight.landed.set()  # also after a crash: whoever waits for the landing would wait for ever
