"""Nothing that the engine decides, waits for or signs depends on what is done to the machine's clock."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs

from bitmart_engine import World
from bitmart_engine.clocks import Mark, SteadyClock
from bitmart_engine.counters import Counters
from tests.support.stage import START_MS, SUBMIT, open_theatre
from tests.test_recovery import crashing

TIME = "/system/time"
SHIFTS = (120, -120, 3600, -3600)


class Machine:
    """A machine whose clock can be set, that can sleep, and that can be booted again."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.slept_s = 0.0
        self.boot_id = "one"
        self.counters = Counters()

    def wall_ms(self) -> int:
        return START_MS + round((trio.current_time() + self.ahead_s + self.slept_s) * 1000)

    def boot(self) -> tuple[str, int]:
        return self.boot_id, round((trio.current_time() + self.slept_s) * 1000)

    def world(self) -> World:
        return World(wall_ms=self.wall_ms, boot=self.boot)

    def clock(self) -> SteadyClock:
        return SteadyClock(self.world(), self.counters)


async def test_the_engines_time_starts_as_the_wall_clock_and_does_not_jump_with_it(autojump_clock):
    machine = Machine()
    clock = machine.clock()
    for shift in SHIFTS:
        before = clock.now_ms()
        machine.ahead_s = shift
        await trio.sleep(10)
        assert clock.now_ms() == before + 10_000
    assert clock.wall_ahead_ms == -3_600_000


async def test_a_jump_is_noticed_within_a_second_once_and_logged_and_counted(autojump_clock):
    machine, jumped = Machine(), []
    clock = machine.clock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.watch, lambda: jumped.append(trio.current_time()))
        await trio.sleep(100)
        assert not jumped
        machine.ahead_s = 3600
        with capture_logs() as logs:
            await trio.sleep(1.01)
            assert len(jumped) == 1
            await trio.sleep(100)
            machine.ahead_s = 0
            await trio.sleep(1.01)
        assert [each["by_s"] for each in logs if each["event"] == "wall_clock_jumped"] == [
            3600.0,
            -3600.0,
        ]
        assert (len(jumped), machine.counters.counts()["wall_clock_jumped"]) == (2, 2)
        nursery.cancel_scope.cancel()


async def test_time_that_a_machine_slept_through_has_passed(autojump_clock):
    machine = Machine()
    clock = machine.clock()
    before = clock.now_ms()
    machine.slept_s = 3600
    assert not clock.look()
    assert clock.now_ms() == before + 3_600_000
    assert machine.counters.counts() == {"machine_slept": 1}


@pytest.mark.parametrize("shift", SHIFTS)
async def test_the_next_process_of_the_same_boot_continues_the_time_of_the_last(
    shift, autojump_clock
):
    machine = Machine()
    first = machine.clock()
    mark = first.go_on_from(None, alive=False)
    await trio.sleep(50)
    machine.ahead_s = shift
    second = machine.clock()
    assert second.go_on_from(mark, alive=True) == mark
    assert second.comparable
    assert second.now_ms() == first.now_ms()
    assert not second.look()  # it was said at the start


async def test_after_a_reboot_the_wall_clock_is_all_there_is(autojump_clock):
    machine = Machine()
    mark = machine.clock().go_on_from(None, alive=False)
    machine.boot_id, machine.ahead_s = "two", 3600
    clock = machine.clock()
    assert clock.go_on_from(mark, alive=True) != mark
    assert not clock.comparable
    assert clock.now_ms() == machine.wall_ms()


async def test_with_nothing_alive_a_start_believes_the_wall_clock_again(autojump_clock):
    machine = Machine()
    machine.ahead_s = -3600
    mark = machine.clock().go_on_from(None, alive=False)
    machine.ahead_s = 0
    clock = machine.clock()
    assert clock.go_on_from(mark, alive=False) == Mark("one", START_MS)
    assert clock.now_ms() == machine.wall_ms()


# The whole engine


@asynccontextmanager
async def a_theatre_on_a_machine(**settings):
    """The stage on a machine whose clock can be set. The exchange's clock is right."""
    async with open_theatre(**settings) as theatre:
        machine = Machine()
        right = theatre.world.wall_ms
        machine.wall_ms = lambda: right() + round(machine.ahead_s * 1000)
        theatre.world = evolve(theatre.world, wall_ms=lambda: machine.wall_ms(), boot=machine.boot)
        yield theatre, machine


