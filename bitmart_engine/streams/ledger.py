"""What one connection has asked for, what was answered, and so which frame to send next.

A plain object with the time as an argument. For one connection only: the next one starts with an empty ledger, and asks
for everything again, once also for what was refused before. What is needed, and refused, is asked for again for as long
as it is wanted, ever slower. It neither sends nor waits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator

from attrs import define

from .wire import MAX_FRAME_BYTES, subscribe, unsubscribe

__all__ = ["ACK_TIMEOUT", "LONGEST_ACK_TIMEOUT", "Ledger"]

ACK_TIMEOUT = 5.0
"""Seconds without an answer after which a subscription is sent again."""

LONGEST_ACK_TIMEOUT = 30.0
"""The same while what was asked no later is being answered. An exchange, or an engine, that is behind with many answers
would only fall further behind if everything were asked again: thousands of channels at once never got out of that. Once
something that was asked later is answered, the answer was not late but lost."""

REFUSED_RETRY = 5.0
LONGEST_REFUSED_RETRY = 60.0
"""Seconds after which what is needed is asked for again though it was refused: at first, and at the slowest. An
exchange may refuse everything for half a minute, and does not say whether it means it."""
TOGETHER = 1.0
"""What is due within so many seconds is asked for in one frame with what is due now."""

RETRYABLE = ("authentication is temporarily unavailable", "need authen")
"""In a refusal: it says `not now`, so it counts as no answer."""


@define
class Entry:
    """One topic that was asked for."""

    asked_at: float
    acked: bool = False
    refused: str | None = None
    refusals: int = 0
    """In a row."""
    again_at: float = math.inf
    """When it is asked for again, if it is refused and needed."""
    renew: bool = False

    @property
    def answered(self) -> bool:
        """Whether the exchange said yes or no to it."""
        return self.acked or self.refused is not None


class Ledger:
    """Subscriptions of one connection. `wanted` may change under it at any time; it is only read.

    `needed` says of a wanted topic whether it is asked for again after a refusal, `jitter` (0.5 to 1) is what the
    pauses before that are multiplied with. With `essential` nothing is settled while something needed is refused.
    """

    def __init__(
        self,
        wanted: Collection[str],
        batch: int,
        needed: Callable[[str], bool] = lambda topic: False,
        *,
        jitter: float = 1.0,
        essential: bool = False,
    ) -> None:
        self._wanted = wanted
        self._batch = batch
        self._needed = needed
        self._jitter = jitter
        self._essential = essential
        self._refused: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._unanswered: set[str] = set()
        self._leaving: dict[str, float] = {}
        """When topics were unsubscribed whose answer has not come."""
        self._reached = math.inf
        """When that was asked for which the exchange answered last, and when it did."""
        self._answered_at = -math.inf
        self.repeated = 0
        """How many subscriptions were sent again for want of an answer."""

    def next_frame(self, now: float) -> str | None:
        """The frame to send now, taken as sent; None if there is nothing to say.

        Subscribing comes first: somebody waits for it, and a connection that is subscribed to nothing is closed.
        """
        new = self._cut((t for t in self._wanted if self._is_due(t, now)), subscribe)
        for topic in new:
            before = self._entries.get(topic)
            self.repeated += topic in self._unanswered
            self._entries[topic] = Entry(now, refusals=before.refusals if before else 0)
            self._unanswered.add(topic)
            self._refused.discard(topic)
            self._leaving.pop(topic, None)
        if new:
            return subscribe(new)
        entries = self._entries.items()
        old = self._cut((t for t, e in entries if e.renew or t not in self._wanted), unsubscribe)
        for topic in old:
            del self._entries[topic]
            self._unanswered.discard(topic)
            self._refused.discard(topic)
            self._leaving[topic] = now
        return unsubscribe(old) if old else None

    def next_due_at(self) -> float:
        """When `next_frame` may have something to say though nothing changed."""
        waiting = itertools.chain(self._unanswered, self._refused)
        return min((self._due_at(topic) for topic in waiting), default=math.inf)

    @property
    def all_answered(self) -> bool:
        """Whether no answer is waited for. Costs nothing, so that it can be asked at every answer."""
        return not self._unanswered

    def note_answer(self, topic: str, now: float) -> bool:
        """The exchange answered what was last asked of a topic. Returns whether it has come to what was asked later.

        What was asked before that, and was not answered, may then be due at once.
        """
        entry = self._entries.get(topic)
        asked_at = self._leaving.pop(topic, None) if entry is None else entry.asked_at
        if asked_at is None:
            return False
        further = asked_at > self._reached
        self._reached, self._answered_at = asked_at, now
        return further

    def acknowledged(self, topic: str) -> bool:
        """The exchange accepted a subscription. Returns whether that is news."""
        entry = self._entries.get(topic)
        if entry is None or entry.acked:
            return False
        entry.acked, entry.refused, entry.refusals = True, None, 0
        self._unanswered.discard(topic)
        self._refused.discard(topic)
        return True

    def refused(self, topic: str, error: str, now: float) -> bool:
        """The exchange refused a subscription. Returns False if that says only `not now`, or was not asked for."""
        entry = self._entries.get(topic)
        if entry is None or any(text in error for text in RETRYABLE):
            return False
        pause = min(REFUSED_RETRY * 2 ** min(entry.refusals, 10), LONGEST_REFUSED_RETRY)
        entry.acked, entry.refused, entry.again_at = False, error, now + pause * self._jitter
        entry.refusals += 1
        self._unanswered.discard(topic)
        self._refused.add(topic)
        return True

    def renew(self, topic: str) -> None:
        """Unsubscribe the topic and subscribe to it again. Nothing happens if it was not subscribed to."""
        entry = self._entries.get(topic)
        if entry is not None:
            entry.renew = True

    def is_acked(self, topic: str) -> bool:
        """Whether the exchange accepted the topic."""
        entry = self._entries.get(topic)
        return entry is not None and entry.acked

    @property
    def settled(self) -> bool:
        """Whether every wanted topic was answered, and with `essential` what is needed with a yes."""
        return all(
            t in self._entries
            and self._entries[t].answered
            and not (self._essential and self._needs_again(t))
            for t in self._wanted
        )

    @property
    def hopeless(self) -> bool:
        """Whether every wanted topic was refused and none is needed, so that the connection is for nothing."""
        return bool(self._wanted) and all(
            t in self._entries and self._entries[t].refused is not None and not self._needed(t)
            for t in self._wanted
        )

    def _needs_again(self, topic: str) -> bool:
        """Whether a topic was refused, and cannot be done without."""
        entry = self._entries.get(topic)
        return entry is not None and entry.refused is not None and self._needed(topic)

    def _is_due(self, topic: str, now: float) -> bool:
        entry = self._entries.get(topic)
        if entry is None:
            return True
        soon = now + TOGETHER if entry.refused is not None else now
        return self._due_at(topic) <= soon and not entry.renew

    def _due_at(self, topic: str) -> float:
        """When it is to be asked for again."""
        if topic not in self._unanswered:
            return self._entries[topic].again_at if self._needs_again(topic) else math.inf
        asked_at = self._entries[topic].asked_at
        if self._reached > asked_at:
            return asked_at + ACK_TIMEOUT
        return min(max(asked_at, self._answered_at) + ACK_TIMEOUT, asked_at + LONGEST_ACK_TIMEOUT)

    def _cut(self, topics: Iterator[str], frame: Callable[[list[str]], str]) -> list[str]:
        """As many of the topics as one frame may hold."""
        size = len(frame([]))
        cut: list[str] = []
        for topic in topics:
            size += len(topic.encode()) + len('"",')
            if len(cut) == self._batch or size > MAX_FRAME_BYTES:
                break
            cut.append(topic)
        return cut
