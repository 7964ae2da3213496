"""What was told of an order, out of the journal: on disk, in memory, across restarts, and as it is forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from bitmart_engine.store import JournalError, MemoryJournal, State, Store, sqlite
from bitmart_engine.store.records import NotificationOwed, NotificationSettled, Record, ViewChanged
from bitmart_engine.store.told import Telling, tellings

from .known import fast_directory, open_store
from .stories import START_MS, notification, whole_story

DAY_MS = 86_400_000


@pytest.fixture
def directory() -> Iterator[Path]:
    with fast_directory() as name:
        yield Path(name) / "state"


def owed(id: str, lane: str = "a", at_ms: int = START_MS) -> NotificationOwed:
    return NotificationOwed(notification(id, lane, at_ms))


def settled(id: str, *, delivered: bool = True, at_ms: int = START_MS) -> NotificationSettled:
    return NotificationSettled(id, delivered, at_ms, "" if delivered else "HTTP 404", "HTTP 200", 2)


def names(found: list[Telling]) -> list[tuple[str, bool | None]]:
    return [(each.notification.id, each.ended.delivered if each.ended else None) for each in found]


STORY: list[Record] = [
    owed("a1"), owed("b1", "b"), owed("a2"), settled("b1"), settled("a1"),
    settled("a2", delivered=False), owed("a3"), owed("a2"),
]  # fmt: skip
OF_A = [("a1", True), ("a2", False), ("a3", None), ("a2", None)]


def test_tellings_are_in_the_order_made_and_one_that_is_owed_again_is_another() -> None:
    found = tellings(STORY, {"a"}, State())
    assert names(found) == OF_A
    assert found[0].ended == settled("a1")
    assert names(tellings(STORY, {"a", "b"}, State()))[1] == ("b1", True)
    assert tellings(STORY, {"c"}, State()) == []


def test_an_end_that_is_recorded_twice_counts_once() -> None:
    twice = [owed("a1"), settled("a1"), settled("a1", delivered=False)]
    assert names(tellings(twice, {"a"}, State())) == [("a1", True)]
    assert tellings([settled("a1")], {"a"}, State()) == []


def test_what_the_journal_has_forgotten_is_known_while_it_is_owed_or_dead() -> None:
    state = State()
    for record in STORY:
        state.apply(record)
    state.apply(settled("a3", delivered=False))
    assert names(tellings([], {"a"}, state)) == [("a3", False), ("a2", None)]
    assert names(tellings(STORY[-1:], {"a"}, state)) == [("a3", False), ("a2", None)]


async def test_it_is_read_from_the_disk_in_parts_and_what_is_not_on_it_yet_is_there_too(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "TOLD_AT_ONCE", 3)
    async with open_store(directory) as (store, journal):
        for record in STORY[:5]:
            store.record(record, ViewChanged((), True))
        await store.durable()
        store.record(*STORY[5:])
        assert journal.waiting == 3
        assert names(await store.told({"a"})) == OF_A
        assert names(await store.told({"b", "nobody"})) == [("b1", True)]
        assert await store.told({"nobody"}) == []
    async with open_store(directory) as (store, _):
        assert names(await store.told({"a"})) == OF_A
        assert (await store.told({"a"}))[0].ended == settled("a1")


@pytest.mark.parametrize(
    "lane", ['"', "\\", "ä\n", "a'; DROP TABLE journal; --", "%_", "\U0001f600"]
)
async def test_any_id_is_found_and_no_other_is_taken_for_it(directory: Path, lane: str) -> None:
    async with open_store(directory) as (store, _):
        store.record(owed("n1", lane), owed("n2", lane + "x"), owed("n3", "x" + lane))
        await store.durable()
        assert names(await store.told({lane})) == [("n1", None)]
        assert await store.told({"\ud800"}) == []


async def test_what_is_older_than_the_history_is_forgotten(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    late_ms = START_MS + 40 * DAY_MS
    async with open_store(directory, wall_ms=lambda: START_MS) as (store, _):
        for unit in whole_story("a"):
            store.record(*unit)
        await store.durable()
        assert len(await store.told({"a"})) == 3
    async with open_store(directory, wall_ms=lambda: late_ms, history_days=30) as (store, journal):
        await trio.sleep(5)
        assert not journal._chores
        assert await store.told({"a"}) == []
        store.record(owed("n", "a", late_ms), settled("n", at_ms=late_ms))
        assert names(await store.told({"a"})) == [("n", True)]


async def test_a_record_that_is_damaged_is_an_error_and_not_left_out(directory: Path) -> None:
    async with open_store(directory) as (store, _):
        store.record(owed("a1"))
        await store.durable()
        with sqlite3.connect(directory / "engine.sqlite3") as shell:
            shell.execute("UPDATE journal SET check32 = 0 WHERE kind = 'NotificationOwed'")
        shell.close()
        with pytest.raises(JournalError, match="record 1 is not what was written"):
            await store.told({"a"})


async def test_commits_go_on_while_somebody_reads(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "TOLD_AT_ONCE", 1)
    async with open_store(directory) as (store, _):
        for number in range(50):
            store.record(owed(f"a{number}"))
        await store.durable()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.told, {"a"})
            nursery.start_soon(store.told, {"a"})
            await trio.lowlevel.checkpoint()
            for number in range(5):
                store.record(owed(f"b{number}", "b"))
                await store.durable()
        assert len(await store.told({"a"})) == 50


async def test_a_journal_in_memory_knows_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(MemoryJournal())
    store.record(*STORY)
    assert names(await store.told({"a"})) == OF_A
    for number in range(10_000):
        store.record(owed(f"c{number}", "c"), settled(f"c{number}"))
    assert names(await store.told({"a"})) == [("a3", None), ("a2", None)]


def test_an_older_journals_end_has_no_answer() -> None:
    from bitmart_engine.store.codec import decode

    record = decode("NotificationSettled", b'{"id":"n","delivered":true,"at_ms":5,"why":""}')
    assert record == NotificationSettled("n", True, 5, "", "", 0)
