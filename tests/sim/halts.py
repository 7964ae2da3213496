"""The user pauses, halts and resumes: in half of the hours of the fourth world.

He raises a halt now and then, leaves it for a while, and resumes. It goes on through storms: engines die while they
carry a halt out, and what was on its way when he halted arrives, or fills, afterwards.
"""

from __future__ import annotations

import random

import trio
from attrs import define

from tests.support.app import App

from .trace import Trace
from .user import User

__all__ = ["Halts"]

EVERY_S = 200.0
"""How long on average between a resume and the next pause or halt."""
LASTS_S = (20.0, 200.0)
RAISED_AFTER_S = (0.0, 20.0)
WAYS = (
    ("pause",),
    ("no_new",),
    ("no_new",),
    ("no_new",),
    ("cancel",),
    ("flatten",),
    ("no_new", "flatten"),
    ("cancel", "cancel", "flatten"),
    ("pause", "cancel"),
)
"""What he does, one after the other, before he resumes."""


@define(eq=False)
class Halts:
    """`over` ends it: the run is over, and everything goes on to its end."""

    app: App
    user: User
    rng: random.Random
    trace: Trace
    over: bool = False

    async def run(self) -> None:
        """Pause or halt every now and then, and resume."""
        while True:
            await trio.sleep(self.rng.expovariate(1 / EVERY_S))
            if not self.user.resting and not self.over:
                await self._once()

    async def _once(self) -> None:
        for way in self.rng.choice(WAYS):
            self.trace("user", "halts:", way)
            if way == "pause":
                answer = await self.app.ask("POST", "/pause")
            else:
                answer = await self.app.ask("POST", "/api/halt", {"level": way})
            # A journal that was restored may be halted higher than he knows.
            assert answer.status == 200 or (answer.status == 409 and way != "flatten"), answer
            await trio.sleep(self.rng.uniform(*RAISED_AFTER_S))
        await trio.sleep(self.rng.uniform(*LASTS_S))
        await self.resume()

    async def resume(self) -> None:
        """Let entries go out again."""
        self.trace("user", "resumes")
        answer = await self.app.ask("POST", "/resume")
        assert answer.status == 200, answer
