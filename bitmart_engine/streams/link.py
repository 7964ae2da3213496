"""Keeps one connection: opens it, and opens it again after every drop, with everything it carried.

A link owns the topics of its connection and the backoff between attempts. Each drop is one log line with its reason. It
never gives up; it only waits longer. A refused login is retried slowly, and concerns nobody else; it is retried soon if
the exchange's clock turns out to be another than the one it was signed by, and every minute while the exchange
takes the same key elsewhere: the refusal may have been for now only. While its connection lives, one of the sockets
that there may be is taken.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import final

import trio

from ..counters import Counters
from ..logs import get_logger
from ..settings import Settings
from ..world import World
from .backoff import Backoff
from .connection import Connection, Handlers, State
from .endings import Ending
from .ledger import Ledger
from .statistics import ConnectionStatistics
from .wire import Credentials, Frame

__all__ = ["Link", "never", "nothing_to_do"]

RENEW_AGAIN_S = 60.0
"""How often a connection is renewed at most: a market in which nobody trades looks like one with dead channels."""
LOGIN_RETRY_S = 60.0
LOGIN_RETRY_CAP_S = 600.0
"""Between refused logins: at first, and at the slowest. It stays at the first while the key is taken elsewhere."""
CLOCK_WRONG_MS = 1_000
CLOCK_WITHIN_S = 10.0


async def nothing_to_do() -> None:
    """A refused login has nothing to do with us."""
    await trio.lowlevel.checkpoint()


def never() -> float:
    """When the key was taken elsewhere: not at all."""
    return -math.inf


log = get_logger()


@final
class Link:
    """One connection's supervisor. `run` is its only task; the other methods are synchronous."""

    def __init__(
        self,
        name: str,
        uri: str,
        credentials: Credentials | None,
        settings: Settings,
        world: World,
        counters: Counters,
        *,
        sockets: trio.Semaphore,
        frame: Callable[[Frame], None],
        acknowledged: Callable[[Link, str], None],
        refused: Callable[[str, str], None],
        needed: Callable[[str], bool] = lambda topic: False,
        login_refused: Callable[[], Awaitable[None]] = nothing_to_do,
        key_taken_at: Callable[[], float] = never,
        dropped: Callable[[Link], None] = lambda link: None,
        entered: Callable[[Link], None] = lambda link: None,
    ) -> None:
        """`needed` topics are asked for until they are acknowledged. `login_refused` measures the exchange's clock, by
        which `world` goes. `key_taken_at` says when, by Trio's clock, the exchange last took the key elsewhere."""
        self.name = name
        self.topics: dict[str, None] = {}
        """In the order in which they were wanted; an ordered set."""
        self._uri = uri
        self._credentials = credentials
        self._settings = settings
        self._world = world
        self._counters = counters
        self._sockets = sockets
        self._needed = needed
        self._login_refused = login_refused
        self._key_taken_at = key_taken_at
        self._handlers = Handlers(
            state=self._enter,
            frame=frame,
            acknowledged=lambda topic: acknowledged(self, topic),
            refused=refused,
        )
        self._dropped = dropped
        self._entered = entered
        self._backoff = Backoff(settings.reconnect_delay_s, world.random)
        self._login_backoff = Backoff(LOGIN_RETRY_S, world.random, LOGIN_RETRY_CAP_S)
        self._ledger = self._new_ledger()
        self._connection: Connection | None = None
        self._asked = trio.Event()
        self._scope = trio.CancelScope()
        self._renewed_at = -math.inf
        self._signed: tuple[float, int] | None = None
        self._reconnects = 0
        self._last_error: str | None = None
        self.state = State.CONNECTING
        self._since_ms = world.wall_ms()

    def add(self, topic: str) -> None:
        """Carry one more topic."""
        self.topics[topic] = None
        self._asked.set()
        self.wake()

    def discard(self, topic: str) -> None:
        """Carry a topic no longer. The exchange is told after `wake`; a link without topics is its owner's to close."""
        self.topics.pop(topic, None)

    def ask_again(self) -> None:
        """Something that was refused is needed now."""
        self._asked.set()
        self.wake()

    def wake(self) -> None:
        """The topics have changed."""
        if self._connection is not None:
            self._connection.wake()

    def resubscribe(self, topic: str) -> None:
        """Unsubscribe a topic and subscribe to it again, on the same connection."""
        self._ledger.renew(topic)
        self._asked.set()
        self.wake()

    def renew(self, reason: str) -> None:
        """Drop the connection and open another at once, for all it carries. Nothing while one is still on its way, nor
        if that was done less than `RENEW_AGAIN_S` ago."""
        now = trio.current_time()
        there = self._connection is not None and self.state in (State.SUBSCRIBING, State.UP)
        if self._connection is not None and there and now - self._renewed_at >= RENEW_AGAIN_S:
            self._renewed_at = now
            self._connection.end(reason, renewed=True)

    def close(self) -> None:
        """End `run`, and with it the connection, politely."""
        self._scope.cancel()

    def is_acked(self, topic: str) -> bool:
        """Whether the present connection is subscribed to the topic."""
        return self._ledger.is_acked(topic)

    @property
    def last_error(self) -> str | None:
        """Why the last connection ended; it stays after a reconnect."""
        return self._last_error

    def statistics(self) -> ConnectionStatistics:
        """How the link stands."""
        heard_at = self._connection.last_received_at if self._connection else None
        return ConnectionStatistics(
            name=self.name,
            state=self.state.value,
            since_ms=self._since_ms,
            reconnects=self._reconnects,
            last_error=self._last_error,
            channels=len(self.topics),
            last_message_age_s=None if heard_at is None else trio.current_time() - heard_at,
        )

    async def run(self) -> None:
        """Keep the connection until `close`."""
        with self._scope:
            while True:
                ending = await self._connect()
                await self._pause_after(ending)
                self._reconnects += 1
        self._enter(State.CLOSED)

    def _new_ledger(self) -> Ledger:
        return Ledger(
            self.topics,
            self._settings.subscribe_batch,
            self._needed,
            jitter=self._world.random.uniform(0.5, 1.0),
            essential=self._credentials is not None,
        )

    async def _connect(self) -> Ending:
        self._ledger = self._new_ledger()
        self._connection = Connection(
            self._uri,
            self._credentials,
            self._ledger,
            self._handlers,
            self._settings,
            self._world,
            self._counters,
        )
        if not self._sockets.value:
            self._counters.add("connection_waits_for_slot", connection=self.name)
        try:
            async with self._sockets:
                return await self._connection.run()
        finally:
            self._signed = self._connection.signed
            self._connection = None

    async def _pause_after(self, ending: Ending) -> None:
        self._last_error = ending.reason
        self._backoff.lived(ending.lived_s)
        self._login_backoff.lived(ending.lived_s)
        if ending.hopeless and self._credentials is None:
            # The topics do not exist. Asking again would never end; the next one that is wanted here opens it again.
            self._drop(ending, State.CLOSED, None)
            self._asked = trio.Event()
            await self._asked.wait()
            return
        if ending.login_refused:
            self._enter(State.LOGIN_REFUSED)
        if ending.renewed:
            pause, state = 0.0, State.WAITING
        elif ending.login_refused and await self._was_signed_by_a_wrong_clock():
            pause, state = self._backoff.next_delay(), State.LOGIN_REFUSED
        elif ending.login_refused or ending.hopeless:
            pause = self._login_backoff.next_delay()
            state = State.LOGIN_REFUSED if ending.login_refused else State.WAITING
        else:
            pause = self._backoff.next_delay()
            state = State.WAITING
        self._drop(ending, state, pause)
        if ending.login_refused:
            await self._pause_at_most(pause)
        else:
            await trio.sleep(pause)

    async def _pause_at_most(self, pause: float) -> None:
        """Wait so long after a refused login, or `LOGIN_RETRY_S` at most from when the exchange takes the key again."""
        refused_at = trio.current_time()
        parts = max(1, math.ceil(pause / LOGIN_RETRY_S))
        for _ in range(parts):
            await trio.sleep(pause / parts)
            if self._key_taken_at() > refused_at:
                return

    async def _was_signed_by_a_wrong_clock(self) -> bool:
        """Have the exchange's clock measured; whether the login would be signed with another time by it."""
        with trio.move_on_after(CLOCK_WITHIN_S):
            await self._login_refused()
        if self._signed is None:
            return False
        at, signed_ms = self._signed
        should_ms = self._world.wall_ms() - round((trio.current_time() - at) * 1000)
        return abs(should_ms - signed_ms) > CLOCK_WRONG_MS

    def _drop(self, ending: Ending, state: State, pause: float | None) -> None:
        self._enter(state)
        cause = {} if ending.cause is None else {"cause": ending.cause.value}
        log.warning(
            "connection_dropped",
            connection=self.name,
            reason=ending.reason,
            **cause,
            lived_s=round(ending.lived_s, 3),
            channels=len(self.topics),
            retry_in_s=None if pause is None else round(pause, 3),
        )
        self._dropped(self)

    def _enter(self, state: State) -> None:
        self.state = state
        self._since_ms = self._world.wall_ms()
        self._entered(self)
        if state is State.UP:
            log.info("connection_up", connection=self.name, channels=len(self.topics))
