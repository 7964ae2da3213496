"""The engine core, opened and closed as one: its monitors, its housekeeping and everything in flight.

A monitor that crashes ends the engine, and housekeeping that crashes begins again (`housekeeping`). What is in flight
lives in a task of its own, which the end of the core gives a bounded time: a close that is under way when the engine
stops is not cut off in the middle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from ..clocks import SteadyClock
from ..counters import Counters
from ..exchange.client import ExchangeClient
from ..housekeeping import supervised
from ..latency import Latencies
from ..model.events import (
    BalanceUpdate,
    OrderUpdate,
    PositionUpdate,
    PrivateLost,
    PrivateReady,
)
from ..settings import Settings
from ..store import Store
from ..streams.streams import Streams
from ..world import World
from .agreement import Agreement
from .assembly import assembled
from .core import EngineCore
from .in_flight import InFlight, landing, run_in_flight
from .recalled import clock_before

__all__ = ["open_trading"]


@asynccontextmanager
async def open_trading(
    settings: Settings,
    world: World,
    counters: Counters,
    store: Store,
    exchange: ExchangeClient,
    streams: Streams,
    clock: SteadyClock,
    latencies: Latencies,
) -> AsyncIterator[EngineCore]:
    """An engine core that watches and acts as long as the block lasts."""
    async with trio.open_nursery() as monitors:
        agreement = Agreement(store)
        in_flight: InFlight = await monitors.start(run_in_flight, agreement, counters)
        with (
            landing(in_flight),
            streams.bus.listen(OrderUpdate, PositionUpdate, BalanceUpdate) as account,
        ):
            core = assembled(
                settings=settings,
                world=world,
                counters=counters,
                store=store,
                exchange=exchange,
                streams=streams,
                latencies=latencies,
                agreement=agreement,
                in_flight=in_flight,
                ages_known=clock.comparable,
            )
            monitors.start_soon(core.watch_prices)
            monitors.start_soon(core.watch_account, account)
            monitors.start_soon(core.prices.keep_fresh, core.gaps.look_back)
            monitors.start_soon(core.prices.settle_doubts)
            monitors.start_soon(core.entries.deadlines.run)
            monitors.start_soon(supervised, core.keep_warm, "keep_warm", counters)
            monitors.start_soon(supervised, core.tracking.run, "tracking", counters)
            for name, keep_fresh, symbols in (
                ("instruments", core.instruments.keep_fresh, core.prices.needed),
                ("leverage", core.leverage.keep_fresh, core.entries.leveraged),
            ):
                monitors.start_soon(supervised, partial(keep_fresh, symbols), name, counters)
            known = clock_before(store.state) if clock.comparable else None
            if known is not None:
                exchange.recall_clock(*known)
            if not settings.missing_credentials:
                core.resuming.resume()
                core.halting.look()
                monitors.start_soon(core.halting.run)
                agreement.seeing = streams.statistics().authenticated
                streams.bus.observe(core.comparing.lose_sight, PrivateReady, PrivateLost)
                streams.bus.observe(lambda _ready: exchange.doubt_window(), PrivateReady)
                monitors.start_soon(core.comparing.keep_reconciled)
                monitors.start_soon(supervised, core.futures_orders.run, "futures_orders", counters)
                monitors.start_soon(supervised, core.balance.run, "balance", counters)
                monitors.start_soon(supervised, core.fills.run, "fills", counters)
                if settings.raw_events_uri:
                    forward = partial(core.raw_events.run, streams.bus)
                    monitors.start_soon(supervised, forward, "raw_events", counters)
            try:
                yield core
            finally:
                agreement.opening = False
                in_flight.land.set()
                with trio.CancelScope(shield=True):
                    await in_flight.landed.wait()
                monitors.cancel_scope.cancel()
