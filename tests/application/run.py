"""The whole run: every flow, one after the other, with one engine, as often as one likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from .flows import EVERYWHERE, IN_MEMORY_ONLY, Flow
from .play import Play, play_in_memory, play_over_sockets

__all__ = ["run_in_memory", "run_over_sockets"]

Say = Callable[[str], None]


def _nothing(line: str) -> None:
    """Nobody listens."""


async def run_over_sockets(rounds: int = 1, say: Say = _nothing) -> None:
    """Every flow that does not take minutes, over loopback sockets, `rounds` times with one engine."""
    async with play_over_sockets() as play:
        await _rounds(play, EVERYWHERE, rounds, say)


async def run_in_memory(rounds: int = 1, say: Say = _nothing) -> None:
    """Every flow, on a mock clock (trio.testing.MockClock with autojump), `rounds` times with one engine."""
    async with play_in_memory() as play:
        await _rounds(play, (*EVERYWHERE, *IN_MEMORY_ONLY), rounds, say)


async def _rounds(play: Play, flows: Iterable[Flow], rounds: int, say: Say) -> None:
    for number in range(1, rounds + 1):
        for flow in flows:
            began = trio.current_time()
            await flow(play, str(number))
            play.check()
            say(f"round {number}: {flow.__name__}, {trio.current_time() - began:.1f} s")
