"""How fast promises become durable, and how fast an engine with a long history starts. Run by hand:

    python -m tests.benchmarks.bench_journal [directory]

Durable commits are timed beside a bare sqlite3 loop with the same pragmas, in the same run and on the same disk. The
directory is where the files are made (a temporary one by default), and should be on the disk that is asked about.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import trio

from bitmart_engine.counters import Counters
from bitmart_engine.store import Store, open_journal
from bitmart_engine.store.database import Database
from bitmart_engine.store.opening import FILE_NAME
from bitmart_engine.store.records import EntryAccepted, ProtectionOpened
from bitmart_engine.store.units import Unit
from tests.store.stories import START_MS, entry, protection, whole_story

ROUNDS = 3
COMMITS = 3000
UNITS_AT_ONCE = 2000


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        directory = Path(name)
        for number in range(ROUNDS):
            commits_per_second(directory / f"round-{number}")
        for orders in (1_000, 10_000, 100_000):
            start_up(directory / f"orders-{orders}", orders)


def commits_per_second(directory: Path) -> None:
    bare = bare_sqlite(directory / "bare")
    one = trio.run(committers, directory / "one", 1)
    eight = trio.run(committers, directory / "eight", 8)
    print(
        f"durable commits/s: bare sqlite3 {bare:,.0f} | journal, 1 committer {one:,.0f} ({one / bare:.2f})"
        f" | journal, 8 committers {eight:,.0f} ({eight / bare:.2f})"
    )


def bare_sqlite(directory: Path) -> float:
    """One promise (two rows with bodies of the same size) in each transaction, nothing else."""
    directory.mkdir(parents=True)
    connection = sqlite3.connect(directory / "bare.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, kind TEXT, body TEXT)")
    unit = Unit.of(1, START_MS, (EntryAccepted(entry("a")), ProtectionOpened(protection("a"))))
    rows = [(kind, body) for kind, _, body in unit.rows]
    began = time.perf_counter()
    for _ in range(COMMITS):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO journal (kind, body) VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return COMMITS / took


async def committers(directory: Path, count: int) -> float:
    """Promises per second that `count` tasks get durable, each waiting for its own."""
    async with open_journal(directory, wall_ms=lambda: START_MS, counters=Counters()) as (
        journal,
        state,
    ):
        store = Store(journal, state)

        async def commit(name: int) -> None:
            for number in range(COMMITS // count):
                id = f"{name}-{number}"
                store.record(EntryAccepted(entry(id)), ProtectionOpened(protection(id)))
                await store.durable()

        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for name in range(count):
                nursery.start_soon(commit, name)
        return COMMITS // count * count / (time.perf_counter() - began)


def start_up(directory: Path, orders: int) -> None:
    began = time.perf_counter()
    write_history(directory, orders)
    built = time.perf_counter() - began
    took = []
    for _ in range(ROUNDS):
        took.append(trio.run(open_and_close, directory))
    size = sum(each.stat().st_size for each in directory.iterdir()) / 1e6
    print(
        f"start with {orders:>7,} finished orders ({18 * orders:,} records, {size:,.0f} MB, built in {built:.0f} s): "
        + ", ".join(f"{seconds:.3f} s ({busy:.3f} s of CPU)" for seconds, busy in took)
    )


def write_history(directory: Path, orders: int) -> None:
    directory.mkdir(parents=True)
    database = Database.open(directory / FILE_NAME)
    seq, units = 1, []
    for number in range(orders):
        for records in whole_story(f"order-{number}"):
            units.append(Unit.of(seq, START_MS, records))
            seq += len(records)
        if len(units) > UNITS_AT_ONCE or number == orders - 1:
            database.commit(units)
            units.clear()
            while database.advance(UNITS_AT_ONCE):
                pass
    database.close()


async def open_and_close(directory: Path) -> tuple[float, float]:
    """Seconds until the state is there, all of it; and of these, how many the processor was busy with it."""
    began, idle = time.perf_counter(), time.process_time()
    async with open_journal(directory, wall_ms=lambda: START_MS, counters=Counters()) as (_, state):
        took = time.perf_counter() - began, time.process_time() - idle
        assert len(state.orders) == len(state.protections) > 0
        return took


if __name__ == "__main__":
    main()
