"""Fills on disk, in a file of their own beside the journal: what they cost is no promise, and no order waits for it.

The exchange can be asked for them again, so they are written without a sync, from a thread of their own, and a file
that cannot be used is put aside and begun anew. Plain and synchronous: every method blocks until the disk has answered.

A fill is there once, by the number that the exchange gave it. Pages are the newest first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, final

from ..model.fills import AccountFill, Liquidity, Whose, merged
from ..model.sides import OrderSide

__all__ = ["FILE_NAME", "FillTable"]

FILE_NAME = "fills.sqlite3"
BUSY_S = 2.0
VERSION = 1

TABLES = (
    """CREATE TABLE IF NOT EXISTS fills (
        id TEXT PRIMARY KEY,       -- the exchange's number of it
        at_ms INTEGER NOT NULL,
        symbol TEXT NOT NULL,
        side INTEGER,
        price TEXT NOT NULL,
        size INTEGER NOT NULL,
        fee TEXT,
        fee_currency TEXT,
        liquidity TEXT,
        realised TEXT,
        exchange_order_id TEXT NOT NULL,
        client_order_id TEXT NOT NULL,
        whose TEXT,
        order_id TEXT,
        protection_id TEXT,
        trade_id TEXT              -- what it is a part of
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS fills_by_time ON fills (at_ms, id)",
    "CREATE INDEX IF NOT EXISTS fills_by_trade ON fills (trade_id, at_ms) WHERE trade_id IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
COLUMNS = (
    "id, at_ms, symbol, side, price, size, fee, fee_currency, liquidity, realised,"
    " exchange_order_id, client_order_id, whose, order_id, protection_id"
)
MOST_UNSETTLED = 500
READ_UNTIL = "read_until_ms"


@final
class FillTable:
    """The fills of one state directory; in memory only where there is none. Used by one thread at a time."""

    def __init__(self, directory: Path | None) -> None:
        self._path = None if directory is None else directory / FILE_NAME
        self._connection: sqlite3.Connection | None = None

    def open(self) -> str | None:
        """Open it, made if it is not there. Why a file that was there was put aside, if it was; raises OSError."""
        try:
            self._connection = self._connected()
        except sqlite3.DatabaseError as failure:
            if self._path is None or isinstance(failure, sqlite3.OperationalError):
                raise OSError(f"{self._path} cannot be used: {failure}") from failure
            self._put_aside()
            self._connection = self._connected()
            return str(failure)
        return None

    def close(self) -> None:
        """Close it. Idempotent."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def put(self, fills: Iterable[AccountFill]) -> list[AccountFill]:
        """Put fills in, each once, and return those that are new or of which more is known now, as they are now."""
        with self._transaction() as connection:
            news = []
            for said in fills:
                known = self._one(connection, said.id)
                fill = merged(known, said)
                if fill != known:
                    connection.execute(
                        f"INSERT OR REPLACE INTO fills ({COLUMNS}, trade_id)"
                        f" VALUES ({','.join('?' * 16)})",
                        _row(fill),
                    )
                    news.append(fill)
            return news

    def page(
        self, *, symbol: str, since_ms: int, after: str | None, limit: int
    ) -> list[AccountFill] | None:
        """At most `limit` fills, the newest first, older than the fill `after`. None if there is no such fill."""
        at, id = (2**62, "")
        if after is not None:
            known = self._one(self._open(), after)
            if known is None:
                return None
            at, id = known.at_ms, known.id
        rows = self._open().execute(
            f"SELECT {COLUMNS} FROM fills WHERE (at_ms, id) < (?, ?) AND at_ms >= ?"
            " AND (? = '' OR symbol = ?) ORDER BY at_ms DESC, id DESC LIMIT ?",
            (at, id, since_ms, symbol, symbol, limit),
        )
        return [_fill(row) for row in rows]

    def of_trades(self, ids: Sequence[str]) -> list[AccountFill]:
        """The fills of some trades, the oldest first."""
        marks = ",".join("?" * len(ids))
        rows = self._open().execute(
            f"SELECT {COLUMNS} FROM fills WHERE trade_id IN ({marks}) ORDER BY at_ms, id",
            list(ids),
        )
        return [_fill(row) for row in rows]

    def trades(
        self, *, symbol: str, since_ms: int, after: str | None, limit: int
    ) -> list[str] | None:
        """The ids of at most `limit` trades with a fill since then, the latest begun first, begun before `after`.

        None if there is no such trade.
        """
        at, id = (2**62, "")
        if after is not None:
            row = (
                self._open()
                .execute("SELECT min(at_ms) FROM fills WHERE trade_id = ?", (after,))
                .fetchone()
            )
            if row[0] is None:
                return None
            at, id = row[0], after
        rows = self._open().execute(
            "SELECT trade_id, min(at_ms) AS first FROM fills"
            " WHERE trade_id IS NOT NULL AND (? = '' OR symbol = ?) GROUP BY trade_id"
            " HAVING max(at_ms) >= ? AND (first, trade_id) < (?, ?)"
            " ORDER BY first DESC, trade_id DESC LIMIT ?",
            (symbol, symbol, since_ms, at, id, limit),
        )
        return [each for each, _ in rows]

    def unsettled(self, since_ms: int) -> list[AccountFill]:
        """Fills of which it may become known later whose they are: of which nothing is known, and others since then."""
        rows = self._open().execute(
            f"SELECT {COLUMNS} FROM fills WHERE trade_id IS NULL AND (at_ms >= ? OR whose IS NULL)"
            " ORDER BY at_ms DESC LIMIT ?",
            (since_ms, MOST_UNSETTLED),
        )
        return [_fill(row) for row in rows]

    def forget_before(self, when_ms: int) -> None:
        """Drop the fills that are older."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM fills WHERE at_ms < ?", (when_ms,))

    def read_until_ms(self) -> int | None:
        """Up to when the exchange's list was read to its end; None: never."""
        row = self._open().execute("SELECT value FROM meta WHERE key = ?", (READ_UNTIL,)).fetchone()
        return None if row is None else int(row[0])

    def mark_read(self, until_ms: int) -> None:
        """The exchange's list was read to its end, up to then."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (READ_UNTIL, until_ms))

    # Inside

    def _one(self, connection: sqlite3.Connection, id: str) -> AccountFill | None:
        row = connection.execute(f"SELECT {COLUMNS} FROM fills WHERE id = ?", (id,)).fetchone()
        return None if row is None else _fill(row)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise OSError("the fills are not open")
        return self._connection

    def _transaction(self) -> _Transaction:
        return _Transaction(self._open())

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path or ":memory:",
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise sqlite3.DatabaseError(f"it is of a newer version ({version})")
            for table in TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            connection.close()
            raise
        if self._path is not None:
            self._path.chmod(0o600)
        return connection

    def _put_aside(self) -> None:
        """Give the file another name, which no file has yet."""
        assert self._path is not None
        number = 1
        while (aside := self._path.with_name(f"{FILE_NAME}.unusable-{number}")).exists():
            number += 1
        self._path.rename(aside)
        for rest in ("-wal", "-shm"):
            self._path.with_name(FILE_NAME + rest).unlink(missing_ok=True)


class _Transaction:
    """All of what is done inside, or nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with closing(self._connection.cursor()) as cursor:
            if kind is None:
                cursor.execute("COMMIT")
                return
            with suppress(sqlite3.Error):
                cursor.execute("ROLLBACK")


