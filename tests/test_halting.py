"""The kill switch: nothing new, every entry taken back, every position closed; carried on after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from bitmart_engine.health_watch import HealthWatch
from bitmart_engine.model.errors import Conflict, Unavailable
from bitmart_engine.model.halting import Halt, HaltLevel
from bitmart_engine.model.positions import CloseReason
from bitmart_engine.store.records import EntriesHalted, EntriesPaused
from tests.store.known import open_store
from tests.store.stories import START_MS
from tests.support.stage import SUBMIT, Stage, entry, open_stage, open_theatre

NO_NEW, CANCEL, FLATTEN = HaltLevel


def opened(stage: Stage) -> int:
    return len(stage.submits(1, 4))


async def resting(stage: Stage, id: str) -> None:
    """An order that rests at the exchange, unfilled."""
    await stage.place(id, stop_loss=60000)
    await stage.until(stage.prices_come)
    stage.move(65000)
    await stage.until(lambda: stage.state(id) == "open")


async def test_no_waiting_order_goes_out_while_halted_and_only_resume_ends_that(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        stage.move(65500)
        await stage.engine.halt(NO_NEW)
        stage.move(65000)
        await stage.settle(5)
        assert (stage.state(), opened(stage)) == ("waiting", 0)
        await stage.engine.resume()
        await stage.until(lambda: opened(stage) == 1)


@pytest.mark.parametrize("level", HaltLevel)
async def test_a_new_order_is_refused_while_halted_and_a_known_one_is_told_as_it_stands(
    level, autojump_clock
):
    async with open_stage() as stage:
        await stage.place()
        await stage.engine.halt(level)
        with pytest.raises(Conflict, match=f"halted \\({level.value}\\): POST /resume"):
            await stage.place("b")
        assert (await stage.engine.place_order(entry())).duplicate
        await stage.engine.resume()
        await stage.place("b")


async def test_every_entry_is_cancelled_waiting_or_at_the_exchange_and_positions_stay(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.bought()
        await resting(stage, "b")
        stage.move(65500)
        await stage.place("c")
        await stage.engine.halt(CANCEL)
        assert stage.state("c") == "cancelled"
        await stage.until(lambda: stage.state("b") == "cancelled")
        assert not [
            each for each in stage.paper.books.ledger.working("BTCUSDT") if not each.side.is_close
        ]
        await stage.settle(20)
        assert (stage.guarded("a"), stage.held()) == ("armed", 10)
        assert stage.engine.halt_leaves() == (0, 0)


async def test_every_position_is_closed_and_not_the_owners_contracts(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await stage.bought("b", exchange_protection=False)
        await resting(stage, "c")
        await stage.open_by_hand(size=7)
        await stage.engine.halt(FLATTEN)
        await stage.until(lambda: stage.engine.halt_leaves() == (0, 0))
        assert (stage.guarded("a"), stage.guarded("b")) == ("closed", "closed")
        assert stage.protection("a").closing_for is CloseReason.MANUAL
        assert stage.state("c") == "cancelled"
        await stage.until(lambda: stage.held() == 7)


async def test_what_fills_while_it_is_being_taken_back_is_closed_too(autojump_clock):
    async with open_stage(paper={"liquidity": 4}) as stage:
        await resting(stage, "a")
        stage.network.slow_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.engine.halt, FLATTEN)
            await stage.settle(0.1)
            stage.move(64990)
        await stage.until(lambda: stage.guarded() == "closed")
        assert 0 < stage.order().filled < 10
        assert stage.held() == 0


async def test_a_halt_is_carried_on_after_a_kill_at_once(tmp_path: Path, autojump_clock):
    """The record alone is on disk: everything else was still to be done."""
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought()
            await resting(stage, "b")
            stage.move(65500)
            await stage.place("c", timeout_seconds=3600)
            stage.engine._core.halting._carry_out = trio.lowlevel.checkpoint
            stage.engine._store.record(EntriesHalted(stage.engine.now_ms(), FLATTEN))
            await stage.engine._store.durable()
        async with theatre.engine() as stage:
            await stage.until(lambda: stage.engine.halt_leaves() == (0, 0), within=120)
            assert stage.state("b") == stage.state("c") == "cancelled"
            assert stage.guarded("a") == "closed"
            await stage.until(lambda: stage.held() == 0)
            with pytest.raises(Conflict, match="halted"):
                await stage.place("d")


async def test_a_level_is_raised_by_halting_again_and_lowered_by_resume_alone(autojump_clock):
    async with open_stage() as stage:
        first = await stage.engine.halt(NO_NEW)
        await stage.settle(5)
        assert await stage.engine.halt(FLATTEN) == Halt(FLATTEN, first.since_ms)
        assert await stage.engine.halt(FLATTEN) == Halt(FLATTEN, first.since_ms)
        with pytest.raises(Conflict, match="halted at flatten; only POST /resume"):
            await stage.engine.halt(CANCEL)
        await stage.engine.resume()
        assert (await stage.engine.halt(CANCEL)).level is CANCEL


async def test_resume_ends_a_pause_and_a_halt(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.pause()
        await stage.engine.halt(NO_NEW)
        troubles = {each.id for each in (await HealthWatch(stage.engine).look()).troubles}
        assert troubles >= {"entries_paused", "trading_halted"}
        await stage.engine.resume()
        assert (stage.engine.state.halt, stage.engine.state.paused_ms) == (None, None)


async def test_a_monitored_position_is_closed_if_it_was_held_then_and_guarded_if_it_came_later(
    autojump_clock,
):
    from bitmart_engine import MonitorPosition

    async with open_stage() as stage:
        await stage.open_by_hand(size=5)
        asked = MonitorPosition(id="m", symbol="BTCUSDT", side="long", stop_loss="64000")
        await stage.engine.monitor_position(asked)
        await stage.until(lambda: stage.guarded("m") == "armed")
        await stage.engine.halt(FLATTEN)
        await stage.until(lambda: stage.guarded("m") == "closed")
        await stage.open_by_hand(size=3)
        later = MonitorPosition(id="n", symbol="BTCUSDT", side="long", stop_loss="64000")
        await stage.engine.monitor_position(later)
        await stage.until(lambda: stage.guarded("n") == "armed")
        await stage.settle(90)
        assert (stage.guarded("n"), stage.held()) == ("armed", 3)


async def test_an_order_whose_answer_is_lost_is_taken_back_once_it_is_found(autojump_clock):
    async with open_stage() as stage:
        stage.paper.fail(SUBMIT, status=502, after=True)
        stage.network.slow_s = 0.5
        await stage.place(stop_loss=60000)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "submitting")
        await stage.engine.halt(CANCEL)
        await stage.until(lambda: stage.order().state.final, within=200)
        assert not [
            each for each in stage.paper.books.ledger.working("BTCUSDT") if not each.side.is_close
        ]


async def test_halting_works_while_the_journal_cannot_be_written_and_says_that_it_is_not_kept(
    autojump_clock, monkeypatch
):
    async with open_stage() as stage:
        await stage.bought()

        async def refuses(self) -> None:
            raise Unavailable("the disk is full")

        monkeypatch.setattr(type(stage.engine._core.promises), "keep", refuses)
        with pytest.raises(Unavailable, match="disk is full"):
            await stage.engine.halt(FLATTEN)
        await stage.until(lambda: stage.guarded() == "closed")
        assert stage.engine.state.halt is not None


async def test_it_is_kept_when_the_journal_is_folded(tmp_path: Path):
    async with open_store(tmp_path, fold_every=1) as (store, _):
        store.record(EntriesHalted(START_MS, CANCEL))
        store.record(EntriesHalted(START_MS + 5, NO_NEW))
        await store.durable()
    async with open_store(tmp_path, fold_every=1) as (store, _):
        assert store.state.halt == Halt(CANCEL, START_MS)
        store.record(EntriesPaused(START_MS + 9, False))
        await store.durable()
    async with open_store(tmp_path) as (store, _):
        assert store.state.halt is None


async def test_readers_are_told_of_halts_and_resumes(autojump_clock):
    async with open_stage() as stage:
        with stage.engine.feed.read() as reader:
            await stage.engine.halt(NO_NEW)
            await stage.engine.resume()
            told = [
                each.what.state for each in await reader.some(10) if each.type.value == "trading"
            ]
        assert told == ["halted", "running"]
