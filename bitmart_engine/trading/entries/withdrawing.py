"""Taking an entry order away from the exchange: asked for by a record, which a task follows (`tasks`): it cancels,
and sees, until the order has ended, however it ends.

`next_step` decides, without waiting; `withdraw` performs the steps. Nothing here gives up on an order that works.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import evolve, frozen

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError, Refused
from ...logs import get_logger
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ...store import Store
from ...store.records import EntryCancelAsked
from ...world import World
from ..order_news import OrderNews

__all__ = [
    "Cancel",
    "Done",
    "Facts",
    "Read",
    "WaitForEnd",
    "WaitForNews",
    "Withdrawals",
    "after",
    "asked_away",
    "next_step",
]

log = get_logger()

ENDS_WITHIN_S = 0.25
"""How long the exchange has to tell what a cancel made of the order; then it is read."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
"""Between cancels: each pause is twice as long as the one before."""


def asked_away(order: EntryOrder, now_ms: int) -> list[EntryCancelAsked]:
    """The record of a cancel being asked for: none where that is asked already, or the order has ended."""
    if order.cancel_asked or order.state.final:
        return []
    return [EntryCancelAsked(order.id, now_ms)]


@frozen
class Cancel:
    """Cancel the order at the exchange."""

    exchange_order_id: str
    client_order_id: str


@frozen
class WaitForEnd:
    """Wait until the exchange tells what the cancel has made of the order, for `seconds` at most."""

    client_order_id: str
    seconds: float


@frozen
class WaitForNews:
    """Wait until the exchange tells of the order, for `seconds` at most; then look again how it stands."""

    client_order_id: str
    seconds: float


@frozen
class Read:
    """Read the order, and take in what the exchange says of it."""


@frozen
class Done:
    """The exchange holds nothing of the order."""


Step = Cancel | WaitForEnd | WaitForNews | Read | Done


@frozen(kw_only=True)
class Facts:
    """What is known of a withdrawal."""

    order: EntryOrder
    """As it stands now."""
    step: Step | None = None
    """What was done last."""
    came: bool = False
    """Whether that brought news, if it was waited for."""
    rounds: int = 0
    """How often the order was looked at before."""


def next_step(facts: Facts) -> Step:
    """What to do next so that the order ends."""
    order = facts.order
    match facts.step:
        case Cancel(client_order_id=id):
            return WaitForEnd(id, ENDS_WITHIN_S)
        case WaitForEnd(client_order_id=id):
            return WaitForNews(id, _pause_s(facts.rounds)) if facts.came else Read()
    if order.state.final or order.state is EntryState.WAITING:
        return Done()
    if order.exchange_order_id:
        return Cancel(order.exchange_order_id, order.client_order_id)
    return WaitForNews(order.client_order_id, _pause_s(facts.rounds))


def after(facts: Facts, step: Step, order: EntryOrder, *, came: bool) -> Facts:
    """The facts once `step` was performed: it may have brought news, and `order` is how things stand now."""
    ends_round = isinstance(step, Read | WaitForNews)
    return evolve(facts, order=order, step=step, came=came, rounds=facts.rounds + ends_round)


def _pause_s(rounds: int) -> float:
    return min(FIRST_PAUSE_S * 2.0 ** min(rounds, 10), LONGEST_PAUSE_S)


@frozen(kw_only=True)
class Withdrawals:
    """Takes orders away from the exchange."""

    _counters: Counters
    _exchange: ExchangeClient
    _order_news: OrderNews
    _store: Store
    _world: World
    _read: Callable[[str], Awaitable[object]]

    async def withdraw(self, id: str) -> None:
        """Cancel at the exchange until the order has ended; `read` reads it there, and takes in what is said of it."""
        facts = Facts(order=self._store.state.orders[id])
        while not isinstance(step := next_step(facts), Done):
            came = False
            match step:
                case Cancel(exchange_order_id):
                    await self._cancel(id, facts.order.symbol, exchange_order_id)
                case WaitForEnd(client_order_id, seconds) | WaitForNews(client_order_id, seconds):
                    came = await self._order_news.wait_news(client_order_id, seconds)
                case Read():
                    await self._read(id)
            facts = after(facts, step, self._store.state.orders[id], came=came)

    async def _cancel(self, id: str, symbol: str, exchange_order_id: str) -> None:
        """Ask for the cancel. What became of the order is not learned from the answer."""
        try:
            await self._exchange.cancel_order(symbol, order_id=exchange_order_id)
            self._world.reached("cancel submitted")
        except Refused as refusal:
            log.info("order_cancel_refused", id=id, why=refusal)
        except ExchangeError as failure:
            self._counters.add("order_cancel_unanswered", id=id, why=failure)
