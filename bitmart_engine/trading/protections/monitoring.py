"""What users ask of protections: monitor a position, move the levels, drop them, close now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal

import trio
from attrs import evolve, frozen

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...logs import get_logger
from ...model.decimals import plain_or_none
from ...model.errors import BadRequest, Conflict, NotFound, Unavailable
from ...model.instruments import Instrument
from ...model.lifecycle import EntryState, ProtectionState
from ...model.orders import EntryOrder
from ...model.positions import CloseReason, MonitorRequest, Protection
from ...model.sides import PositionSide
from ...model.tickers import meanings
from ...notify.destinations import check_url
from ...settings import Settings
from ...store import Store
from ...store.records import (
    ProtectionKept,
    ProtectionLevelled,
    ProtectionMoved,
    ProtectionOpened,
    Record,
)
from ..account.positions import PositionBook
from ..agreement import Agreement
from ..closes.own_plans import unwanted, unwanted_parts
from ..in_flight import InFlight
from ..market.instruments import Instruments
from ..market.prices import Prices
from ..promises import Promises
from ..requests import (
    MonitorPosition,
    checked_id,
    checked_levels,
    checked_metadata,
    checked_order_id,
    parse_side,
)
from ..signals.notifications import Notifications
from .coverage import covering
from .protections import Protections

__all__ = ["Monitored", "Monitoring"]

log = get_logger()

SHED_WITHIN_S = 3.0
"""How long an answer waits for the exchange to take a stop away; that goes on after it."""
POSITIONS_WITHIN_S = 3.0
PRICE_WITHIN_S = 2.0
"""How long an answer waits for the exchange to say what is held, and the price; it does without them then."""


@frozen
class Monitored:
    """The answer to a request to monitor a position."""

    protection: Protection
    duplicate: bool


class Monitoring:
    """The user's side of protections. What the market and the exchange do to them is decided in `protections`."""

    def __init__(
        self,
        *,
        agreement: Agreement,
        counters: Counters,
        exchange: ExchangeClient,
        in_flight: InFlight,
        instruments: Instruments,
        notifications: Notifications,
        positions: PositionBook,
        prices: Prices,
        promises: Promises,
        settings: Settings,
        store: Store,
        engine_id: str,
        now_ms: Callable[[], int],
        cancel_unwanted: Callable[[str], Awaitable[None]],
        protections: Protections,
    ) -> None:
        self._agreement = agreement
        self._counters = counters
        self._exchange = exchange
        self._in_flight = in_flight
        self._instruments = instruments
        self._notifications = notifications
        self._positions = positions
        self._prices = prices
        self._promises = promises
        self._settings = settings
        self._store = store
        self._engine_id = engine_id
        self._now_ms = now_ms
        self._cancel_unwanted = cancel_unwanted
        self._protections = protections

    async def monitor(self, asked: MonitorPosition) -> Monitored:
        """Promise to guard a position, which may still have to show up. Returns once the promise is durable.

        Raises BadRequest, Conflict and Unavailable.
        """
        checked_id(asked.id)
        self._promises.check()
        request = MonitorRequest(
            id=asked.id,
            symbol=asked.symbol,
            order_id=asked.order_id,
            stop_loss=asked.stop_loss,
            take_profit=asked.take_profit,
            side=None if asked.side is None else parse_side(asked.side),
            size=asked.size,
            callback_url=asked.callback_url,
            metadata=checked_metadata(asked.metadata),
        )
        if (known := await self._known(request)) is not None:
            return known
        checked_order_id(asked.order_id, self._store.state.orders)
        if asked.stop_loss is None and asked.take_profit is None:
            raise BadRequest("give a stop_loss, a take_profit, or both", "$.stop_loss")
        if asked.size is not None and asked.size < 1:
            raise BadRequest("must be at least 1 contract", "$.size")
        if asked.callback_url is not None:
            check_url(asked.callback_url, self._settings.callback_allow)
        instrument = await self._instruments.meant_by(asked.symbol)
        request = evolve(request, symbol=instrument.symbol)
        self._prices.check(request.symbol)
        read = await self._read_positions(request.symbol)
        price = await self._price(request)
        await self._promises.wait_made(request.id, request.order_id)
        if (known := await self._known(request)) is not None:
            return known
        self._store.record(*self._promise(request, instrument, price, read))
        await self._promises.keep()
        log.info("position_monitored", id=request.id, symbol=request.symbol)
        return Monitored(self._store.state.protections[request.id], False)

    async def change(
        self, id: str, stop_loss: Decimal | None = None, take_profit: Decimal | None = None
    ) -> Protection:
        """Move the stop, the target, or both; None leaves it. Returns once durable.

        Raises NotFound, Conflict for a protection that has fired or ended, and BadRequest.
        """
        now = await self._promised(id)
        if now.state not in (ProtectionState.PENDING_FILL, ProtectionState.ARMED):
            raise Conflict(f"the protection is {now.state.value}", "$.id")
        self._promises.check()
        if stop_loss is None and take_profit is None:
            raise BadRequest("give a stop_loss, a take_profit, or both", "$.stop_loss")
        instrument = await self._instruments.get(now.symbol)
        tick = self._prices.fresh(now.symbol) if now.state is ProtectionState.ARMED else None
        price = tick.last if tick else None
        new_stop, new_target = checked_levels(
            now.side, stop_loss, take_profit, instrument, price, price
        )
        now = self.get(id)
        if now.state not in (ProtectionState.PENDING_FILL, ProtectionState.ARMED):
            raise Conflict(f"the protection is {now.state.value}", "$.id")
        stop = new_stop if stop_loss is not None else now.stop_loss
        target = new_target if take_profit is not None else now.take_profit
        checked_levels(now.side, stop, target, instrument)
        records: list[Record] = [ProtectionLevelled(id, self._now_ms(), stop, target)]
        if self._has_not_left(now) and now.kept_at_exchange:
            records.append(ProtectionKept(id, self._now_ms(), stop, target))
        self._store.record(*records)
        await self._promises.keep()
        log.info(
            "protection_moved",
            id=id,
            stop_loss=plain_or_none(stop),
            take_profit=plain_or_none(target),
        )
        await self._record_cancelled(id)
        return self.get(id)

    async def release(self, id: str) -> Protection:
        """Drop a protection because the user says so, and take the exchange's stop and target of it away.

        Returns once durable. What the exchange still keeps by then is in what is returned: the rest of an order that
        has not filled carries them, and they are taken away when it fills. Raises NotFound and Conflict.
        """
        now = await self._promised(id)
        if now.state not in (ProtectionState.PENDING_FILL, ProtectionState.ARMED):
            raise Conflict(f"the protection is {now.state.value}", "$.id")
        self._promises.check()
        reason = "dropped by the user"
        self._store.record(
            ProtectionMoved(id, self._now_ms(), ProtectionState.RELEASED, reason),
            *self._notifications.of_protection(now, "released", reason=reason),
        )
        if self._has_not_left(now) and now.kept_at_exchange:
            self._store.record(ProtectionKept(id, self._now_ms(), None, None))
        await self._promises.keep()
        await self._record_cancelled(id)
        return self.get(id)

    def _has_not_left(self, protection: Protection) -> bool:
        """Whether its order waits for its zone: what the exchange is to keep goes out with it, as it is then."""
        entry = self._store.state.orders.get(protection.entry_id or "")
        return entry is not None and entry.state is EntryState.WAITING

    async def _record_cancelled(self, id: str) -> None:
        """Have taken away at the exchange what is not wanted any more; wait a moment for that, and no longer."""
        protection = self.get(id)
        if not (protection.covered and (unwanted(protection) or unwanted_parts(protection))):
            return
        done = trio.Event()

        async def shed_then(id: str) -> None:
            try:
                await self._cancel_unwanted(id)
            finally:
                done.set()

        self._in_flight.start(shed_then, id)
        with trio.move_on_after(SHED_WITHIN_S):
            await done.wait()

    async def close_now(self, id: str) -> Protection:
        """Close what the protection covers, now. Returns once that is durable; the close goes on by itself.

        Raises NotFound and Conflict, and Unavailable where it is not known whether anything is held.
        """
        now = await self._promised(id)
        if now.state is ProtectionState.PENDING_FILL:
            told_by_order = now.entry_id is not None
            known = told_by_order or self._positions.knows(now.symbol, now.side)
            if not (known and self._agreement.reached):
                raise Unavailable("it is not known yet whether anything is held")
            raise Conflict("nothing is held yet", "$.id")
        if now.state.final:
            raise Conflict(f"the protection is {now.state.value}", "$.id")
        self._protections.fire(id, CloseReason.MANUAL)
        await self._promises.keep_if_possible()
        return self.get(id)

    def get(self, id: str) -> Protection:
        """The protection of this id. Raises NotFound."""
        try:
            return self._store.state.protections[id]
        except KeyError:
            raise NotFound(f"no position has the id {id!r}") from None

    async def _promised(self, id: str) -> Protection:
        """The protection of this id, once it is known whether it is promised. Raises NotFound."""
        await self._promises.wait_made(id)
        return self.get(id)

    async def _known(self, request: MonitorRequest) -> Monitored | None:
        """The answer where the id is known, whatever its contract has become and whether or not the exchange answers.

        Raises Conflict where something else has that id.
        """
        await self._promises.wait_made(request.id)
        known = self._store.state.protections.get(request.id)
        if known is None:
            return None
        if known.symbol in meanings(request.symbol):
            request = evolve(request, symbol=known.symbol)
        if known.request != request:
            raise Conflict(
                f"a position with the id {request.id!r} exists with another body", "$.id"
            )
        await self._promises.keep()
        return Monitored(known, True)

    async def _read_positions(self, symbol: str) -> bool:
        """Whether the exchange said in time what is held of a symbol."""
        why: object = f"no answer within {POSITIONS_WITHIN_S:g} s"
        with trio.move_on_after(POSITIONS_WITHIN_S):
            try:
                await self._protections.observe_positions(symbol)
            except ExchangeError as failure:
                why = failure
            else:
                return True
        self._counters.add("positions_read_failed", symbol=symbol, why=why)
        return False

    async def _price(self, request: MonitorRequest) -> Decimal | None:
        """The price now, where a target may be passed already; None where it cannot be told soon."""
        tick = self._prices.fresh(request.symbol)
        if tick is not None or request.take_profit is None:
            return None if tick is None else tick.last
        with suppress(ExchangeError), trio.move_on_after(PRICE_WITHIN_S):
            return await self._exchange.last_price(request.symbol)
        return None

    def _promise(
        self, request: MonitorRequest, instrument: Instrument, price: Decimal | None, read: bool
    ) -> list[Record]:
        entry = self._store.state.orders.get(request.order_id or "")
        if entry is not None and entry.symbol != request.symbol:
            raise BadRequest(f"the order is for {entry.symbol}", "$.symbol")
        side = entry.request.side if entry is not None else self._side(request, read)
        if entry is not None and request.side not in (None, side):
            raise BadRequest(f"the order is a {side.value}", "$.side")
        held = self._positions.get(request.symbol, side)
        arms = entry.filled if entry is not None else (held is not None and held.size)
        passed = price if arms else None
        long = side is PositionSide.LONG
        stop_loss, take_profit = checked_levels(
            side,
            request.stop_loss,
            request.take_profit,
            instrument,
            low=None if long else passed,
            high=passed if long else None,
        )
        made = Protection(
            id=request.id,
            symbol=request.symbol,
            side=side,
            created_ms=self._now_ms(),
            engine_id=self._engine_id,
            stop_loss=stop_loss,
            take_profit=take_profit,
            entry_id=entry.id if entry is not None else None,
            request=request,
            size=request.size,
            callback_url=request.callback_url,
            metadata=request.metadata,
        )
        if entry is not None:
            return self._promise_for(entry, made)
        return [
            ProtectionOpened(made),
            *covering(made, held.size if held is not None else 0, self._now_ms()),
        ]

    def _promise_for(self, entry: EntryOrder, made: Protection) -> list[Record]:
        """The records of `made` guarding what an entry order of ours fills, in place of what guarded it before."""
        if entry.state.final and not entry.filled:
            raise Conflict(f"the order is {entry.state.value}, unfilled", "$.order_id")
        records: list[Record] = []
        before = self._store.state.protection_of(entry.id)
        if before is not None:
            if before.state in (ProtectionState.CLOSING, ProtectionState.CLOSED):
                raise Conflict(f"the order's position is {before.state.value}", "$.order_id")
            made = evolve(
                made,
                exchange_stop_loss=before.exchange_stop_loss,
                exchange_take_profit=before.exchange_take_profit,
            )
            if before.state is not ProtectionState.RELEASED:
                at_ms, reason = self._now_ms(), f"taken over by {made.id}"
                records.append(ProtectionMoved(before.id, at_ms, ProtectionState.RELEASED, reason))
        return [
            *records,
            ProtectionOpened(made),
            *covering(made, entry.filled, self._now_ms()),
        ]

    def _side(self, request: MonitorRequest, read: bool) -> PositionSide:
        """The side that is meant: as given, or the only one that is open, or the one that the levels fit.

        Which is open counts only if the positions could be `read`.
        """
        if request.side is not None:
            return request.side
        held = [
            side
            for side in PositionSide
            if (update := self._positions.get(request.symbol, side)) and update.size
        ]
        if len(held) == 1 and read:
            return held[0]
        if len(held) > 1:
            raise BadRequest(
                f"both sides of {request.symbol} are open: give long or short", "$.side"
            )
        if request.stop_loss is not None and request.take_profit is not None:
            rising = request.take_profit > request.stop_loss
            return PositionSide.LONG if rising else PositionSide.SHORT
        if not read:
            raise Unavailable(
                f"the positions of {request.symbol} could not be read, so it is not known which side"
                " is open: give long or short, or try again"
            )
        raise BadRequest(
            f"no position of {request.symbol} is open yet: give long or short", "$.side"
        )
