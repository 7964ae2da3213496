# ruff: noqa: ASYNC220, ASYNC240 - nothing else runs that a test could keep waiting
from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.store import (
    JournalError,
    JournalIncomplete,
    JournalLocked,
    JournalUnavailable,
    JournalUnusable,
    NotAJournal,
    copy_journal,
    database,
)
from bitmart_engine.store.lock import lock_file, locked
from bitmart_engine.store.opening import DAY_S, FILE_NAME, LOCK_NAME
from bitmart_engine.store.records import EntryAccepted

from .known import fast_directory, inline, known, open_store
from .stories import START_MS, entry, whole_story


@pytest.fixture
def directory() -> Iterator[Path]:
    with fast_directory() as name:
        yield Path(name) / "deep" / "state"


async def refused(directory: Path, error: type[JournalError]) -> str:
    """What is said when the journal there is opened; in one line."""
    with pytest.raises(error) as failure:
        async with open_store(directory):
            pytest.fail("it was opened")
    assert "\n" not in str(failure.value)
    return str(failure.value)


async def test_the_directory_is_made_for_nobody_else(directory: Path) -> None:
    async with open_store(directory):
        pass
    assert directory.stat().st_mode & 0o777 == 0o700
    assert sorted(each.name for each in directory.iterdir()) == [LOCK_NAME, FILE_NAME]


async def test_a_directory_that_is_a_file_is_refused(directory: Path) -> None:
    directory.parent.mkdir()
    directory.write_text("hello")
    assert f"{directory} is a file; name a directory" in await refused(directory, JournalUnusable)


