"""Where what is in flight lives: submits, look-ups, cancels and closes, one task each, out of reach of a cancellation.

When the engine stops they are asked to land, which has a bounded time: a close that is under way is not cut off in the
middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import define, field

__all__ = ["FLIGHT_GRACE_S", "Flights", "keep_flying", "landing"]

FLIGHT_GRACE_S = 2.0
"""How long a submit or a close that is in flight may go on when the engine stops."""


@define
class Flights:
    """What is in flight: out of reach of a cancellation from outside, until it is asked to land."""

    nursery: trio.Nursery
    land: trio.Event = field(factory=trio.Event)
    landed: trio.Event = field(factory=trio.Event)


@contextmanager
def landing(flights: Flights) -> Iterator[None]:
    """However the block ends, those in flight are asked to land: else the end of the nursery would wait for ever."""
    try:
        yield
    finally:
        flights.land.set()


async def keep_flying(task_status: trio.TaskStatus[Flights]) -> None:
    """Hold the nursery of what is in flight until that has landed. Runs as a task, which the room starts."""
    flights: Flights | None = None
    try:
        with trio.CancelScope(shield=True) as scope:
            async with trio.open_nursery() as nursery:
                flights = Flights(nursery)
                task_status.started(flights)
                await flights.land.wait()
                scope.deadline = trio.current_time() + FLIGHT_GRACE_S
    finally:
        if flights is not None:
            flights.landed.set()  # also after a crash: whoever waits for the landing would wait for ever
