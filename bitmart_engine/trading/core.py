"""The monitors of the engine core: what a price, an order or position event and a quiet while make it do.

One tick or one event that cannot be dealt with ends nothing: it is counted and logged, and the exchange is compared
with soon. The monitors are thin tasks around plain decisions: a tick goes to the protections first and to the entries
second, an order or position event to whom it concerns.
"""

from __future__ import annotations

import trio
from attrs import define

from ..counters import Counters
from ..exchange.client import ExchangeClient
from ..exchange.errors import ExchangeError
from ..model.events import BalanceUpdate, OrderUpdate, PositionUpdate, Tick
from ..store import Store
from ..streams.bus import Lagged, Listener
from ..streams.streams import Streams
from .account.balance import BalanceBook
from .account.fills import FillBook
from .account.futures_orders import FuturesOrders
from .account.leverage import Leverage
from .account.positions import PositionBook
from .account.working import WorkingOrders
from .agreement import Agreement
from .comparing import Comparing
from .entries.entries import Entries
from .entries.placing import Ordering
from .entries.tracking import Tracking
from .event_errors import EventErrors
from .halting import Halting
from .in_flight import InFlight
from .limiting import Limiting
from .market.gaps import Gaps
from .market.instruments import Instruments
from .market.prices import Prices
from .promises import Promises
from .protections.monitoring import Monitoring
from .protections.protections import Protections
from .resuming import Resuming
from .signals.raw_events import RawEvents

__all__ = ["EngineCore"]

KEEP_WARM_EVERY_S = 20.0


@define(kw_only=True, eq=False, slots=False)
class EngineCore:
    """The monitors, and the parts that the engine asks. Made by `assembly`."""

    agreement: Agreement
    counters: Counters
    errors: EventErrors
    exchange: ExchangeClient
    in_flight: InFlight
    instruments: Instruments
    leverage: Leverage
    positions: PositionBook
    prices: Prices
    promises: Promises
    store: Store
    streams: Streams
    working: WorkingOrders

    balance: BalanceBook
    comparing: Comparing
    entries: Entries
    fills: FillBook
    futures_orders: FuturesOrders
    gaps: Gaps
    halting: Halting
    limiting: Limiting
    monitoring: Monitoring
    ordering: Ordering
    protections: Protections
    raw_events: RawEvents
    resuming: Resuming
    tracking: Tracking

    def on_tick(self, tick: Tick) -> None:
        """Protection first, then entries."""
        self.prices.note(tick)
        with self.errors.surviving("tick for protections", symbol=tick.symbol):
            self.protections.on_tick(tick)
        with self.errors.surviving("tick for entries", symbol=tick.symbol):
            self.entries.on_tick(tick)

    def on_event(self, event: OrderUpdate | PositionUpdate | BalanceUpdate) -> None:
        """What the exchange says of our orders, our positions and the balance."""
        with self.errors.surviving(type(event).__name__):
            self._on_event(event)

    def _on_event(self, event: OrderUpdate | PositionUpdate | BalanceUpdate) -> None:
        if isinstance(event, BalanceUpdate):
            self.balance.take(event)
            return
        if isinstance(event, PositionUpdate):
            before = self.positions.get(event.symbol, event.side)
            self.protections.on_position(event)
            if event.size > (0 if before is None else before.size):
                self.tracking.grown(event.symbol, event.side)
            return
        self.fills.take(event)  # first, for what it came to is told with what follows
        if not self.entries.on_update(event, pushed=True):
            self.protections.on_update(event)
        self.tracking.heard(event)  # last, for it may be what the order is tracked from
        self.futures_orders.take(event)

    async def watch_prices(self) -> None:
        while True:
            self.on_tick(await self.streams.ticks.receive())

    async def watch_account(
        self, events: Listener[OrderUpdate | PositionUpdate | BalanceUpdate]
    ) -> None:
        async for event in events:
            assert not isinstance(event, Lagged), "a listener without a capacity misses nothing"
            self.on_event(event)

    async def keep_warm(self) -> None:
        """Keep a connection to the exchange open while anything is armed: an order must not wait for a handshake."""
        while True:
            await trio.sleep(KEEP_WARM_EVERY_S)
            if len(self.entries) or len(self.protections.index):
                try:
                    await self.exchange.server_time_ms()
                except ExchangeError as failure:
                    self.counters.add("idle_check_failed", why=failure)
