# ruff: noqa: PT012 - an engine's whole life has to be in the block that its end raises from
from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs

from bitmart_engine.counters import Counters
from bitmart_engine.model.lifecycle import EntryState, IllegalMove
from bitmart_engine.store import JournalUnavailable, MemoryJournal, SqliteJournal, Store
from bitmart_engine.store.records import (
    EntryAccepted,
    EntryCancelAsked,
    EntryMoved,
    EntryObserved,
    ViewChanged,
)
from bitmart_engine.store.thread import in_a_thread

from .known import fast_directory, known, open_store
from .stories import entry, whole_story


class Disk:
    """Stands between the journal and its file: counts the commits, and fails them while `broken`."""

    def __init__(self) -> None:
        self.broken = False
        self.commits = 0

    def __call__(self, point: str) -> None:
        if point == "before commit" and self.broken:
            raise sqlite3.OperationalError("disk I/O error")
        if point == "after commit":
            self.commits += 1


@pytest.fixture
def directory() -> Iterator[Path]:
    with fast_directory() as name:
        yield Path(name) / "state"


@pytest.fixture
def disk() -> Disk:
    return Disk()


def promise(store: Store, id: str) -> None:
    store.record(EntryAccepted(entry(id)))


async def saved(directory: Path) -> list[str]:
    """The orders that a start finds."""
    async with open_store(directory) as (store, _):
        return list(store.state.orders)


