"""What has ended is on disk only: found, listed and changed as if it were in memory, and never taken for absent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from bitmart_engine.counters import Counters
from bitmart_engine.model.errors import Unavailable
from bitmart_engine.model.lifecycle import EntryState
from bitmart_engine.store import Store, open_journal
from bitmart_engine.store.database import Database
from bitmart_engine.store.opening import FILE_NAME, SHELVED_EVERY_S
from bitmart_engine.store.records import (
    EntryAccepted,
    EntryForgotten,
    EntryObserved,
    ProtectionLevelled,
    ProtectionOpened,
    Record,
)
from bitmart_engine.store.shelving import READY_MS
from bitmart_engine.store.state import State
from bitmart_engine.store.units import Unit

from .known import known
from .stories import START_MS, entry, protection, whole_story

HOUR_MS = 3_600_000
LATER_MS = START_MS + READY_MS + HOUR_MS


def put(database: Database, *units: tuple[Record, ...]) -> None:
    for records in units:
        database.commit([Unit.of(database.last_seq() + 1, START_MS, records)])


def fold(database: Database) -> None:
    while database.advance(1000):
        pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """Two orders that ended, one that waits between them, one that is guarded still."""
    made = Database.open(path)
    guarded = whole_story("d")[:7]
    put(made, *whole_story("a"), (EntryAccepted(entry("b")), ProtectionOpened(protection("b"))))
    put(made, *whole_story("c"), *guarded)
    fold(made)
    yield made
    made.close()


def in_memory(state: State) -> list[str]:
    return [id for id in state.orders if state.orders.is_in_memory(id)]


def test_only_what_is_alive_and_what_that_needs_is_read_at_the_start(database: Database) -> None:
    state = database.load(LATER_MS)
    assert list(state.orders) == list(state.protections) == ["a", "b", "c", "d"]
    assert state.orders["d"].state is EntryState.FILLED
    assert in_memory(state) == ["b", "d"]
    assert [each.id for each in state.protections.alive()] == ["b", "d"]


def test_what_ended_of_late_is_in_memory_with_its_order(database: Database) -> None:
    assert in_memory(database.load(START_MS)) == ["a", "b", "c", "d"]


def test_what_is_on_disk_is_what_it_was(database: Database) -> None:
    assert known(database.load(LATER_MS)) == known(database.load())


def test_it_is_found_by_every_id_that_it_had(database: Database) -> None:
    state = database.load(LATER_MS)
    order, closed = state.entry_of("ea"), state.closing_of("cc")
    assert order is not None
    assert (order.id, order.filled) == ("a", 10)
    assert closed is not None
    assert closed.close_price == Decimal("64499.9")
    assert state.protection_of("c") == closed
    assert state.entry_of("nobody") is None
    assert in_memory(state) == ["b", "d"], "looking at it does not bring it back"


def test_late_news_of_it_are_taken_in_and_are_on_disk_after_the_next_fold(
    database: Database,
) -> None:
    state = database.load(LATER_MS)
    late = EntryObserved("a", START_MS + 9, EntryState.FILLED, "77a", 10, Decimal(65001), 7)
    state.apply(late)
    assert state.orders["a"].average_price == Decimal(65001)
    put(database, (late,))
    fold(database)
    again = database.load(LATER_MS)
    assert not again.orders.is_in_memory("a")
    assert again.orders["a"] == state.orders["a"]
    assert list(again.orders) == ["a", "b", "c", "d"]


def test_a_start_after_a_crash_folds_what_came_later_onto_what_is_on_disk(
    database: Database,
) -> None:
    put(database, (EntryObserved("c", START_MS + 9, EntryState.FILLED, "77c", 10, Decimal(2), 7),))
    state = database.load(LATER_MS)
    assert state.orders["c"].average_price == Decimal(2)
    assert known(state) == known(database.load())


def test_lists_tell_by_what_is_in_memory_what_may_be_wanted(database: Database) -> None:
    orders = database.load(LATER_MS).orders
    database._shelf.close()
    ids = ["d", "c", "b", "a"]
    assert orders.candidates(ids, ["filled"], "") == ["d", "c", "b", "a"]  # b, d are there to see
    assert orders.candidates(ids, ["rejected"], "") == ["d", "b"]
    assert orders.candidates(ids, [], "NOSUCHUSDT") == ["d", "b"]
    assert orders.candidates(ids, [], "BTCUSDT") == ids
    assert orders.ended_before(LATER_MS) == ["a", "c", "d"]
    assert orders.ended_since(LATER_MS) == []


def test_what_cannot_be_read_is_not_taken_for_absent(database: Database) -> None:
    state = database.load(LATER_MS)
    database._shelf.close()
    assert "a" in state.orders
    with pytest.raises(ValueError, match="cannot be read now"):
        state.orders["a"]
    with pytest.raises(ValueError, match="cannot be read now"):
        state.entry_of("ea")
    with pytest.raises(ValueError, match="cannot be read now"):
        state.apply(EntryObserved("a", START_MS + 9, EntryState.FILLED, "77a", 10))
    assert state.orders["d"].filled == 10, "a stop needs no disk"
    assert (state.is_entry("ea"), state.is_closing("ca"), state.is_entry("x")) == (
        True,
        True,
        False,
    )
    database._shelf.open(database._inode)
    assert state.orders["a"].filled == 10


def test_who_asks_for_it_meanwhile_is_told_to_ask_again(database: Database) -> None:
    state = database.load(LATER_MS)
    database._shelf.close()
    with pytest.raises(Unavailable, match="cannot be read now"):
        state.orders.get("a")


def test_another_file_in_its_place_is_not_read(database: Database, path: Path) -> None:
    state = database.load(LATER_MS)
    path.rename(path.with_name("away"))
    path.write_bytes(b"of somebody else")
    with pytest.raises(ValueError, match="another file has taken the place"):
        state.orders["a"]
    path.unlink()
    path.with_name("away").rename(path)
    assert state.orders["a"].filled == 10


def test_it_is_read_from_the_file_that_was_written_anew(database: Database, path: Path) -> None:
    state = database.load(LATER_MS)
    assert state.orders["a"].filled == 10
    path.unlink()
    database.write_anew()
    assert state.orders["a"].filled == 10


def test_damage_is_said_when_it_is_looked_up(path: Path, database: Database) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE kept SET body = '{}' WHERE what = 'order' AND id = 'a'")
    state = database.load(LATER_MS)
    with pytest.raises(ValueError, match="not what was written"):
        state.orders["a"]
    assert state.orders["c"].filled == 10


def test_a_journal_of_an_engine_that_knew_no_such_table_opens_with_it(path: Path) -> None:
    old = Database.open(path)
    put(old, *whole_story("a"))
    fold(old)
    before = known(old.load())
    old.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DROP TABLE ended")
        other.execute("DELETE FROM meta WHERE key = 'ended'")
    with closing(Database.open(path)) as new:
        state = new.load(LATER_MS)
        assert in_memory(state) == []
        assert known(state) == before


@pytest.mark.parametrize(
    "meddling",
    [
        "DELETE FROM kept WHERE id = 'c'",
        "UPDATE meta SET value = '1' WHERE key = 'ended'",
        "DELETE FROM ended WHERE id = 'a'",
    ],
)
def test_a_table_that_an_older_engine_left_behind_is_made_again(path: Path, meddling: str) -> None:
    old = Database.open(path)
    put(old, *whole_story("a"), *whole_story("c"))
    fold(old)
    old.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(meddling)
    with closing(Database.open(path)) as new:
        assert known(new.load(LATER_MS)) == known(new.load())


def test_what_is_forgotten_is_gone_from_the_disk_too(database: Database) -> None:
    put(database, (EntryForgotten("a"),))
    fold(database)
    database.forget([("protection", "c"), ("order", "c")], LATER_MS)
    state = database.load(LATER_MS)
    assert list(state.orders) == ["b", "d"]
    assert known(state) == known(database.load())


async def inline(sync_fn: Callable[..., Any], *args: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return sync_fn(*args)


class Clock:
    now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


async def test_a_running_engine_lets_go_what_ended_long_ago_and_is_on_disk(
    tmp_path: Path, autojump_clock: object
) -> None:
    clock = Clock()
    opened = open_journal(tmp_path, wall_ms=clock, fold_every=3, counters=Counters(), run=inline)
    async with opened as (journal, state):
        store = Store(journal, state)
        for records in (*whole_story("a"), *whole_story("d")[:7]):
            store.record(*records)
        await store.durable()
        before = state.orders["a"]
        await trio.sleep(5 * SHELVED_EVERY_S)
        assert in_memory(state) == ["a", "d"], "it has ended just now"
        clock.now_ms = LATER_MS
        await trio.sleep(4 * SHELVED_EVERY_S)
        assert in_memory(state) == ["d"], "d's protection is alive"
        assert state.orders["a"] == before
        late = EntryObserved("a", LATER_MS, EntryState.FILLED, "77a", 10, Decimal(3), 9)
        store.record(late)
        assert state.orders["a"].average_price == Decimal(3)
        assert in_memory(state) == ["a", "d"]
        await trio.sleep(5 * SHELVED_EVERY_S)
        assert in_memory(state) == ["a", "d"], "the disk does not have the last news of it"
        for _ in range(3):
            store.record(ProtectionLevelled("d", LATER_MS, Decimal(64000), Decimal(66000)))
        await trio.sleep(5 * SHELVED_EVERY_S)
        assert in_memory(state) == ["d"]
        assert state.orders["a"] == evolve(before, average_price=Decimal(3), update_time_ms=9)
    with closing(Database.open(tmp_path / FILE_NAME)) as database:
        assert known(database.load(LATER_MS)) == known(state_of(database))


def state_of(database: Database) -> State:
    return database.load()
