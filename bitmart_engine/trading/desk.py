"""What every monitor of the trading room works with: the store, the exchange, the prices, the way to tell people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from hashlib import sha256

import msgspec
import structlog
import trio
from attrs import define, field

from ..counters import Counters
from ..exchange.client import ExchangeClient
from ..model.decimals import plain
from ..model.errors import Unavailable
from ..model.events import OrderUpdate
from ..model.notifications import PASSING, Notification
from ..model.orders import EntryOrder
from ..model.positions import Protection
from ..model.sides import PositionSide
from ..settings import Settings
from ..store import JournalUnavailable, State, Store
from ..store.records import NotificationOwed
from ..world import World
from .account.leverage import Leverage
from .account.positions import PositionBook
from .market.instruments import Instruments
from .market.prices import Prices
from .order_news import OrderNews
from .signals.callbacks import order_callback, protection_callback

__all__ = ["Desk"]

log = structlog.get_logger()


def _nobody_withdraws(entry_id: str) -> None:
    raise LookupError(f"nobody keeps entry orders, {entry_id!r} cannot be withdrawn")


def _nobody_doubts() -> None:
    """The exchange is read at its regular times."""


@define(kw_only=True)
class Desk:
    """The trading room's table. It decides nothing; it holds what decisions need."""

    settings: Settings
    world: World
    store: Store
    exchange: ExchangeClient
    instruments: Instruments
    leverage: Leverage
    prices: Prices
    counters: Counters
    in_flight: trio.Nursery
    """Where what is in flight runs: one task for each submit, close or look-up."""
    ages_known: bool = True
    """Whether times from before the start are by the clock of now. If not, an age counts from the start."""
    foreign_orders: tuple[OrderUpdate, ...] = ()
    """Working orders at the exchange that are not ours, when they were last read."""
    at_exchange: dict[tuple[str, PositionSide], set[str]] = field(factory=dict)
    """The ids of our entry orders that the exchange may fill at any moment, by what they would open."""
    positions: PositionBook = field(factory=PositionBook)
    order_news: OrderNews = field(factory=OrderNews)
    engine_id: str = ""
    """The engine's own name, random, which the client order ids of what it accepts are derived from."""
    opening: bool = True
    """Whether entries are taken and sent at all. Off while the engine shuts down; closing never is."""
    reconciled: bool = False
    """Whether the engine and the exchange agreed since the engine started, or the private stream came or went."""
    seeing: bool = False
    """Whether the private stream is there, which tells what is filled and held."""
    not_reconciled_because: str = ""
    """Why they do not, or did not when they were last compared; empty before that, and once they agreed."""
    withdraw_entry: Callable[[str], None] = _nobody_withdraws
    """Takes what has not filled of an entry order away from the exchange; set by whoever keeps the orders."""
    doubt: Callable[[], None] = _nobody_doubts
    """Something does not add up: have the exchange read soon; set by whoever compares with it."""
    _promising: dict[str, trio.Event] = field(factory=dict)
    _told: int = 0

    @property
    def state(self) -> State:
        return self.store.state

    @property
    def may_open(self) -> bool:
        """Whether an entry may go out now. It fails closed; cancels and closes never ask."""
        return self.opening and self.reconciled and self.store.trouble is None

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

    async def keep_promise(self) -> None:
        """Return when what was recorded is durable: before a promise is given. Raises Unavailable."""
        try:
            await self.store.durable()
        except JournalUnavailable as trouble:
            raise Unavailable(str(trouble)) from None

    @contextmanager
    def surviving(self, what: str, **facts: object) -> Iterator[None]:
        """What fails in the block is counted, logged, and a reason to compare with the exchange soon.

        It must not end the engine with contracts held: the next process would be told the same, and end as well.
        """
        try:
            yield
        except Exception as failure:  # whatever it is: the stops go on
            self.counters.count("event_crashed")
            log.error("event_crashed", what=what, exc_info=failure, **facts)
            self.doubt()

    @asynccontextmanager
    async def promising(self, id: str) -> AsyncIterator[None]:
        """While the promise about `id` is being made: it may yet not be given, and nobody else is to build on it."""
        made = self._promising[id] = trio.Event()
        try:
            yield
        finally:
            del self._promising[id]
            made.set()

    async def wait_promised(self, *ids: str | None) -> None:
        """Return when no promise about `ids` is being made: then it is known whether there are such things."""
        while under_way := [self._promising[id] for id in ids if id in self._promising]:
            await under_way[0].wait()

    def check_promises(self) -> None:
        """Raises Unavailable while no promise could be kept."""
        if self.store.trouble is not None:
            raise Unavailable(self.store.trouble)

    async def keep_if_possible(self) -> None:
        """Return when what was recorded is durable, or cannot be made so: what protects does not wait for a disk."""
        try:
            await self.store.durable()
        except JournalUnavailable as trouble:
            self.counters.add("acted_before_durable", why=trouble)

    def start_in_flight(self, lifecycle: Callable[..., object], *args: object) -> None:
        """Run something in flight as a task of its own. Once the engine has landed, it is for the next start."""
        name = f"{lifecycle.__name__}({args[0]!r})"
        try:
            self.in_flight.start_soon(lifecycle, *args, name=name)  # type: ignore[arg-type]
        except RuntimeError:
            if self.opening:
                raise
            self.counters.add("left_for_next_start", what=name)

    def tell_of_order(
        self, order: EntryOrder, event: str, **facts: object
    ) -> list[NotificationOwed]:
        """The record of a callback about an entry order: empty where none was asked for."""
        request = order.request
        body = order_callback(request, event, facts, self.now_ms())
        return self._owed(request.callback_url, request.id, event, body)

    def tell_of_protection(
        self, protection: Protection, event: str, **facts: object
    ) -> list[NotificationOwed]:
        """The record of a callback about a protection: empty where none was asked for."""
        lane = protection.entry_id or protection.id
        body = protection_callback(protection, event, facts, self.now_ms())
        return self._owed(protection.callback_url, lane, event, body)

    def signal(self, lane: str, body: Mapping[str, object]) -> list[NotificationOwed]:
        """The record of an order signal: empty while signals are off. Its own id is its `trace_id`."""
        return self._owed(self.settings.order_signal_url, lane, "order_signal", body, traced=True)

    def balance_signal(self, lane: str, body: Mapping[str, object]) -> list[NotificationOwed]:
        """The record of a balance signal: empty while signals are off. Its own id is its `trace_id`."""
        url = self.settings.balance_signal_url
        return self._owed(url, lane, "balance_signal", body, traced=True)

    def raw_event(self, lane: str, body: Mapping[str, object]) -> list[NotificationOwed]:
        """The record of a frame of the exchange to be forwarded: empty where there is nobody to forward it to."""
        url = self.settings.raw_events_uri or None
        return self._owed(url, lane, "raw_event", body, prefix=PASSING)

    def _owed(
        self,
        url: str | None,
        lane: str,
        kind: str,
        body: Mapping[str, object],
        *,
        traced: bool = False,
        prefix: str = "",
    ) -> list[NotificationOwed]:
        if url is None:
            return []
        at_ms = self.now_ms()
        self._told += 1
        seed = f"{lane}:{kind}:{at_ms}:{self._told}".encode("utf-8", "surrogatepass")
        id = prefix + sha256(seed).hexdigest()[:32]
        if traced:
            body = {**body, "trace_id": id}
        notification = Notification(
            id=id,
            lane=lane,
            url=url,
            kind=kind,
            body=msgspec.json.encode(body, enc_hook=str),
            created_ms=at_ms,
        )
        return [NotificationOwed(notification)]


def text(price: Decimal | None) -> str | None:
    """A price as it is told: a plain decimal string, or None."""
    return None if price is None else plain(price)
