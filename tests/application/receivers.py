"""All that the application receives: one synchronous object, from bytes, headers and the time to an answer.

There is no transport and no clock in here, so that sockets (`web`), a transport in memory (`memory`) and a simulation
can all drive it. How the application misbehaves is in here too, as data: its limit, that it is dead, how slow it is.
Dead and slow are for the transport to act out: `take` answers None while the application is dead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from attrs import Factory, define, evolve, field, frozen

from .answers import Answer, answer
from .callbacks import WORDS, Callback, Callbacks
from .raw_events import Frames, FuturesOrder, OrderBook, RawEvents
from .reading import Complaint
from .signals import Balance, BalanceSignals, OrderSignals, Signal

__all__ = [
    "BALANCE_SIGNALS",
    "CALLBACKS",
    "ORDER_SIGNALS",
    "RAW_EVENTS",
    "SECRET",
    "WORDS",
    "Answer",
    "Application",
    "Balance",
    "Callback",
    "Complaint",
    "Frames",
    "FuturesOrder",
    "Limit",
    "OrderBook",
    "Signal",
    "Visit",
]

CALLBACKS = "/api/orders/callback"
ORDER_SIGNALS = "/api/ws-worker/orders"
BALANCE_SIGNALS = "/api/ws-worker/balance"
RAW_EVENTS = "/api/bitmart/webhook"
SECRET = "shared-with-the-worker"


@define
class Limit:
    """At most `most` requests in `window_ms`; the rest is answered with 429. It says when to come again if `tells`."""

    most: int = 50
    window_ms: int = 60_000
    tells: bool = False
    _taken: deque[int] = field(factory=deque)

    def wait_ms(self, now_ms: int) -> int:
        """0 and one of the places taken, or how long until there is one. Anew where its clock was set back."""
        if self._taken and self._taken[-1] > now_ms:
            self._taken.clear()
        while self._taken and self._taken[0] <= now_ms - self.window_ms:
            self._taken.popleft()
        if len(self._taken) < self.most:
            self._taken.append(now_ms)
            return 0
        return self._taken[0] + self.window_ms - now_ms


@frozen
class Visit:
    """One request that arrived, and what was answered."""

    at_ms: int
    path: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    answer: Answer


@define(eq=False)
class Application:
    """The application's HTTP side. Every path that is none of the others takes callbacks if `hook` begins it."""

    secret: str = SECRET
    webhook_token: str = ""
    hook: str = CALLBACKS
    callbacks: Callbacks = field(factory=Callbacks)
    orders: OrderSignals = Factory(lambda self: OrderSignals(self.secret), takes_self=True)
    balances: BalanceSignals = Factory(lambda self: BalanceSignals(self.secret), takes_self=True)
    raw: RawEvents = Factory(lambda self: RawEvents(self.webhook_token), takes_self=True)
    limits: dict[str, Limit] = field(factory=dict)
    """By path."""
    slow_s: float = 0.0
    """How long it takes for every answer: for the transport to wait."""
    losing: dict[str, int] = field(factory=dict)
    """By path: so many of the next answers are 500, though what was sent is taken."""
    dead: bool = False
    """Nobody listens: for the transport to refuse."""
    visits: list[Visit] = field(factory=list)

    def take(
        self, path: str, headers: Mapping[str, str], body: bytes, now_ms: int
    ) -> Answer | None:
        """The answer to a POST; None where there is none because the application is dead."""
        if self.dead:
            return None
        given = self._answer(path, headers, body, now_ms)
        if self.losing.get(path):
            self.losing[path] -= 1
            given = evolve(given, status=500)
        self.visits.append(
            Visit(now_ms, path, {n.lower(): v for n, v in headers.items()}, body, given)
        )
        return given

    @property
    def complaints(self) -> list[Complaint]:
        """All that it could not use, in order of arrival."""
        return [each for visit in self.visits for each in visit.answer.complaints]

    def answered(self, status: int) -> list[Visit]:
        """The requests that were answered so."""
        return [visit for visit in self.visits if visit.answer.status == status]

    def _answer(self, path: str, headers: Mapping[str, str], body: bytes, now_ms: int) -> Answer:
        if path in self.limits and (wait_ms := self.limits[path].wait_ms(now_ms)):
            tells = self.limits[path].tells
            again = {"Retry-After": str(-(-wait_ms // 1000))} if tells else {}
            return answer(429, "Too many requests", headers=again)
        receivers: dict[str, Any] = {
            ORDER_SIGNALS: self.orders,
            BALANCE_SIGNALS: self.balances,
            RAW_EVENTS: self.raw,
        }
        receiver = receivers.get(path)
        if receiver is None and path.startswith(self.hook):
            receiver = self.callbacks
        if receiver is None:
            return answer(404, "No route found")
        given: Answer = receiver.take(headers, body, now_ms)
        return given
