"""What the tests of the journal share: a state as comparable values, and a disk without a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from bitmart_engine.counters import Counters
from bitmart_engine.store import SqliteJournal, State, Store, open_journal
from bitmart_engine.store.database import Database
from bitmart_engine.store.records import Record
from bitmart_engine.store.units import Unit

from .stories import START_MS


def fast_directory() -> TemporaryDirectory[str]:
    """A directory for a test that commits thousands of times: in memory, where there is such a place."""
    return TemporaryDirectory(
        dir=next((each for each in ("/dev/shm",) if Path(each).is_dir()), None)
    )


def known(state: State) -> dict[str, Any]:
    """Everything a state knows, in the order in which it lists it."""
    return {
        name: list(value.items())
        if name in ("orders", "protections", "futures_orders", "owed", "dead")
        else value
        for name, value in vars(state).items()
    }


def folded(units: Sequence[Sequence[Record]]) -> State:
    """What `units` add up to, without any journal."""
    state = State()
    for unit in units:
        for record in unit:
            state.apply(record)
    return state


def write(database: Database, units: Sequence[Sequence[Record]], at_ms: int = START_MS) -> None:
    """Commit `units`, each on its own."""
    for records in units:
        database.commit([Unit.of(database.last_seq() + 1, at_ms, records)])


async def inline(sync_fn: Callable[..., Any], *args: Any) -> Any:
    """Instead of a thread: the same, at once, for a test that must be the same every time."""
    await trio.lowlevel.checkpoint()
    return sync_fn(*args)


@asynccontextmanager
async def open_store(directory: Path, **options: Any) -> AsyncIterator[tuple[Store, SqliteJournal]]:
    """A store on disk."""
    options = {"wall_ms": lambda: START_MS, "counters": Counters(), "run": inline, **options}
    async with open_journal(directory, **options) as (journal, state):
        yield Store(journal, state), journal
