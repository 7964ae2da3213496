"""A running engine, as programs and the control API see it: what it can be asked, and how it says how things stand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from itertools import count
from typing import final

import trio
from attrs import evolve

from .asked import check_request, kline_topics, one_or_more, timeframe_of
from .bars import reader_of, recent
from .counters import Counters
from .exchange import ExchangeStatistics
from .exchange.client import ExchangeClient
from .feed import Feed
from .health import HealthLevel
from .latency import Latencies, LatencyStatistics
from .logs import get_logger
from .loop_watch import LoopStatistics
from .model.errors import BadRequest, NotFound, Unavailable
from .model.events import BalanceUpdate, Event, Kline, OrderUpdate, PositionUpdate
from .model.fields import converted, number, symbol_of, text
from .model.halting import Halt, HaltLevel
from .model.instruments import Instrument
from .model.notifications import Notification
from .model.orders import EntryOrder
from .model.positions import Protection
from .model.tickers import meanings
from .notify.outbox import Outbox, OutboxStatistics, Waiting
from .outages import Outages
from .settings import Settings
from .standing import Standing
from .store import Store
from .store.records import EntriesPaused, NotificationOwed, Record, ViewChanged
from .streams.bus import Listener
from .streams.history import MOST_BARS
from .streams.statistics import StreamsStatistics
from .streams.streams import Streams
from .streams.topics import ORDERS, POSITIONS, asset_topic, kline_topic
from .trading.account.balance import KnownBalance
from .trading.account.reconcile import Findings
from .trading.core import EngineCore
from .trading.entries.placing import Placed
from .trading.limits import Limits, Stake
from .trading.protections.monitoring import Monitored
from .trading.requests import MonitorPosition, PlaceOrder, Risk
from .world import World

__all__ = [
    "VIEW",
    "Engine",
    "ExchangeStatistics",
    "Findings",
    "KnownBalance",
    "LatencyStatistics",
    "Limits",
    "LoopStatistics",
    "MonitorPosition",
    "Monitored",
    "OutboxStatistics",
    "PlaceOrder",
    "Placed",
    "Risk",
    "Stake",
    "StreamsStatistics",
    "Waiting",
]

log = get_logger()

VIEW = "view"
"""Who holds the channels that users subscribed to."""
BALANCE = asset_topic("USDT")
AMBER, RED = HealthLevel.AMBER, HealthLevel.RED
HISTORY_WITHIN_S = 5.0
"""How long klines of the exchange's history are waited for."""
LOOKS_EVERY_S = 0.05
"""How often `wait_ready` looks: what it waits for lies with many parts, and only some of them tell of a change."""
READER_CAPACITY = 1000
"""Events that may wait for an embedded reader before the oldest are dropped and it is told so."""


