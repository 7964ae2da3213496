"""Raw events: BitMart's own order and position frames, forwarded to a webhook as they came, in order.

A frame is owed once it was dealt with here, through a queue of its own: no stop and no order waits for it. What a frame
holds is not looked at, so what the engine cannot read is forwarded too. `data` is an array, for receivers ask for one;
where the exchange sent one object, it is an array of that.

Bounded. While `MOST_OWED` frames, or `MOST_BYTES` of them, are owed, further frames are dropped: the oldest stay,
because the receiver has to have them in order and may be in the middle of one. Where the receiver refuses a frame for
good, or has not taken it for a day, nothing is owed for a while, longer each time up to an hour: each such frame is
kept as a dead letter. What is dropped is counted; the log says it when it begins. There are very many frames, so the
journal drops those that were taken within a day.

Source: the application's contract (raw events), and the order-events document.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio
from msgspec import Raw

from ...counters import Counters
from ...logs import get_logger
from ...model.events import AccountFrame
from ...store import Store
from ...store.records import NotificationSettled, Record
from ...streams.bus import Bus, Lagged
from ..event_errors import EventErrors
from .notifications import Notifications
from .signal_forms import moment

__all__ = ["RawEvents"]

LANE = "raw_events"
KIND = "raw_event"
ORIGIN = "bitmart-engine"
QUEUED = 1_000
"""Frames that may wait to be recorded."""
MOST_OWED = 1_000
MOST_BYTES = 4_000_000
LONGEST_FRAME = 65_536
"""In bytes. Frames of BitMart have some hundreds."""
REST_FROM_S = 60.0
REST_UP_TO_S = 3_600.0

log = get_logger()


class RawEvents:
    """The way of frames to the webhook. It trades nothing, and nothing trades by it."""

    def __init__(
        self,
        *,
        counters: Counters,
        errors: EventErrors,
        notifications: Notifications,
        store: Store,
        now_ms: Callable[[], int],
    ) -> None:
        self._counters = counters
        self._errors = errors
        self._notifications = notifications
        self._store = store
        self._now_ms = now_ms
        self._owed = {
            each.id: len(each.body) for each in store.state.owed.values() if each.kind == KIND
        }
        self._bytes = sum(self._owed.values())
        self._rest_s = 0.0
        self._rests_until = -math.inf
        self._dropping = ""
        store.observe(self._on_record)

    async def run(self, bus: Bus) -> None:
        """Owe every frame that is heard. Runs as a task."""
        with bus.listen(AccountFrame, capacity=QUEUED) as frames:
            async for frame in frames:
                if isinstance(frame, Lagged):
                    self._drop("they come faster than they can be recorded", frame.missed)
                    continue
                with self._errors.surviving("raw event"):
                    self._take(frame)
                await trio.lowlevel.checkpoint()

    def _take(self, frame: AccountFrame) -> None:
        """Owe one frame, or drop it."""
        size = len(frame.data)
        if size > LONGEST_FRAME:
            self._drop(f"a frame has more than {LONGEST_FRAME} bytes")
        elif trio.current_time() < self._rests_until:
            self._drop("the receiver refused an earlier one")
        elif len(self._owed) >= MOST_OWED or self._bytes + size > MOST_BYTES:
            self._drop("too many are owed")
        elif self._store.trouble is not None:
            self._drop("the journal cannot be written")
        else:
            body = {
                "received_at": moment(self._now_ms()),
                "origin": ORIGIN,
                "group": frame.group,
                "channel": frame.channel,
                "data": Raw(frame.data if frame.data.startswith(b"[") else b"[%b]" % frame.data),
            }
            for record in self._notifications.raw_event(LANE, body):
                notification = record.notification
                self._owed[notification.id] = len(notification.body)
                self._bytes += len(notification.body)
                self._store.record(record)
            self._dropping = ""

    def _drop(self, why: str, count: int = 1) -> None:
        self._counters.add("raw_event_dropped", count, why=why)
        if self._dropping != why:
            self._dropping = why
            log.warning("raw_events_dropping", why=why, owed=len(self._owed))

    def _on_record(self, record: Record) -> None:
        if not isinstance(record, NotificationSettled) or record.id not in self._owed:
            return
        self._bytes -= self._owed.pop(record.id)
        if record.delivered:
            self._rest_s = 0.0
        else:
            self._rest_s = min(max(self._rest_s * 2, REST_FROM_S), REST_UP_TO_S)
            self._rests_until = trio.current_time() + self._rest_s
