"""Whose stop it was, where that is a guess and may be wrong: looked into before anything is booked.

An order that the exchange made of a stop may be told seconds late. By then the protection whose stop it was may have
ended, and another order with the same stop have filled; or the stop was the owner's own. A stop that is still listed
has not acted, and contracts that are all held still were not closed; but an order that has filled nothing yet leaves
them all held, and where nothing was said of what was held before, by an engine that was started since, what was closed
is not missed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from typing import Protocol

import trio
from attrs import frozen

from ...counters import Counters
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError
from ...exchange.rows import PlanOrder
from ...logs import get_logger
from ...model.events import OrderUpdate
from ...model.positions import Protection
from ...model.sides import PositionSide
from ...store import Store
from ..account.positions import PositionBook
from ..order_news import OrderNews
from ..protections.shared_positions import Sides
from .attribution import whose

__all__ = [
    "Looks",
    "Settles",
    "Settling",
    "Waits",
    "innocent",
    "joined",
    "still_listed",
    "wait_settled",
]

log = get_logger()

LOOKS = 4
LOOK_AGAIN_S = 0.5
"""A list may be from before the stop acted: what contradicts has to be seen twice."""
BEFORE_S = 15.0
SETTLED_WITHIN_S = 3.0
"""How long an end waits to know whose stop it was; what is not known by then is told as unknown."""


class Waits(Protocol):
    """Who knows whether an order of a side is being looked into."""

    def is_settling(self, protection: Protection) -> bool: ...


class Settles(Sides, Waits, Protocol):
    """Who books what was found out, and reads what is held meanwhile."""

    async def observe_positions(self, symbol: str, urgency: Urgency) -> None: ...

    def on_fired(self, update: OrderUpdate, but_not: Collection[str] | None) -> bool: ...

    def explained(self, update: OrderUpdate) -> bool: ...

    def closed_elsewhere(self, update: OrderUpdate) -> None: ...


@frozen
class Looks:
    """What was seen of an order whose stop it was made of is a guess: those whose stops have not acted."""

    innocent: frozenset[str] = frozenset()
    unlisted: bool = False
    """Whether no stop was listed at all: such a list may be from before any was made."""
    certain: bool = False

    def after(self, innocent: Set[str], *, listed: bool, suspect: str | None = None) -> Looks:
        """The same once it was looked again. What contradicts has to be seen twice; what does not, once.

        That others than the `suspect`, whose stop it seems to be, are innocent does not contradict.
        """
        agrees = not innocent if suspect is None else suspect not in innocent
        nobody = agrees and (listed or self.unlisted)
        certain = nobody or bool(innocent & self.innocent)
        return Looks(frozenset(innocent), not listed, certain)


@frozen(kw_only=True)
class Settling:
    """Looks into whose stop an order was made of."""

    _counters: Counters
    _exchange: ExchangeClient
    _order_news: OrderNews
    _positions: PositionBook
    _store: Store
    _protections: Settles

    async def settle(self, order_id: str, settling: dict[str, OrderUpdate]) -> None:
        """Book the order on whose stop it was made of, or on nobody."""
        looks = Looks()
        try:
            for _ in range(LOOKS):
                try:
                    looks = await self._look(settling[order_id], looks)
                except ExchangeError as failure:
                    self._counters.add("exchange_stop_owner_read_failed", why=failure)
                if looks.certain:
                    break
                await trio.sleep(LOOK_AGAIN_S)
        finally:
            update = settling.pop(order_id)
        ours = self._protections.on_fired(update, but_not=looks.innocent)
        if not ours and not self._protections.explained(update):
            log.info("exchange_stop_foreign", order_id=order_id)
            if update.deal_size:
                self._protections.closed_elsewhere(update)
        if update.side is not None:
            self._order_news.wake(_settled_news(update.symbol, update.side.position_side))

    async def _look(self, update: OrderUpdate, looks: Looks) -> Looks:
        """Look whose stops have not acted. Raises ExchangeError."""
        assert update.side is not None, "it closes a side"
        symbol, side = update.symbol, update.side.position_side
        ask = self._exchange.plan_orders
        plans = await ask(symbol, plan_type="profit_loss", urgency=Urgency.CLOSE)
        await self._protections.observe_positions(symbol, Urgency.CLOSE)
        alive = self._protections.index.alive_on(symbol, side)
        whole = await self._whole(update, side)
        found = whose(update, alive, self._exchange.clock_offset_ms, self._exchange.earliest_ms)
        return looks.after(
            innocent(update, alive, plans, whole=whole),
            listed=bool(plans),
            suspect=None if found is None else found[0].id,
        )

    async def _whole(self, update: OrderUpdate, side: PositionSide) -> bool:
        """Whether all is held that should be. Raises ExchangeError.

        How much was others' is known by what was said before the order was made. What was said since is without the
        contracts that it closed: where they were ours, as many of the others' seem to be ours.
        """
        made_ms = update.create_time_ms
        others = self._protections.evidence.on(update.symbol, side).others(
            trio.current_time(),
            BEFORE_S,
            None if made_ms is None else self._exchange.earliest_ms(made_ms),
        )
        held = self._positions.get(update.symbol, side)
        if others is None or held is None:
            return False
        size, should_be = held.size, others + self._protections.index.owed_on(update.symbol, side)
        if update.deal_size and size >= should_be and made_ms is not None:
            orders = await self._exchange.order_history(update.symbol, urgency=Urgency.CLOSE)
            known = self._store.state.is_entry
            size -= joined(update, [each for each in orders if not known(each.client_order_id)])
        return size >= should_be


async def wait_settled(protection: Protection, order_news: OrderNews, protections: Waits) -> None:
    """Return when no order that may be of the protection's stops is being looked into: then why it ended is known."""
    news = _settled_news(protection.symbol, protection.side)
    with trio.move_on_after(SETTLED_WITHIN_S):
        while protections.is_settling(protection):
            await order_news.wait_news(news, SETTLED_WITHIN_S)