@final
class Engine(Standing):
    """A running engine. Made by `open_engine`; what it is asked raises the errors of `model.errors`."""

    def __init__(
        self,
        settings: Settings,
        world: World,
        counters: Counters,
        store: Store,
        exchange: ExchangeClient,
        outbox: Outbox,
        streams: Streams,
        core: EngineCore,
        latencies: Latencies,
        outages: Outages,
    ) -> None:
        self.settings = settings
        self.started_ms = world.wall_ms()
        self._started = trio.current_time()
        self._world = world
        self.counters = counters
        self._store = store
        self._exchange = exchange
        self._outbox = outbox
        self._streams = streams
        self._core = core
        self._latencies = latencies
        self.outages = outages
        """When connections were down."""
        self._stopping = trio.Event()
        self._changed = trio.Event()
        self._readers = count(1)
        self.feed = Feed(store.state, world.wall_ms, counters)
        store.observe(self._wake)
        store.observe(self.feed.recorded)
        core.fills.observe(self.feed.filled)
        streams.bus.observe(self.feed.heard, Kline, OrderUpdate, PositionUpdate, BalanceUpdate)

    # Entry orders

    async def place_order(self, asked: PlaceOrder) -> Placed:
        """Promise an entry order; returns once the promise is kept safe."""
        check_request(asked, PlaceOrder)
        self._need_credentials()
        return await self._core.ordering.place(asked)

    async def cancel_order(self, id: str) -> EntryOrder:
        """Have an entry order gone, here or at the exchange; returns how it then stands."""
        return await self._core.ordering.cancel(text(id, "$.id"))

    async def wait_order_ended(self, id: str) -> EntryOrder:
        """Wait until an entry order is filled, cancelled, expired or rejected. Raises NotFound. A checkpoint."""
        while True:
            order = self.state.orders.get(id)
            if order is None:
                raise NotFound(f"no order has the id {id!r}")
            if order.state.final:
                await trio.lowlevel.checkpoint()
                return order
            await self._changed.wait()

    # Protections

    async def monitor_position(self, asked: MonitorPosition) -> Monitored:
        """Promise to guard a position; returns once the promise is kept safe."""
        check_request(asked, MonitorPosition)
        self._need_credentials()
        return await self._core.monitoring.monitor(asked)

    async def change_protection(
        self, id: str, *, stop_loss: Decimal | None = None, take_profit: Decimal | None = None
    ) -> Protection:
        """Move the stop, the target, or both."""
        stop = None if stop_loss is None else number(stop_loss, "$.stop_loss")
        target = None if take_profit is None else number(take_profit, "$.take_profit")
        return await self._core.monitoring.change(text(id, "$.id"), stop, target)

    async def release_protection(self, id: str) -> Protection:
        """Drop a protection; the position stays, unguarded by the engine."""
        return await self._core.monitoring.release(text(id, "$.id"))

    async def close_position(self, id: str) -> Protection:
        """Close what a protection covers, now."""
        return await self._core.monitoring.close_now(text(id, "$.id"))

    # Streams

    async def subscribe_klines(
        self, symbol: str | Iterable[str], timeframes: str | Iterable[str]
    ) -> list[str]:
        """Stream klines of one symbol, or of several, for everybody who listens, until unsubscribed.

        Returns the channels. Raises BadRequest for a symbol that the exchange does not have: none is streamed then.
        """
        topics, frames = [], one_or_more(timeframes)
        for each in one_or_more(symbol):
            name = symbol_of(each)
            kline_topics(name, frames)  # says what is wrong with them before anybody is asked
            with suppress(
                Unavailable
            ):  # then the stream itself says whether there is such a channel
                name = (await self._core.instruments.meant_by(name)).symbol
            topics += kline_topics(name, frames)
        return await self._view(list(dict.fromkeys(topics)), subscribed=True)

    async def unsubscribe_klines(
        self, symbol: str | Iterable[str], timeframes: str | Iterable[str]
    ) -> list[str]:
        """Undo `subscribe_klines`. What a monitor still needs stays subscribed underneath."""
        topics, frames = [], one_or_more(timeframes)
        for each in one_or_more(symbol):
            names = [kline_topics(name, frames) for name in meanings(symbol_of(each))]
            topics += next((one for one in names if self.state.viewed.intersection(one)), names[0])
        return await self._view(list(dict.fromkeys(topics)), subscribed=False)

    async def view_orders(self, *, subscribed: bool) -> list[str]:
        """Show order events to readers, or not. Monitors see them in any case."""
        self._need_credentials()
        return await self._view([ORDERS], subscribed=subscribed)

    async def view_positions(self, *, subscribed: bool) -> list[str]:
        """Show position events to readers, or not. Monitors see them in any case."""
        self._need_credentials()
        return await self._view([POSITIONS], subscribed=subscribed)

    async def view_balance(self, *, subscribed: bool) -> list[str]:
        """Show balance events to readers, or not. The engine sees them in any case."""
        self._need_credentials()
        return await self._view([BALANCE], subscribed=subscribed)

    async def instrument(self, symbol: str) -> Instrument:
        """What an order for `symbol` has to fit, at most a minute old. Raises BadRequest, Unavailable."""
        return await self._core.instruments.meant_by(symbol_of(symbol))

    def instruments_known(self) -> list[Instrument]:
        """The instruments that were looked up since the start, by symbol."""
        return self._core.instruments.all_known()

    @asynccontextmanager
    async def klines(
        self, symbol: str, timeframe: str, *, capacity: int = READER_CAPACITY
    ) -> AsyncIterator[Listener[Kline]]:
        """Iterate over the klines of a symbol, the running bar included, as long as the block lasts.

        A reader that is too slow for `capacity` gets a `Lagged` in place of what was dropped.
        """
        frame = timeframe_of(timeframe)
        symbol = (await self._core.instruments.meant_by(symbol_of(symbol))).symbol
        with self._streams.bus.listen(
            Kline, symbol=symbol, timeframe=frame, capacity=capacity
        ) as listener:
            holder = f"reader-{next(self._readers)}"
            self._streams.hold(holder, [kline_topic(symbol, frame)])
            try:
                yield listener
            finally:
                self._streams.release(holder)

    async def recent_klines(self, symbol: str, timeframe: str, limit: int = 100) -> list[Kline]:
        """The last `limit` klines (at most 1,000), the newest last; that one is running still unless it is `closed`.

        From memory where the channel is streamed, else from the exchange's history. Raises BadRequest and Unavailable.
        """
        if not 1 <= converted(limit, int, "limit") <= MOST_BARS:
            raise BadRequest(f"must be from 1 to {MOST_BARS}", "limit")
        frame = timeframe_of(timeframe)
        symbol = (await self._core.instruments.meant_by(symbol_of(symbol))).symbol
        with trio.move_on_after(HISTORY_WITHIN_S):
            return await recent(
                self._streams.history,
                reader_of(self._exchange, self.counters),
                symbol,
                frame,
                limit,
                self._exchange.now_ms() // 1000,
            )
        raise Unavailable(f"the exchange did not answer within {HISTORY_WITHIN_S:g} s")

    def events(self, *types: type[Event], symbol: str | None = None) -> Listener[Event]:
        """A listener for the events of `types` that arrive: `async with` (or `with`) it, and read it by `async for`."""
        only = None if symbol is None else symbol_of(symbol, "symbol")
        return self._streams.bus.listen(*types, symbol=only, capacity=READER_CAPACITY)

    # What is owed to the application

    async def retry_notification(self, id: str) -> Notification:
        """Owe a dead letter again. Returns once that is durable. Raises NotFound and Unavailable."""
        promises = self._core.promises
        letter = self.state.dead.get(id)
        if letter is None:
            raise NotFound(f"no dead letter has the id {id!r}")
        promises.check()
        again = evolve(letter.notification, created_ms=self._world.wall_ms())
        self._store.record(NotificationOwed(again))
        await promises.keep()
        return again

    # The engine as a whole

    async def wait_ready(self) -> None:
        """Return once the engine can be trusted with an order: logged in, agreed with the exchange, able to promise.

        A checkpoint. It waits as long as that takes: bound it with `trio.fail_after`, and ask `not_ready` for the
        reasons. Raises Conflict without credentials, with which it never will be, and Unavailable once it is stopping.
        """
        self._need_credentials()
        await trio.lowlevel.checkpoint()
        while self.not_ready():
            if self._stopping.is_set():
                raise Unavailable("the engine is stopping")
            await trio.sleep(LOOKS_EVERY_S)

    async def pause(self) -> int:
        """Let no order go out that waits for its zone, until `resume`, across restarts. Returns since when, ms.

        Orders are still accepted and wait, and expire as always. What is at the exchange stays there. Stops and targets
        are watched on, closes and cancels go out. Returns once that is durable; raises Unavailable.
        """
        self._core.promises.check()
        since_ms = self.state.paused_ms
        if since_ms is None:
            since_ms = self._world.wall_ms()
            self._store.record(EntriesPaused(since_ms, True))
            log.warning("entries_paused")
        await self._core.promises.keep()
        return since_ms

    async def halt(self, level: HaltLevel) -> Halt:
        """Use the kill switch: open nothing new, also cancel every entry order, also close every position of ours.

        It lasts until `resume`, across restarts. A level may be raised, and asked for again; with `flatten` that closes
        what is guarded by then. Contracts that no protection covers are their owner's, and stay. Returns once it is
        durable and begun. Raises Conflict for a level below the present one and without credentials, and Unavailable
        where the journal cannot be written: then it is done all the same, and a restart may forget it.
        """
        self._need_credentials()
        return await self._core.halting.halt(level)

    def limits(self) -> Limits:
        """The limits on what can be lost, as set."""
        return self._core.limiting.limits

    def at_stake(self) -> Stake | None:
        """What counts against the limits now; None while a contract of it was not read."""
        return self._core.limiting.used()

    def halt_leaves(self) -> tuple[int, int]:
        """Orders and positions that a halt is about and that have not ended yet."""
        return self._core.halting.left()

    async def resume(self) -> None:
        """Undo `pause` and `halt`: orders whose zone the price is in go out at once. Durable on return.

        Raises Unavailable. What was cancelled or is being closed is not brought back.
        """
        self._core.promises.check()
        if self.state.paused_ms is not None or self.state.halt is not None:
            self._store.record(EntriesPaused(self._world.wall_ms(), False))
            log.warning("entries_resumed")
        await self._core.promises.keep()
        self._core.entries.recheck()

    # The end

    def stop(self) -> None:
        """Ask for the end. Nothing new is opened from here on; who runs the engine leaves the block."""
        self._core.agreement.opening = False
        self._stopping.set()
        self.feed.close()

    async def wait_stopping(self) -> None:
        """Return once `stop` was called."""
        await self._stopping.wait()

    # Inside

    def _wake(self, record: Record) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _view(self, topics: list[str], *, subscribed: bool) -> list[str]:
        self._core.promises.check()
        if subscribed:
            self._streams.hold(VIEW, topics)
        else:
            self._streams.release(VIEW, topics)
        self._store.record(ViewChanged(tuple(topics), subscribed))
        await self._core.promises.keep()
        return topics
