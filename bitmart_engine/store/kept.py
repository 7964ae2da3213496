"""What the journal adds up to, as rows: one for each order, protection, exchange order and notification.

`advance` takes the next records of the journal into the rows, with the same fold that the running engine uses, so that
a start reads the rows and folds only what came after them. It never looks at the running engine's state: what a start
will find is what the journal says. Functions here run inside a transaction of their caller's.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from functools import partial
from operator import itemgetter
from sys import intern
from typing import Any
from zlib import crc32

from attrs import frozen

from ..model.futures_orders import FuturesOrder
from ..model.halting import Halt
from ..model.notifications import DeadLetter, Notification
from ..model.orders import EntryOrder
from ..model.positions import Protection
from . import ended
from .archive import Archive, Facts, Packed, Unreadable, ended_ms
from .codec import Subject, decode, pack, subject_of, unpack
from .records import Record
from .state import State
from .told import concerns, lane_texts

__all__ = [
    "ARCHIVED",
    "PARTS",
    "Damage",
    "advance",
    "folded",
    "load",
    "prepare_ended",
    "read_body",
    "remove",
    "told",
]


class Damage(Exception):
    """What is on disk is not what was written, or contradicts itself."""


@frozen
class Part:
    """One collection of the state: its name in the rows, what records about it speak of, where it is in the state."""

    what: str
    subject: str
    type: type[Any]
    of: Callable[[State], MutableMapping[str, Any]]
    ids: Callable[[State], MutableMapping[str, str]] | None = None
    """By client order id, the ids of the things that sent it."""


PARTS = (
    Part("order", "order", EntryOrder, lambda s: s.orders, lambda s: s.entry_by_client_id),
    Part(
        "protection",
        "protection",
        Protection,
        lambda s: s.protections,
        lambda s: s.protection_by_client_id,
    ),
    Part(
        "futures_order",
        "futures_order",
        FuturesOrder,
        lambda s: s.futures_orders,
        lambda s: s.futures_by_client_id,
    ),
    Part("owed", "notification", Notification, lambda s: s.owed),
    Part("dead", "notification", DeadLetter, lambda s: s.dead),
)
ARCHIVED = ("order", "protection", "futures_order")
_RECORD = "seq, kind, check32, CAST(body AS BLOB)"
_COLUMNS = "place, what, id, ended_ms, entry_id, client_ids, check32, CAST(body AS BLOB)"


def load(connection: sqlite3.Connection, shelved_ms: int | None = None) -> State:
    """The state: the rows, and what was journalled after them. Raises Damage.

    What had ended by `shelved_ms` stays on disk, but for what something alive needs; None: nothing does.
    """
    state = State()
    _read_meta(connection, state)
    if shelved_ms is None:
        _restore(state, connection.execute(f"SELECT {_COLUMNS} FROM kept ORDER BY place"))
    else:
        _restore_alive(connection, state, shelved_ms)
    for seq, record in _records(connection, folded(connection), limit=-1):
        _apply(state, seq, record)
    return state


def advance(connection: sqlite3.Connection, limit: int) -> int:
    """Take the next `limit` records of the journal into the rows. Returns how many there were. Raises Damage."""
    after = folded(connection)
    records = list(_records(connection, after, limit))
    if not records:
        return 0
    touched = {subject_of(record) for _, record in records}
    state = State()
    places = _read(connection, state, touched)
    for seq, record in records:
        _apply(state, seq, record)
        what, id = subject_of(record)
        for part in _parts(what):
            if id in part.of(state):
                places.setdefault((part.what, id), seq)
            else:
                places.pop((part.what, id), None)
    _write(connection, state, touched, places)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'folded'", (str(records[-1][0]),))
    ended.mark(connection)
    return len(records)


def read_body(connection: sqlite3.Connection, what: str, id: str) -> Packed:
    """Something that has ended. Raises Unreadable if it is not there."""
    row = connection.execute(
        "SELECT CAST(body AS BLOB), check32, ended_ms FROM kept WHERE what = ? AND id = ?",
        (what, id),
    ).fetchone()
    if row is None or row[2] is None:
        raise Unreadable(f"{what} {id!r} is not on disk")
    return Packed(*row)


def prepare_ended(connection: sqlite3.Connection) -> None:
    """Have the table of what has ended fit what is kept. Raises Damage."""
    ended.prepare(connection)
    if ended.fits(connection):
        return
    connection.execute("DELETE FROM ended")
    types = {part.what: part.type for part in PARTS}
    rows = connection.execute(f"SELECT {_COLUMNS} FROM kept WHERE ended_ms IS NOT NULL")
    for place, what, id, ended_at, entry_id, client_ids, _, body in rows:
        if what in ARCHIVED:
            try:
                facts = _facts(unpack(types[what], body))
            except ValueError:
                facts = Facts(
                    "", ""
                )  # what cannot be read is in no list, and says so when looked up
            ended.put(connection, place, what, id, ended_at, entry_id, client_ids, facts)
    ended.mark(connection)


def _restore_alive(connection: sqlite3.Connection, state: State, shelved_ms: int) -> None:
    """Put into `state` what is alive, or ended since, with what it needs; and of the rest what lists need."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM kept WHERE ended_ms IS NULL OR what = 'dead'"
    ).fetchall()
    alive_ids = {(row[1], row[2]) for row in rows}
    covering = {row[4] for row in rows if row[1] == "protection" and row[4] is not None}
    covering |= ended.covered_since(connection, shelved_ms)
    archives = {what: home for what, home in _homes(state) if isinstance(home, Archive)}
    owners = {part.what: part.ids(state) for part in PARTS if part.ids is not None}
    for what, archive in archives.items():
        archive.read_by(partial(read_body, connection, what))
    rows.sort()
    waiting = deque(rows)
    next_place = waiting[0][0] if waiting else math.inf
    by_entry = state.protection_by_entry
    for place, what, id, ended_at, entry_id, client_ids, named, symbol in ended.read(connection):
        while next_place < place:
            _restore(state, [waiting.popleft()])
            next_place = waiting[0][0] if waiting else math.inf
        needed = ended_at >= shelved_ms or (
            id in covering
            if what == "order"
            else what == "protection" and ("order", entry_id) in alive_ids
        )
        if needed:
            whole = f"SELECT {_COLUMNS} FROM kept WHERE place = ?"
            _restore(state, connection.execute(whole, (place,)))
            continue
        id = intern(id)  # an order and its protection have the same: it is there once
        archives[what].put_stored(id, ended_at, Facts(named, symbol))
        for client_id in client_ids.split():
            owners[what][client_id] = id
        if entry_id is not None:
            by_entry[intern(entry_id)] = id
    _restore(state, waiting)