async def test_a_directory_below_a_file_is_refused(directory: Path) -> None:
    directory.parent.write_text("hello")
    assert "cannot be used: Not a directory" in await refused(directory, JournalUnusable)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EROFS, "read-only file system"),
        (errno.EACCES, "permission denied"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EIO, "Input/output error"),
    ],
)
async def test_a_directory_that_cannot_be_written_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    directory.mkdir(parents=True)
    really = os.open

    def fails(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if str(path).endswith(LOCK_NAME):
            raise OSError(code, os.strerror(code), str(path))
        return really(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", fails)
    assert f"{directory} cannot be used: {said}" in await refused(directory, JournalUnusable)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_read_only_directory_is_refused(directory: Path) -> None:
    directory.mkdir(parents=True, mode=0o500)
    assert "permission denied" in await refused(directory, JournalUnusable)


async def test_a_journal_that_is_not_one_is_refused_and_the_lock_given_back(
    directory: Path,
) -> None:
    directory.mkdir(parents=True)
    (directory / FILE_NAME).write_bytes(b"\x89PNG" * 1000)
    assert "is not a database" in await refused(directory, NotAJournal)
    (directory / FILE_NAME).unlink()
    async with open_store(directory):
        pass


# One engine to a directory


async def test_a_second_engine_is_told_who_holds_the_directory(directory: Path) -> None:
    async with open_store(directory):
        said = await refused(directory, JournalLocked)
    assert f"another engine uses {directory}: process {os.getpid()} (" in said
    assert "stop it, or name another state directory" in said
    async with open_store(directory):
        pass


async def test_the_holders_arguments_beyond_its_name_are_not_shown(directory: Path) -> None:
    directory.mkdir(parents=True)
    script = (
        "import fcntl, os, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "f.write(str(os.getpid())); f.flush(); print(flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", script, str(directory / LOCK_NAME), "--secret", "hush"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        said = await refused(directory, JournalLocked)
        holder.kill()
    assert f"process {holder.pid} ({sys.executable} -c" in said
    assert "hush" not in said
    async with open_store(directory):
        pass


@pytest.mark.parametrize(
    ("left", "said"),
    [(b"", "(it holds "), (b"what\n", "(it holds "), (b"999999999\n", "process 999999999 holds")],
)
def test_a_holder_that_cannot_be_read_is_refused_all_the_same(
    tmp_path: Path, left: bytes, said: str
) -> None:
    path = tmp_path / LOCK_NAME
    path.write_bytes(left)
    with path.open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(JournalLocked) as failure, locked(path):
            pytest.fail("it was locked")
    assert said in str(failure.value)


# What has ended


async def test_what_has_ended_is_unpacked_when_there_is_time(directory: Path) -> None:
    async with open_store(directory) as (store, _):
        for number in range(50):
            for unit in whole_story(f"o{number}"):
                store.record(*unit)
        before = known(store.state)
    async with open_store(directory) as (store, _):
        await trio.testing.wait_all_tasks_blocked()
        assert not list(store.state.orders.unpack_each())
        assert known(store.state) == before


async def test_what_has_ended_and_is_damaged_does_not_stop_the_engine(directory: Path) -> None:
    async with open_store(directory) as (store, _):
        for unit in whole_story("a"):
            store.record(*unit)
    with closing(sqlite3.connect(directory / FILE_NAME)) as shell:
        shell.execute("UPDATE kept SET body = replace(body, '64500', '74500')")
        shell.commit()
    counters = Counters()
    async with open_store(directory, counters=counters) as (store, _):
        await trio.testing.wait_all_tasks_blocked()
        store.record(EntryAccepted(entry("b")))
        await store.durable()
    assert counters.counts() == {"archived_order_unreadable": 2}


async def test_old_history_goes_at_the_start_and_every_day(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    epoch = trio.current_time()

    def wall_ms() -> int:
        return START_MS + round((trio.current_time() - epoch) * 1000)

    days: dict[str, Any] = {"wall_ms": wall_ms, "look_every_s": 3600}
    async with open_store(directory, history_days=2, **days) as (store, journal):
        for unit in whole_story("old", wall_ms()) + whole_story("alive", wall_ms())[:6]:
            store.record(*unit)
        await trio.sleep(1.5 * DAY_S)
        for unit in whole_story("young", wall_ms()):
            store.record(*unit)
        assert list(store.state.orders) == ["old", "alive", "young"]
        await trio.sleep(1.6 * DAY_S)
        assert list(store.state.orders) == ["alive", "young"]
        assert journal.healthy
        before = known(store.state)
        with closing(sqlite3.connect(directory / FILE_NAME)) as shell:
            rows = shell.execute("SELECT DISTINCT subject FROM journal WHERE subject LIKE 'old%'")
            assert rows.fetchall() == []
    async with open_store(directory, history_days=2, **days) as (store, _):
        assert known(store.state) == before
    await trio.sleep(10 * DAY_S)
    async with open_store(directory, history_days=2, **days) as (store, _):
        assert list(store.state.orders) == ["alive"]
        await trio.sleep(1)


async def test_an_id_may_be_used_again_after_its_order_was_forgotten(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    now_ms = START_MS
    async with open_store(directory, wall_ms=lambda: now_ms, look_every_s=3600) as (store, _):
        for unit in whole_story("a"):
            store.record(*unit)
        await store.durable()
        now_ms += 40 * DAY_S * 1000
        await trio.sleep(DAY_S + 1)
        assert "a" not in store.state.orders
        store.record(EntryAccepted(entry("a", now_ms)))
        before = known(store.state)
    async with open_store(directory, wall_ms=lambda: now_ms) as (store, _):
        assert known(store.state) == before


async def test_a_compaction_that_fails_is_counted_and_tried_another_day(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    now_ms, counters = START_MS, Counters()
    days: dict[str, Any] = {"wall_ms": lambda: now_ms, "look_every_s": 3600}
    async with open_store(directory, counters=counters, **days) as (store, journal):
        for unit in whole_story("a"):
            store.record(*unit)
        await store.durable()
        now_ms += 40 * DAY_S * 1000
        journal._database.close()
        await trio.sleep(DAY_S + 1)
        assert counters.counts()["journal_compaction_failed"] >= 1
    async with open_store(directory, wall_ms=lambda: now_ms) as (store, _):
        assert list(store.state.orders) == []


# A process that dies, a disk that fills: in a process of its own, because its limits and its end are its own

CHILD = """
    import os, resource, signal, sys
    from pathlib import Path
    import trio, trio.testing
    from bitmart_engine.store import JournalUnavailable
    from bitmart_engine.store.records import EntryAccepted
    from tests.store.known import open_store
    from tests.store.stories import entry

    directory = Path(sys.argv[1])

    def promise(store, id):
        store.record(EntryAccepted(entry(id)))
"""


def child(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = textwrap.dedent(CHILD) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=Path(__file__).parents[2],
        check=False,
    )


DIES = """
    commits = 0

    def crash_point(point):
        global commits
        commits += point == "before commit"
        if (point, commits) == (sys.argv[2], 4):
            os.kill(os.getpid(), signal.SIGKILL)

    async def main():
        async with open_store(directory, crash_point=crash_point, fold_every=2) as (store, _):
            for number in range(9):
                promise(store, str(number))
                await store.durable()
                print(number, flush=True)

    trio.run(main)
"""


@pytest.mark.parametrize(("point", "kept"), [("before commit", 3), ("after commit", 4)])
async def test_a_killed_engine_finds_what_it_had_said_was_durable(
    directory: Path, point: str, kept: int
) -> None:
    ended = child(DIES, str(directory), point)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout.split() == ["0", "1", "2"]
    async with open_store(directory) as (store, _):
        assert list(store.state.orders) == [str(number) for number in range(kept)]


FILLS = """
    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def main():
        async with open_store(directory) as (store, journal):
            promise(store, "0")
            await store.durable()
            limit(Path(f"{directory}/engine.sqlite3-wal").stat().st_size + 10_000)
            promised = 1
            while journal.healthy:
                promise(store, str(promised))
                promised += 1
                try:
                    await store.durable()
                except JournalUnavailable as error:
                    print("said:", error)
            limit(0)  # a checkpoint could have made room for a little more
            for _ in range(20):
                promise(store, str(promised))
                promised += 1
            await trio.sleep(30)
            assert not journal.healthy
            limit(resource.RLIM_INFINITY)
            await trio.sleep(6)
            assert journal.trouble is None, journal.trouble
            assert journal.waiting == 0
            print("promised:", promised)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
"""


async def test_a_full_disk_loses_nothing_and_is_made_good_when_there_is_room(
    directory: Path,
) -> None:
    ended = child(FILLS, str(directory))
    assert ended.returncode == 0, ended.stderr
    told = dict(
        line.split(": ", 1) for line in ended.stdout.splitlines() if line[:5] in ("said:", "promi")
    )
    assert told["said"].startswith("the journal cannot be written: the disk fails, or is full")
    async with open_store(directory) as (store, _):
        assert list(store.state.orders) == [str(number) for number in range(int(told["promised"]))]


# A copy that is not all there is


def lives_and_is_killed(directory: Path, ids: Sequence[str]) -> None:
    """A process that has promised orders, and is gone."""
    child(
        """
        async def main():
            async with open_store(directory) as (store, _):
                for id in sys.argv[2:]:
                    promise(store, id)
                    await store.durable()
                os.kill(os.getpid(), signal.SIGKILL)
        trio.run(main)
        """,
        str(directory),
        *ids,
    )


async def orders_in(directory: Path, **options: Any) -> list[str]:
    async with open_store(directory, **options) as (store, _):
        return list(store.state.orders)


@pytest.mark.parametrize("count", [1, 300])
async def test_a_copy_of_a_killed_engines_file_without_its_wal_is_refused(
    directory: Path, count: int
) -> None:
    ids = [str(number) for number in range(count)]
    lives_and_is_killed(directory, ids)
    for name in ("copied", "moved"):
        other = directory.with_name(name)
        other.mkdir()
        if name == "copied":
            shutil.copy(directory / FILE_NAME, other)
        else:
            shutil.copytree(directory, directory.with_name("whole"))
            (directory / FILE_NAME).rename(other / FILE_NAME)
        for _ in range(2):
            said = await refused(other, JournalIncomplete)
        assert "lacks its latest records" in said
        assert "--accept-older-journal" in said
        older = await orders_in(other, accept_older=True)
        assert older == ids[: len(older)]
    assert await orders_in(directory.with_name("whole")) == ids


async def test_a_copy_of_the_file_alone_is_whole_after_a_clean_end(directory: Path) -> None:
    async with open_store(directory) as (store, _):
        store.record(EntryAccepted(entry("a")))
    other = directory.with_name("copied")
    other.mkdir()
    shutil.copy(directory / FILE_NAME, other)
    assert await orders_in(other) == ["a"]


async def test_a_copy_of_the_file_alone_is_refused_while_the_engine_runs(directory: Path) -> None:
    other = directory.with_name("copied")
    other.mkdir(parents=True)
    async with open_store(directory, fold_every=5) as (store, journal):
        for number in range(60):
            store.record(EntryAccepted(entry(str(number))))
            await store.durable()
            if number % 7 == 0:
                await inline(journal._database.checkpoint)
            shutil.copy(directory / FILE_NAME, other)
            await refused(other, JournalIncomplete)


async def test_a_killed_engines_journal_that_a_shell_looked_at_is_whole(directory: Path) -> None:
    lives_and_is_killed(directory, ["a", "b"])
    with closing(sqlite3.connect(directory / FILE_NAME)) as shell:
        assert shell.execute("SELECT count(*) FROM journal").fetchone() == (2,)
    assert not (directory / f"{FILE_NAME}-wal").exists()
    assert await orders_in(directory) == ["a", "b"]


async def test_file_and_wal_of_different_times_are_refused(directory: Path) -> None:
    other = directory.with_name("copied")
    other.mkdir(parents=True)
    async with open_store(directory) as (store, journal):
        store.record(EntryAccepted(entry("a")))
        await store.durable()
        shutil.copy(directory / FILE_NAME, other)
        await inline(journal._database.checkpoint)
        store.record(EntryAccepted(entry("b")))
        await store.durable()
        await inline(journal._database.checkpoint)
        store.record(EntryAccepted(entry("c")))
        await store.durable()
        shutil.copy(directory / f"{FILE_NAME}-wal", other)
    assert "different times" in await refused(other, JournalIncomplete)


# A file that is deleted under the engine


async def test_the_journals_own_file_is_locked_too(directory: Path) -> None:
    async with open_store(directory):
        (directory / LOCK_NAME).unlink()
        await refused(directory, JournalLocked)
        with pytest.raises(JournalLocked, match=f"it holds {directory / FILE_NAME}"):
            lock_file(directory / FILE_NAME)
    async with open_store(directory):
        pass


async def test_the_directory_is_locked_where_both_files_were_deleted_a_moment_ago(
    directory: Path,
) -> None:
    async with open_store(directory) as (store, _):
        for name in (LOCK_NAME, FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"):
            (directory / name).unlink()
        assert f"another engine uses {directory}" in await refused(directory, JournalLocked)
        store.record(EntryAccepted(entry("a")))
        with suppress(JournalUnavailable):  # until it is noticed, within a second
            await store.durable()
    assert await orders_in(directory) == ["a"]


async def test_a_directory_that_was_made_anew_is_locked_with_the_journal_in_it(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_store(directory):
        shutil.rmtree(directory)
        directory.mkdir()
        await trio.sleep(3)
        for name in (LOCK_NAME, FILE_NAME):
            (directory / name).unlink()
        assert f"another engine uses {directory}" in await refused(directory, JournalLocked)


async def test_a_file_system_without_locks_of_directories_goes_without(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def no_directories(file: int, operation: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", no_directories)
    async with open_store(directory):
        await refused(directory, JournalLocked)


@pytest.mark.parametrize("gone", ["file", "all files", "wal", "directory"])
async def test_a_journal_that_is_deleted_is_noticed_and_written_anew(
    directory: Path, gone: str, autojump_clock: trio.testing.MockClock
) -> None:
    names = {"file": [""], "all files": ["", "-wal", "-shm"], "wal": ["-wal"]}.get(gone, [])
    moved = []
    async with open_store(directory, moved_back=lambda: moved.append(1)) as (store, _):
        store.record(*whole_story("a")[0])
        await store.durable()
        if gone == "directory":
            shutil.rmtree(directory)
        for name in names:
            (directory / f"{FILE_NAME}{name}").unlink()
        if gone == "directory":
            await trio.sleep(1.1)
            assert "was deleted" in str(store.trouble)
            store.record(EntryAccepted(entry("b")))
            with pytest.raises(JournalUnavailable):
                await store.durable()
            await trio.sleep(10)
            assert not directory.exists()
            directory.mkdir()
        await trio.sleep(1.1)
        assert store.trouble is None
        assert moved == [1]
        store.record(EntryAccepted(entry("c")))
        await store.durable()
        await refused(directory, JournalLocked)
        before = known(store.state)
        left = directory.with_name("left")
        shutil.copytree(directory, left)
    for each in (left, directory):
        async with open_store(each) as (store, _):
            assert known(store.state) == before


@pytest.mark.parametrize("gone", [["", "-wal", "-shm"], [""], ["-wal"]])
async def test_nothing_is_promised_in_a_file_that_was_deleted_a_moment_ago(
    directory: Path, gone: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    async with open_store(directory) as (store, _):
        store.record(EntryAccepted(entry("a")))
        await store.durable()
        for name in gone:
            (directory / f"{FILE_NAME}{name}").unlink()
        store.record(EntryAccepted(entry("b")))
        with pytest.raises(JournalUnavailable, match="was deleted"):
            await store.durable()
        await trio.sleep(0.2)
        await store.durable()
        left = directory.with_name("left")
        shutil.copytree(directory, left)
    assert await orders_in(left) == ["a", "b"]


@pytest.mark.parametrize("gone", [["", "-wal", "-shm"], [""], ["-wal"]])
@pytest.mark.parametrize("before", ["missing", "commit", "_caught_up", "close"])
async def test_a_journal_that_is_deleted_while_it_is_being_closed_is_written_anew(
    directory: Path, gone: list[str], before: str, autojump_clock: trio.testing.MockClock
) -> None:
    left = [f"{FILE_NAME}{name}" for name in gone]
    journals = []

    async def run(function: Any, *arguments: Any) -> Any:
        if function.__name__ == before and any(journal._closed for journal in journals):
            while left:
                (directory / left.pop()).unlink()
        return await inline(function, *arguments)

    async with open_store(directory, run=run) as (store, journal):
        journals.append(journal)
        store.record(EntryAccepted(entry("a")))
        await store.durable()
        store.record(EntryAccepted(entry("b")))
    assert not left, "it was deleted"
    assert await orders_in(directory) == ["a", "b"]


async def test_a_journal_whose_place_another_file_has_taken_is_not_written_over_it(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_store(directory) as (store, _):
        store.record(EntryAccepted(entry("a")))
        await store.durable()
        (directory / FILE_NAME).rename(directory / "aside")
        (directory / FILE_NAME).write_text("somebody else's")
        await trio.sleep(5)
        assert "another file has taken the place" in str(store.trouble)
        assert (directory / FILE_NAME).read_text() == "somebody else's"
        (directory / FILE_NAME).unlink()
        await trio.sleep(1.1)
        assert store.trouble is None
    assert await orders_in(directory) == ["a"]


async def test_a_journal_that_was_moved_away_and_back_is_written_again(
    directory: Path, autojump_clock: trio.testing.MockClock
) -> None:
    file, wal = directory / FILE_NAME, directory / f"{FILE_NAME}-wal"
    async with open_store(directory) as (store, _):
        store.record(EntryAccepted(entry("a")))
        await store.durable()
        file.rename(directory / "aside")
        wal.rename(directory / "wal aside")
        file.write_text("somebody else's")
        await trio.sleep(5)
        assert store.trouble is not None
        (directory / "aside").rename(file)
        (directory / "wal aside").rename(wal)
        await trio.sleep(1.1)
        assert store.trouble is None
        store.record(EntryAccepted(entry("b")))
        await store.durable()
    assert await orders_in(directory) == ["a", "b"]


@pytest.mark.parametrize("before", ["written", "opened"])
async def test_a_journal_that_was_written_anew_on_a_disk_that_fails_at_the_end_is_written_again(
    directory: Path,
    before: str,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure, failures = database.configure, [sqlite3.OperationalError("disk I/O error")] * 3

    def unsure(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        configure(*arguments)

    async def run(function: Any, *arguments: Any) -> Any:
        done = await inline(function, *arguments)
        if function.__name__ == "write_anew" and before == "written" and failures:
            raise failures.pop()
        return done

    async with open_store(directory, run=run) as (store, _):
        store.record(EntryAccepted(entry("a")))
        await store.durable()
        for name in ("", "-wal", "-shm"):
            (directory / f"{FILE_NAME}{name}").unlink()
        if before == "opened":
            monkeypatch.setattr(database, "configure", unsure)
        await trio.sleep(3)
        assert store.trouble is None
        store.record(EntryAccepted(entry("b")))
        with trio.move_on_after(20):
            while True:
                try:
                    await store.durable()
                    break
                except JournalUnavailable:
                    await trio.sleep(0.1)
        left = directory.with_name("left")
        shutil.copytree(directory, left)
    assert await orders_in(left) == ["a", "b"]


# Copies that are whole


@pytest.mark.parametrize("state", ["running", "killed", "ended"])
async def test_a_backup_is_whole_whatever_the_engine_does(directory: Path, state: str) -> None:
    other = directory.with_name("copied")
    other.mkdir(parents=True)
    if state == "killed":
        lives_and_is_killed(directory, ["a", "b"])
        assert copy_journal(directory, other / FILE_NAME) == 2
    else:
        async with open_store(directory) as (store, _):
            store.record(EntryAccepted(entry("a")))
            store.record(EntryAccepted(entry("b")))
            await store.durable()
            if state == "running":
                assert copy_journal(directory, other / FILE_NAME) == 2
                store.record(EntryAccepted(entry("c")))
                await store.durable()
        if state == "ended":
            assert copy_journal(directory, other / FILE_NAME) == 2
    assert [each.name for each in other.iterdir()] == [FILE_NAME]
    assert (other / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert await orders_in(other) == ["a", "b"]
    expected = ["a", "b", "c"] if state == "running" else ["a", "b"]
    assert await orders_in(directory) == expected


async def test_a_backup_is_not_written_over_anything_nor_made_of_nothing(directory: Path) -> None:
    with pytest.raises(JournalUnusable, match="does not exist"):
        copy_journal(directory, directory.with_name("copy"))
    async with open_store(directory):
        pass
    there = directory.with_name("there")
    there.write_text("something")
    with pytest.raises(JournalError, match="exists"):
        copy_journal(directory, there)
    assert there.read_text() == "something"
    assert sorted(each.name for each in directory.parent.iterdir()) == ["state", "there"]
