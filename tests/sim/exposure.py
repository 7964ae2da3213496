"""How long contracts with a promised stop were held and nobody kept it.

A stop is kept while an engine is up whose journal says that it watches (or closes) those contracts, or while the
exchange keeps one of its own for them. Everything else is time at risk, measured in simulated seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from attrs import define, field

from bitmart_engine.paper import PaperExchange

from .chronicle import Chronicle, Guard
from .holdings import Holdings

__all__ = ["Exposure"]


@define(eq=False)
class Exposure:
    """`look` is called whenever something has changed."""

    paper: PaperExchange
    chronicle: Chronicle
    holdings: Holdings
    engine_up: Callable[[], bool]
    calm: Callable[[], bool]
    """Whether nothing is wrong now: then what is at risk is counted apart."""
    intervals_ms: list[int] = field(factory=list)
    """How long each time at risk was, ms."""
    in_calm_s: dict[str, float] = field(factory=dict)
    """Of those at risk now, for how long of it nothing was wrong."""
    longest_in_calm_s: float = 0.0
    _since: dict[str, float] = field(factory=dict)
    _looked_at: float = 0.0
    _fills_seen: int = 0
    _late: list[Guard] = field(factory=list)

    def look(self, now: float) -> None:
        exposed = self._exposed()
        calm = self.calm()
        for id in list(self._since):
            if calm:
                self.in_calm_s[id] += now - self._looked_at
                self.longest_in_calm_s = max(self.longest_in_calm_s, self.in_calm_s[id])
            if id not in exposed:
                self.intervals_ms.append(round((now - self._since.pop(id)) * 1000))
                del self.in_calm_s[id]
        for id in exposed:
            if id not in self._since:
                self._since[id] = now
                self.in_calm_s[id] = 0.0
        self._looked_at = now

    def _exposed(self) -> list[str]:
        """The protections with a stop whose contracts are held, and kept by nobody."""
        up = self.engine_up()
        found: list[str] = []
        watched: Counter[tuple[str, str]] = Counter()
        open_ones: list[tuple[Guard, int]] = []
        fills = len(self.paper.books.fills)
        if fills != self._fills_seen:  # one that is over may have got a late fill
            self._fills_seen = fills
            self._late = [
                each
                for each in self.chronicle.guards.values()
                if each.over and each.entry_id and self._open_contracts(each) > 0
            ]
        for guard in [*self.chronicle.alive.values(), *self._late]:
            if guard.stop_loss is None:
                continue
            if up and guard.watches:
                watched[guard.symbol, guard.side] += guard.remaining
                continue
            held = self._open_contracts(guard)
            if held > 0 and not self._kept_there(guard):
                open_ones.append((guard, held))
        for guard, size in open_ones:
            key = guard.symbol, guard.side
            held = self.holdings.held(key) - self.holdings.own(key) - watched[key]
            if min(size, held) > 0:
                found.append(guard.id)
        return found

    def _open_contracts(self, guard: Guard) -> int:
        if guard.entry_id is None:
            return guard.remaining
        if guard.state == "closed":
            return min(self.holdings.left(guard), self._of_none_alive(guard.symbol, guard.side))
        return self.holdings.filled(guard) - sum(guard.closed_by.values())

    def _of_none_alive(self, symbol: str, side: str) -> int:
        """Contracts of a side that are neither the owner's own nor those of a protection that is not over."""
        alive = self.chronicle.alive.values()
        others = [each for each in alive if (each.symbol, each.side) == (symbol, side)]
        held = self.holdings.held((symbol, side)) - self.holdings.own((symbol, side))
        return held - sum(max(self.holdings.left(each), each.remaining) for each in others)

    def _kept_there(self, guard: Guard) -> bool:
        if guard.entry_id is None:
            return False
        ids = self.chronicle.attempts.get(guard.entry_id, ())
        for plan in self.paper.books.plans.waiting(guard.symbol):
            parent = self.paper.books.orders.get(plan.parent_id or 0)
            stops = plan.kind == "stop_loss"
            if stops and parent is not None and self.holdings.books.name_of(parent.order_id) in ids:
                return True
        return False
