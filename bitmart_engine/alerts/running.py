"""The alerts of one process: beside its engine while that runs, and the last words when it ends by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import trio

from ..engine import Engine
from ..health_watch import HealthWatch
from ..settings import Settings
from .heartbeat import keep_beating
from .sending import Sender
from .watching import Alert, Heard, Readiness, Standing

__all__ = ["Alerts"]

LOOKS_EVERY_S = 0.5
MOST_HEARD = 1000
"""Lines of the log that may wait to be looked at; older ones are let go."""


class Alerts:
    """Made before the engine, so that what keeps it from starting is told as well."""

    def __init__(self, settings: Settings, sender: Sender | None = None) -> None:
        """`sender` is one to the addresses of the settings unless given. Raises AlertsUnusable."""
        self._settings = settings
        self._sender = sender
        if sender is None and settings.alert_urls:
            self._sender = Sender(settings.alert_urls)
        self._lines: deque[tuple[str, str, Mapping[str, object]]] = deque(maxlen=MOST_HEARD)

    def hear(self, event: str, level: str, fields: Mapping[str, object]) -> None:
        """A line of the log, from whatever thread."""
        if self._sender is not None:
            self._lines.append((event, level, fields))

    async def run(self, engine: Engine, watch: HealthWatch) -> None:
        """Alert until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._settings.heartbeat_url:
                nursery.start_soon(
                    keep_beating,
                    self._settings.heartbeat_url,
                    lambda: not engine.not_ready(),
                    engine.counters,
                )
            if self._sender is not None:
                nursery.start_soon(self._sender.run, engine.counters)
                nursery.start_soon(self._watch, engine, watch, self._sender)

    async def _watch(self, engine: Engine, watch: HealthWatch, sender: Sender) -> None:
        heard, readiness, standing = Heard(self._settings.alert_on), Readiness(), Standing()
        while True:
            now_s = trio.current_time()
            while self._lines:
                heard.hear(*self._lines.popleft(), now_s)
            alerts = [heard.due(now_s)]
            if not engine.stopping:
                alerts.append(readiness.observe(engine.not_ready(), now_s))
                alerts += standing.observe(await watch.latest(), now_s)
            for alert in alerts:
                if alert is not None:
                    sender.offer(alert)
            await trio.sleep(LOOKS_EVERY_S)

    def last_words(self, why: str) -> None:
        """Say what ended the process, or kept it from starting. Takes at most five seconds. Not inside of Trio."""
        if self._sender is not None:
            self._sender.send_now(Alert("critical", "bitmart-engine: the engine has ended", why))
