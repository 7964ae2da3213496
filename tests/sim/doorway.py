"""The application's side of callbacks and signals, byte by byte, and how it misbehaves for a while.

What it makes of them is `tests.application`'s; here is the connection that it listens on. It may be slow, busy, gone,
or answer what no callback asks for; what is owed to it has to arrive all the same, and trading waits for none of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import h11
import trio
from attrs import define, field

from tests.application.receivers import Limit
from tests.support.judge import Violation

from .receiver import HOOK_PATH, SIGNALS, Receiver
from .trace import Trace
from .troubles import Kinds

__all__ = ["HARMLESS", "Doorway"]

HARMLESS = frozenset(
    {"application slow", "application limits", "application dead", "application odd"}
)
"""What is the application's own trouble alone: trading is judged as if nothing was wrong."""
ELSEWHERE = "/elsewhere"
REDIRECTS = (301, 302, 307, 308)
INTERIM_EVERY_S = 0.02
ANSWERED_WITHIN_S = 60.0
"""How long one connection is served at most; whoever sends callbacks has given up long before."""
HEARD_WITHIN_S = 1.0
"""How soon an answer leaves that whoever sent the request is sure to wait for still."""
SOONER_S = 0.5
"""By how much clocks and networks may make a pause shorter that was asked for."""
ODD = ("408", "redirect", "interim", "taken, then 500", "taken, then nothing", "half an answer")
ARRIVED_TAKEN = ("taken, then 500", "taken, then nothing", "half an answer", "reply lost")


class _Pause(NamedTuple):
    """Who was asked not to come back before then, on Trio's clock."""

    sender: str
    until: float


@define(eq=False)
class Doorway:
    """`rng` decides what befalls each request, and makes the weather of the application's own."""

    receiver: Receiver
    rng: random.Random
    trace: Trace
    broken: Callable[[Violation], None]
    slow_s: float = 0.0
    dead: str = ""
    """`refuses`, or `silent`; empty while somebody listens."""
    odd: Mapping[str, float] = field(factory=dict)
    """How likely a request meets each oddity."""
    redirected: set[str] = field(factory=set)
    """The keys of what was answered with a redirect, which no one follows."""
    _pauses: dict[str, _Pause] = field(factory=dict)
    """By key, the pause that was asked for."""

    def clear(self) -> None:
        """The application is well."""
        self.slow_s, self.dead, self.odd = 0.0, "", {}
        self.receiver.application.limits.clear()

    async def serve(
        self, stream: trio.abc.Stream, sender: str, mishaps: Mapping[str, float]
    ) -> None:
        """One connection: one request, and its answer, as far as there is one."""
        http = h11.Connection(h11.SERVER)
        with (
            suppress(trio.BrokenResourceError, h11.RemoteProtocolError),
            trio.move_on_after(ANSWERED_WITHIN_S),
        ):
            arrived = await self._request(http, stream)
            if arrived is not None:
                await self._answer(http, stream, sender, *arrived, mishaps)
        with trio.CancelScope(shield=True):
            await stream.aclose()

    async def _request(
        self, http: h11.Connection, stream: trio.abc.Stream
    ) -> tuple[str, dict[str, str], bytes] | None:
        path, headers, body = "", {}, b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some(65536)))
            elif isinstance(event, h11.Request):
                path = event.target.decode()
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return path, headers, body
            else:
                return None

    async def _answer(
        self,
        http: h11.Connection,
        stream: trio.abc.Stream,
        sender: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        mishaps: Mapping[str, float],
    ) -> None:
        key, came_at = headers["idempotency-key"], trio.current_time()
        if path not in (HOOK_PATH, *SIGNALS):
            self.broken(Violation("no redirect is followed", key, f"it was sent to {path}"))
        pause = self._pauses.pop(key, None)
        if pause is not None and pause.sender == sender:
            early_s = pause.until - trio.current_time()
            if early_s > SOONER_S:
                detail = f"it came back {early_s:.1f} s before the time it was told with a 429"
                self.broken(Violation("who asks for a pause is given it", key, detail))
        mishap = self._drawn(self.odd) or self._drawn(mishaps)
        if mishap is not None:
            self.trace.fault(f"callback: {mishap}")
        more: dict[str, str] = {}
        if mishap == "interim":
            await self._interim(stream)
            return
        if mishap in ("408", "500"):
            status = int(mishap)
        elif mishap == "redirect":
            status, more = self.rng.choice(REDIRECTS), {"Location": ELSEWHERE}
            self.redirected.add(key)
            self.receiver.note(key, path, body, status)
        else:
            given = self.receiver.hear(key, path, headers, body, failing=mishap in ARRIVED_TAKEN)
            status, more = given
            if status == 429:
                self.trace.fault("callback: 429")
        await trio.sleep(self.slow_s)
        if mishap == "reply late":
            await trio.sleep(self.rng.uniform(1, 6))
        if mishap in ("taken, then nothing", "reply never comes"):
            await stream.receive_some(1)
            return
        if mishap == "reply lost" or not status:
            return
        head = h11.Response(
            status_code=status,
            headers=[("Content-Length", "2"), ("Content-Type", "application/json"), *more.items()],
        )
        wire = http.send(head) or b""
        if mishap == "half an answer":
            await stream.send_all(wire[: self.rng.randrange(1, len(wire) // 2)])
            return
        await stream.send_all(wire + (http.send(h11.Data(data=b"{}")) or b""))
        if "Retry-After" in more and trio.current_time() - came_at < HEARD_WITHIN_S:
            self._pauses[key] = _Pause(sender, came_at + int(more["Retry-After"]))

    async def _interim(self, stream: trio.abc.Stream) -> None:
        while True:
            await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            await trio.sleep(INTERIM_EVERY_S)

    def _drawn(self, kinds: Mapping[str, float]) -> str | None:
        chance = self.rng.random()
        for kind, likely in kinds.items():
            chance -= likely
            if chance < 0:
                return kind
        return None

    # The weather of the application's own

    def kinds(self) -> Kinds:
        return {
            "application slow": self._slow,
            "application limits": self._limits,
            "application dead": self._dead,
            "application odd": self._odd,
        }

    async def _slow(self) -> None:
        """It takes its time for every answer: less than a callback has, and more than a signal."""
        self.slow_s = self.rng.choice((1.0, 3.0, 3.0, 4.5))
        self.trace.fault("application slow", self.slow_s)
        await trio.sleep_forever()

    async def _limits(self) -> None:
        """It takes so many in a minute, and says when to come back."""
        limits = self.receiver.application.limits
        while True:
            for path in (HOOK_PATH, *SIGNALS):
                limits[path] = Limit(self.rng.choice((1, 2, 5, 50)), tells=True)
            self.trace.fault("application limits")
            await trio.sleep(self.rng.uniform(100, 300))
            limits.clear()
            await trio.sleep(self.rng.uniform(5, 60))

    async def _dead(self) -> None:
        """Nobody listens for minutes, or nobody is there at all."""
        while True:
            await trio.sleep(self.rng.uniform(5, 60))
            self.dead = self.rng.choice(("refuses", "silent"))
            self.trace.fault("application dead", self.dead)
            await trio.sleep(self.rng.uniform(60, 300))
            self.dead = ""

    async def _odd(self) -> None:
        """It answers what a callback asks for by nothing."""
        while True:
            chosen = self.rng.sample(ODD, self.rng.randint(1, 3))
            self.odd = dict.fromkeys(chosen, self.rng.choice((0.05, 0.2)))
            await trio.sleep(self.rng.uniform(40, 120))
