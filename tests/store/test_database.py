from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bitmart_engine.store import (
    JournalCorrupted,
    JournalError,
    JournalTooNew,
    JournalTooOld,
    JournalUnusable,
    NotAJournal,
)
from bitmart_engine.store import database as database_module
from bitmart_engine.store.database import Database
from bitmart_engine.store.errors import explained, why
from bitmart_engine.store.records import (
    EntryAccepted,
    EntryCancelAsked,
    NotificationOwed,
    NotificationSettled,
    ViewChanged,
)
from bitmart_engine.store.schema import MIGRATIONS
from bitmart_engine.store.units import Unit

from .known import fast_directory, folded, known, write
from .stories import START_MS, entry, notification, whole_story

ALIVE = [unit for n in range(12) for unit in whole_story(f"alive{n}")[:6]]
ENDED = [unit for n in range(12) for unit in whole_story(f"ended{n}")]


@pytest.fixture
def path() -> Iterator[Path]:
    with fast_directory() as name:
        yield Path(name) / "journal.sqlite3"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database.open(path)
    yield opened
    opened.close()


def sql(path: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as shell:
        for statement in statements:
            rows = shell.execute(statement).fetchall()
        shell.commit()
    return rows


def test_a_new_journal_is_empty_and_nobody_elses_to_read(path: Path, database: Database) -> None:
    assert database.last_seq() == 0
    assert known(database.load()) == known(folded([]))
    assert path.stat().st_mode & 0o777 == 0o600
    assert Path(f"{path}-wal").stat().st_mode & 0o777 == 0o600


def test_the_records_of_a_unit_are_numbered_and_marked_as_one(
    path: Path, database: Database
) -> None:
    write(database, whole_story("a")[:2])
    rows = sql(path, "SELECT seq, at_ms, unit, kind, subject FROM journal ORDER BY seq")
    assert rows == [
        (1, START_MS, 1, "EntryAccepted", "a"),
        (2, START_MS, 1, "ProtectionOpened", "a"),
        (3, START_MS, 3, "EntryIntended", "a"),
    ]
    assert sql(path, "SELECT json_extract(body, '$.price') FROM journal WHERE seq = 3") == [
        ("65000.1",)
    ]


def test_it_is_written_through_to_the_disk(database: Database) -> None:
    connection = database._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_commit_that_was_only_not_heard_of_may_be_repeated(database: Database) -> None:
    first = Unit.of(1, START_MS, (EntryAccepted(entry("a")),))
    second = Unit.of(2, START_MS, (EntryCancelAsked("a", START_MS),))
    database.commit([first])
    database.commit([first, second])
    assert database.last_seq() == 2
    assert database.load().orders["a"].cancel_asked


def test_the_tables_keep_the_order_in_which_things_were_owed_again(database: Database) -> None:
    story = whole_story("a")
    write(database, story[:4])
    owed = story[3][1]
    write(database, [(owed,), story[5], story[4], (owed,)])
    before = known(database.load())
    while database.advance(100):
        pass
    assert known(database.load()) == before
    assert list(database.load().owed) == ["a:1", "a:0"]


def test_numbers_go_on_after_everything_was_removed(path: Path) -> None:
    database = Database.open(path)
    write(database, ENDED)
    last = database.last_seq()
    while database.advance(1000):
        pass
    while database.trim(START_MS + 1):
        pass
    database.close()
    assert sql(path, "SELECT count(*) FROM journal") == [(0,)]
    again = Database.open(path)
    assert again.last_seq() == last
    write(again, whole_story("next"))
    assert "next" in again.load().orders
    again.close()


def test_of_forwarded_frames_only_those_stay_that_are_owed(database: Database) -> None:
    frames = [notification(f"raw-{n}", "raw_events", kind="raw_event") for n in range(6)]
    write(database, [*whole_story("a"), (EntryAccepted(entry("raw-b")),)])
    for each in frames:
        write(database, [(NotificationOwed(each),)])
    for each in frames[:4]:
        write(database, [(NotificationSettled(each.id, delivered=each is not frames[3]),)])
    database.thin(0, 1000)
    assert database.first_seq() == 1
    while database.advance(7):
        pass
    before, last = known(database.load()), database.last_seq()
    database.thin(0, 20)
    database.thin(20, 1000)
    assert known(database.load()) == before
    assert database.last_seq() == last
    assert list(database.load().owed) == ["raw-4", "raw-5"]
    assert list(database.load().dead) == ["raw-3"]
    kept = database.told(0, 1000, ["raw_events", "a"], set())
    told = [each.notification.id for each in kept if isinstance(each, NotificationOwed)]
    assert told == ["a:0", "a:1", "a:2", "raw-4", "raw-5"]
    assert "raw-b" in database.load().orders
    write(database, whole_story("next"))
    assert "next" in database.load().orders


def test_what_is_not_folded_is_never_removed(database: Database) -> None:
    write(database, ENDED)
    assert not database.trim(START_MS + 1)
    assert len(database.load().orders) == 12


# What is wrong with the file


def test_a_file_that_is_not_a_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"bitmart,orders\n" * 1000)
    with pytest.raises(NotAJournal, match=r"journal\.sqlite3 is not a database; move it away"):
        Database.open(path)
    assert path.read_bytes() == b"bitmart,orders\n" * 1000


