"""How old a signed request may be: the exchange changes its mind, while requests and answers are lost or come late.

A window that grows is the danger: a submit that was held to be dead may be taken after all.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import trio
from attrs import define

from bitmart_engine.paper import PaperExchange

from .network import Network
from .trace import Trace
from .troubles import Kinds

__all__ = ["WINDOWS_MS", "Windows"]

WINDOWS_MS = (5_000, 30_000, 60_000)
MISHAPS = ("request lost", "request late", "request very late", "reply lost", "502 after")


@define(eq=False)
class Windows:
    """`rng` makes the generator of the kind."""

    paper: PaperExchange
    network: Network
    rng: Callable[[str], random.Random]
    trace: Trace

    def kinds(self) -> Kinds:
        return {"timestamp windows": self._timestamp_windows}

    async def _timestamp_windows(self) -> None:
        rng = self.rng("timestamp windows")
        while True:
            if not self.network.now.mishaps:
                chosen = rng.sample(MISHAPS, rng.randint(1, 3))
                self.network.now.mishaps = dict.fromkeys(chosen, 0.1)
            ms = rng.choice(WINDOWS_MS)
            self.trace.fault("timestamp window", ms)
            self.paper.set_timestamp_window(ms)
            await trio.sleep(rng.expovariate(1 / 20))
