"""What an engine has promised and said, read from its journal's file after each commit.

It shares no code with the engine: rows are read as the JSON they are. What is in here is on disk, so it is what a
restart would find.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from tests.support.judge import Row, lane_of

__all__ = ["Chronicle", "Guard"]

UNREAD = ("FuturesOrderSeen", "NotificationSettled", "ViewChanged")
"""Kinds of records that no promise is checked by."""


@define
class Guard:
    """A protection, as far as it is on disk. Prices are text; `since_s` is when it became what it is."""

    id: str
    symbol: str
    side: str
    entry_id: str | None
    stop_loss: str | None
    take_profit: str | None
    kind: tuple[str | None, ...] = ()
    """Side, stop and target that it began with. What the exchange keeps of two alike cannot be told apart."""
    state: str = "pending_fill"
    covered: int = 0
    since_s: float = 0.0
    was_since_s: float = 0.0
    """The same of the state before this one."""
    closed_by: dict[str, int] = field(factory=dict)
    """Contracts, by the client order id of the close."""

    @property
    def remaining(self) -> int:
        return self.covered - sum(self.closed_by.values())

    @property
    def watches(self) -> bool:
        return self.state in ("armed", "closing")

    @property
    def over(self) -> bool:
        return self.state in ("closed", "released")


@define
class Chronicle:
    """The fold over all rows so far."""

    path: Path
    rows: list[Row] = field(factory=list)
    intended: dict[str, str] = field(factory=dict)
    """By client order id, whose intent it is: of entry orders and of closes."""
    state: dict[str, str] = field(factory=dict)
    """Of entry orders."""
    attempts: dict[str, list[str]] = field(factory=dict)
    """Of entry orders, the client order ids."""
    requests: dict[str, Mapping[str, Any]] = field(factory=dict)
    """Of entry orders, what was asked for."""
    accepted_s: dict[str, float] = field(factory=dict)
    """Of entry orders, when they were first on disk."""
    closes: dict[str, set[str]] = field(factory=dict)
    """Of guards, the client order ids of their closing orders."""
    unwritten: set[str] = field(factory=set)
    """The client order ids of closes that arrived, and whose intent was not on disk, for the disk took nothing."""
    lost: set[str] = field(factory=set)
    """The client order ids of lives that nobody knows of any more."""
    forgotten: set[str] = field(factory=set)
    """The keys of what such lives have told."""
    shortened: str = ""
    """What is missing in a file that took the place of the one that was read, and that nobody put there by hand."""
    version: int = 0
    """Another one whenever anything was read."""
    guards: dict[str, Guard] = field(factory=dict)
    alive: dict[str, Guard] = field(factory=dict)
    """Of the guards, those that are not over."""
    lanes: dict[str, str] = field(factory=dict)
    """By the key of what is owed, the lane it is in."""
    owed: dict[str, list[str]] = field(factory=dict)
    """By lane, the keys in their order."""
    _before: dict[int, Row] = field(factory=dict)
    """By its seq, what was read when the file was another one."""
    _connection: sqlite3.Connection | None = None
    _inode: int = 0
    _last: int = 0

    def read(self, now_s: float) -> list[Row]:
        """The rows that have come since the last time."""
        connection = self._opened()
        if connection is None:
            return []
        found = connection.execute(
            "SELECT seq, kind, body FROM journal WHERE seq > ? ORDER BY seq", (self._last,)
        ).fetchall()
        fresh = []
        for seq, kind, body in found:
            self._last = seq
            if kind not in UNREAD:
                row = self._row(seq, kind, json.loads(body), round(now_s * 1000))
                self._take(row.kind, row.body, now_s)
                fresh.append(row)
        self.rows += fresh
        self.version += bool(found)
        return fresh

    def _row(self, seq: int, kind: str, body: Mapping[str, Any], now_ms: int) -> Row:
        """One row; one that was there before the file was another one was seen then."""
        before = self._before.get(seq)
        if before is not None and (before.kind, before.body) == (kind, body):
            return before
        return Row(seq, kind, body, now_ms)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def forget(self) -> None:
        """The file is another one from now on: what is in that is all there is."""
        self.close()
        kept = evolve(self)
        self.__init__(self.path)  # type: ignore[misc]
        self.version, self.unwritten = kept.version + 1, kept.unwritten
        self.lost, self.forgotten = kept.lost, kept.forgotten
        self._before = {row.seq: row for row in kept.rows}

    @property
    def exists(self) -> bool:
        """Whether the file is there, and the one that is read."""
        return self._inode_there() == self._inode != 0

    def _inode_there(self) -> int:
        try:
            return os.stat(self.path).st_ino
        except FileNotFoundError:
            return 0

    def _opened(self) -> sqlite3.Connection | None:
        """The file that is there now. One that was deleted is read on, until there is another."""
        there = self._inode_there()
        if there and there != self._inode:
            self.close()
            self._inode = there
        if self._connection is None and self._inode:
            self._connection = sqlite3.connect(
                f"file:{self.path}?mode=ro", uri=True, isolation_level=None
            )
            (last,) = self._connection.execute(
                "SELECT max(CAST(value AS INTEGER), (SELECT coalesce(max(seq), 0) FROM journal))"
                " FROM meta WHERE key = 'folded'"
            ).fetchone()
            if last < self._last:
                self.shortened = f"records up to {self._last} were on disk, and it ends with {last}"
        return self._connection

    def working(self, symbol: str, side: str) -> bool:
        """Whether something is promised for a side of a symbol that has not ended."""
        return any((guard.symbol, guard.side) == (symbol, side) for guard in self.alive.values())

    def _take(self, kind: str, body: Mapping[str, Any], now_s: float) -> None:
        match kind:
            case "EntryAccepted":
                id = body["order"]["request"]["id"]
                self.state[id] = "waiting"
                self.requests[id] = body["order"]["request"]
                self.accepted_s.setdefault(id, now_s)
            case "EntryIntended":
                self.state[body["id"]] = "submitting"
                self.intended[body["client_order_id"]] = body["id"]
                ids = self.attempts.setdefault(body["id"], [])
                if body["client_order_id"] not in ids:
                    ids.append(body["client_order_id"])
            case "EntryObserved" | "EntryMoved":
                self.state[body["id"]] = body["to"]
            case "EntryForgotten":
                self.state.pop(body["id"], None)
            case "CloseIntended":
                client_id = body["close"]["client_order_id"]
                self.intended[client_id] = body["id"]
                self.closes.setdefault(body["id"], set()).add(client_id)
            case "NotificationOwed":
                owed = body["notification"]
                if owed["id"] not in self.lanes:
                    lane = self.lanes[owed["id"]] = lane_of(owed)
                    self.owed.setdefault(lane, []).append(owed["id"])
            case "ProtectionOpened":
                made = body["protection"]
                self.guards[made["id"]] = self.alive[made["id"]] = Guard(
                    made["id"], made["symbol"], made["side"], made["entry_id"],
                    made["stop_loss"], made["take_profit"],
                    (made["symbol"], made["side"], made["stop_loss"], made["take_profit"]),
                    since_s=now_s,
                )  # fmt: skip
            case _ if body.get("id") in self.guards:
                self._take_of_guard(kind, body, self.guards[body["id"]], now_s)

    def _take_of_guard(
        self, kind: str, body: Mapping[str, Any], guard: Guard, now_s: float
    ) -> None:
        match kind:
            case "ProtectionForgotten":
                del self.guards[guard.id]
                self.alive.pop(guard.id, None)
            case "ProtectionCovers":
                guard.covered = body["covered"]
            case "ProtectionMoved":
                guard.state = body["to"]
                guard.was_since_s, guard.since_s = guard.since_s, now_s
                if guard.over:
                    self.alive.pop(guard.id, None)
                else:
                    self.alive[guard.id] = guard
            case "ProtectionLevelled":
                guard.stop_loss, guard.take_profit = body["stop_loss"], body["take_profit"]
                guard.since_s = now_s
            case "FiredObserved":
                guard.closed_by[body["order"]["order_id"]] = body["order"]["filled"]
            case "CloseObserved":
                guard.closed_by[body["client_order_id"]] = body["filled"]