def test_a_database_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    sql(path, "CREATE TABLE songs (title)")
    before = path.read_bytes()
    with pytest.raises(NotAJournal, match="not a journal of this engine"):
        Database.open(path)
    assert path.read_bytes() == before


def test_a_journal_without_its_version_is_refused(path: Path) -> None:
    Database.open(path).close()
    sql(path, "DELETE FROM meta WHERE key = 'schema'")
    with pytest.raises(NotAJournal, match="does not say which schema version"):
        Database.open(path)


def test_a_newer_journal_is_refused_with_what_to_do(path: Path) -> None:
    Database.open(path).close()
    sql(path, "UPDATE meta SET value = '6' WHERE key = 'schema'")
    before = path.read_bytes()
    with pytest.raises(JournalTooNew, match="schema version 6, this engine knows 5; install the"):
        Database.open(path)
    assert path.read_bytes() == before


def make_version_0(path: Path) -> None:
    """A journal as it might have been: each record on its own."""
    Database.open(path).close()
    sql(
        path,
        "UPDATE meta SET value = '0' WHERE key = 'schema'",
        "ALTER TABLE journal DROP COLUMN unit",
        """INSERT INTO journal (seq, at_ms, kind, subject, check32, body)
           VALUES (1, 5, 'ViewChanged', '', 1082925028, '{"topics":["a"],"subscribed":true}')""",
    )


def add_unit(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE journal RENAME TO old")
    connection.execute(
        """CREATE TABLE journal (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, unit INTEGER NOT NULL,
           kind TEXT NOT NULL, subject TEXT NOT NULL, check32 INTEGER NOT NULL, body TEXT NOT NULL)"""
    )
    connection.execute(
        "INSERT INTO journal SELECT seq, at_ms, seq, kind, subject, check32, body FROM old"
    )
    connection.execute("DROP TABLE old")


def test_an_older_journal_is_converted_and_keeps_what_it_had(path: Path) -> None:
    make_version_0(path)
    database = Database.open(path, migrations={**MIGRATIONS, 0: add_unit})
    write(database, [(ViewChanged(("b",), True),)])
    assert database.load().viewed == {"a", "b"}
    database.close()
    assert sql(path, "SELECT value FROM meta WHERE key = 'schema'") == [("5",)]
    assert sql(path, "SELECT unit FROM journal") == [(1,), (2,)]
    Database.open(path).close()


def test_a_journal_of_the_first_version_opens_with_all_it_had(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "version_1.sql").read_text())
    connection.close()
    database = Database.open(path)
    state = database.load()
    assert {id: each.state.value for id, each in state.orders.items()} == {
        "kept-1": "filled",
        "kept-2": "filled",
        "waits": "waiting",
        "held": "filled",
    }
    assert {id: each.state.value for id, each in state.protections.items()} == {
        "kept-1": "closed",
        "kept-2": "closed",
        "waits": "pending_fill",
        "held": "armed",
    }
    held = state.protections["held"]
    assert (held.remaining, held.fired, held.exchange_plans) == (10, (), ())
    assert list(state.owed) == ["held:1"]
    write(database, [(ViewChanged(("b",), True),)])
    database.close()
    assert sql(path, "SELECT value FROM meta WHERE key = 'schema'") == [("5",)]
    Database.open(path).close()