def _homes(state: State) -> list[tuple[str, MutableMapping[str, Any]]]:
    return [(part.what, part.of(state)) for part in PARTS]


def _facts(thing: EntryOrder | Protection | FuturesOrder) -> Facts:
    return Facts(str(thing.state.value), thing.symbol)


def remove(connection: sqlite3.Connection, gone: Iterable[Subject], before_ms: int) -> None:
    """Remove the rows of what had ended by `before_ms`; others stay."""
    old = [(what, id, before_ms) for what, id in gone]
    connection.executemany(
        "DELETE FROM ended WHERE place ="
        " (SELECT place FROM kept WHERE what = ? AND id = ? AND ended_ms < ?)",
        old,
    )
    connection.executemany("DELETE FROM kept WHERE what = ? AND id = ? AND ended_ms < ?", old)


def folded(connection: sqlite3.Connection) -> int:
    """The seq of the last record that the rows contain."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'folded'").fetchone()
    if row is None or not str(row[0]).isdigit():
        raise Damage("meta.folded is missing")
    return int(row[0])


def told(
    connection: sqlite3.Connection, after: int, until: int, lanes: Collection[str], ids: set[str]
) -> list[Record]:
    """What the journal has of notifications of these lanes after `after`, up to and with `until`. Raises Damage.

    `ids` are those of earlier ones of the same lanes; what is new is added. It looks at the text first: most records
    are not of these lanes, and reading them all would take seconds.
    """
    texts = lane_texts(lanes)
    of_a_lane = " OR ".join("instr(body, ?)" for _ in texts) or "0"
    span = "WHERE seq > ? AND seq <= ?"
    owed = connection.execute(
        f"SELECT {_RECORD} FROM journal {span} AND kind = 'NotificationOwed' AND ({of_a_lane})",
        (after, until, *texts),
    )
    found = [(seq, record) for seq, record in map(_checked, owed) if concerns(record, lanes, ids)]
    settled = connection.execute(
        f"SELECT {_RECORD} FROM journal {span} AND kind = 'NotificationSettled'"
        " AND subject IN (SELECT value FROM json_each(?))",
        (after, until, json.dumps(sorted(ids))),
    )
    found += map(_checked, settled)
    return [record for _, record in sorted(found, key=itemgetter(0))]


def _records(
    connection: sqlite3.Connection, after: int, limit: int
) -> Iterable[tuple[int, Record]]:
    rows = connection.execute(
        f"SELECT {_RECORD} FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
    )
    for expected, row in enumerate(rows, after + 1):
        if row[0] != expected:
            raise Damage(f"record {expected} is missing")
        yield _checked(row)


def _checked(row: tuple[Any, ...]) -> tuple[int, Record]:
    seq, kind, check32, body = row
    if crc32(body) != check32:
        raise Damage(f"record {seq} is not what was written")
    try:
        return seq, decode(kind, body)
    except ValueError as failure:
        raise Damage(f"record {seq} ({kind}) cannot be read: {failure}") from failure


def _apply(state: State, seq: int, record: Record) -> None:
    try:
        state.apply(record)
    except (KeyError, ValueError, RuntimeError) as failure:
        raise Damage(
            f"record {seq} ({type(record).__name__}) does not follow from those before: {failure!r}"
        ) from failure


def _parts(subject: str) -> list[Part]:
    return [part for part in PARTS if part.subject == subject]


def _restore(state: State, rows: Iterable[tuple[Any, ...]]) -> None:
    """Put rows into `state`; with a long history this loop is what a start takes its time for."""
    homes = {part.what: (part.of(state), part.ids and part.ids(state), part.type) for part in PARTS}
    for _, what, id, ended_at, entry_id, client_ids, check32, body in rows:
        if what not in homes:
            raise Damage(f"what is kept of {id!r} is of an unknown sort, {what!r}")
        home, owners, type_ = homes[what]
        if ended_at is not None and isinstance(home, Archive):
            home.put_packed(id, Packed(body, check32, ended_at))
        elif crc32(body) != check32:
            raise Damage(f"what is kept of {what} {id!r} is not what was written")
        else:
            try:
                home[id] = unpack(type_, body)
            except ValueError as failure:
                raise Damage(f"what is kept of {what} {id!r} cannot be read: {failure}") from None
        if client_ids and owners is not None:
            for client_id in client_ids.split():
                owners[client_id] = id
        if entry_id is not None:
            state.protection_by_entry[entry_id] = id


def _read(
    connection: sqlite3.Connection, state: State, touched: Iterable[Subject]
) -> dict[Subject, int]:
    """Bring what is kept of `touched` into `state`. Returns the places."""
    _read_meta(connection, state)
    places = {}
    for subject, id in touched:
        for part in _parts(subject):
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM kept WHERE what = ? AND id = ?", (part.what, id)
            ).fetchone()
            if row is not None:
                _restore(state, [row])
                places[part.what, id] = row[0]
    return places


def _write(
    connection: sqlite3.Connection,
    state: State,
    touched: Iterable[Subject],
    places: Mapping[Subject, int],
) -> None:
    for subject, id in touched:
        for part in _parts(subject):
            thing = part.of(state).get(id)
            if part.what in ARCHIVED:
                ended.drop(connection, part.what, id)
            if thing is None:
                connection.execute("DELETE FROM kept WHERE what = ? AND id = ?", (part.what, id))
                continue
            body = pack(thing)
            sent = part.ids(state) if part.ids is not None else {}
            client_ids = " ".join(client_id for client_id, owner in sent.items() if owner == id)
            entry_id = getattr(thing, "entry_id", None)
            place, ended_at = places[part.what, id], _ended_ms(thing)
            connection.execute(
                "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    place,
                    part.what,
                    id,
                    ended_at,
                    entry_id,
                    client_ids,
                    crc32(body.encode()),
                    body,
                ),
            )
            if ended_at is not None and part.what in ARCHIVED:
                ended.put(
                    connection,
                    place,
                    part.what,
                    id,
                    ended_at,
                    entry_id,
                    client_ids,
                    _facts(thing),
                )
    connection.execute(
        "UPDATE meta SET value = ? WHERE key = 'viewed'", (json.dumps(sorted(state.viewed)),)
    )
    connection.execute(
        "INSERT OR REPLACE INTO meta VALUES ('paused', ?)", (json.dumps(state.paused_ms),)
    )
    connection.execute(
        "INSERT OR REPLACE INTO meta VALUES ('halt', ?)", (pack(state.halt) if state.halt else "",)
    )


def _ended_ms(
    thing: EntryOrder | Protection | FuturesOrder | Notification | DeadLetter,
) -> int | None:
    """When it ended, if it did: from then on it may be forgotten some day."""
    if isinstance(thing, Notification):
        return None
    return thing.at_ms if isinstance(thing, DeadLetter) else ended_ms(thing)


def _read_meta(connection: sqlite3.Connection, state: State) -> None:
    row = connection.execute("SELECT value FROM meta WHERE key = 'viewed'").fetchone()
    if row is None:
        raise Damage("meta.viewed is missing")
    state.viewed.update(unpack(list[str], row[0]))
    row = connection.execute("SELECT value FROM meta WHERE key = 'paused'").fetchone()
    if row is not None and row[0] != "null":  # older journals have none
        state.paused_ms = unpack(int, row[0])
    row = connection.execute("SELECT value FROM meta WHERE key = 'halt'").fetchone()
    if row is not None and row[0]:
        state.halt = unpack(Halt, row[0])