def _row(fill: AccountFill) -> tuple[object, ...]:
    return (
        fill.id,
        fill.at_ms,
        fill.symbol,
        None if fill.side is None else fill.side.value,
        str(fill.price),
        fill.size,
        None if fill.fee is None else str(fill.fee),
        fill.fee_currency,
        None if fill.liquidity is None else fill.liquidity.value,
        None if fill.realised is None else str(fill.realised),
        fill.exchange_order_id,
        fill.client_order_id,
        None if fill.whose is None else fill.whose.value,
        fill.order_id,
        fill.protection_id,
        fill.trade_id,
    )


def _fill(row: Sequence[Any]) -> AccountFill:
    (id, at_ms, symbol, side, price, size, fee, currency, liquidity, realised, *rest) = row
    exchange_order_id, client_order_id, whose, order_id, protection_id = rest
    return AccountFill(
        id=id,
        at_ms=at_ms,
        symbol=symbol,
        side=None if side is None else OrderSide(side),
        price=Decimal(price),
        size=size,
        fee=None if fee is None else Decimal(fee),
        fee_currency=currency,
        liquidity=None if liquidity is None else Liquidity(liquidity),
        realised=None if realised is None else Decimal(realised),
        exchange_order_id=exchange_order_id,
        client_order_id=client_order_id,
        whose=None if whose is None else Whose(whose),
        order_id=order_id,
        protection_id=protection_id,
    )