def test_a_conversion_that_fails_changes_nothing(path: Path) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        add_unit(connection)
        connection.execute("INSERT INTO nowhere VALUES (1)")

    make_version_0(path)
    with pytest.raises(JournalError, match="no such table: nowhere"):
        Database.open(path, migrations={**MIGRATIONS, 0: fails})
    assert sql(path, "SELECT value FROM meta WHERE key = 'schema'") == [("0",)]
    Database.open(path, migrations={**MIGRATIONS, 0: add_unit}).close()


def test_a_journal_that_is_too_old_is_refused(path: Path) -> None:
    make_version_0(path)
    with pytest.raises(JournalTooOld, match="schema version 0, which this engine cannot convert"):
        Database.open(path)


@pytest.mark.parametrize("fold", [True, False])
def test_a_page_of_garbage_is_noticed_or_was_not_needed(path: Path, fold: bool) -> None:
    database = Database.open(path)
    write(database, ALIVE)
    while fold and database.advance(1000):
        pass
    truth = known(database.load())
    database.close()
    good = path.read_bytes()
    noticed = 0
    for page in range(len(good) // 4096):
        path = path.with_name(f"damaged-{page}")
        path.write_bytes(good[: page * 4096] + b"\xa5" * 4096 + good[(page + 1) * 4096 :])
        try:
            damaged = Database.open(path)
            try:
                assert known(damaged.load()) == truth
            finally:
                damaged.close()
        except (JournalCorrupted, NotAJournal):
            noticed += 1
    assert noticed > 3


def test_a_journal_that_was_cut_in_half_is_refused(path: Path) -> None:
    database = Database.open(path)
    write(database, ALIVE)
    database.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 8192 * 4096])
    with pytest.raises(
        JournalCorrupted, match=r"is corrupted: .*restore the directory from a copy"
    ):
        Database.open(path).load()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE journal SET body = replace(body, '64500', '74500') WHERE seq = 1",
            "record 1 is not what",
        ),
        ("DELETE FROM journal WHERE seq = 2", "record 2 is missing"),
        ("UPDATE journal SET kind = 'EntryDreamt' WHERE seq = 3", "record 3 .* cannot be read"),
        ("UPDATE journal SET kind = 'EntryAnnounced' WHERE seq = 3", "record 3 .* cannot be read"),
        ("DELETE FROM meta WHERE key = 'folded'", "meta.folded is missing"),
        ("DELETE FROM meta WHERE key = 'viewed'", "meta.viewed is missing"),
    ],
)
def test_a_record_that_was_tampered_with_is_noticed(path: Path, statement: str, said: str) -> None:
    database = Database.open(path)
    write(database, ALIVE)
    database.close()
    sql(path, statement)
    with pytest.raises(JournalCorrupted, match=said):
        Database.open(path).load()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE kept SET body = replace(body, '64500', '74500')",
            "protection 'alive0' is not what was written",
        ),
        (
            "UPDATE kept SET what = 'dream' WHERE what = 'order' AND id = 'alive0'",
            "unknown sort, 'dream'",
        ),
        ("UPDATE kept SET body = '{}', check32 = 2745614147", "protection 'alive0' cannot be read"),
    ],
)
def test_what_is_kept_is_checked_when_it_is_read(path: Path, statement: str, said: str) -> None:
    database = Database.open(path)
    write(database, ALIVE)
    while database.advance(1000):
        pass
    database.close()
    sql(path, statement)
    with pytest.raises(JournalCorrupted, match=said):
        Database.open(path).load()


def test_what_has_ended_is_checked_when_somebody_asks_for_it(path: Path) -> None:
    database = Database.open(path)
    write(database, ENDED)
    while database.advance(1000):
        pass
    database.close()
    sql(path, "UPDATE kept SET body = replace(body, '64500', '74500') WHERE id = 'ended3'")
    again = Database.open(path)
    state = again.load()
    assert state.orders["ended2"].request.stop_loss == 64500
    with pytest.raises(ValueError, match="EntryOrder is not what was written"):
        state.orders["ended3"]
    again.close()


