"""Protections: fire them, keep them in step with what is held, and see that they end on evidence only.

Which of them are alive, and what the market touches, `lookout` knows. The close itself is in `closing`; here is what is
decided without waiting.
"""

from __future__ import annotations

from functools import partial

import structlog

from ..exchange.budget import Urgency
from ..model.decimals import plain
from ..model.events import OrderUpdate, PositionUpdate, Tick
from ..model.lifecycle import ProtectionState
from ..model.orders import EntryRequest
from ..model.positions import Close, CloseReason, FiredOrder, Protection
from ..model.sides import PositionSide
from ..store.records import (
    CloseObserved,
    FiredObserved,
    ProtectionCovers,
    ProtectionKept,
    ProtectionMoved,
    Record,
)
from .attribution import fired_news, made_there, observed_there, whose
from .closing import close, confirm_gone
from .desk import Desk, text
from .foreign import ForeignCloses
from .gaps import look_back
from .keeping import Keeps
from .lookout import Lookout
from .signals import close_signal, fired_signal

__all__ = ["Guard"]

log = structlog.get_logger()

ORDER_ENDED = "the order ended unfilled"


class Guard:
    """All protections of the engine."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.lookout = Lookout(desk)
        self.foreign = ForeignCloses()
        self._confirming: set[str] = set()
        desk.prices.look_back = partial(look_back, desk, self)

    # What the market says

    def on_tick(self, tick: Tick) -> None:
        """Close what `tick` is the stop or the target of."""
        for id, reason in self.lookout.touched(tick):
            log.warning("protection fires", id=id, reason=reason.value, price=plain(tick.last))
            self.fire(id, reason)

    def fire(self, id: str, reason: CloseReason) -> None:
        """Start closing, unless that is under way. Does not block."""
        if self._desk.state.protections[id].state is ProtectionState.ARMED:
            self._desk.store.record(
                ProtectionMoved(
                    id, self._desk.now_ms(), ProtectionState.CLOSING, reason.value, reason
                )
            )
            self._desk.fly(close, id, self._desk, self)

    # What the exchange says

    def covered(self, entry_id: str, filled: int) -> list[Record]:
        """The records of an entry order's fills being protected: `filled` contracts in all."""
        protection = self._desk.state.protection_of(entry_id)
        if protection is None:
            return []
        late = protection.state is ProtectionState.CLOSED
        if protection.state is ProtectionState.RELEASED:
            if protection.reason != ORDER_ENDED:
                return []
            late = True
        records: list[Record] = [ProtectionCovers(protection.id, filled, self._desk.now_ms())]
        records += self._kept_for_more(protection, late)
        if late or protection.state is ProtectionState.PENDING_FILL:
            records.append(
                ProtectionMoved(
                    protection.id,
                    self._desk.now_ms(),
                    ProtectionState.ARMED,
                    "late fill" if late else "filled",
                )
            )
        return records

    def _kept_for_more(self, protection: Protection, late: bool) -> list[Record]:
        """What the exchange keeps once more contracts have filled: it may have made stops for them that are new to us.

        Those that it made before may have fired or been cancelled by then; the new ones have other ids.
        """
        stop, target = protection.exchange_stop_loss, protection.exchange_take_profit
        order = self._desk.state.orders[protection.entry_id or ""].request
        if (late or protection.state is ProtectionState.CLOSING) and order.exchange_protection:
            stop, target = order.stop_loss, order.take_profit
        elif not protection.exchange_plans:
            return []
        return [ProtectionKept(protection.id, self._desk.now_ms(), stop, target)]

    def kept_from(self, entry_id: str, sent: EntryRequest) -> list[Record]:
        """The records of stop and target going out with an order, where they are not those of its acceptance."""
        protection = self._desk.state.protection_of(entry_id)
        if protection is None or not sent.exchange_protection:
            return []
        levels = (sent.stop_loss, sent.take_profit)
        if levels == (protection.exchange_stop_loss, protection.exchange_take_profit):
            return []
        asked = self._desk.state.orders[entry_id].request
        if levels == (asked.stop_loss, asked.take_profit):
            return []
        return [ProtectionKept(protection.id, self._desk.now_ms(), *levels)]

    def order_ended(self, entry_id: str, *, filled: int) -> list[Record]:
        """The records of an entry order's end: a protection that waits for its fill waits for nothing."""
        protection = self._desk.state.protection_of(entry_id)
        if filled or protection is None or protection.state is not ProtectionState.PENDING_FILL:
            return []
        return [
            ProtectionMoved(
                protection.id, self._desk.now_ms(), ProtectionState.RELEASED, ORDER_ENDED
            )
        ]

    def on_update(self, update: OrderUpdate) -> None:
        """Take in an update of a closing order: ours, or anybody's, which may be why a position is gone."""
        desk = self._desk
        protection = desk.state.closing_of(update.client_order_id)
        if protection is not None:
            now = protection.close
            if now is not None and now.client_order_id == update.client_order_id:
                news = update.deal_size > now.filled or (update.final and not now.final)
                if news or not now.exchange_order_id:
                    self._take_in(protection, update)
            desk.waiters.wake(update.client_order_id)
        elif update.side is not None and update.side.closes:
            ours = made_there(update) and self.on_fired(update)
            if update.deal_size and not ours:
                self.foreign.note(update)

    def on_fired(self, update: OrderUpdate) -> bool:
        """Take in an order that the exchange made of a stop or target it keeps. False if it is of none of ours.

        The engine goes on from there as if its own had fired: it closes what is left, and withdraws the rest.
        """
        desk = self._desk
        protection = desk.state.fired_for(update.order_id)
        if protection is not None:
            known = next(each for each in protection.fired if each.order_id == update.order_id)
            if update.deal_size <= known.filled and (known.final or not update.final):
                return True
            reason = known.reason
        else:
            found = whose(update, self._alive_on_side_of(update), desk.exchange.clock_offset_ms)
            if found is None:
                return False
            protection, reason = found
        order = observed_there(update, reason)
        entry = desk.state.orders.get(protection.entry_id or "")
        records: list[Record] = [
            FiredObserved(protection.id, order),
            *desk.signal(
                protection.entry_id or protection.id,
                fired_signal(protection, order, update, entry),
            ),
        ]
        if protection.state is ProtectionState.ARMED:
            records.append(
                ProtectionMoved(
                    protection.id, desk.now_ms(), ProtectionState.CLOSING, reason.value, reason
                )
            )
        desk.store.record(*records)
        if protection.state is ProtectionState.ARMED:
            log.warning("the exchange's own fires", id=protection.id, reason=reason.value)
            desk.fly(close, protection.id, desk, self)
        desk.waiters.wake(fired_news(protection.id))
        return True

    def _alive_on_side_of(self, update: OrderUpdate) -> list[Protection]:
        return (
            self.lookout.alive_on(update.symbol, update.side.position_side)
            if update.side is not None
            else []
        )

    def _take_in(self, protection: Protection, update: OrderUpdate) -> None:
        """Record how far our closing order is, and what the application is told of it, as one unit."""
        desk = self._desk
        record = CloseObserved(
            protection.id,
            update.client_order_id,
            update.order_id,
            update.deal_size,
            update.deal_avg_price if update.deal_size else None,
            update.final,
        )
        entry = desk.state.orders.get(protection.entry_id or "")
        lane = protection.entry_id or protection.id
        desk.store.record(record, *desk.signal(lane, close_signal(protection, record, entry)))

    def on_position(self, update: PositionUpdate) -> None:
        """Take in what is held of one side of a symbol."""
        desk = self._desk
        if not desk.positions.observe(update):
            return
        key = (update.symbol, update.side)
        if not self.lookout.closing_on(*key) and update.size < self.lookout.owed_on(*key):
            desk.doubt()
        for protection in self.lookout.alive_on(update.symbol, update.side):
            id = protection.id
            if update.size:
                self._follow(protection, update.size)
            elif protection.state is ProtectionState.ARMED and id not in self._confirming:
                self._confirming.add(id)
                desk.fly(confirm_gone, id, desk, self)

    async def observe_positions(self, symbol: str, urgency: Urgency = Urgency.READ) -> None:
        """Read both sides of a symbol at the exchange and take in what is held. Raises ExchangeError."""
        found = {
            update.side: update
            for update in await self._desk.exchange.positions(symbol, urgency=urgency)
        }
        for side in PositionSide:
            self.on_position(found.get(side) or PositionUpdate(symbol=symbol, side=side, size=0))

    def cover(self, id: str, size: int) -> None:
        """Have a protection cover `size` contracts from here on, and arm it if it waited for them."""
        protection = self._desk.state.protections[id]
        before = protection.remaining
        self._desk.store.record(*self.covering(protection, size))
        log.info("protection covers", id=id, size=size, before=before)

    def keeps(self, news: Keeps) -> None:
        """Take in which stop and target of a protection the exchange keeps. The engine goes on watching its own."""
        desk = self._desk
        id, stop_loss, take_profit = news.id, news.stop_loss, news.take_profit
        before = desk.state.protections[id]
        desk.store.record(ProtectionKept(id, desk.now_ms(), stop_loss, take_profit, news.plans))
        facts = {"id": id, "stop_loss": text(stop_loss), "take_profit": text(take_profit)}
        if (stop_loss, take_profit) == (before.exchange_stop_loss, before.exchange_take_profit):
            return
        if before.exchange_stop_loss is not None and stop_loss is None:
            was = text(before.exchange_stop_loss)
            log.warning("the exchange does not keep the stop", was=was, **facts)
            desk.tally.add("stop not kept by the exchange", id=id, symbol=before.symbol, stop=was)
        else:
            log.info("what the exchange keeps has changed", **facts)

    def resume(self, id: str) -> None:
        """Take a protection up where the last process left it."""
        protection = self._desk.state.protections[id]
        if protection.state.final:
            return
        self.lookout.keep(protection)
        if protection.state is ProtectionState.CLOSING:
            self._desk.fly(close, id, self._desk, self)

    # What a close found out

    def gone(self, id: str) -> None:
        """The position is gone, and the protection with it."""
        desk = self._desk
        protection = desk.state.protections[id]
        if protection.state.final:
            return
        close = protection.close
        there = [each for each in protection.fired if each.filled]
        ours = close is not None and protection.closed > sum(each.filled for each in there)
        foreign = self.foreign.last(protection.symbol, protection.side)
        if ours and close is not None:
            reason = protection.closing_for or CloseReason.CLOSED_ELSEWHERE
            price = close.average_price
        elif there:
            reason, price = there[-1].reason, there[-1].average_price
        else:
            reason = foreign.reason if foreign else CloseReason.CLOSED_ELSEWHERE
            price = foreign.price if foreign else None
        desk.store.record(
            ProtectionMoved(
                id, desk.now_ms(), ProtectionState.CLOSED, reason.value, close_price=price
            ),
            *desk.tell_of_protection(
                protection,
                "closed",
                reason=reason.value,
                close_order_id=_closed_by(close if ours else None, there),
                close_price=text(price),
                size=protection.closed or protection.covered,
            ),
        )
        log.info("position closed", id=id, reason=reason.value, price=text(price))

    def confirmed(self, id: str) -> None:
        """Whether the position is gone is no longer being asked."""
        self._confirming.discard(id)

    def close_failed(self, protection: Protection, error: str) -> None:
        """Tell that a close did not go through. It goes on being tried."""
        self._desk.store.record(
            *self._desk.tell_of_protection(
                protection,
                "close_failed",
                reason=protection.closing_for.value if protection.closing_for else None,
                error=error,
            )
        )

    # Bookkeeping

    def covering(self, protection: Protection, held: int) -> list[Record]:
        """The records of a protection covering `held` contracts, of which it may want fewer."""
        covered = protection.closed + held
        if protection.entry_id is None and protection.size is not None:
            covered = min(covered, protection.size)
        records: list[Record] = []
        if covered != protection.covered:
            records.append(ProtectionCovers(protection.id, covered, self._desk.now_ms()))
        if held and protection.state is ProtectionState.PENDING_FILL:
            records.append(
                ProtectionMoved(
                    protection.id, self._desk.now_ms(), ProtectionState.ARMED, "position held"
                )
            )
        return records

    def _follow(self, protection: Protection, held: int) -> None:
        """Keep a monitored position's protection as large as the position; its end is decided elsewhere."""
        if protection.entry_id is None and protection.state in (
            ProtectionState.PENDING_FILL,
            ProtectionState.ARMED,
        ):
            records = self.covering(protection, held)
            if records:
                self._desk.store.record(*records)


def _closed_by(close: Close | None, there: list[FiredOrder]) -> str | None:
    """The exchange's id of the order that closed last: our own close, or one that the exchange made."""
    if close is not None:
        return close.exchange_order_id
    return there[-1].order_id if there else None
