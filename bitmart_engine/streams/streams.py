"""The streams as the rest of the engine sees them: hold topics, listen to events, take ticks.

`open_streams` is the only way in. Everything it starts ends with its block. It never decides what a price means, and a
refused login or a dead connection never concerns the other connections.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from types import MappingProxyType
from typing import final

import trio

from ..counters import Counters
from ..housekeeping import supervised
from ..logs import get_logger
from ..model.events import AccountFrame, Kline, PrivateLost, PrivateReady, Trade
from ..model.timeframes import Timeframe
from ..outages import Standing
from ..settings import Settings
from ..world import World
from . import normalize
from .ages import Moment
from .backfill import Backfill, ReadBars
from .bus import Bus
from .connection import State
from .history import History
from .jumps import Source
from .link import Link, never, nothing_to_do
from .pricing import Pricing
from .statistics import StreamsStatistics
from .subscriptions import MAX_CONNECTIONS, MONITORS, NEEDED_BY, Holds, Spread, check_topic
from .ticks import Range, TickMailbox
from .topics import ORDERS, POSITIONS, Kind, Topic, is_private, kline_topic, parse
from .wire import Credentials, Frame

__all__ = ["Streams", "open_streams"]

CONNECTED = frozenset({State.LOGGING_IN, State.SUBSCRIBING, State.UP})
LOGGED_IN = frozenset({State.SUBSCRIBING, State.UP})
STANDING = {State.UP: Standing.UP, State.CLOSED: Standing.UNWANTED}
"""Of a connection in these states; in all others it is down."""
NO_ROOM = "no room on the connections that BitMart allows"

log = get_logger()


@asynccontextmanager
async def open_streams(
    settings: Settings,
    world: World,
    counters: Counters,
    *,
    read_bars: ReadBars | None = None,
    clock_known: Callable[[], bool] = lambda: True,
    dated_twice: Callable[[int], bool] = lambda ms: False,
    login_refused: Callable[[], Awaitable[None]] = nothing_to_do,
    key_taken_at: Callable[[], float] = never,
    entered: Callable[[str, Standing, str], None] = lambda name, standing, why: None,
    most_connections: int = MAX_CONNECTIONS,
) -> AsyncGenerator[Streams, None]:
    """The streams, without a connection yet: the first held topic opens one.

    There are never more than `most_connections` sockets, the private one and those that are being closed included.
    With `read_bars` klines that a subscriber missed are filled in from the exchange's history. The clock of `world` is
    the exchange's, as soon as `clock_known` says so; before, it may be wrong by minutes. `dated_twice` says whether it
    shows a time (Unix ms) again after it was set back. `login_refused` has it measured; `key_taken_at` says when, by
    Trio's clock, the exchange last took the key elsewhere. `entered` is told of every state that a connection enters,
    with why the one before it ended. On exit every connection is closed, politely within a second, and every listener's
    iteration ends.
    """
    async with trio.open_nursery() as nursery:
        streams = Streams(
            nursery,
            settings,
            world,
            counters,
            read_bars,
            clock_known,
            dated_twice,
            login_refused,
            key_taken_at,
            entered,
            most_connections,
        )
        try:
            yield streams
        finally:
            streams._close()
            nursery.cancel_scope.cancel()


@final
class Streams:
    """BitMart's WebSockets. Every method is synchronous; made by `open_streams`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        settings: Settings,
        world: World,
        counters: Counters,
        read_bars: ReadBars | None,
        clock_known: Callable[[], bool],
        dated_twice: Callable[[int], bool],
        login_refused: Callable[[], Awaitable[None]],
        key_taken_at: Callable[[], float],
        entered: Callable[[str, Standing, str], None],
        most_connections: int,
    ) -> None:
        self.bus = Bus(counters)
        """Every event that arrives."""
        self.ticks = TickMailbox(counters)
        """The prices in them, merged where the reader is slow."""
        self.history = History()
        """The newest bars of every kline channel that anybody holds."""
        self._nursery = nursery
        self._settings = settings
        self._world = world
        self._counters = counters
        self._holds = Holds()
        self._spread: Spread[Link] = Spread(most_connections - 1)
        self._public_sockets = trio.Semaphore(most_connections - 1)
        self._waiting: dict[str, None] = {}
        """Held topics that did not fit. They get a place when there is room."""
        self._private: Link | None = None
        self._private_ready = False
        self._private_sockets = trio.Semaphore(1)
        self._numbers = itertools.count(1)
        self.pricing = Pricing(self.ticks, counters, settings.price_jump_percent, dated_twice)
        """The way of every price into `ticks`."""
        self._clock_known = clock_known
        self._login_refused = login_refused
        self._entered = entered
        self._key_taken_at = key_taken_at
        self._refused: dict[str, str] = {}
        self._last_data_at: dict[str, float] = {}
        self._acknowledged_at: dict[str, float] = {}
        self._backfill: Backfill | None = None
        if read_bars is not None:
            self._backfill = Backfill(
                self.history, read_bars, self.bus.publish, self._is_subscribed, world.wall_ms
            )
            nursery.start_soon(
                supervised, self._backfill.run, "backfill", counters, name="backfill"
            )
        self._closed = False
        self._credentials = None
        if not settings.missing_credentials:
            self._credentials = Credentials(
                settings.api_key, settings.api_secret, settings.api_memo
            )

    @property
    def wanted(self) -> frozenset[str]:
        """Every topic that anybody holds."""
        return self._holds.wanted

    @property
    def refused(self) -> Mapping[str, str]:
        """Held topics that are not subscribed to, and why: the exchange refused them (each connection asks for such
        once, for those that the engine needs again and again), or they did not fit."""
        return MappingProxyType(self._refused)

    def held_by(self, holder: str) -> frozenset[str]:
        """What `holder` holds."""
        return self._holds.by(holder)

    def hold(self, holder: str, topics: Iterable[str]) -> None:
        """Subscribe to `topics` for as long as `holder` (or anybody else) holds them. Idempotent.

        Private topics wait for credentials: without them they are held, and nothing is opened. Raises `BadRequest` for
        what cannot be a channel, `Unavailable` if they do not fit on the connections that BitMart allows (then nothing
        is held of them), trio.ClosedResourceError after the streams were closed.
        """
        new = self._checked(topics)
        public = [topic for topic in new if not is_private(topic)]
        self._spread.check_room(len(public), holder)
        self._hold(holder, topics, new)

    def hold_what_fits(self, holder: str, topics: Iterable[str]) -> None:
        """As `hold`, but what does not fit is held too: it is among the `refused` until there is room for it."""
        topics = list(topics)
        new = self._checked(topics)
        public = [topic for topic in new if not is_private(topic)]
        rest = public[self._spread.left(holder) :]
        if rest:
            self._waiting.update(dict.fromkeys(rest))
            self._refused.update(dict.fromkeys(rest, NO_ROOM))
            self._counters.add("channel_without_room", len(rest), holder=holder)
        self._hold(holder, topics, new)
        self._place_what_waits()

    def _checked(self, topics: Iterable[str]) -> list[str]:
        """Those that nobody holds yet. Raises what `hold` raises."""
        if self._closed:
            raise trio.ClosedResourceError("the streams are closed")
        topics = list(dict.fromkeys(topics))
        for topic in topics:
            check_topic(topic)
        return [topic for topic in topics if topic not in self._holds]

    def _hold(self, holder: str, topics: Iterable[str], new: Iterable[str]) -> None:
        self._holds.hold(holder, topics)
        if holder in NEEDED_BY and self._refused:
            for topic in self._refused.keys() & set(topics):
                link = self._link_of(topic)
                if link is not None:
                    link.ask_again()
        for topic in new:
            if topic in self._waiting:
                continue
            if not is_private(topic):
                self._place(topic)
            elif self._credentials is not None:
                self._private = self._private or self._open(
                    "private", self._settings.private_ws_uri, self._credentials
                )
                self._private.add(topic)

    def _place(self, topic: str) -> None:
        link = self._spread.with_room() or self._open(
            f"public-{next(self._numbers)}", self._settings.public_ws_uri, None
        )
        self._spread.put(topic, link)
        link.add(topic)

    def _place_what_waits(self) -> None:
        """What did not fit gets its place as soon as there is room, what the monitors need first."""
        if self._closed or not self._waiting:
            return
        needed = self._holds.by(MONITORS)
        for topic in sorted(self._waiting, key=lambda topic: topic not in needed):
            if not self._spread.left(MONITORS if topic in needed else ""):
                return
            del self._waiting[topic], self._refused[topic]
            self._place(topic)

    def release(self, holder: str, topics: Iterable[str] | None = None) -> None:
        """`holder` needs `topics` (None: whatever it holds) no longer. Idempotent; after closing it does nothing."""
        touched: dict[Link, None] = {}
        for topic in self._holds.release(holder, topics):
            self._refused.pop(topic, None)
            self._last_data_at.pop(topic, None)
            self._acknowledged_at.pop(topic, None)
            meaning = parse(topic)
            self.pricing.released(topic, meaning.symbol, meaning.timeframe)
            if meaning.timeframe is not None:
                self.history.forget(meaning.symbol, meaning.timeframe)
            link = self._link_of(topic)
            if link is not None:
                link.discard(topic)
                touched[link] = None
            self._waiting.pop(topic, None)
            self._spread.remove(topic)
        for link in touched:
            if link.topics:
                link.wake()
            else:
                self._private = None if link is self._private else self._private
                link.close()
        self._place_what_waits()

    def last_data_at(self, topic: str) -> float | None:
        """When data of a topic last arrived, on Trio's clock; None if none did since it is held."""
        return self._last_data_at.get(topic)

    def acknowledged_at(self, topic: str) -> float | None:
        """When a topic was last subscribed to, or again, on Trio's clock; None if it was not since it is held."""
        return self._acknowledged_at.get(topic)

    def resubscribe(self, topic: str) -> None:
        """Unsubscribe a topic and subscribe to it again, also if it was refused. Nothing if it is not carried."""
        link = self._link_of(topic)
        if link is not None:
            link.resubscribe(topic)

    def renew(self, topic: str, reason: str) -> None:
        """Have another connection carry a topic, and all that the present one carries: dropped, and opened at once.

        Nothing while it is down, nor more than once a minute, whichever of its topics that is for.
        """
        link = self._link_of(topic)
        if link is not None:
            link.renew(reason)

    def start_afresh(self, symbol: str) -> None:
        """Whoever watches the symbol does so from now on: extremes of its running bars from before are no news."""
        self.pricing.start_afresh(symbol, trio.current_time())

    def observe(
        self,
        symbol: str,
        price: Decimal,
        asked_at: float | None = None,
        source: Source = Source.REST,
    ) -> None:
        """A price that was read elsewhere, over REST say: it becomes a tick, unless the stream told one since
        `asked_at` (Trio's clock)."""
        self.pricing.observe(symbol, price, self._moment(), asked_at, source)

    def untold(self, kline: Kline) -> Range:
        """Of a bar that history tells, the extremes that no push of its channel, nor of a finer one, has told."""
        return self.pricing.untold(kline)

    def statistics(self) -> StreamsStatistics:
        """How everything stands."""
        public = list(self._spread.places)
        private = self._private
        return StreamsStatistics(
            connections=tuple(link.statistics() for link in [*public, *filter(None, [private])]),
            public_connected=bool(public) and all(link.state in CONNECTED for link in public),
            private_connected=private is not None and private.state in CONNECTED,
            authenticated=private is not None and private.state in LOGGED_IN,
            refused=dict(self._refused),
            ticks_merged=self.ticks.merged,
        )

    def _close(self) -> None:
        self._closed = True
        self.bus.close()

    def _open(self, name: str, uri: str, credentials: Credentials | None) -> Link:
        link = Link(
            name,
            uri,
            credentials,
            self._settings,
            self._world,
            self._counters,
            sockets=self._public_sockets if credentials is None else self._private_sockets,
            frame=self._on_frame,
            acknowledged=self._on_acknowledged,
            refused=self._on_refused,
            needed=self._holds.is_needed,
            login_refused=self._login_refused,
            key_taken_at=self._key_taken_at,
            dropped=self._on_dropped,
            entered=self._on_entered,
        )
        self._nursery.start_soon(link.run, name=name)
        return link

    def _on_entered(self, link: Link) -> None:
        standing = STANDING.get(link.state, Standing.DOWN)
        self._entered(link.name, standing, link.last_error or "")

    def _link_of(self, topic: str) -> Link | None:
        if not is_private(topic):
            return self._spread.of(topic)
        return self._private if self._private and topic in self._private.topics else None

    def _on_frame(self, frame: Frame) -> None:
        """Data of a topic. What still arrives of one that nobody holds any more is no longer anybody's."""
        topic = parse(frame.group or "")
        if topic.name not in self._holds:
            self._counters.add("push_of_unwanted_topic", topic=topic.name)
            return
        moment = self._moment()
        gap_since = self._gap_since(topic.name, moment.now)
        link = self._link_of(topic.name)
        if link is not None and not link.is_acked(topic.name):
            self.pricing.subscribed(topic.name, moment)  # not acknowledged yet, but it is by this
        moved = topic.kind not in (Kind.KLINES, Kind.TRADES)
        events = normalize.events(topic, bytes(frame.data), self._counters)
        self.pricing.told_together([each for each in events if isinstance(each, Trade)], moment)
        for event in events:
            if isinstance(event, Kline):
                moved |= self.pricing.kline(event, topic.name, moment, gap_since)
                self._tell(event, after_gap=gap_since is not None)
            else:
                if isinstance(event, Trade):
                    moved |= self.pricing.trade(event, topic.name, moment)
                self.bus.publish(event)
        if moved:
            self._last_data_at[topic.name] = moment.now
        if topic.kind in (Kind.ORDERS, Kind.POSITIONS) and frame.data:
            self.bus.publish(AccountFrame(frame.group or "", topic.name, bytes(frame.data)))

    def _moment(self) -> Moment:
        return Moment(trio.current_time(), self._world.wall_ms(), self._clock_known())

    def _gap_since(self, topic: str, now: float) -> float | None:
        """When data of the topic last arrived, if it was silent or subscribed to again since then; None if not."""
        before = self._last_data_at.get(topic)
        if before is None:
            return None
        again = self._acknowledged_at.get(topic, before) > before
        return before if again or now - before >= self._settings.stale_after_s else None

    def _tell(self, kline: Kline, *, after_gap: bool) -> None:
        """Publish a bar, and the one before it once more if this one ends it. What was missed is looked up."""
        newest = self.history.newest(kline.symbol, kline.timeframe)
        for bar in self.history.take(kline):
            self.bus.publish(bar)
        if newest is not None and kline.open_time_s > newest.open_time_s:
            hole = kline.open_time_s - newest.open_time_s > kline.timeframe.seconds
            if hole or after_gap:
                self._look_up_after(newest)

    def _look_up_after(self, newest: Kline) -> None:
        """Have looked up what the stream may have missed: this bar's end if it was not seen, and all later bars."""
        if self._backfill is not None:
            since_s = newest.open_time_s + newest.closed * newest.timeframe.seconds
            self._backfill.ask(newest.symbol, newest.timeframe, since_s)

    def _is_subscribed(self, symbol: str, timeframe: Timeframe) -> bool:
        """Whether anybody but the monitors holds this kline channel."""
        return self._holds.is_held_by_others(kline_topic(symbol, timeframe), than=MONITORS)

    def _on_acknowledged(self, link: Link, topic: str) -> None:
        self._refused.pop(topic, None)
        self._acknowledged_at[topic] = trio.current_time()
        self.pricing.subscribed(topic, self._moment())
        self._after_pause(parse(topic))
        if parse(topic).kind in (Kind.ORDERS, Kind.POSITIONS):
            needed = {ORDERS, POSITIONS} & link.topics.keys()
            if all(link.is_acked(each) for each in needed):
                self._private_ready = True
                self.bus.publish(PrivateReady(trio.current_time()))

    def _on_dropped(self, link: Link) -> None:
        if link is self._private and self._private_ready:
            self._private_ready = False
            self.bus.publish(PrivateLost(trio.current_time()))

    def _after_pause(self, topic: Topic) -> None:
        """A channel is subscribed again: have the bars looked up that ended meanwhile."""
        if topic.timeframe is None:
            return
        newest = self.history.newest(topic.symbol, topic.timeframe)
        if newest is not None:
            ended_s = newest.open_time_s + newest.timeframe.seconds
            if ended_s <= self._world.wall_ms() // 1000:
                self._look_up_after(newest)

    def _on_refused(self, topic: str, error: str) -> None:
        known = self._refused.get(topic)
        if topic in self._holds:
            self._refused[topic] = error
        self._counters.count("subscription_refused")
        if known != error:
            log.error("subscription_refused", topic=topic, reason=error)
