"""Pushes that come twice, or after the one that followed them; trades told together; and what is told, and untrue."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from attrs import define, field

from .trace import Trace

__all__ = ["Pushes"]

TRADES = "futures/trade:"
ORDERS = "futures/order"

PRIVATE_TOPICS = ("futures/order", "futures/position", "futures/asset:USDT")


@define(eq=False)
class Pushes:
    """Stands between the exchange and its connections. A push that is held back leaves with the next one."""

    rng: random.Random
    trace: Trace
    again: float = 0.0
    """How likely a push is to come twice."""
    late: float = 0.0
    """How likely it is to be overtaken by the next one."""
    gathering: bool = False
    """Whether public pushes wait for the next one, as where several trades happen in one moment: then the exchange
    tells all of them in one frame, and of the bars what they have come to."""
    ends_without_a_size: float = 0.0
    """How likely a push of an order that has ended is not to say how much of it was filled."""
    wild: dict[str, Decimal] = field(factory=dict)
    """By symbol, how far from the next trade one is told that nobody made."""
    told_wildly: Callable[[str, Decimal], None] = lambda symbol, price: None
    """Told of each of these, and its price."""
    told: Callable[[str, str], str] = lambda topic, frame: frame
    """A frame of a topic as it leaves, where what happened is told late."""
    new_trade_id: Callable[[], int] = lambda: 0
    odd: random.Random = field(factory=lambda: random.Random("odd pushes"))
    """For what is untrue; the other generator is for what is out of order."""
    _trades: dict[tuple[int, str], list[Any]] = field(factory=dict)
    _held: dict[int, list[str]] = field(factory=dict)
    _old: dict[int, str] = field(factory=dict)

    def clear(self) -> None:
        """Every push leaves once, and when it is its turn."""
        self.again = self.late = self.ends_without_a_size = 0.0
        self.wild.clear()

    def __call__(self, connection: int, topic: str, frame: str) -> Sequence[str]:
        if self.ends_without_a_size and topic == ORDERS:
            frame = self._without_a_size(frame)
        frame = self.told(topic, frame)
        if topic not in PRIVATE_TOPICS:
            return self._public(connection, topic, frame)
        if self.late and self.rng.random() < self.late:
            self.trace.fault("push overtaken", topic)
            self._held.setdefault(connection, []).append(frame)
            return ()
        frames = [frame, *self._held.pop(connection, ())]
        if self.again and self.rng.random() < self.again:
            self.trace.fault("push repeated", topic)
            frames.append(self.rng.choice((frame, self._old.get(connection, frame))))
        if self.again:
            self._old[connection] = frame
        return frames

    def _public(self, connection: int, topic: str, frame: str) -> Sequence[str]:
        trades = self._trades.get((connection, topic), [])
        if topic.startswith(TRADES) and (self.gathering or trades):
            trades = self._trades.setdefault((connection, topic), trades)
            trades += _rows(frame)
            if not self.gathering:
                del self._trades[connection, topic]
                return (json.dumps({"group": topic, "data": trades}),)
        if self.gathering:
            return ()
        symbol = topic.removeprefix(TRADES)
        if symbol in self.wild and topic.startswith(TRADES):
            return (frame, self._wild(symbol, frame))
        return (frame,)

    def _without_a_size(self, frame: str) -> str:
        rows = _rows(frame)
        for each in rows:
            row = each["order"]
            if row.get("state") == 4 and self.odd.random() < self.ends_without_a_size:
                said = self.odd.choice(("absent", None, "", "0"))
                self.trace.fault("end without a size", row.get("client_order_id"), said)
                row["deal_size"] = said
                if said == "absent":
                    del row["deal_size"]
        return json.dumps({"group": ORDERS, "data": rows}) if rows else frame

    def _wild(self, symbol: str, frame: str) -> str:
        """A trade after those of a frame, that nobody made."""
        rows = [row for row in _rows(frame) if _has_a_price(row)]
        if not rows:
            return frame
        row = rows[-1]
        row["deal_price"] = format(Decimal(row["deal_price"]) * self.wild.pop(symbol), ".9f")
        row["trade_id"] = self.new_trade_id()
        self.told_wildly(symbol, Decimal(row["deal_price"]))
        self.trace.fault("print wild", symbol, row["deal_price"])
        return json.dumps({"group": TRADES + symbol, "data": [row]})


def _has_a_price(row: dict[str, Any]) -> bool:
    """Whether it was not taken away, or altered beyond reading, by what is said oddly."""
    try:
        return Decimal(row["deal_price"]).is_finite()
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return False


def _rows(frame: str) -> list[Any]:
    """The rows of a push; none if it was made unreadable."""
    try:
        rows = json.loads(frame)["data"]
    except (ValueError, KeyError, RecursionError):
        return []
    known = isinstance(rows, list) and all(isinstance(each, dict) for each in rows)
    return rows if known else []