async def test_what_was_recorded_is_there_after_a_restart(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_store(directory, fold_every=7) as (store, journal):
        for unit in whole_story("a") + whole_story("b")[:6]:
            store.record(*unit)
            await store.durable()
        before = known(store.state)
        assert journal.healthy
        assert journal.waiting == 0
    async with open_store(directory) as (store, _):
        assert known(store.state) == before


async def test_it_works_in_a_thread_of_its_own_too(directory: Path) -> None:
    with in_a_thread() as run:
        async with open_store(directory, run=run) as (store, _):
            promise(store, "a")
            await store.durable()
    assert await saved(directory) == ["a"]


async def test_what_nobody_waited_for_is_written_at_the_end(directory: Path) -> None:
    async with open_store(directory) as (store, journal):
        promise(store, "a")
        assert journal.waiting == 1
    assert await saved(directory) == ["a"]


async def test_nothing_appended_is_durable_at_once(directory: Path, disk: Disk) -> None:
    async with open_store(directory, crash_point=disk) as (_, journal):
        journal.append(())
        await journal.durable()
    assert disk.commits == 0


async def test_what_queues_up_during_a_commit_shares_the_next_one(
    directory: Path, disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_store(directory, crash_point=disk) as (store, _):

        async def user(id: str) -> None:
            promise(store, id)
            await store.durable()

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(user, str(number))
        assert disk.commits <= 3
    assert len(await saved(directory)) == 50


async def test_a_waiter_that_is_cancelled_takes_nothing_back(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_store(directory) as (store, _):
        with trio.CancelScope() as scope:
            promise(store, "a")
            scope.cancel()
            await store.durable()
        assert scope.cancelled_caught
        await store.durable()
    assert await saved(directory) == ["a"]


async def test_a_disk_that_fails_stops_promises_and_loses_none(
    directory: Path, disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    counters = Counters()
    async with open_store(directory, crash_point=disk, counters=counters) as (store, journal):
        promise(store, "before")
        await store.durable()
        disk.broken = True
        promise(store, "first")
        with pytest.raises(JournalUnavailable, match="cannot be written: disk I/O error"):
            await store.durable()
        assert not journal.healthy
        assert store.trouble == journal.trouble == "the journal cannot be written: disk I/O error"
        promise(store, "second")
        with pytest.raises(JournalUnavailable):
            await store.durable()
        assert journal.waiting == 2
        await trio.sleep(60)
        assert not journal.healthy
        failures = counters.counts()["journal_commit_failed"]
        assert 10 < failures < 30  # it goes on trying, and not in a frenzy
        disk.broken = False
        await trio.sleep(6)
        assert journal.healthy
        assert journal.trouble is None
        await store.durable()
        promise(store, "after")
        await store.durable()
    assert await saved(directory) == ["before", "first", "second", "after"]


async def test_trouble_and_its_end_are_said_once(
    directory: Path, disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    with capture_logs() as logs:
        async with open_store(directory, crash_point=disk) as (store, _):
            disk.broken = True
            promise(store, "a")
            await trio.sleep(20)
            disk.broken = False
            await trio.sleep(10)
    said = [each["event"] for each in logs if each["event"].startswith("journal_")]
    assert said == [
        "journal_write_failed",
        "journal_commit_failed",
        "journal_recovered",
    ]


async def test_waiters_learn_of_a_failure_while_they_wait(
    directory: Path, disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    failed = 0

    async def user(store: Store, id: str) -> None:
        nonlocal failed
        promise(store, id)
        try:
            await store.durable()
        except JournalUnavailable:
            failed += 1

    async with open_store(directory, crash_point=disk) as (store, _):
        disk.broken = True
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(user, store, str(number))
        disk.broken = False
    assert failed == 5
    assert len(await saved(directory)) == 5


async def test_what_cannot_be_written_at_the_end_is_said(
    directory: Path, disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(JournalUnavailable, match="1 records are lost: the journal cannot be"):
        async with open_store(directory, crash_point=disk) as (store, _):
            disk.broken = True
            promise(store, "a")
    assert await saved(directory) == []


async def test_an_error_of_the_engine_is_greater_news_than_what_it_could_not_write(
    directory: Path, disk: Disk, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.RaisesGroup(ZeroDivisionError):
        async with open_store(directory, crash_point=disk) as (store, _):
            disk.broken = True
            promise(store, "a")
            raise ZeroDivisionError


async def test_an_engine_that_crashes_keeps_what_it_recorded(directory: Path) -> None:
    with pytest.RaisesGroup(ZeroDivisionError):
        async with open_store(directory) as (store, _):
            promise(store, "a")
            raise ZeroDivisionError
    assert await saved(directory) == ["a"]


async def test_a_closed_journal_takes_nothing(directory: Path, disk: Disk) -> None:
    async with open_store(directory) as (_, journal):
        pass
    with pytest.raises(trio.ClosedResourceError):
        journal.append((ViewChanged((), True),))
    await journal.durable()


async def test_who_waits_at_a_journal_that_could_not_be_written_is_told(
    directory: Path, disk: Disk
) -> None:
    async def wait(journal: SqliteJournal) -> None:
        with pytest.raises(JournalUnavailable):
            await journal.durable()

    async with trio.open_nursery() as nursery:
        with pytest.raises(JournalUnavailable):
            async with open_store(directory, crash_point=disk) as (store, journal):
                disk.broken = True
                promise(store, "a")
                nursery.start_soon(wait, journal)
        await wait(journal)


async def test_who_waits_while_the_journal_ends_is_told(directory: Path) -> None:
    async with open_store(directory) as (store, journal):
        promise(store, "a")
        journal._closed = True
        with pytest.raises(JournalUnavailable, match="closed before it was written"):
            await journal.durable()


async def test_what_json_cannot_hold_is_refused_when_it_is_appended(directory: Path) -> None:
    async with open_store(directory) as (_, journal):
        await journal.durable()
        with pytest.raises(ValueError, match="surrogates"):
            journal.append((ViewChanged(("\ud800",), True),))
        assert journal.waiting == 0


async def test_folding_keeps_up_and_never_endangers_what_is_written(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    counters = Counters()
    async with open_store(directory, fold_every=5, counters=counters) as (store, journal):
        for number in range(4):
            for unit in whole_story(f"o{number}"):
                store.record(*unit)
        await store.durable()
        await trio.sleep(1)
        assert journal._committed - journal._database.folded < 5
        # A history that contradicts itself cannot be folded; that is counted, and commits go on.
        journal.append((EntryCancelAsked("nobody", 1),))
        for number in range(20):
            promise(store, str(number))
        await store.durable()
        await trio.sleep(1)
        assert journal.healthy
    assert counters.counts()["journal_fold_failed"] >= 1


async def test_a_journal_in_memory_counts_what_it_is_given() -> None:
    journal = MemoryJournal()
    store = Store(journal)
    promise(store, "a")
    await store.durable()
    assert journal.appended == 1
    assert store.trouble is None


async def test_a_unit_that_the_lifecycle_refuses_halfway_changes_nothing(directory: Path) -> None:
    async with open_store(directory) as (store, journal):
        promise(store, "a")
        before = known(store.state)
        with pytest.raises(KeyError):
            store.record(EntryCancelAsked("a", 1), EntryCancelAsked("nobody", 1))
        with pytest.raises(IllegalMove):
            store.record(
                EntryCancelAsked("a", 1),
                EntryObserved("a", 1, EntryState.SUBMITTING, "1"),
                EntryObserved("a", 1, EntryState.OPEN, "1"),
                EntryMoved("a", 2, EntryState.SUBMITTING),
            )
        assert known(store.state) == before
        assert journal.waiting == 1
    assert await saved(directory) == ["a"]


async def test_a_unit_that_cannot_be_written_down_changes_nothing(directory: Path) -> None:
    async with open_store(directory) as (store, journal):
        bad = evolve(entry("b"), client_order_id="\ud800")
        with pytest.raises(UnicodeEncodeError):
            store.record(EntryAccepted(entry("a")), EntryAccepted(bad))
        assert not store.state.orders
        assert journal.waiting == 0
        promise(store, "c")
    assert await saved(directory) == ["c"]


async def test_an_observer_that_fails_keeps_no_other_from_being_told_and_stops_new_promises(
    directory: Path,
) -> None:
    async with open_store(directory) as (store, _):
        told = []

        def fails(record: object) -> None:
            raise RuntimeError("a bug")

        store.observe(fails)
        store.observe(told.append)
        with capture_logs() as logs:
            promise(store, "a")
            store.record(EntryCancelAsked("a", 1), EntryCancelAsked("a", 2))
        assert len(told) == 3
        assert [each["event"] for each in logs] == ["record_not_followed"] * 3
        assert "was recorded and not acted upon" in str(store.trouble)
        await store.durable()
    assert await saved(directory) == ["a"]
