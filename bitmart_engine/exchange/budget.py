"""How many requests one endpoint may be sent now: a plain decision over times, with no IO, no clock and no tasks.

A request counts from when it is sent until one window after its answer, or after its end where the answer was lost. The
exchange counts it at some instant between sending and answer, so two requests that it can count in one window, however
its windows are aligned and whether they are fixed or sliding, also count together here: no request that this object
admits can be one too many, unless somebody else uses the same key or address. What others use shows in the headers.

A part of the window may be kept for closes: nothing else is ever admitted to it.

Headers may be wrong of what others use and of how long a window is. A close waits `KNOCK_AFTER_S` at most for a turn
that only they forbid, where what we sent ourselves in the documented window leaves room. Then it is sent, and if it is
taken, what the headers said of that is forgotten. A read or a cancel does the same at an endpoint that was sent nothing
for `KNOCK_AFTER_QUIET_S`; what opens waits.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from math import inf
from typing import final

from .limits import RateLimit, Reported

__all__ = ["KEPT_SHARE", "EndpointBudget", "Urgency"]

KEPT_SHARE = 4
"""One request in so many is kept for closes, rounded up."""
MARGIN_S = 0.05
"""Added to every window: clocks are read in milliseconds, and no two run equally fast."""
BAN_S = 60.0
LONGEST_BAN_S = 900.0
"""How long to be quiet after being shut out (418), doubled each time up to this, and then to send one request at a
time until one is accepted. BitMart documents no length."""
PROBE_EVERY_S = 10.0
"""A close may knock this often meanwhile: a position that nobody can close costs more than one more refusal."""
LONGEST_PAUSE_S = 60.0
"""How long to be quiet at most after a request that was one too many (429), however long the headers claim that the
window is: it is documented as 2 s for all endpoints, and without reads nothing is known of what is held. What is
refused again after such a pause is followed by one of twice the length, and then one request tries first: who goes on
asking is shut out of everything."""
KNOCK_AFTER_S = 2.0
"""How long a close waits for a turn that nothing but the headers of answers forbids."""
KNOCK_AFTER_QUIET_S = 10.0
"""How long nothing is sent before a read or a cancel is that nothing but the headers of answers forbids. It counts for
the endpoint: whoever asks again does not begin to wait anew."""


class Urgency(IntEnum):
    """What goes first when not everything can go. Smaller is sooner."""

    CLOSE = 0
    """Ends a position, or is what a close has to know."""
    CANCEL = 1
    READ = 2
    OPEN = 3


@final
class EndpointBudget:
    """The requests to one endpoint that count at the moment. Times are seconds on one clock that never goes back."""

    def __init__(self, limit: RateLimit, *, keeps_for_closes: bool = False) -> None:
        self.limit = limit.requests
        self.window_s = limit.window_s
        self.counted_by: str | None = None
        self.left = 0
        """How many have left the window, ever."""
        self._documented_s, self._documented_limit = limit.window_s, limit.requests
        self._window_said_at = -inf
        """When an answer said last that the window is as long as is believed."""
        self._keeps_for_closes = keeps_for_closes
        self._in_flight = 0
        self._ours: deque[float] = deque()
        """When requests of ours ended, in the documented window."""
        self._knocked_at: float | None = None
        self._admitted_at = -inf
        self._ended: deque[float] = deque()
        self._refused_at = -inf
        self._paused_until = -inf
        self._pause_s = 0.0
        """How long the last pause was, if nothing was accepted since."""
        self._refused_again = False
        """Whether what tried after a pause was refused too."""
        self._ban_s = 0.0
        self._probe_at = -inf

    # Before a request

    def admit(self, now: float, urgency: Urgency, since: float = inf) -> bool:
        """Whether a request may be sent now. If so it counts from here on, and its end has to be told.

        `since` is when it began to wait, if it did.
        """
        if now < self._closed_until(urgency):
            return False
        if self.used(now) >= self._open_to(urgency):
            if now < self._knock_at(urgency, since):
                return False
            if not self._has_room_of_our_own(now, urgency):
                return False
            self._knocked_at = now
        if self._one_at_a_time(urgency) and self._in_flight:
            return False
        if self._ban_s:
            self._probe_at = now + PROBE_EVERY_S
        self._admitted_at = now
        self._in_flight += 1
        return True

    def next_at(self, urgency: Urgency, since: float = inf) -> float:
        """When to ask again after `admit` said no; infinity when only the end of a request can change the answer."""
        if self._one_at_a_time(urgency) and self._in_flight:
            return inf
        room_at = self._room_at(self._ended, self._open_to(urgency), self._counts_for_s)
        knock_at = max(self._knock_at(urgency, since), self._room_of_our_own_at(urgency))
        room_at = min(room_at, knock_at)
        return max(room_at, self._closed_until(urgency))

    def held_back(self, now: float) -> str:
        """Why a close has to wait now, if that is not for what we sent ourselves; empty otherwise."""
        if now < self._closed_until(Urgency.CLOSE):
            return f"asked too often, paused for {self.paused_for_s(now):.0f} s"
        if self.used(now) >= self.limit and self._has_room_of_our_own(now, Urgency.CLOSE):
            return f"headers claim that {self.limit} requests of {self.window_s:g} s are used up"
        return ""

    # After it

    def end(self, now: float) -> None:
        """A request was answered, or is given up."""
        self._in_flight -= 1
        self._ended.append(now)
        self._ours.append(now)

    def unsent(self) -> None:
        """A request provably never left: it does not count."""
        self._in_flight -= 1

    def learn(self, now: float, said: Reported, left_before: int) -> None:
        """Take in what an answer says; to be called before its `end`. `left_before` is what `left` was on admission.

        A window is learned to be longer than was documented, never shorter: one taken for too long costs time, one
        taken for too short a ban. A longer one is believed until no answer has said so for its whole length, so that
        one wrong header does not slow the endpoint down for ever.
        Where the exchange counts more requests than we can have sent, somebody else sent them: they count here too.
        """
        self.limit = said.limit or self.limit
        if said.window_s and said.window_s >= self.window_s:
            self.window_s, self._window_said_at = said.window_s, now
        self.counted_by = said.counted_by or self.counted_by
        used = min(said.used or 0, self.limit)
        ours = self.used(now) + self.left - left_before
        self._ended.extend([now] * (used - ours))

    def refuse(self, now: float, sent_at: float, *, banned: bool) -> None:
        """A request was one too many: be quiet for a window, or a minute; for much longer after being shut out."""
        if banned:
            if not self._ban_s:
                self._ban_s = BAN_S
            elif sent_at >= self._paused_until:
                self._ban_s = min(self._ban_s * 2, LONGEST_BAN_S)
            self._probe_at = now + PROBE_EVERY_S
        elif not self._pause_s:
            self._pause_s = min(self._counts_for_s, LONGEST_PAUSE_S)
        elif sent_at >= self._paused_until:
            self._refused_again = True
            self._pause_s = min(max(self._pause_s * 2, self._counts_for_s), LONGEST_PAUSE_S)
        pause_s = self._ban_s if banned else self._pause_s
        self._paused_until = max(self._paused_until, now + pause_s)
        self._refused_at = now

    def accept(self, sent_at: float) -> None:
        """A request was not too many. One that was sent since the last refusal ends the pause."""
        if sent_at >= self._refused_at:
            self._paused_until, self._ban_s = -inf, 0.0
            self._pause_s, self._refused_again = 0.0, False
        if self._knocked_at is not None and sent_at >= self._knocked_at:
            self._forget_what_headers_said()

    # To be seen

    def used(self, now: float) -> int:
        """How many requests count at `now`."""
        if now >= self._doubted_at:
            self.window_s = self._documented_s
        ended = self._ended
        while ended and ended[0] + self._counts_for_s <= now:
            ended.popleft()
            self.left += 1
        return self._in_flight + len(ended)

    def paused_for_s(self, now: float) -> float:
        """Seconds of the pause that are left; 0 without one."""
        return max(0.0, self._paused_until - now)

    # Inside

    def _one_at_a_time(self, urgency: Urgency) -> bool:
        """Whether a single request tries until one is taken; a close waits for others in a ban only."""
        return bool(self._ban_s) or (self._refused_again and urgency is not Urgency.CLOSE)

    def _forget_what_headers_said(self) -> None:
        """A request was taken that they forbade: the documented window and what we sent ourselves are what counts."""
        self._knocked_at = None
        self.left += len(self._ended) - len(self._ours)
        self._ended = deque(self._ours)
        self.window_s = self._documented_s

    def _knock_at(self, urgency: Urgency, since: float) -> float:
        """From when on a request is sent that only headers forbid; infinity: never."""
        if urgency is Urgency.CLOSE:
            return since + KNOCK_AFTER_S
        return inf if urgency is Urgency.OPEN else self._admitted_at + KNOCK_AFTER_QUIET_S

    def _has_room_of_our_own(self, now: float, urgency: Urgency) -> bool:
        """Whether what we sent ourselves leaves room in the documented window."""
        ours, counts_for_s = self._ours, self._documented_s + MARGIN_S
        while ours and ours[0] + counts_for_s <= now:
            ours.popleft()
        return self._in_flight + len(ours) < self._own_limit(urgency)

    def _room_of_our_own_at(self, urgency: Urgency) -> float:
        return self._room_at(self._ours, self._own_limit(urgency), self._documented_s + MARGIN_S)

    def _room_at(self, ended: deque[float], limit: int, counts_for_s: float) -> float:
        too_many = self._in_flight + len(ended) - limit + 1
        if too_many > len(ended):
            return inf
        if too_many <= 0:
            return -inf
        return min(ended[too_many - 1] + counts_for_s, self._doubted_at)

    @property
    def _doubted_at(self) -> float:
        """When a window that is longer than it was documented is not believed any more."""
        longer = self.window_s > self._documented_s
        return self._window_said_at + self._counts_for_s if longer else inf

    @property
    def _counts_for_s(self) -> float:
        return self.window_s + MARGIN_S

    def _open_to(self, urgency: Urgency) -> int:
        """How much of the window a request of this urgency may fill; at least one request."""
        return self._part(self.limit, urgency)

    def _own_limit(self, urgency: Urgency) -> int:
        """The same of the documented window, or of what is left of it."""
        return self._part(min(self.limit, self._documented_limit), urgency)

    def _part(self, limit: int, urgency: Urgency) -> int:
        if urgency is Urgency.CLOSE or not self._keeps_for_closes:
            return limit
        return max(1, limit - -(-limit // KEPT_SHARE))

    def _closed_until(self, urgency: Urgency) -> float:
        if urgency is Urgency.CLOSE:
            probe_at = self._probe_at if self._ban_s else self._refused_at + PROBE_EVERY_S
            return min(probe_at, self._paused_until)
        return self._paused_until
