"""Pushes that come twice, or after the one that followed them, and trades that are told together."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from attrs import define, field

from .trace import Trace

__all__ = ["Pushes"]

TRADES = "futures/trade:"

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
    _trades: dict[tuple[int, str], list[Any]] = field(factory=dict)
    _held: dict[int, list[str]] = field(factory=dict)
    _old: dict[int, str] = field(factory=dict)

    def clear(self) -> None:
        """Every push leaves once, and when it is its turn."""
        self.again = self.late = 0.0

    def __call__(self, connection: int, topic: str, frame: str) -> Sequence[str]:
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
            trades += json.loads(frame)["data"]
            if not self.gathering:
                del self._trades[connection, topic]
                return (json.dumps({"group": topic, "data": trades}),)
        return () if self.gathering else (frame,)