def test_a_history_that_contradicts_itself_is_refused(path: Path) -> None:
    database = Database.open(path)
    write(database, [(EntryCancelAsked("nobody", 1),)])
    with pytest.raises(JournalCorrupted, match=r"record 1 \(EntryCancelAsked\) does not follow"):
        database.load()
    database.close()


def test_a_file_system_without_wal_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_memory(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(":memory:", isolation_level=None)

    monkeypatch.setattr(database_module, "connect", in_memory)
    with pytest.raises(JournalUnusable, match="does not support SQLite's WAL mode"):
        Database.open(path)


def test_a_directory_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(JournalUnusable, match="Is a directory"):
        Database.open(path)


# What goes wrong while it runs


def test_a_full_disk_changes_nothing_and_can_be_made_good(database: Database) -> None:
    write(database, ALIVE)
    (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
    database._connection.execute(f"PRAGMA max_page_count = {pages}")
    units, seq = [], database.last_seq() + 1
    for records in ENDED:
        units.append(Unit.of(seq, START_MS, records))
        seq += len(records)
    with pytest.raises(sqlite3.OperationalError, match="full") as failure:
        database.commit(units)
    assert why(failure.value) == "the disk is full (database or disk is full)"
    assert known(database.load()) == known(folded(ALIVE))
    database._connection.execute("PRAGMA max_page_count = 1000000")
    database.commit(units)
    assert known(database.load()) == known(folded(ALIVE + ENDED))


def test_after_an_error_that_leaves_doubts_it_looks_into_the_file_again(path: Path) -> None:
    failing = [True]

    def disk(point: str) -> None:
        if point == "before commit" and failing.pop():
            raise sqlite3.OperationalError("disk I/O error")

    database = Database.open(path, crash_point=disk)
    before = database._connection
    unit = Unit.of(1, START_MS, (EntryAccepted(entry("a")),))
    with pytest.raises(sqlite3.OperationalError):
        database.commit([unit])
    failing.append(False)
    database.commit([unit])
    assert database._connection is not before
    assert "a" in database.load().orders
    database.close()


def test_a_connection_that_could_not_be_made_again_at_once_is_made_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database.open(path)
    write(database, ALIVE[:1])
    unit = Unit.of(database.last_seq() + 1, START_MS, ALIVE[1])
    database._broken = True
    configure = database_module.configure

    def fails(*arguments: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(database_module, "configure", fails)
    with pytest.raises(sqlite3.OperationalError):
        database.commit([unit])
    assert database.missing() is None, "what it closed itself was not deleted"
    monkeypatch.setattr(database_module, "configure", configure)
    database.commit([unit])
    database.drop()
    again = Database.open(path)
    assert again.last_seq() == len(ALIVE[0]) + len(ALIVE[1])
    again.close()


def test_a_connection_that_is_lost_is_made_again(database: Database) -> None:
    database._connection.close()
    for _ in range(2):
        with suppress(sqlite3.ProgrammingError):
            database.commit([Unit.of(1, START_MS, (EntryAccepted(entry("a")),))])
    assert list(database.load().orders) == ["a"]


def test_a_locked_file_is_waited_for_and_then_tried_again_on_the_same_connection(
    path: Path, database: Database
) -> None:
    database._connection.execute("PRAGMA busy_timeout = 0")
    connection = database._connection
    unit = Unit.of(1, START_MS, (EntryAccepted(entry("a")),))
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked") as failure:
            database.commit([unit])
    assert "another program has locked it" in why(failure.value)
    database.commit([unit])
    assert database._connection is connection


def test_a_file_that_can_only_be_read_is_refused_with_its_reason(
    path: Path, database: Database
) -> None:
    reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with closing(reader), pytest.raises(sqlite3.OperationalError) as failure:
        reader.execute("DELETE FROM journal")
    error = explained(failure.value, path)
    assert isinstance(error, JournalUnusable)
    assert "read-only file or file system" in str(error)


def test_reading_and_counting_say_what_is_wrong_too(database: Database) -> None:
    database.close()
    with pytest.raises(JournalUnusable, match="closed database"):
        database.load()
    with pytest.raises(JournalUnusable, match="closed database"):
        database.last_seq()
