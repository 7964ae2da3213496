"""Entries that are paused: nothing that waits goes out, what guards goes on, and a restart undoes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from bitmart_engine.health_watch import HealthWatch
from bitmart_engine.model.errors import Unavailable
from bitmart_engine.model.lifecycle import EntryState, ProtectionState
from bitmart_engine.store.records import EntriesPaused
from tests.store.known import open_store
from tests.store.stories import START_MS
from tests.support.stage import SUBMIT, entry, meant, open_stage, open_theatre


def submits(paper) -> int:
    return sum(each.path == SUBMIT for each in meant(paper.requests))


async def test_no_waiting_order_goes_out_while_entries_are_paused(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.pause()
        await stage.engine.place_order(entry("a"))
        stage.move(65000)
        await trio.sleep(5)
        assert stage.engine.state.orders["a"].state is EntryState.WAITING
        assert submits(stage.paper) == 0
        await stage.engine.resume()
        await stage.until(lambda: submits(stage.paper) == 1)


async def test_stops_are_watched_on(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        await stage.engine.pause()
        stage.move(64000)
        await stage.until(
            lambda: stage.engine.state.protections["a"].state is ProtectionState.CLOSED
        )


async def test_an_order_expires_while_entries_are_paused(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.pause()
        await stage.engine.place_order(entry("a", timeout_seconds=10))
        await trio.sleep(11)
        assert stage.engine.state.orders["a"].state is EntryState.EXPIRED


async def test_pausing_twice_keeps_the_time_and_resuming_twice_is_no_error(autojump_clock):
    async with open_stage() as stage:
        since = await stage.engine.pause()
        await trio.sleep(5)
        assert await stage.engine.pause() == since
        assert stage.engine.state.paused_ms == since
        troubles = {each.id for each in (await HealthWatch(stage.engine).look()).troubles}
        assert troubles == {"entries_paused"}
        await stage.engine.resume()
        await stage.engine.resume()
        assert stage.engine.state.paused_ms is None


async def test_a_restart_does_not_resume(tmp_path: Path, autojump_clock):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.engine.pause()
            await stage.engine.place_order(entry("a"))
        async with theatre.engine() as stage:
            stage.move(65000)
            await trio.sleep(10)
            assert stage.engine.state.paused_ms is not None
            assert submits(stage.paper) == 0
            await stage.engine.resume()
            await stage.until(lambda: submits(stage.paper) == 1)


async def test_it_is_kept_when_the_journal_is_folded(tmp_path: Path):
    for paused in (True, False):
        async with open_store(tmp_path, fold_every=1) as (store, _):
            store.record(EntriesPaused(START_MS, paused))
            await store.durable()
        async with open_store(tmp_path) as (store, _):
            assert store.state.paused_ms == (START_MS if paused else None)


async def test_nothing_is_said_to_be_paused_that_cannot_be_kept(autojump_clock, monkeypatch):
    async with open_stage() as stage:
        monkeypatch.setattr(type(stage.engine._store), "trouble", "the disk is full")
        with pytest.raises(Unavailable):
            await stage.engine.pause()
        assert stage.engine.state.paused_ms is None
