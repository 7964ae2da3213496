"""How closing orders go out: in time where nothing hinders them, and not again as they were refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from tests.support.judge import Violation

from .chronicle import Chronicle, Guard

__all__ = ["Closes"]

TOO_LARGE = (40043, 40044)
"""What the exchange refuses an order with for its size."""
REPEATED = 3
"""So many times in a row nobody sends what was refused for its size: what is known may be old once, or a process."""
SENT_WITHIN_S = 45.0
"""How soon a closing order has gone out for what is closing, where all that is wrong is what answers claim."""


@define
class Closes:
    """Told of the closing orders that the exchange takes or refuses, and of what is closing."""

    chronicle: Chronicle
    broken: Callable[[Violation], None]
    closes_there: Callable[[str, str], bool] = lambda symbol, side: False
    """Whether an order that closes that side of the symbol works at the exchange, one of its own stop, say."""
    takes_any: Callable[[str], bool] = lambda symbol: True
    """Whether the exchange takes market orders of the symbol at all: where not, none is small enough."""
    _refused: dict[str, tuple[int, int]] = field(factory=dict)
    """By protection, the size that was refused last, and how often in a row."""
    _sent: set[str] = field(factory=set)
    """Protections for which a closing order has gone out."""
    _there_s: dict[str, float] = field(factory=dict)
    """By protection, when an order that closes its side was seen to work last: the engine waits for its end."""

    def submitted(self, body: Mapping[str, Any], answer: bytes) -> None:
        """A closing order came to the exchange, and was answered so."""
        id = self.chronicle.intended.get(body.get("client_order_id", ""))
        if id is None or id not in self.chronicle.guards:
            return
        self._sent.add(id)
        try:
            code = json.loads(answer)["code"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return
        if code not in TOO_LARGE or not self.takes_any(body["symbol"]):
            self._refused.pop(id, None)
            return
        size, times = self._refused.get(id, (0, 0))
        times = times + 1 if size == body["size"] else 1
        self._refused[id] = (body["size"], times)
        if times == REPEATED:
            detail = f"a close of {body['size']} contracts was refused for its size {times} times"
            self.broken(Violation("what is refused is not sent again as it was", id, detail))

    def look(self, now: float, hindered_by_words_since: float | None) -> None:
        """Whether what is closing has been sent. Since when nothing but words hinders it: None while more does."""
        if hindered_by_words_since is None:
            return
        for guard in self.chronicle.alive.values():
            if self._waits(guard):
                if self.closes_there(guard.symbol, guard.side):
                    self._there_s[guard.id] = now
                since_s = max(guard.since_s, self._there_s.get(guard.id, 0.0))
                waits_s = now - max(since_s, hindered_by_words_since)
                if waits_s > SENT_WITHIN_S:
                    self._sent.add(guard.id)
                    detail = f"it is closing, and no order has gone out for {waits_s:.0f} s"
                    self.broken(Violation("a close goes out in time", guard.id, detail))

    def _waits(self, guard: Guard) -> bool:
        return guard.state == "closing" and guard.remaining > 0 and guard.id not in self._sent
