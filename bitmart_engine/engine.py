"""The engine: what runs, in which order it starts and stops. Read this first.

    open_engine                      one async context manager; nothing outlives it
    |-- clock                        the engine's time; notices when the machine's is set
    |-- journal                      one writer; what is promised is on disk before it is said
    |-- exchange                     BitMart's REST API
    |-- outbox                       a task for each callback that is being sent; the rest waits as data
    |-- streams                      a task for each WebSocket connection, in its reconnect loop
    |   |-- connection               reads, pings, subscribes; ends with a reason
    |   `-- backfill                 klines that subscribers missed, from the exchange's history
    `-- engine core
        |-- watch_prices             ticks -> stops and targets, then entry zones
        |-- watch_account            order, position and balance pushes -> who they concern
        |-- keep_reconciled          at the start, after every private login and regularly: agree with the exchange
        |-- keep_fresh               stale symbols: resubscribe, reconnect, price over REST; look back over gaps
        |-- deadlines.run            expire what waited long enough
        |-- tracking                 orders that the stream is silent about: read over REST
        |-- futures_orders           what became of orders that ended while nobody listened
        |-- balance                  the account's balance, read now and then beside what is pushed
        |-- fills                    what the account's orders matched and cost, pushed or read from the exchange's list
        |-- raw_events               order and position frames, forwarded as they came
        |-- keep_warm                a connection for the next order, while anything is armed
        |-- instruments, leverage    read again every minute, while anything is armed
        |-- settle_doubts            prices that are old or far from the last: what REST says
        `-- in flight                one task for each submit, look-up, cancel or close
    collector, loop watch            with `serve` only: garbage is collected when no price is near; what held the loop

Housekeeping (backfill, the clocks, the collector, tracking, futures_orders, balance, fills, raw_events,
keep_warm, instruments, leverage) that crashes is told of and begins again; any other task that crashes ends the engine.

It starts from the outside in and stops from the inside out: first nothing new is opened, then what is in flight gets
its bounded time, then the connections close, then the outbox has a last second, then the process may go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path

import trio
from attrs import evolve

from .asked import unprotected
from .bars import reader_of
from .clocks import SteadyClock
from .counters import Counters
from .exchange.client import ExchangeClient, open_exchange
from .exchange.errors import ExchangeError
from .guarding import check_guarding
from .housekeeping import supervised
from .latency import Latencies
from .logs import get_logger
from .model.errors import BadRequest
from .model.notifications import Notification
from .notify.outbox import Ending, Outbox, Settlement, open_outbox
from .outages import Outages
from .running import VIEW, Engine
from .settings import IN_MEMORY, Settings, is_new
from .store import JournalUnavailable, MemoryJournal, Store, check_environment_mark, open_journal
from .store.records import NotificationOwed, NotificationSettled, Record
from .streams.streams import open_streams
from .streams.subscriptions import ENGINE, check_topic
from .streams.topics import ORDERS, POSITIONS, asset_topic
from .trading.backoff import Backoff
from .trading.opening import open_trading
from .world import World

__all__ = ["Engine", "open_engine"]

log = get_logger()

BALANCE = asset_topic("USDT")


@asynccontextmanager
async def open_engine(settings: Settings, *, world: World | None = None) -> AsyncIterator[Engine]:
    """Run the engine as long as the block lasts.

    `world` is the real clock, sockets and generator unless given. Leaving the block stops everything within 5 seconds.
    Raises JournalError if the state directory cannot be used, and Unguarded if it holds what cannot be kept without the
    credentials that are missing (unless `settings.prices_only`). A task that crashes ends the block with its error in
    an ExceptionGroup.
    """
    outside = world or World()
    counters, latencies = Counters(), Latencies()
    clock = SteadyClock(outside, counters)
    world = evolve(outside, wall_ms=clock.now_ms)
    async with (
        _open_store(settings, world, counters, clock, latencies) as store,
        _saying_who_is_left(store),
    ):

        async def kept() -> None:
            for pause_s in Backoff(0.5, 5.0):
                with suppress(JournalUnavailable):
                    await store.durable()
                    world.reached("callback due")
                    break
                await trio.sleep(pause_s)

        def settled(notification: Notification, ending: Ending) -> None:
            world.reached("callback delivered")
            store.record(
                NotificationSettled(
                    notification.id,
                    ending.settlement is Settlement.DELIVERED,
                    world.wall_ms(),
                    ending.why,
                    ending.answer,
                    ending.attempts,
                )
            )

        outages = Outages(complete_since_ms=world.wall_ms())
        async with (
            open_exchange(
                settings, world, counters, latencies, concerns=store.state.concerns
            ) as exchange,
            open_outbox(settings, world, counters, durable=kept, settled=settled) as outbox,
            open_streams(
                settings,
                evolve(world, wall_ms=exchange.now_ms),
                counters,
                read_bars=reader_of(exchange, counters),
                clock_known=lambda: exchange.clock_offset_ms is not None,
                dated_twice=exchange.dated_twice,
                login_refused=_clock_of(exchange, counters),
                key_taken_at=exchange.key_taken_at,
                entered=lambda name, standing, why: outages.entered(
                    name, standing, why, world.wall_ms()
                ),
            ) as streams,
            open_trading(
                settings, world, counters, store, exchange, streams, clock, latencies
            ) as core,
            _watched(world, clock, exchange.doubt_clock, counters) as housekeeping,
        ):
            store.observe(_owed_to(outbox))
            for notification in list(store.state.owed.values()):
                outbox.offer(notification)
            streams.hold_what_fits(VIEW, _channels(store.state.viewed, counters))
            if not settings.missing_credentials:
                streams.hold(ENGINE, (ORDERS, POSITIONS, BALANCE))
            engine = Engine(
                settings,
                world,
                counters,
                store,
                exchange,
                outbox,
                streams,
                core,
                latencies,
                outages,
            )
            if world.collector is not None:
                world.collector.started()
                collecting = partial(world.collector.run, engine.nothing_near)
                housekeeping.start_soon(supervised, collecting, "collector", counters)
            log.info("engine_running", mode=settings.mode, state=settings.state_shown)
            try:
                yield engine
            finally:
                engine.stop()
                log.info("engine_stopping")


def _channels(viewed: Iterable[str], counters: Counters) -> list[str]:
    """What users viewed before the start, as far as there can be such channels."""
    found = []
    for topic in sorted(viewed):
        try:
            check_topic(topic)
        except BadRequest as failure:
            counters.add("viewed_channel_invalid", why=failure.message)
        else:
            found.append(topic)
    return found


@asynccontextmanager
async def _watched(
    world: World, clock: SteadyClock, jumped: Callable[[], None], counters: Counters
) -> AsyncIterator[trio.Nursery]:
    """Notices when the machine's clock is set, or the loop held. Gives the nursery of more housekeeping."""
    watch = world.loop_watch
    with watch.watching(counters) if watch else nullcontext():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervised, partial(clock.watch, jumped), "clock_watch", counters)
            yield nursery
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def _saying_who_is_left(store: Store) -> AsyncIterator[None]:
    """Logs, at the very end and whatever ended the engine, whose stop nobody keeps until the next start."""
    try:
        yield
    finally:
        left = [each.id for each in unprotected(store.state)]
        say = log.warning if left else log.info
        say("engine_ended", without_a_stop_at_the_exchange=len(left), ids=left)


