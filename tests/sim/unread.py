"""The exchange takes orders, and does not let the account be read: what is there can be compared with nothing.

Seen of exchanges whose reading runs on other machines than their matching, and of keys whose right to read was taken
away. An engine that starts meanwhile knows what its journal says, and not what became of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import trio
from attrs import define

from bitmart_engine.paper import PaperExchange

from .lives import Lives
from .trace import Trace
from .troubles import Kinds

__all__ = ["Unread"]

PRIVATE = "/contract/private"
ACCOUNT = (f"{PRIVATE}/position-v2", f"{PRIVATE}/get-open-orders")
REFUSALS = (30014, 30016, 30019)
"""Unavailable, under maintenance, not permitted: none says anything of an order."""
FOR_EVER = 1_000_000


@define(eq=False)
class Unread:
    """`rng` makes the generator of a kind."""

    paper: PaperExchange
    lives: Lives
    rng: Callable[[str], random.Random]
    trace: Trace

    def kinds(self) -> Kinds:
        return {"account unread": self._account_unread}

    async def _account_unread(self) -> None:
        """Positions, working orders, or both cannot be read for minutes; often a new engine starts into that."""
        rng = self.rng("account unread")
        faults = self.paper.faults
        while True:
            await trio.sleep(rng.expovariate(1 / 40))
            paths = rng.choice((ACCOUNT, ACCOUNT, ACCOUNT[:1], ACCOUNT[1:]))
            code = rng.choice(REFUSALS)
            self.trace.fault("account unread", code, *paths)
            for path in paths:
                self.paper.refuse(path, code, FOR_EVER)
            if rng.random() < 0.7 and self.lives.process is not None and not self.lives.spared:
                self.lives.process.kill("restarted", tells=rng.random() < 0.7)
            await trio.sleep(rng.uniform(30, 150))
            faults.requests = [each for each in faults.requests if each.times < FOR_EVER // 2]
