"""The parts that monitors and lifecycles in flight share: store, exchange, prices, and the ways to promise and tell."""

from __future__ import annotations

from attrs import define, field

from ..counters import Counters
from ..exchange.client import ExchangeClient
from ..latency import Latencies
from ..settings import Settings
from ..store import State, Store
from ..world import World
from .account.leverage import Leverage
from .account.positions import PositionBook
from .account.working import WorkingOrders
from .agreement import Agreement
from .event_errors import EventErrors
from .in_flight import InFlight
from .market.instruments import Instruments
from .market.prices import Prices
from .order_news import OrderNews
from .promises import Promises
from .signals.notifications import Notifications

__all__ = ["Desk"]


@define(kw_only=True)
class Desk:
    """Holds the parts by name, and decides nothing. Whoever needs few of them takes those instead."""

    settings: Settings
    world: World
    store: Store
    exchange: ExchangeClient
    instruments: Instruments
    leverage: Leverage
    prices: Prices
    counters: Counters
    in_flight: InFlight
    agreement: Agreement
    promises: Promises
    notifications: Notifications
    errors: EventErrors
    latencies: Latencies = field(factory=Latencies)
    ages_known: bool = True
    """Whether times from before the start are by the clock of now. If not, an age counts from the start."""
    working: WorkingOrders = field(factory=WorkingOrders)
    positions: PositionBook = field(factory=PositionBook)
    order_news: OrderNews = field(factory=OrderNews)
    engine_id: str = ""
    """The engine's own name, random, which the client order ids of what it accepts are derived from."""

    @property
    def state(self) -> State:
        return self.store.state

    def concerns(self, symbol: str) -> bool:
        """Whether we have anything in a symbol: an order that has not ended, or a protection."""
        state = self.state
        return any(each.symbol == symbol for each in state.orders.alive()) or any(
            each.symbol == symbol for each in state.protections.alive()
        )

    def now_ms(self) -> int:
        """The engine's time: Unix time in ms that never jumps."""
        return self.world.wall_ms()

    def there_ms(self) -> int:
        """The exchange's time, Unix ms, as far as its clock was measured; 0 where it was not."""
        return 0 if self.exchange.clock_offset_ms is None else self.exchange.now_ms()