@asynccontextmanager
async def _open_store(
    settings: Settings, world: World, counters: Counters, clock: SteadyClock, latencies: Latencies
) -> AsyncIterator[Store]:
    """What was promised before, and where promises are kept from now on."""
    if settings.state_dir == IN_MEMORY:
        yield Store(MemoryJournal())
        return
    directory = Path(settings.state_dir)
    if is_new(settings) and settings.mode != "paper":
        log.warning("state_directory_new", state=settings.state_shown, mode=settings.mode)
    check_environment_mark(directory, settings.mode)
    async with open_journal(
        directory,
        wall_ms=world.wall_ms,
        clock=clock,
        history_days=settings.history_days,
        counters=counters,
        crash_point=world.reached,
        run=world.run_blocking,
        admit=partial(check_guarding, settings),
        accept_older=settings.accept_older_journal,
        moved_back=partial(check_environment_mark, directory, settings.mode),
        committed_in=latencies.commit.observe,
    ) as (journal, state):
        yield Store(journal, state)


def _clock_of(exchange: ExchangeClient, counters: Counters) -> Callable[[], Awaitable[None]]:
    """Measures the exchange's clock, by which logins are signed, if it can be read."""

    async def measure() -> None:
        try:
            await exchange.measure_clock()
        except ExchangeError as failure:
            counters.add("exchange_clock_read_failed", why=failure)

    return measure


def _owed_to(outbox: Outbox) -> Callable[[Record], None]:
    """Hands what is owed to the outbox as soon as it is recorded."""

    def observer(record: Record) -> None:
        if isinstance(record, NotificationOwed):
            outbox.offer(record.notification)

    return observer
