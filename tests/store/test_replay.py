"""Replay equals live: what a start finds is what the engine knew, whenever it was interrupted."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bitmart_engine.store import JournalIncomplete
from bitmart_engine.store.database import Database
from bitmart_engine.store.retention import forget_old
from bitmart_engine.store.units import Unit

from .known import fast_directory, folded, known, write
from .legal import History
from .stories import START_MS, whole_story

DAY_MS = 86_400_000


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    database = Database.open(path)
    try:
        yield database
    finally:
        database.close()


@settings(deadline=None)
@given(st.data())
def test_a_start_finds_what_was_known_whatever_was_folded_before(data: st.DataObject) -> None:
    history = History(data.draw, START_MS)
    with fast_directory() as name:
        path = Path(name) / "journal"
        for _ in range(data.draw(st.integers(1, 3), "starts")):
            with opened(path) as database:
                for _ in range(data.draw(st.integers(1, 12), "units")):
                    unit = history.unit()
                    database.commit([Unit.of(database.last_seq() + 1, history.now_ms, unit)])
                    if data.draw(st.booleans(), "fold"):
                        database.advance(data.draw(st.integers(1, 10), "records"))
            with opened(path) as database:
                assert known(database.load()) == known(history.live)


@settings(deadline=None)
@given(st.data())
def test_a_start_finds_what_was_known_also_after_old_things_were_forgotten(
    data: st.DataObject,
) -> None:
    history = History(data.draw, START_MS)
    with fast_directory() as name, opened(Path(name) / "journal") as database:
        for _ in range(3):
            for _ in range(data.draw(st.integers(1, 10), "units")):
                unit = history.unit()
                database.commit([Unit.of(database.last_seq() + 1, history.now_ms, unit)])
            alive = [*history.live.orders.alive(), *history.live.protections.alive()]
            owed = dict(history.live.owed)
            before_ms = history.now_ms - data.draw(st.integers(0, 10), "days") * DAY_MS
            while database.advance(5):
                pass
            database.forget(forget_old(history.live, before_ms), before_ms)
            while database.trim(before_ms):
                pass
            found = database.load()
            assert known(found) == known(history.live)
            assert [*found.orders.alive(), *found.protections.alive()] == alive
            assert found.owed == owed


def test_an_old_order_goes_with_all_its_records_and_an_alive_one_keeps_them() -> None:
    with fast_directory() as name, opened(Path(name) / "journal") as database:
        for number in range(60):
            write(database, whole_story(f"old{number}"))
        write(database, whole_story("alive")[:6])
        later = START_MS + 10 * DAY_MS
        write(database, whole_story("young", later), later)
        while database.advance(1000):
            pass
        state = database.load()
        before_ms = START_MS + DAY_MS
        database.forget(forget_old(state, before_ms), before_ms)
        steps = 1
        while database.trim(before_ms):
            steps += 1
        assert steps > 1
        assert list(state.orders) == ["alive", "young"]
        assert known(database.load()) == known(state)
        database.close()
        with closing(sqlite3.connect(Path(name) / "journal")) as shell:
            rows = shell.execute(
                "SELECT subject, count(*) FROM journal GROUP BY subject ORDER BY 1"
            )
            left = dict(rows.fetchall())
        assert left["alive"] == 8
        assert left["young"] == 12
        assert not any(subject.startswith("old") for subject in left)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_torn_tail_keeps_whole_units(data: st.DataObject) -> None:
    history = History(data.draw, START_MS)
    units = []
    with fast_directory() as name:
        path, torn = Path(name) / "journal", Path(name) / "torn"
        with opened(path) as database:
            for _ in range(data.draw(st.integers(1, 8), "units")):
                units.append(history.unit())
                write(database, units[-1:])
                if data.draw(st.booleans(), "fold"):
                    database.advance(4)
            shutil.copy(path, torn)
            tail = Path(f"{path}-wal").read_bytes()
        left = data.draw(st.integers(0, len(tail)), "bytes left")
        Path(f"{torn}-wal").write_bytes(tail[:left])
        try:
            with opened(torn) as database:
                found = known(database.load())
        except JournalIncomplete:
            assert left < 32 + 24 + 4096  # not even the first page is whole
            return
        assert found in [known(folded(units[:count])) for count in range(len(units) + 1)]
        if left == len(tail):
            assert found == known(history.live)
