"""The alerts of one process: beside its engine while that runs, and the last words when it ends by itself."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import trio

from ..engine import Engine
from ..health import Report
from ..health_watch import HealthWatch
from ..model.decimals import plain
from ..settings import IN_MEMORY, Settings
from ..state_files import read_state_file, write_state_file
from .daily import Daily, Standings
from .heartbeat import keep_beating
from .kept import FILE_NAME, Kept, taken_up
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
        self._daily: Daily | None = None
        self._path: Path | None = None
        """Where what is owed is kept, once this process may use the directory."""
        self._written = 0

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
                self._take_up(engine, self._sender)
                nursery.start_soon(self._sender.run, engine.counters)
                try:
                    await self._watch(engine, watch, self._sender)
                finally:
                    self._keep(engine)

    async def _watch(self, engine: Engine, watch: HealthWatch, sender: Sender) -> None:
        heard, readiness, standing = Heard(self._settings.alert_on), Readiness(), Standing()
        while True:
            now_s = trio.current_time()
            while self._lines:
                line = self._lines.popleft()
                heard.hear(*line, now_s)
                if self._daily is not None:
                    self._daily.hear(*line)
            alerts = [heard.due(now_s)]
            if not engine.stopping:
                report = await watch.latest()
                alerts.append(readiness.observe(engine.not_ready(), now_s))
                alerts += standing.observe(report, now_s)
                if self._daily is not None and self._daily.due(engine.now_ms()):
                    alerts.append(self._daily.summary(_standings(engine, report), engine.now_ms()))
            for alert in alerts:
                if alert is not None:
                    sender.offer(alert, engine.now_ms())
            if sender.changes != self._written:
                self._keep(engine)
            await trio.sleep(LOOKS_EVERY_S)

    def _take_up(self, engine: Engine, sender: Sender) -> None:
        """Go on with what the last process owed; once, however often `run` begins again."""
        if self._path is not None:
            return
        kept, now_ms = Kept(), engine.now_ms()
        if self._settings.state_dir != IN_MEMORY:
            self._path = Path(self._settings.state_dir) / FILE_NAME
            kept = read_state_file(self._path, Kept) or kept
        sender.owe(taken_up(kept.owed, now_ms))
        if self._settings.alert_daily_at is not None and self._daily is None:
            self._daily = Daily(self._settings.alert_daily_at, kept.summary_ms or now_ms)

    def _keep(self, engine: Engine | None = None) -> None:
        """Write down what is owed."""
        if self._path is None or self._sender is None:
            return
        self._written = self._sender.changes
        kept = Kept(self._sender.owed(), 0 if self._daily is None else self._daily.told_ms)
        try:
            write_state_file(self._path, kept)
        except OSError as failure:
            if engine is not None:
                engine.count("alerts_not_kept", why=failure)

    def last_words(self, why: str, now_ms: int | None = None) -> None:
        """Say what ended the process, or kept it from starting. Takes at most five seconds. Not inside of Trio.

        What no address takes now is said after the next start, if this process got as far as to use its directory.
        """
        if self._sender is None:
            return
        said = Alert("critical", "bitmart-engine: the engine has ended", why)
        taken = self._sender.send_now(said)
        at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        self._sender.owe_what_is_left(said, taken, at_ms)
        self._keep()


def _standings(engine: Engine, report: Report) -> Standings:
    known, state = engine.balance(), engine.state
    available = None
    if known is not None:
        available = f"{plain(known.balance.available)} {known.balance.currency}"
    return Standings(
        report=report,
        outages=engine.outages.report(engine.now_ms()),
        not_ready=tuple(engine.not_ready()),
        orders=len(state.orders.alive()),
        protections=len(state.protections.alive()),
        owed=engine.outbox().owed,
        given_up=len(state.dead),
        available=available,
        uptime_s=engine.uptime_s,
    )