def _settled_news(symbol: str, side: PositionSide) -> str:
    """What the end of looking into an order of a side is waited for by. No client order id has a space."""
    return f"settled {symbol} {side.value}"


def joined(update: OrderUpdate, foreign: Iterable[OrderUpdate]) -> int:
    """Contracts that `foreign` orders have opened on the side since `update` was made.

    Where nothing was heard meanwhile they are not among those that are known for others'.
    """
    if update.side is None or update.create_time_ms is None:
        return 0
    return sum(
        each.deal_size
        for each in foreign
        if each.side is update.side.position_side.opening
        and (each.update_time_ms or 0) >= update.create_time_ms
    )


def innocent(
    update: OrderUpdate, alive: list[Protection], plans: list[PlanOrder], *, whole: bool
) -> set[str]:
    """The ids of the protections whose stops have not acted: all, where contracts were closed and theirs are held."""
    if update.deal_size and whole:
        return {each.id for each in alive}
    return still_listed(alive, plans)


def still_listed(protections: list[Protection], plans: list[PlanOrder]) -> set[str]:
    """The protections of one side all of whose stops and targets are listed still, shared out by price."""
    missing: set[str] = set()
    for leg in ("exchange_stop_loss", "exchange_take_profit"):
        prices = {getattr(each, leg) for each in protections} - {None}
        for price in prices:
            mine = [each for each in protections if getattr(each, leg) == price and each.remaining]
            there = [
                plan
                for plan in plans
                if plan.trigger_price == price and plan.side is protections[0].side.closing
            ]
            whole = any(plan.size is None for plan in there)
            listed = sum(plan.size or 0 for plan in there)
            if not whole and listed < sum(each.remaining for each in mine):
                missing |= {each.id for each in mine}
    return {each.id for each in protections if each.kept_whole_at_exchange} - missing
