"""The kinds of trouble that networks, disks, receivers and the exchange's sockets make, each until it is cancelled."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping

import trio
from attrs import define

from bitmart_engine.paper import PaperExchange

from .disk import Disk, Mood
from .network import MISHAPS, Network
from .pushes import Pushes
from .receiver import Receiver
from .trace import Trace

__all__ = ["Kinds", "Troubles"]

Kinds = Mapping[str, Callable[[], Awaitable[None]]]
"""By the name of a kind of trouble, what makes it until it is cancelled."""


@define(eq=False)
class Troubles:
    """Those of the first world. They share one generator, so that a seed's draws stay what they were."""

    paper: PaperExchange
    network: Network
    disk: Disk
    receiver: Receiver
    pushes: Pushes
    rng: random.Random
    trace: Trace

    def kinds(self) -> Kinds:
        return {
            "slow": self._slow,
            "unreachable": self._unreachable,
            "refusing": self._refusing,
            "maintenance": self._maintenance,
            "mishaps": self._mishaps,
            "cuts": self._cuts,
            "half-open": self._half_open,
            "drops": self._drops,
            "freezes": self._freezes,
            "logins": self._logins,
            "dials": self._dials,
            "liquidations": self._liquidations,
            "disk": self._disk,
            "receiver": self._receiver,
            "pushes": self._disorder,
            "races": self._nothing,
            "kills": self._nothing,
        }

    async def _pause(self, mean_s: float) -> None:
        await trio.sleep(self.rng.expovariate(1 / mean_s))

    async def _slow(self) -> None:
        while True:
            await self._pause(60)
            self.network.now.slow_s = self.rng.choice((0.3, 1.0, 4.0))
            self.trace.fault("network slow", self.network.now.slow_s)
            await trio.sleep(self.rng.uniform(5, 60))
            self.network.now.slow_s = 0.0

    async def _unreachable(self) -> None:
        while True:
            await self._pause(90)
            self.trace.fault("network unreachable")
            self.network.stall_all()
            await trio.sleep(self.rng.uniform(2, 90))
            self.network.now.unreachable = False

    async def _refusing(self) -> None:
        while True:
            await self._pause(90)
            self.trace.fault("connections refused")
            self.network.now.refusing = True
            if self.rng.random() < 0.7:
                self.paper.drop_connections()
            await trio.sleep(self.rng.uniform(2, 60))
            self.network.now.refusing = False

    async def _maintenance(self) -> None:
        while True:
            await self._pause(150)
            self.network.now.maintenance = True
            await trio.sleep(self.rng.uniform(5, 90))
            self.network.now.maintenance = False

    async def _mishaps(self) -> None:
        while True:
            kinds = self.rng.sample(MISHAPS, self.rng.randint(1, 4))
            likely = self.rng.choice((0.02, 0.05, 0.15))
            self.network.now.mishaps = dict.fromkeys(kinds, likely)
            await trio.sleep(self.rng.uniform(30, 120))

    async def _cuts(self) -> None:
        while True:
            await self._pause(40)
            self.network.cut_some()

    async def _half_open(self) -> None:
        while True:
            await self._pause(100)
            self.network.half_open_some()

    async def _drops(self) -> None:
        while True:
            await self._pause(60)
            which = self.rng.choice(("public", "private", "all"))
            self.trace.fault("connections dropped by the exchange", which)
            self.paper.drop_connections(which)  # type: ignore[arg-type]

    async def _freezes(self) -> None:
        while True:
            await self._pause(60)
            channel = self.rng.choice(("futures/trade", "futures/kline", "futures/order", "*"))
            cure = self.rng.choice(("resubscribe", "reconnect", "forever"))
            self.trace.fault("channel frozen", channel, cure)
            self.paper.freeze(channel, cure)  # type: ignore[arg-type]
            await trio.sleep(self.rng.uniform(5, 90))
            if cure == "forever":
                self.paper.unfreeze(channel)

    async def _logins(self) -> None:
        while True:
            await self._pause(120)
            self.trace.fault("login refused")
            self.paper.refuse_logins(times=1)
            self.paper.drop_connections("private")

    async def _dials(self) -> None:
        while True:
            await self._pause(90)
            self.trace.fault("handshakes refused")
            self.paper.refuse_dials(abruptly=self.rng.random() < 0.5)
            self.paper.drop_connections()
            await trio.sleep(self.rng.uniform(2, 40))
            self.paper.refuse_dials(False)

    async def _liquidations(self) -> None:
        while True:
            await self._pause(200)
            held = [key for key, each in self.paper.books.positions.items() if each.size]
            if held:
                symbol, direction = self.rng.choice(held)
                size = self.paper.books.positions[symbol, direction].size
                part = self.rng.choice((size, self.rng.randint(1, size)))
                self.trace.fault("liquidation", symbol, direction.name, part, "of", size)
                self.paper.liquidate(symbol, direction.name.lower(), part)  # type: ignore[arg-type]

    async def _disk(self) -> None:
        moods: tuple[Mood, ...] = ("slow", "slow", "full", "read-only", "doubtful")
        while True:
            await self._pause(60)
            self.disk.mood = self.rng.choice(moods)
            await trio.sleep(self.rng.uniform(1, 40))
            self.disk.mood = "well"

    async def _receiver(self) -> None:
        kinds = ("reply lost", "reply never comes", "connection refused", "reply late", "500")
        while True:
            self.receiver.failing = self.rng.choice((0.0, 0.1, 0.5))
            chosen = self.rng.sample(kinds, self.rng.randint(1, 3))
            self.network.now.receiver_mishaps = dict.fromkeys(chosen, self.rng.choice((0.05, 0.2)))
            await trio.sleep(self.rng.uniform(20, 120))

    async def _disorder(self) -> None:
        self.pushes.again = self.rng.choice((0.0, 0.1, 0.3))
        self.pushes.late = self.rng.choice((0.1, 0.3))
        await trio.sleep_forever()

    async def _nothing(self) -> None:
        """What is up to others: they look whether there is any of it in this storm."""
        await trio.sleep_forever()
