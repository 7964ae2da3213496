"""How a message gets to a person: through Apprise, in a thread, since its services are reached by blocking calls."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import count
from typing import Any

import trio

from ..counters import Counters
from ..trading.backoff import Backoff
from .kept import Owed, digest
from .watching import Alert

__all__ = ["AlertsUnusable", "Sender"]

KEPT_FOR_S = 3600.0
"""How long a message is tried; after that its news is old."""
MOST_WAITING = 100
LAST_WORDS_S = 5.0
CHATTY = ("apprise", "urllib3")
"""Loggers that write addresses down, in which there are passwords."""
TYPES = {"info": "success", "warning": "warning", "error": "failure", "critical": "failure"}
"""Apprise's word for a level, from which services take icon and urgency."""


class AlertsUnusable(Exception):
    """ALERT_URLS cannot be used as they are. Its text names no address: they hold passwords."""


InThread = Callable[[Callable[[], bool]], Awaitable[bool]]
"""Runs what blocks, and returns what it returns."""


async def _in_thread(blocking: Callable[[], bool]) -> bool:
    """In a thread outside of Trio's limit: a service that hangs holds up neither the others nor the journal."""
    alone = trio.CapacityLimiter(1)
    return await trio.to_thread.run_sync(blocking, abandon_on_cancel=True, limiter=alone)


class Sender:
    """The addresses. Each has its own queue, so that one that is down costs the others nothing."""

    def __init__(self, addresses: Sequence[str], *, in_thread: InThread = _in_thread) -> None:
        """Raises AlertsUnusable."""
        self._services = _services(addresses)
        self._digests = [digest(each) for each in addresses]
        self._in_thread = in_thread
        self._counters = Counters()
        self._queues: list[trio.MemorySendChannel[int]] = []
        self._numbers = count()
        self._owed: dict[int, tuple[int, Owed]] = {}
        self.changes = 0
        """How often what is owed has changed."""

    async def run(self, counters: Counters) -> None:
        """Send what is offered until cancelled; what is not taken is counted."""
        self._counters = counters
        self._queues.clear()
        async with trio.open_nursery() as nursery:
            for send in self._services:
                sender, receiver = trio.open_memory_channel[int](MOST_WAITING)
                self._queues.append(sender)
                nursery.start_soon(self._serve, send, receiver)
            for number, (place, _) in list(self._owed.items()):
                self._queue(place, number)

    def offer(self, alert: Alert, at_ms: int = 0) -> None:
        """Have it sent soon. Never blocks; where too many wait already it is dropped, and counted."""
        self.owe([Owed(each, alert, at_ms) for each in self._digests])

    def owe(self, owed: Iterable[Owed]) -> None:
        """The same of messages that only some addresses have not taken. Those of no address of now are let go."""
        for each in owed:
            for place, known in enumerate(self._digests):
                if known == each.address:
                    number = next(self._numbers)
                    self._owed[number] = place, each
                    if self._queues:
                        self._queue(place, number)
                    self.changes += 1
                    break

    def owed(self) -> tuple[Owed, ...]:
        """What no address has taken, or given up on, yet."""
        return tuple(each for _, each in self._owed.values())

    def _queue(self, place: int, number: int) -> None:
        try:
            self._queues[place].send_nowait(number)
        except trio.WouldBlock:
            _, dropped = self._owed.pop(number)
            self._counters.add("alert_dropped", title=dropped.alert.title)

    async def _serve(
        self, send: Callable[[Alert], bool], numbers: trio.MemoryReceiveChannel[int]
    ) -> None:
        async for number in numbers:
            _, owed = self._owed[number]
            await self._deliver(send, owed.alert)
            del self._owed[number]
            self.changes += 1

    async def _deliver(self, send: Callable[[Alert], bool], alert: Alert) -> None:
        gives_up_at = trio.current_time() + KEPT_FOR_S
        for pause_s in Backoff(5.0, 300.0):
            if await self._in_thread(partial(send, alert)):
                break
            self._counters.add("alert_not_taken", title=alert.title)
            if trio.current_time() + pause_s > gives_up_at:
                self._counters.add("alert_given_up", title=alert.title)
                break
            await trio.sleep(pause_s)

    def owe_what_is_left(self, alert: Alert, taken: Sequence[bool], at_ms: int) -> None:
        """Owe a message to the addresses that `send_now` says have not taken it."""
        self.owe(
            Owed(each, alert, at_ms)
            for each, took in zip(self._digests, taken, strict=True)
            if not took
        )

    def send_now(self, alert: Alert, within_s: float = LAST_WORDS_S) -> list[bool]:
        """Send it to all at once, outside of Trio. Returns of each address whether it took it in that time."""
        taken = [False] * len(self._services)

        def send(number: int) -> None:
            taken[number] = self._services[number](alert)

        threads = [
            threading.Thread(target=send, args=(number,), daemon=True)
            for number in range(len(self._services))
        ]
        for thread in threads:
            thread.start()
        ends_at = time.monotonic() + within_s
        for thread in threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        return list(taken)


def _services(addresses: Sequence[str]) -> list[Callable[[Alert], bool]]:
    try:
        import apprise
    except ImportError:
        raise AlertsUnusable(
            "ALERT_URLS needs Apprise; install it with: pip install 'bitmart-engine[alerts]'"
        ) from None
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    made = []
    for number, address in enumerate(addresses, 1):
        service = apprise.Apprise()
        if not service.add(address):
            raise AlertsUnusable(
                f"ALERT_URLS: address {number} of {len(addresses)} is none that Apprise knows,"
                " such as mailto://, tgram:// or ntfys://; they are separated by spaces"
            )
        made.append(_sending(service))
    return made


def _sending(service: Any) -> Callable[[Alert], bool]:
    def send(alert: Alert) -> bool:
        try:
            return bool(
                service.notify(title=alert.title, body=alert.body, notify_type=TYPES[alert.level])
            )
        except Exception:  # of a service's own code: whatever it is, the message was not taken
            return False

    return send
