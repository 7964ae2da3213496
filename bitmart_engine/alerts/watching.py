"""When a person is told: decisions without clock, network or tasks. Times are seconds of a monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field, frozen

from ..health import HealthLevel, Report, Trouble
from ..log_events import SENTENCES
from .durations import lasted

__all__ = ["Alert", "Heard", "Readiness", "Standing"]

GATHERED_S = 1.0
"""How long a first line waits for others, to go out in one message with them."""
AGAIN_S = 60.0
"""At least so long after a message that named it an event is named again."""
NOT_READY_S = 60.0
"""How long the engine may be not ready before somebody is told: a reconnect is not worth a person's sleep."""
HIDDEN = frozenset({"event", "level", "message", "timestamp", "exc_info", "exception"})
ABOUT_ALERTS = "alert_"
MOST_SHOWN = 300
"""Characters of the fields of a line."""


@frozen
class Alert:
    """One message. `level` is `warning`, `error`, `critical`, or `info` for the end of a trouble."""

    level: str
    title: str
    body: str


@define
class _Kind:
    level: str
    latest: str
    times: int
    due_at: float


@define
class Heard:
    """Lines of the log, by event. `chosen` are levels and ids of events."""

    chosen: frozenset[str]
    _waiting: dict[str, _Kind] = field(factory=dict)
    _told_at: dict[str, float] = field(factory=dict)

    def hear(self, event: str, level: str, fields: Mapping[str, object], now_s: float) -> None:
        """Take in a line of the log; most are not chosen, and none about alerts ever is."""
        chosen = event in self.chosen or level in self.chosen
        if not chosen or event.startswith(ABOUT_ALERTS):
            return
        shown = _shown(fields)
        if (waiting := self._waiting.get(event)) is not None:
            waiting.times += 1
            waiting.latest, waiting.level = shown, level
            return
        told_at = self._told_at.get(event)
        due_at = now_s + GATHERED_S
        if told_at is not None:
            due_at = max(due_at, told_at + AGAIN_S)
        self._waiting[event] = _Kind(level, shown, 1, due_at)

    def due(self, now_s: float) -> Alert | None:
        """What is to be sent now: everything that is due, in one message."""
        due = {event: kind for event, kind in self._waiting.items() if kind.due_at <= now_s}
        if not due:
            return None
        for event in due:
            del self._waiting[event]
            self._told_at[event] = now_s
        level = max((kind.level for kind in due.values()), key=_rank)
        lines = [_line(event, kind) for event, kind in due.items()]
        return Alert(level, f"bitmart-engine: {', '.join(due)}", "\n".join(lines))


@define
class Standing:
    """Red troubles: told when they begin and when they are over, each kind at most once a minute, together.

    A kind is an id, whatever it is of. What begins within the minute waits for its end, and is named then if it is so
    still; what is over waits as well. The first of a kind is told at once.
    """

    _told: dict[tuple[str, str], float] = field(factory=dict)
    """Since when, of those that somebody was told of and that nobody was told the end of."""
    _over: dict[tuple[str, str], float] = field(factory=dict)
    """Of these, since when they are over."""
    _began_at: dict[str, float] = field(factory=dict)
    """By kind, when one was last told to have begun."""
    _ended_at: dict[str, float] = field(factory=dict)

    def observe(self, report: Report, now_s: float) -> list[Alert]:
        """What to say of a look at the engine's health."""
        red = {(e.id, e.subject): e for e in report.troubles if e.level is HealthLevel.RED}
        for key in self._told:
            if key in red:
                self._over.pop(key, None)
            else:
                self._over.setdefault(key, now_s)
        said = []
        over = [key for key in self._over if _rested(self._ended_at, key[0], now_s)]
        if over:
            said.append(_ends(over, self._told, self._over))
        for key in over:
            self._ended_at[key[0]] = now_s
            del self._told[key], self._over[key]
        begun = [
            trouble
            for key, trouble in red.items()
            if key not in self._told and _rested(self._began_at, key[0], now_s)
        ]
        for each in begun:
            self._told[each.id, each.subject] = self._began_at[each.id] = now_s
        if begun:
            said.append(_beginnings(begun))
        return said


@define
class Readiness:
    """Whether the engine can be trusted with an order, and since when it cannot."""

    _since: float | None = None
    _told: bool = False

    def observe(self, missing: Sequence[str], now_s: float) -> Alert | None:
        """What to say, given what /readyz misses now."""
        if not missing:
            since, told = self._since, self._told
            self._since, self._told = None, False
            if since is None or not told:
                return None
            long = lasted(now_s - since)
            return Alert("info", f"bitmart-engine: ready again after {long}", "All is well again.")
        if self._since is None:
            self._since = now_s
        if self._told or now_s - self._since < NOT_READY_S:
            return None
        self._told = True
        long = lasted(now_s - self._since)
        return Alert("error", f"bitmart-engine: not ready for {long}", "\n".join(missing))


def _rested(told_at: Mapping[str, float], id: str, now_s: float) -> bool:
    """Whether a message may name this kind again; one that names several is one."""
    told_s = told_at.get(id)
    return told_s is None or told_s == now_s or now_s - told_s >= AGAIN_S


def _beginnings(troubles: Sequence[Trouble]) -> Alert:
    first, more = troubles[0], len(troubles) - 1
    title = f"bitmart-engine: {_named(first.id, first.subject)}"
    if not more:
        return Alert("critical", title, first.what)
    lines = [f"{_named(each.id, each.subject)}: {each.what}" for each in troubles]
    return Alert("critical", f"{title} and {more} more", "\n".join(lines))


def _ends(
    keys: Sequence[tuple[str, str]],
    began: Mapping[tuple[str, str], float],
    ended: Mapping[tuple[str, str], float],
) -> Alert:
    first, more = _named(*keys[0]), len(keys) - 1
    if not more:
        after = lasted(ended[keys[0]] - began[keys[0]])
        return Alert("info", f"bitmart-engine: over after {after}: {first}", "It is over.")
    lines = [f"{_named(*key)}: over after {lasted(ended[key] - began[key])}" for key in keys]
    return Alert("info", f"bitmart-engine: over: {first} and {more} more", "\n".join(lines))


def _named(id: str, subject: str) -> str:
    return f"{id} {subject}".rstrip()


def _rank(level: str) -> int:
    return ["debug", "info", "warning", "error", "critical"].index(level)


def _line(event: str, kind: _Kind) -> str:
    often = f" ({kind.times} times)" if kind.times > 1 else ""
    said = SENTENCES.get(event, "")
    return f"{event}{often}: {said} {kind.latest}".rstrip().rstrip(":")


def _shown(fields: Mapping[str, object]) -> str:
    pairs = [f"{name}={value}" for name, value in fields.items() if name not in HIDDEN]
    return " ".join(pairs)[:MOST_SHOWN]
