"""Whose contracts are held: an engine's, or the account owner's own (also another program's, or a forgotten life's).

The exchange keeps one position for each side of a symbol, whoever has opened what of it. Here every fill is booked on
the order that it is of, so that what an engine may close, and what it may not, is known to the contract. Contracts that
somebody closed by hand, or the exchange liquidated, are nobody's in particular: `own` is the most that can be the
owner's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from attrs import define, field

from bitmart_engine.paper import Direction, Fill, PaperExchange
from tests.support.books import Books
from tests.support.judge import Violation
from tests.support.wishes import MONITORED

from .chronicle import Chronicle, Guard

__all__ = ["Holdings"]

Key = tuple[str, str]
"""Symbol and side."""


@define(eq=False)
class Holdings:
    """`look` is called whenever something may have been filled."""

    paper: PaperExchange
    books: Books
    chronicle: Chronicle
    broken: Callable[[Violation], None]
    opened: dict[Key, Counter[str]] = field(factory=lambda: defaultdict(Counter))
    """Contracts that orders have opened, by client order id."""
    closed: dict[Key, Counter[str]] = field(factory=lambda: defaultdict(Counter))
    """Contracts that orders have closed, by client order id; none for the exchange's own and for those by hand."""
    fired: Counter[str] = field(factory=Counter)
    """Contracts that stops and targets at the exchange have closed, by the id of the order they came with."""
    excused: set[str] = field(factory=set)
    """The guards that may be mistaken about what is theirs: those of a journal older than what happened to them."""
    written_off: Counter[str] = field(factory=Counter)
    """By guard that was closed, contracts of its own that were gone then, whoever had closed them."""
    _read: int = 0
    _own: dict[Key, tuple[int, int]] = field(factory=dict)

    def look(self) -> None:
        """Book the fills that are new."""
        fills = self.paper.books.fills
        while self._read < len(fills):
            fill = fills[self._read]
            self._read += 1
            self._own.clear()
            self._take(fill)

    def _take(self, fill: Fill) -> None:
        key = (fill.symbol, fill.side.direction.name.lower())
        client_id = self.books.name_of(fill.order_id)
        if not fill.side.is_close:
            self.opened[key][client_id] += fill.size
            return
        if client_id.startswith("PLAN_"):
            came_with = self.books.brought_by(self.paper.books.orders[fill.order_id].plan_order_id)
            self.fired[came_with] += fill.size
            self._check(self.chronicle.intended.get(came_with, ""))
            return
        self.closed[key][client_id] += fill.size
        self._check(self.chronicle.intended.get(client_id, ""))

    def _check(self, id: str) -> None:
        """Whether no more was closed for a protection than was opened for it."""
        guard = self.chronicle.guards.get(id)
        if guard is None or guard.entry_id is None or id in self.excused:
            return
        most, closed = self.filled(guard), self.gone(guard)
        if closed > most and self._together(guard) > 0:
            detail = f"{closed} contracts were closed for it, and {most} were its own"
            self.broken(Violation("what is somebody else's stays", id, detail))

    def _together(self, guard: Guard) -> int:
        """How much more was closed than opened for all that are like it, down to the stop and the target.

        Whose stop it is that acted cannot be told where two are alike; what one of them lost, the other has then.
        """
        alike = [each for each in self.chronicle.guards.values() if each.kind == guard.kind]
        return sum(map(self.gone, alike)) - sum(map(self.filled, alike))

    def lose(self, client_ids: set[str]) -> None:
        """Nobody knows any more of the orders that have these client order ids."""
        self.look()
        for before, after in self.books.lose(client_ids):
            for sizes in (*self.opened.values(), *self.closed.values(), self.fired):
                if before in sizes:
                    sizes[after] = sizes.pop(before)
        self._own.clear()

    # Of a protection

    def filled(self, guard: Guard) -> int:
        """Contracts that its entry order has opened, whatever the engine knows of it."""
        opened = self.opened[guard.symbol, guard.side]
        return sum(opened[each] for each in self.chronicle.attempts.get(guard.entry_id or "", ()))

    def gone(self, guard: Guard) -> int:
        """Contracts that were closed for it: by its closing orders, and by its stop and target at the exchange."""
        closed = self.closed[guard.symbol, guard.side]
        count = sum(closed[each] for each in self.chronicle.closes.get(guard.id, ()))
        attempts = self.chronicle.attempts.get(guard.entry_id or "", ())
        return count + sum(self.fired[each] for each in attempts)

    def left(self, guard: Guard) -> int:
        """Contracts that are its own and were not closed for it; some may be gone all the same."""
        if guard.entry_id is None:
            return max(0, guard.covered - self.gone(guard))
        return max(0, self.filled(guard) - self.gone(guard) - self.written_off[guard.id])

    # Of a side

    def held(self, key: Key) -> int:
        direction = Direction.LONG if key[1] == "long" else Direction.SHORT
        position = self.paper.books.positions.get((key[0], direction))
        return position.size if position is not None else 0

    def own(self, key: Key) -> int:
        """The most of what is held that the engine never promised anything for."""
        if key[0] == MONITORED:
            return 0
        version, left = self._own.get(key, (-1, 0))
        if version != self.chronicle.version:
            left = self._not_promised(key)
            self._own[key] = (self.chronicle.version, left)
        return min(left, self.held(key)) if left else 0

    def _not_promised(self, key: Key) -> int:
        ours = self.chronicle.intended
        left = sum(
            size - self.fired[client_id]
            for client_id, size in self.opened[key].items()
            if client_id not in ours
        )
        left -= sum(
            size
            for client_id, size in self.closed[key].items()
            if client_id and client_id not in ours and client_id not in self.chronicle.unwritten
        )
        return max(0, left)

    def all_own(self) -> dict[Key, int]:
        """By side, where there is any."""
        found = {key: self.own(key) for key in list(self.opened)}
        return {key: size for key, size in found.items() if size}
