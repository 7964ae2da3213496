"""The owner restores an old copy of the journal, or begins with an empty directory, and what is known of the run then.

What was promised after the copy was made is out of reach, except by what the exchange shows: an order of which the copy
knows has to be found there, however far it has come. Of one that the copy does not know, what it opened is the owner's
own from then on, and so is what it leaves at the exchange. Nothing that was closed since the copy may be closed again,
but where the copy says that it is held and something else is, on the same side, nobody can tell: those are excused.

Who begins again with an empty directory, and uses the same ids, does not go back to a copy from before that: two orders
of one id would be in question then, and which of them the copy means nobody could judge.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from bitmart_engine.paper import PaperExchange
from tests.support.app import App
from tests.support.wishes import MONITORED

from .chronicle import Chronicle
from .holdings import Holdings
from .lives import Lives
from .receiver import Receiver
from .trace import Trace
from .troubles import Kinds
from .user import User
from .watch import Watch

__all__ = ["Restoring"]

PROMISES = ("placed", "monitored", "cancelled", "levels", "closing")
"""What the application keeps of what it was promised."""


@define
class Copy:
    """A journal's file as it was, and what had been promised by then."""

    file: Path
    promised: dict[str, Any]


@define(eq=False)
class Restoring:
    """`rng` makes the generator of a kind. `between` is called while no engine runs."""

    paper: PaperExchange
    lives: Lives
    chronicle: Chronicle
    holdings: Holdings
    watch: Watch
    receiver: Receiver
    app: App
    user: User
    rng: Callable[[str], random.Random]
    trace: Trace
    tried: dict[str, set[str]] = field(factory=dict)
    """Of orders that a restored journal knows, the client order ids that were used after it was written."""
    closed_with: set[str] = field(factory=set)
    """Client order ids of closes that older lives have sent for what the restored journal knows."""
    _due: Copy | None = None
    _fresh: bool = False
    _copies: int = 0
    _beginnings: int = 0
    """How often everything was begun again."""

    def kinds(self) -> Kinds:
        return {"old journal": self._old_journal, "fresh directory": self._fresh_directory}

    async def _old_journal(self) -> None:
        """Copy the journal, and some minutes later put the copy in its place."""
        rng = self.rng("old journal")
        while True:
            await trio.sleep(rng.uniform(20, 120))
            if not self.chronicle.exists or not self.lives.up or self._due is not None:
                continue
            copy, beginnings = self._copy(), self._beginnings
            await trio.sleep(rng.uniform(20, 200))
            if self._fresh or self._beginnings != beginnings:
                continue
            self.trace.fault("old journal restored")
            self._due = copy
            if self.lives.process is not None:
                self.lives.process.kill("restored", tells=rng.random() < 0.7)

    async def _fresh_directory(self) -> None:
        """Begin again with nothing, and use the ids that were used before."""
        rng = self.rng("fresh directory")
        await trio.sleep(rng.uniform(60, 300))
        self.trace.fault("fresh directory")
        self._fresh = True
        if self.lives.process is not None:
            self.lives.process.kill("begun again", tells=rng.random() < 0.7)
        await trio.sleep_forever()

    def _copy(self) -> Copy:
        self._copies += 1
        file = self.lives.directory / f"copy-{self._copies}.sqlite3"
        with (
            closing(sqlite3.connect(f"file:{self.chronicle.path}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(file)) as target,
        ):
            source.backup(target)
        return Copy(file, {name: deepcopy(getattr(self.app, name)) for name in PROMISES})

    def between(self) -> None:
        """Do what is due, now that no engine runs."""
        if self._fresh:
            self._fresh, self._due = False, None
            self._beginnings += 1
            shutil.rmtree(self.chronicle.path.parent, ignore_errors=True)
            self._forget({name: type(getattr(self.app, name))() for name in PROMISES})
            self.user.begin_again()
        elif self._due is not None:
            copy, self._due = self._due, None
            for suffix in ("-wal", "-shm"):
                Path(f"{self.chronicle.path}{suffix}").unlink(missing_ok=True)
            copy.file.replace(self.chronicle.path)
            self.lives.restored = True
            self._forget(copy.promised)

    def _forget(self, promised: dict[str, Any]) -> None:
        """From now on nothing is known but what is in the file, and what was promised when it was written."""
        chronicle, holdings = self.chronicle, self.holdings
        intended, lanes = dict(chronicle.intended), set(chronicle.lanes)
        attempts, closes = dict(chronicle.attempts), dict(chronicle.closes)
        guards = dict(chronicle.guards)
        chronicle.forget()
        chronicle.read(trio.current_time())
        known = {*chronicle.state, *chronicle.guards}
        lost = {client_id for client_id, id in intended.items() if id not in known}
        chronicle.lost |= lost
        holdings.lose(lost)
        if self.lives.process is not None:
            self.lives.process.forgotten = True
        chronicle.forgotten |= lanes - set(chronicle.lanes)
        for client_id, id in intended.items():
            if id in known:
                chronicle.intended[client_id] = id
        for id, ids in attempts.items():
            if id in known:
                mine = chronicle.attempts.setdefault(id, [])
                mine += [each for each in ids if each not in mine]
                self.tried.setdefault(id, set()).update(ids)
        for id, guard in guards.items():
            now = chronicle.guards.get(id)
            if now is not None:
                self.closed_with |= set(closes.get(id, ()))
                chronicle.closes.setdefault(id, set()).update(closes.get(id, ()))
                holdings.written_off.pop(id, None)
                if (now.state, now.covered, now.closed_by) != (
                    guard.state, guard.covered, guard.closed_by,
                ):  # fmt: skip
                    holdings.excused.add(id)
            elif guard.entry_id is None and not guard.over:
                self._close_what_was_monitored(guard.side)
        for name, value in promised.items():
            setattr(self.app, name, value)
        for id in set(self.user.asked) - known - set(self.app.placed):
            del self.user.asked[id]
        self.user.lives += 1
        kept = [each for each in self.receiver.receipts if each[0] in chronicle.lanes]
        self.receiver.receipts[:] = kept
        self.watch.forget()

    def _close_what_was_monitored(self, side: str) -> None:
        """What nobody watches any more its owner closes."""
        if self.holdings.held((MONITORED, side)):
            self.paper.close_position_by_hand(MONITORED, side)  # type: ignore[arg-type]
