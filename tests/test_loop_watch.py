"""How long the event loop was held, told by a clock of the test's."""

from __future__ import annotations

import gc
import sys
import threading
import time

import pytest
import trio

from bitmart_engine import LoopWatch
from bitmart_engine.counters import Counters
from bitmart_engine.loop_watch import WORST_OF_S, _stack


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> LoopWatch:
    return LoopWatch(clock)


def a_pass(watch: LoopWatch, clock: Clock, took_s: float, late_s: float = 0.0) -> None:
    """A wait of a second, late by that much, and a pass after it."""
    watch.before_io_wait(1.0)
    clock.now += 1.0 + late_s
    watch.after_io_wait(1.0)
    clock.now += took_s
    watch.before_io_wait(1.0)


def test_passes_are_counted_by_how_long_they_took(watch: LoopWatch, clock: Clock) -> None:
    for took_s in (0.0001, 0.0015, 0.007, 0.03):
        a_pass(watch, clock, took_s)
    said = watch.statistics()
    assert said.passes == 4
    assert said.longer_than_ms == {
        1: 3,
        2: 2,
        5: 2,
        10: 1,
        25: 1,
        50: 0,
        100: 0,
        250: 0,
        1000: 0,
    }
    assert said.longest_ms == pytest.approx(30)


def test_a_wait_that_ends_after_its_timeout_is_part_of_the_pass_that_was_late(
    watch: LoopWatch, clock: Clock
) -> None:
    a_pass(watch, clock, took_s=0.001, late_s=0.04)
    assert watch.statistics().longest_ms == pytest.approx(41)


def test_a_wait_that_a_socket_ended_is_nothing_that_held_the_loop(
    watch: LoopWatch, clock: Clock
) -> None:
    watch.before_io_wait(3600)
    clock.now += 40
    watch.after_io_wait(3600)
    watch.before_io_wait(0)
    assert watch.statistics().longest_ms == 0


def test_the_longest_of_lately_is_forgotten_and_the_longest_of_all_is_not(
    watch: LoopWatch, clock: Clock
) -> None:
    a_pass(watch, clock, 0.02)
    assert watch.statistics().longest_lately_ms == pytest.approx(20)
    clock.now += WORST_OF_S + 1
    a_pass(watch, clock, 0.01)
    assert watch.statistics().longest_lately_ms == pytest.approx(20)
    clock.now += WORST_OF_S + 1
    a_pass(watch, clock, 0.003)
    said = watch.statistics()
    assert (round(said.longest_lately_ms), round(said.longest_ms)) == (10, 20)


async def test_what_held_the_loop_for_long_is_counted(watch: LoopWatch, clock: Clock) -> None:
    counters = Counters()
    with watch.watching(counters):
        await trio.lowlevel.checkpoint()
        clock.now += 0.3
        await trio.lowlevel.checkpoint()
        clock.now += 0.004
        await trio.lowlevel.checkpoint()
    assert counters.counts() == {"event_loop_held": 1}
    assert watch.statistics().longest_ms == pytest.approx(300)


async def test_a_watch_leaves_nothing_behind(watch: LoopWatch) -> None:
    threads, callbacks = threading.active_count(), list(gc.callbacks)
    with watch.watching(Counters()):
        assert threading.active_count() == threads + 1
        assert len(gc.callbacks) == len(callbacks) + 1
    assert threading.active_count() == threads
    assert gc.callbacks == callbacks
    passes = watch.statistics().passes
    await trio.lowlevel.checkpoint()
    assert watch.statistics().passes == passes


async def test_collections_are_counted_by_generation(watch: LoopWatch) -> None:
    with watch.watching(Counters()):
        before = watch.statistics().collections
        gc.collect(2)
        assert watch.statistics().collections[2] == before[2] + 1


def test_what_a_thread_finds_the_loop_at_names_functions_from_the_inside_out() -> None:
    def held() -> str:
        return _stack(sys._getframe())

    innermost, outer, *_ = held().split(" < ")
    assert innermost.startswith(f"{__name__}.")
    assert ".held:" in innermost
    assert "test_what_a_thread_finds" in outer


def test_a_look_at_a_long_pass_is_taken_once(watch: LoopWatch, clock: Clock) -> None:
    class Looks:
        """Lets the thread look a few times, then ends it."""

        left = 4

        def wait(self, timeout: float) -> bool:
            self.left -= 1
            if self.left == 1:
                clock.now += 1
            return self.left < 0

    watch.before_io_wait(0)
    watch.after_io_wait(0)
    began = clock.now
    watch._look(Looks(), threading.get_ident())  # type: ignore[arg-type]
    when, stack = watch._sampled
    assert when == began
    assert f"{__name__}.test_a_look_at_a_long_pass_is_taken_once" in stack


def test_the_real_clock_is_monotonic() -> None:
    assert LoopWatch()._now is time.perf_counter
