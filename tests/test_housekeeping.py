"""Housekeeping: what crashes begins again, and what is meant to end something ends it."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs

from bitmart_engine.counters import Counters
from bitmart_engine.housekeeping import LONGEST_PAUSE_S, supervised


async def test_a_task_that_crashes_is_counted_logged_and_begun_again_ever_slower(autojump_clock):
    counters, began = Counters(), []

    async def task():
        began.append(trio.current_time())
        if len(began) < 12:
            raise RecursionError("deep")

    start = trio.current_time()
    with capture_logs() as lines:
        await supervised(task, "balance", counters)
    assert [at - start for at in began[:4]] == pytest.approx([0, 1, 3, 7])
    assert began[-1] - began[-2] == pytest.approx(LONGEST_PAUSE_S)
    assert counters.counts() == {"task_crashed": 11}
    assert [each["event"] for each in lines].count("task_crashed") == 11


async def test_a_task_that_lived_begins_with_the_shortest_pause_again(autojump_clock):
    began = []

    async def task():
        began.append(trio.current_time())
        if len(began) == 5:
            await trio.sleep(300)
        if len(began) < 7:
            raise ValueError

    await supervised(task, "balance", Counters())
    assert began[5] - began[4] == pytest.approx(301)


async def test_a_crash_in_a_nursery_of_the_task_is_one_too(autojump_clock):
    counters, runs = Counters(), []

    async def fail():
        raise KeyError

    async def task():
        runs.append(1)
        if len(runs) == 1:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail)
                nursery.start_soon(trio.sleep_forever)

    await supervised(task, "tracking", counters)
    assert counters.counts() == {"task_crashed": 1}


async def test_a_cancellation_passes_through(autojump_clock):
    counters = Counters()
    with trio.move_on_after(5) as scope:
        await supervised(trio.sleep_forever, "balance", counters)
    assert scope.cancelled_caught
    assert counters.counts() == {}


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_what_ends_the_process_passes_through(autojump_clock, end):
    async def task():
        raise end

    with pytest.raises(end):
        await supervised(task, "balance", Counters())
