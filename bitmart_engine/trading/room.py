"""The trading room: its monitors and everything in flight, opened and closed as one.

The monitors are thin tasks around plain decisions: a tick goes to the guard first and to the entries second, an order
or position event to whom it concerns. What is in flight lives in a task of its own, which the end of the room gives a
bounded time: a close that is under way when the engine stops is not cut off in the middle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio
from attrs import define, field

from ..exchange.client import ExchangeClient
from ..exchange.errors import ExchangeError
from ..model.events import OrderUpdate, PositionUpdate, PrivateReady, Tick
from ..settings import Settings
from ..store import Store
from ..streams.bus import Lagged, Listener
from ..streams.streams import Streams
from ..tally import Tally
from ..world import World
from .desk import Desk
from .entries import Entries
from .guard import Guard
from .instruments import Instruments
from .leverage import Leverage
from .monitoring import Monitoring
from .ordering import Ordering
from .pacing import Pauses
from .prices import Prices
from .submission import read

__all__ = ["FLIGHT_GRACE_S", "TradingRoom", "open_trading"]

log = structlog.get_logger()

FLIGHT_GRACE_S = 2.0
"""How long a submit or a close that is in flight may go on when the engine stops."""
KEEP_WARM_EVERY_S = 20.0
REFRESH_EVERY_S = 60.0
REFRESH_BLIND_EVERY_S = 5.0
"""While the private stream is down, fills and closes are seen over REST only."""


class TradingRoom:
    """The monitors, around one desk. Made by `open_trading`."""

    def __init__(self, desk: Desk, streams: Streams) -> None:
        self.desk = desk
        self.guard = Guard(desk)
        self.entries = Entries(desk, self.guard)
        self.ordering = Ordering(desk, self.entries)
        self.monitoring = Monitoring(desk, self.guard)
        self.reconciled = False
        """Whether what the exchange holds was read since the private stream came up last."""
        self._streams = streams

    def on_tick(self, tick: Tick) -> None:
        """Protection first, then entries."""
        self.desk.prices.note(tick)
        self.guard.on_tick(tick)
        self.entries.on_tick(tick)

    def on_event(self, event: OrderUpdate | PositionUpdate) -> None:
        """What the exchange says of our orders and positions."""
        if isinstance(event, PositionUpdate):
            self.guard.on_position(event)
        elif not self.entries.on_update(event):
            self.guard.on_update(event)

    async def watch_prices(self) -> None:
        while True:
            self.on_tick(await self._streams.ticks.receive())

    async def watch_account(self, events: Listener[OrderUpdate | PositionUpdate]) -> None:
        async for event in events:
            assert not isinstance(event, Lagged), "a listener without a capacity misses nothing"
            self.on_event(event)

    async def watch_logins(self, logins: Listener[PrivateReady]) -> None:
        async for _ in logins:
            self.reconciled = False
            for pause_s in Pauses(1.0, 5.0):
                if await self.refresh():
                    break
                await trio.sleep(pause_s)
            self.reconciled = True

    async def refresh_regularly(self) -> None:
        while True:
            seeing = self._streams.statistics().authenticated
            await trio.sleep(REFRESH_EVERY_S if seeing else REFRESH_BLIND_EVERY_S)
            await self.refresh()

    async def keep_warm(self) -> None:
        """Keep a connection to the exchange open while anything is armed: an order must not wait for a handshake."""
        while True:
            await trio.sleep(KEEP_WARM_EVERY_S)
            if len(self.entries) or len(self.guard):
                try:
                    await self.desk.exchange.server_time_ms()
                except ExchangeError as failure:
                    self.desk.tally.add("exchange not reached while idle", why=str(failure))

    async def refresh(self) -> bool:
        """Read our working orders and all positions at the exchange, and take in what they say.

        False if a query failed, which proves nothing: what it would have told stays as it was.
        """
        complete = True
        for order in list(self.desk.state.orders.values()):
            if order.state.at_exchange and order.exchange_order_id:
                complete &= await read(order.id, self.desk, self.entries)
        try:
            await self.guard.observe_all_positions()
        except ExchangeError as failure:
            self.desk.tally.add("positions could not be read", why=str(failure))
            complete = False
        return complete


@asynccontextmanager
async def open_trading(
    settings: Settings,
    world: World,
    tally: Tally,
    store: Store,
    exchange: ExchangeClient,
    streams: Streams,
) -> AsyncIterator[TradingRoom]:
    """A trading room that watches and acts as long as the block lasts."""
    async with trio.open_nursery() as monitors:
        flights: _Flights = await monitors.start(_keep_flying)
        desk = Desk(
            settings=settings,
            world=world,
            store=store,
            exchange=exchange,
            instruments=Instruments(exchange),
            leverage=Leverage(exchange),
            prices=Prices(streams, exchange, settings.stale_after_s, tally),
            tally=tally,
            flights=flights.nursery,
        )
        room = TradingRoom(desk, streams)
        with (
            streams.bus.listen(OrderUpdate, PositionUpdate) as account,
            streams.bus.listen(PrivateReady) as logins,
        ):
            monitors.start_soon(room.watch_prices)
            monitors.start_soon(room.watch_account, account)
            monitors.start_soon(desk.prices.keep_fresh)
            monitors.start_soon(room.entries.keep_deadlines)
            monitors.start_soon(room.keep_warm)
            if not settings.missing_credentials:
                monitors.start_soon(room.watch_logins, logins)
                monitors.start_soon(room.refresh_regularly)
            try:
                yield room
            finally:
                desk.opening = False
                flights.land.set()
                with trio.CancelScope(shield=True):
                    await flights.landed.wait()
                monitors.cancel_scope.cancel()


@define
class _Flights:
    """What is in flight: out of reach of a cancellation from outside, until it is asked to land."""

    nursery: trio.Nursery
    land: trio.Event = field(factory=trio.Event)
    landed: trio.Event = field(factory=trio.Event)


async def _keep_flying(task_status: trio.TaskStatus[_Flights]) -> None:
    with trio.CancelScope(shield=True) as scope:
        async with trio.open_nursery() as nursery:
            flights = _Flights(nursery)
            task_status.started(flights)
            await flights.land.wait()
            scope.deadline = trio.current_time() + FLIGHT_GRACE_S
    flights.landed.set()