@pytest.mark.parametrize("when", ["before", "while held", "after"])
@pytest.mark.parametrize("shift", SHIFTS)
async def test_a_position_is_opened_guarded_and_closed_whatever_the_wall_clock_is_set_to(
    shift, when, autojump_clock
):
    async with a_theatre_on_a_machine() as (theatre, machine), theatre.engine() as stage:
        await stage.until(lambda: not stage.engine.not_ready())
        if when == "before":
            machine.ahead_s = shift
        await stage.bought(exchange_protection=False)
        if when == "while held":
            machine.ahead_s = shift
        stage.paper.drop_connections("private")
        await stage.settle(10)
        await stage.until(lambda: not stage.engine.not_ready())
        assert stage.guarded() == "armed"
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=5)
        if when == "after":
            machine.ahead_s = shift
        await stage.settle(5)
        assert stage.held() == 0
        assert len(stage.submits(1)) == len(stage.submits(3)) == 1
        assert stage.engine.dropped()["wall_clock_jumped"] == 1
        assert "timestamp_refused" not in stage.engine.dropped()


@pytest.mark.parametrize("shift", SHIFTS)
async def test_a_deadline_is_that_far_away_whatever_the_wall_clock_is_set_to(shift, autojump_clock):
    async with a_theatre_on_a_machine() as (theatre, machine), theatre.engine() as stage:
        await stage.place(entry_zone_max=64995, timeout_seconds=Decimal(300))
        await stage.settle(100)
        machine.ahead_s = shift
        await stage.settle(195)
        assert stage.state() == "waiting"
        await stage.settle(10)
        assert stage.state() == "expired"


@pytest.mark.parametrize("shift", SHIFTS)
async def test_a_deadline_is_that_far_away_after_a_restart_too(shift, tmp_path, autojump_clock):
    async with a_theatre_on_a_machine() as (theatre, machine):
        async with crashing(theatre, tmp_path) as stage:
            await stage.place(entry_zone_max=64995, timeout_seconds=Decimal(300))
            await stage.settle(100)
        machine.ahead_s = shift
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.settle(195)
            assert stage.state() == "waiting"
            await stage.settle(10)
            assert stage.state() == "expired"


@pytest.mark.parametrize("restarts", ["not", "on this boot", "after a reboot"])
@pytest.mark.parametrize("shift", SHIFTS)
async def test_an_order_whose_answer_was_lost_is_not_proved_absent_before_its_time(
    shift, restarts, tmp_path, autojump_clock
):
    async with a_theatre_on_a_machine(request_valid_s=60, submit_valid_s=0) as (theatre, machine):

        async def lose(stage):
            await stage.place()
            await stage.until(stage.prices_come)
            stage.paper.fail(SUBMIT, status=500)
            stage.move(65000)
            await stage.until(lambda: stage.state() == "unknown")

        async def is_unknown_for_a_minute(stage):
            await stage.settle(60)
            assert stage.state() == "unknown"
            await stage.until(lambda: stage.state() != "unknown", within=90)
            await stage.settle(10)
            assert len(stage.paper.books.orders) <= 1

        if restarts == "not":
            async with theatre.engine() as stage:
                await lose(stage)
                machine.ahead_s = shift
                await is_unknown_for_a_minute(stage)
            return
        async with crashing(theatre, tmp_path) as stage:
            await lose(stage)
        machine.ahead_s = shift
        if restarts == "after a reboot":
            machine.boot_id = "two"
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await is_unknown_for_a_minute(stage)


async def test_the_exchanges_clock_is_measured_again_when_ours_was_set_or_a_login_refused(
    autojump_clock,
):
    async with a_theatre_on_a_machine() as (theatre, machine), theatre.engine() as stage:
        await stage.settle(10)
        asked = stage.network.arrived.count(TIME)
        machine.ahead_s = 3600
        await stage.settle(2)
        again = stage.network.arrived.count(TIME)
        assert again > asked
        stage.engine._exchange.doubt_clock()
        await stage.settle(6)
        assert stage.network.arrived.count(TIME) > again
