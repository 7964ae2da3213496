"""When a run has come to rest: everything asked was answered, every order has ended, nothing moves, nothing is owed.

It looks as a user would, through the control API, and says so where it takes too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import trio

from tests.support.app import App
from tests.support.judge import Violation

from .market import Market
from .trace import Trace
from .user import User

__all__ = ["Rest"]

SETTLED_S = 15.0
"""How long nothing is traded before the run looks whether everything agrees."""
CONVERGES_WITHIN_S = 240.0
"""How long after the end of all trouble everything may take to agree."""
MOVING = frozenset({"submitting", "unknown", "closing"})


class Rest:
    """Waits for it."""

    def __init__(
        self,
        app: App,
        user: User,
        market: Market,
        trace: Trace,
        broken: Callable[[Violation], None],
        longer_s: Callable[[], float],
    ) -> None:
        """`longer_s` is for how long after its end the last storm may be felt."""
        self._app = app
        self._user = user
        self._market = market
        self._trace = trace
        self._broken = broken
        self._longer_s = longer_s
        self._missed: list[str] = []
        """What kept the last look from being satisfied."""

    async def until(self, what: str, condition: Callable[[], Any]) -> None:
        within_s = CONVERGES_WITHIN_S + self._longer_s()
        self._missed.clear()
        with trio.move_on_after(within_s):
            while not await condition():
                await trio.sleep(5)
            return
        self._trace("judge", "not in time:", what)
        detail = f"not within {within_s:g} s: {'; '.join(self._missed) or 'never looked through'}"
        self._broken(Violation("it converges", what, detail))

    async def answered(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self._nothing(requests_not_answered=self._user.busy)

    async def orders_ended(self) -> bool:
        """Whether all entry orders have; those that still could wait are cancelled."""
        shown = await self.shown("orders")
        for each in shown.values():
            if each["state"] in ("waiting", "open", "partially_filled"):
                await self._app.cancel(each["id"])
        shown = await self.shown("orders")
        ended = {"filled", "cancelled", "expired", "rejected"}
        return self._nothing(orders=[*_told(shown, lambda state: state not in ended)])

    async def at_rest(self) -> bool:
        orders, positions = await self.shown("orders"), await self.shown("positions")
        return (
            self._nothing(
                orders=[*_told(orders, MOVING.__contains__)],
                positions=[*_told(positions, MOVING.__contains__)],
            )
            and self._nothing(callbacks_owed=await self.owed())
            and self._nothing(not_ready=await self._app.missing())
        )

    async def stays_at_rest(self) -> bool:
        """Whether all is at rest, and still is after nothing was traded for a while: the market stays still then.

        What the last trade set off may need another one to end, where one trade fills a few contracts only.
        """
        if not await self.at_rest():
            return False
        self._market.still = True
        await trio.sleep(SETTLED_S)
        resting = await self.at_rest()
        self._market.still = resting
        if not resting:
            self._missed.insert(0, f"after {SETTLED_S:g} s without a trade")
        return resting

    async def unguarded(self) -> bool:
        shown = await self.shown("positions")
        ended = {"closed", "released", "pending_fill"}
        return self._nothing(positions=[*_told(shown, lambda state: state not in ended)])

    def _nothing(self, **found: Any) -> bool:
        """Whether nothing was found; what was is remembered."""
        self._missed = [f"{what}: {each}" for what, each in found.items() if each]
        return not self._missed

    async def owed(self) -> int:
        owed: int = (await self._app.ask("GET", "/status")).body["outbox"]["owed"]
        return owed

    async def given_up(self) -> frozenset[str]:
        """The ids of what the engine says that it has given up to tell."""
        listed = (await self._app.ask("GET", "/api/outbox?state=dead&limit=1000")).body
        return frozenset(each["id"] for each in listed["notifications"])

    async def shown(self, what: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        path = f"/api/{what}?limit=1000"
        while True:
            page = (await self._app.ask("GET", path)).body[what]
            found |= {each["id"]: each for each in page}
            if len(page) < 1000:
                return found
            path = f"/api/{what}?limit=1000&after={page[-1]['id']}"


def _told(shown: dict[str, dict[str, Any]], which: Callable[[str], bool]) -> Iterator[str]:
    """The ids and states of those in the states that are looked for."""
    for id, each in sorted(shown.items()):
        if which(each["state"]):
            yield f"{id} is {each['state']}"
