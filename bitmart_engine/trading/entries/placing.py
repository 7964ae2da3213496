"""What users ask of entry orders: place one, cancel one."""

from __future__ import annotations

from decimal import Decimal

import trio
from attrs import frozen

from ...logs import get_logger
from ...model.decimals import plain
from ...model.errors import BadRequest, Conflict, NotFound, Unavailable
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder, EntryRequest
from ...model.tickers import meanings
from ...notify.destinations import check_url
from ...store.records import EntryAccepted
from ..desk import Desk
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

    def __init__(self, desk: Desk, entries: Entries) -> None:
        self._desk = desk
        self._entries = entries

    async def place(self, asked: PlaceOrder) -> Placed:
        """Promise an entry order. Returns once the promise is durable.

        Raises BadRequest, Conflict (the id exists with another body) and Unavailable.
        """
        desk = self._desk
        if not desk.agreement.opening:
            raise Unavailable("the engine is stopping")
        desk.promises.check()
        checked_id(asked.id)
        if (known := await self._known(asked)) is not None:
            return known
        if asked.callback_url is not None:
            check_url(asked.callback_url, desk.settings.callback_allow)
        instrument = await desk.instruments.meant_by(asked.symbol)
        desk.prices.check(instrument.symbol)
        request, rounded = checked_entry(asked, instrument, desk.settings.quantity_unit)
        if (known := await self._known(asked)) is not None:
            return known
        now_ms = desk.now_ms()
        order = EntryOrder(
            request=request,
            accepted_ms=now_ms,
            engine_id=desk.engine_id,
            accepted_there_ms=desk.there_ms(),
            deadline_ms=now_ms + int(request.timeout_seconds * 1000),
        )
        with self._entries.resting(order.id):  # nothing is sent of what is not promised
            async with desk.promises.making(order.id):
                self._accept(order)
                try:
                    await desk.promises.keep()
                except Unavailable:
                    self._entries.forget(order.id)
                    raise
            desk.world.reached("promise kept")
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
        self._desk.store.record(EntryAccepted(order), *promised_protection(order))
        if order.request.leverage is not None:
            self._desk.in_flight.start(self._desk.leverage.learn, order.symbol)

    async def _known(self, asked: PlaceOrder) -> Placed | None:
        """The answer where the id is known, whatever its contract has become and whether or not the exchange answers.

        Raises Conflict where something else has that id.
        """
        desk = self._desk
        await desk.promises.wait_made(asked.id)
        known = desk.state.orders.get(asked.id)
        if known is None:
            if asked.id in desk.state.protections:
                raise Conflict(f"a monitored position has the id {asked.id!r}", "$.id")
            return None
        if not await self._is_same(known.request, asked):
            raise Conflict(f"an order with the id {asked.id!r} exists {self._how(known)}", "$.id")
        await desk.promises.keep()
        return Placed(known, True, moved_prices(asked, known.request))

    def _how(self, known: EntryOrder) -> str:
        """In what it differs from what is asked for under its id."""
        counted, now = known.request.quantity_unit, self._desk.settings.quantity_unit
        if known.request.counts_quantity and counted != now:
            return f"whose quantity counts {counted}, and QUANTITY_UNIT is {now} now"
        return "with another body"

    async def _is_same(self, known: EntryRequest, asked: PlaceOrder) -> bool:
        unit = self._desk.settings.quantity_unit
        if known.asked:
            return known.asked == fingerprint(asked, unit)
        if known.symbol not in meanings(asked.symbol):
            return False
        try:  # an older journal's: only what the contract made of it is known
            instrument = await self._desk.instruments.meant_by(asked.symbol)
            again, _ = checked_entry(asked, instrument, unit)
        except BadRequest:
            return False
        return same_request(known, again, instrument)

    async def cancel(self, id: str, wait_s: float = 3.0) -> EntryOrder:
        """Have the order gone: at once while it waits, at the exchange otherwise, for which `wait_s` is waited.

        Returns the order as it then stands. Raises NotFound, and Conflict once it has ended.
        """
        desk = self._desk
        await desk.promises.wait_made(id)
        order = desk.state.orders.get(id)
        if order is None:
            raise NotFound(f"no order has the id {id!r}")
        if order.state.final:
            raise Conflict(f"the order is {order.state.value}", "$.id")
        if order.state is EntryState.WAITING:
            desk.promises.check()
            self._entries.cancel_waiting(id)
            await desk.promises.keep()
        else:
            self._entries.withdraw(id)
            with trio.move_on_after(wait_s):
                while not desk.state.orders[id].state.final:
                    await desk.order_news.wait_news(desk.state.orders[id].client_order_id, 0.25)
            await desk.promises.keep_if_possible()
        order = desk.state.orders[id]
        if order.state is EntryState.FILLED:
            raise Conflict("the order is filled", "$.id")
        return order
