"""An application that was written for the old worker works with this engine, and not one of its lines changes."""

from __future__ import annotations

import pytest

from .flows import EVERYWHERE, IN_MEMORY_ONLY
from .play import play_in_memory
from .run import run_over_sockets


@pytest.mark.parametrize("flow", [*EVERYWHERE, *IN_MEMORY_ONLY], ids=lambda flow: flow.__name__)
async def test_in_memory_the_application_is_told_all_that_it_needs(flow, autojump_clock):
    async with play_in_memory() as play:
        await flow(play, "1")
        play.check()


async def test_over_sockets_one_engine_plays_the_whole_run():
    await run_over_sockets()
