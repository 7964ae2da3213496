"""What users ask of entry orders: place one, cancel one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import trio
from attrs import frozen

from ...exchange.client import ExchangeClient
from ...logs import get_logger
from ...model.decimals import plain
from ...model.errors import BadRequest, Conflict, NotFound, Unavailable
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder, EntryRequest
from ...model.tickers import meanings
from ...notify.destinations import check_url
from ...settings import Settings
from ...store import Store
from ...store.records import EntryAccepted
from ...world import World
from ..account.leverage import Leverage
from ..agreement import Agreement
from ..in_flight import InFlight
from ..limiting import Limiting
from ..market.instruments import Instruments
from ..market.prices import Prices
from ..order_news import OrderNews
from ..promises import Promises, refuse_while_halted
from ..requests import (
    PlaceOrder,
    checked_entry,
    checked_id,
    fingerprint,
    moved_prices,
    same_request,
)
from ..signals.notifications import promised_protection
from .entries import Entries

__all__ = ["Ordering", "Placed"]

log = get_logger()


@frozen
class Placed:
    """The answer to a request for an entry order."""

    order: EntryOrder
    duplicate: bool
    rounded: dict[str, Decimal]
    """Prices that were moved onto the tick grid."""


class Ordering:
    """The user's side of entry orders. What the market and the exchange do to them is in `entries`."""

    def __init__(
        self,
        *,
        agreement: Agreement,
        exchange: ExchangeClient,
        in_flight: InFlight,
        limiting: Limiting,
        instruments: Instruments,
        leverage: Leverage,
        order_news: OrderNews,
        prices: Prices,
        promises: Promises,
        settings: Settings,
        store: Store,
        world: World,
        engine_id: str,
        now_ms: Callable[[], int],
        entries: Entries,
    ) -> None:
        """`engine_id` is the engine's own name, random: client order ids of what it accepts are derived from it."""
        self._agreement = agreement
        self._exchange = exchange
        self._in_flight = in_flight
        self._limiting = limiting
        self._instruments = instruments
        self._leverage = leverage
        self._order_news = order_news
        self._prices = prices
        self._promises = promises
        self._settings = settings
        self._store = store
        self._world = world
        self._engine_id = engine_id
        self._now_ms = now_ms
        self._entries = entries

    async def place(self, asked: PlaceOrder) -> Placed:
        """Promise an entry order. Returns once the promise is durable.

        Raises BadRequest, Conflict (the id exists with another body) and Unavailable.
        """
        if not self._agreement.opening:
            raise Unavailable("the engine is stopping")
        self._promises.check()
        checked_id(asked.id)
        if (known := await self._known(asked)) is not None:
            return known
        refuse_while_halted(self._store.state.halt)
        if asked.callback_url is not None:
            check_url(asked.callback_url, self._settings.callback_allow)
        instrument = await self._instruments.meant_by(asked.symbol)
        self._prices.check(instrument.symbol)
        request, rounded = checked_entry(asked, instrument, self._settings.quantity_unit)
        if (known := await self._known(asked)) is not None:
            return known
        now_ms = self._now_ms()
        order = EntryOrder(
            request=request,
            accepted_ms=now_ms,
            engine_id=self._engine_id,
            accepted_there_ms=self._exchange.there_ms(),
            deadline_ms=now_ms + int(request.timeout_seconds * 1000),
        )
        with self._entries.resting(order.id):  # nothing is sent of what is not promised
            async with self._promises.making(order.id):
                refuse_while_halted(self._store.state.halt)
                self._limiting.check(request)
                self._accept(order)
                try:
                    await self._promises.keep()
                except Unavailable:
                    self._entries.forget(order.id)
                    raise
            self._world.reached("promise kept")
        log.info(
            "order_accepted",
            id=order.id,
            symbol=order.symbol,
            side=request.side.value,
            zone=f"{plain(request.zone_min)}..{plain(request.zone_max)}",
            size=request.size,
        )
        return Placed(order, False, rounded)

    def _accept(self, order: EntryOrder) -> None:
        self._store.record(EntryAccepted(order), *promised_protection(order))
        if order.request.leverage is not None:
            self._in_flight.start(self._leverage.learn, order.symbol)

    async def _known(self, asked: PlaceOrder) -> Placed | None:
        """The answer where the id is known, whatever its contract has become and whether or not the exchange answers.

        Raises Conflict where something else has that id.
        """
        await self._promises.wait_made(asked.id)
        known = self._store.state.orders.get(asked.id)
        if known is None:
            if asked.id in self._store.state.protections:
                raise Conflict(f"a monitored position has the id {asked.id!r}", "$.id")
            return None
        if not await self._is_same(known.request, asked):
            raise Conflict(f"an order with the id {asked.id!r} exists {self._how(known)}", "$.id")
        await self._promises.keep()
        return Placed(known, True, moved_prices(asked, known.request))

    def _how(self, known: EntryOrder) -> str:
        """In what it differs from what is asked for under its id."""
        counted, now = known.request.quantity_unit, self._settings.quantity_unit
        if known.request.counts_quantity and counted != now:
            return f"whose quantity counts {counted}, and QUANTITY_UNIT is {now} now"
        return "with another body"

    async def _is_same(self, known: EntryRequest, asked: PlaceOrder) -> bool:
        unit = self._settings.quantity_unit
        if known.asked:
            return known.asked == fingerprint(asked, unit)
        if known.symbol not in meanings(asked.symbol):
            return False
        try:  # an older journal's: only what the contract made of it is known
            instrument = await self._instruments.meant_by(asked.symbol)
            again, _ = checked_entry(asked, instrument, unit)
        except BadRequest:
            return False
        return same_request(known, again, instrument)

    async def cancel(self, id: str, wait_s: float = 3.0) -> EntryOrder:
        """Have the order gone: at once while it waits, at the exchange otherwise, for which `wait_s` is waited.

        Returns the order as it then stands. Raises NotFound, and Conflict once it has ended.
        """
        await self._promises.wait_made(id)
        order = self._store.state.orders.get(id)
        if order is None:
            raise NotFound(f"no order has the id {id!r}")
        if order.state.final:
            raise Conflict(f"the order is {order.state.value}", "$.id")
        if order.state is EntryState.WAITING:
            self._promises.check()
            self._entries.cancel_waiting(id)
            await self._promises.keep()
        else:
            self._entries.withdraw(id)
            with trio.move_on_after(wait_s):
                while not self._store.state.orders[id].state.final:
                    await self._order_news.wait_news(
                        self._store.state.orders[id].client_order_id, 0.25
                    )
            await self._promises.keep_if_possible()
        order = self._store.state.orders[id]
        if order.state is EntryState.FILLED:
            raise Conflict("the order is filled", "$.id")
        return order
