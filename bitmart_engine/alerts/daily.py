"""The daily summary: at an hour, what happened since the last one and how things stand, in one message.

Decisions and text, without clock, network or tasks. Times are the engine's, ms since 1970; the hour is UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from attrs import define, field, frozen

from ..health import Report
from ..outages import OutageReport
from .durations import lasted
from .watching import Alert

__all__ = ["Daily", "Standings"]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LATE_MS = 6 * HOUR_MS
"""A summary that was missed because no engine ran is made up for so long."""
ENDS = ("order_filled", "order_cancelled", "order_expired", "order_rejected")
CLOSED = "position_closed"
NOTED = frozenset({"warning", "error", "critical"})
MOST_NAMED = 8


@frozen(kw_only=True)
class Standings:
    """How the engine stands when its summary is made."""

    report: Report
    outages: OutageReport
    not_ready: tuple[str, ...]
    orders: int
    """Alive, as are the protections."""
    protections: int
    owed: int
    given_up: int
    available: str | None
    """Of the balance, in its currency; None where it is not known."""
    uptime_s: float


@define
class Daily:
    """When a summary is due, and what was heard since the last one. `hour` is from 0 to 23."""

    hour: int
    told_ms: int
    """When the last one was made, or since when things are heard."""
    _counts: Counter[str] = field(factory=Counter)
    _noted: Counter[str] = field(factory=Counter)
    _naked_s: float = 0.0

    def hear(self, event: str, level: str, fields: Mapping[str, object]) -> None:
        """A line of the log."""
        if event in ENDS:
            self._counts[event] += 1
        elif event == CLOSED:
            self._counts[f"{CLOSED} {fields.get('reason')}"] += 1
        elif level in NOTED:
            self._noted[event] += 1

    def due(self, now_ms: int) -> bool:
        """Whether one is to be made now: the hour has come since the last, not long ago."""
        hour_ms = now_ms - (now_ms - self.hour * HOUR_MS) % DAY_MS
        return self.told_ms < hour_ms and now_ms - hour_ms < LATE_MS

    def summary(self, now: Standings, now_ms: int) -> Alert:
        """The message; what happens from now on belongs to the next one."""
        level = now.report.level.value
        lines = [_since(self.told_ms, now_ms), *_state(now), *self._happened()]
        naked_s = now.report.kept.naked.sum_s
        lines.append(f"Without a stop: {lasted(max(0.0, naked_s - self._naked_s))}")
        lines += _outages(now.outages, self.told_ms, now_ms)
        lines += _named("Warnings and errors", self._noted)
        self.told_ms, self._naked_s = now_ms, naked_s
        self._counts.clear()
        self._noted.clear()
        return Alert("info", f"bitmart-engine: daily summary, {level}", "\n".join(lines))

    def _happened(self) -> list[str]:
        orders = {each.removeprefix("order_"): self._counts[each] for each in ENDS}
        closed = {
            name.removeprefix(f"{CLOSED} "): times
            for name, times in sorted(self._counts.items())
            if name.startswith(CLOSED)
        }
        why = (
            f" ({', '.join(f'{times} {name}' for name, times in closed.items())})" if closed else ""
        )
        return [
            "Orders: " + ", ".join(f"{times} {name}" for name, times in orders.items()),
            f"Positions closed: {sum(closed.values())}{why}",
        ]


def _since(told_ms: int, now_ms: int) -> str:
    since = datetime.fromtimestamp(told_ms / 1000, UTC)
    return f"Since {since:%Y-%m-%d %H:%M} UTC ({lasted((now_ms - told_ms) / 1000)}):"


def _state(now: Standings) -> Iterable[str]:
    for trouble in now.report.troubles:
        yield f"{trouble.level.value}: {trouble.what}"
    if now.not_ready:
        yield f"Not ready: {'; '.join(now.not_ready)}"
    kept = ", ".join(
        f"{size} {who.value}" for who, size in now.report.kept.contracts.items() if size
    )
    yield f"Now: {now.orders} orders alive, {now.protections} protections, up for {lasted(now.uptime_s)}"
    yield f"Stops kept by: {kept or 'none is promised'}"
    if now.available is not None:
        yield f"Balance: {now.available} available"
    if now.owed or now.given_up:
        yield f"Callbacks: {now.owed} owed, {now.given_up} given up"


def _outages(report: OutageReport, since_ms: int, now_ms: int) -> list[str]:
    down: dict[str, list[float]] = {}
    for each in report.outages:
        ended_ms = now_ms if each.ended_ms is None else each.ended_ms
        if ended_ms > since_ms:
            down.setdefault(each.connection, []).append(
                (ended_ms - max(each.began_ms, since_ms)) / 1000
            )
    return [
        f"Down: {name} {len(times)} times, {lasted(sum(times))} in all"
        for name, times in sorted(down.items())
    ]


def _named(what: str, counts: Counter[str]) -> list[str]:
    if not counts:
        return []
    named = ", ".join(f"{event} {times}" for event, times in counts.most_common(MOST_NAMED))
    more = f" and {len(counts) - MOST_NAMED} more" if len(counts) > MOST_NAMED else ""
    return [f"{what}: {named}{more}"]
