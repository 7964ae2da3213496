"""An order that is said to have ended with contracts unfilled: read until that is certain.

The exchange may say so by mistake: a push, or a row, whose `deal_size` is missing or 0 although the order filled.
Believed too soon, a fill has no stop, or a second order goes out. So an end that was pushed is a claim, which a read
has to confirm. Where the read is at odds with what is held, or says nothing of fills, the order's trades and the
position are read too, several times some time apart. Nothing here gives up: until it is known the order stays as it is.

`next_step` decides, without waiting; `settle_end` performs the steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio
from attrs import evolve, frozen

from ...counters import Counters
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError, Meaning, Refused
from ...logs import get_logger
from ...model.events import OrderUpdate
from ...model.orders import EntryOrder
from ...store import Store
from ..account.positions import PositionBook
from ..protections.protections import Protections
from .progress import Unaccounted, contradicted, whole

__all__ = [
    "Absent",
    "Believe",
    "Book",
    "Done",
    "Endings",
    "Facts",
    "Failed",
    "Found",
    "Pause",
    "ReadOrder",
    "ReadTrades",
    "Traded",
    "after",
    "next_step",
    "unaccounted",
]

log = get_logger()

READS_IN_DOUBT = 4
"""How many reads have to agree where something contradicts them: the last about 4 s after the first."""
LISTED_WITHIN_MS = 5_000
"""How long after its submit an order may not be listed. The exchange documents no lag."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
"""Between reads: each pause is twice as long as the one before."""


@frozen
class Found:
    """What the exchange says of the order now."""

    update: OrderUpdate


@frozen
class Absent:
    """The exchange lists no such order."""


@frozen
class Traded:
    """How many contracts the trades of the order come to."""

    size: int


@frozen
class Failed:
    """The question was not answered."""


Answer = Found | Absent | Traded | Failed


@frozen
class ReadOrder:
    """Read the order."""


@frozen
class ReadTrades:
    """Read the position and the order's trades, for `update` may not tell of all that filled."""

    update: OrderUpdate


@frozen
class Believe:
    """Take in that the order works still."""

    update: OrderUpdate


@frozen
class Pause:
    """Wait before the next read. `agreed` reads in a row have told of the end."""

    seconds: float
    agreed: int


@frozen
class Done:
    """The last step: how the order ended is to be taken in, unless something else has told."""

    update: OrderUpdate | None = None


Step = ReadOrder | ReadTrades | Believe | Pause | Done


@frozen(kw_only=True)
class Facts:
    """What is known of an end that is claimed."""

    claim: OrderUpdate
    order: EntryOrder | None
    """As it stands now; None if it is not kept any more."""
    held: Unaccounted
    step: Step | None = None
    answer: Answer | None = None
    """What was done last, and what came of it."""
    agreed: int = 0
    """How many reads in a row told of the end, with something that speaks against it."""
    pauses: int = 0

    @property
    def is_claimed(self) -> bool:
        """Whether nothing else has told how the attempt ended."""
        order = self.order
        return (
            order is not None
            and order.client_order_id == self.claim.client_order_id
            and order.state.at_exchange
        )


def after(facts: Facts, step: Step, answer: Answer | None) -> Facts:
    """The facts once `step` was performed and `answer` came of it."""
    facts = evolve(facts, step=step, answer=answer)
    match step:
        case Believe():
            return evolve(facts, agreed=0)
        case Pause(agreed=agreed):
            return evolve(facts, agreed=agreed, pauses=facts.pauses + 1)
    return facts


def next_step(facts: Facts, now_ms: int) -> Step:
    """What to do next so that it is known how the order ended."""
    match facts.step, facts.answer:
        case Believe(), _:
            return _pause(facts)
        case _ if not facts.is_claimed and not isinstance(facts.answer, Found | Absent):
            return Done()
        case ReadOrder(), Found(update):
            return _read(facts, update, listed=True)
        case ReadOrder(), Absent():
            return _unlisted(facts, now_ms)
        case ReadTrades(update), Traded(size):
            if size > update.deal_size:
                return _told(facts, evolve(update, deal_size=size, deal_size_known=True), True)
            return _told(facts, evolve(update, deal_size_known=True), False)
        case ((ReadOrder() | ReadTrades()), _):
            return _pause(facts)
    return ReadOrder()


def _read(facts: Facts, update: OrderUpdate, *, listed: bool) -> Step:
    """The order was read, or is not `listed`: then what was claimed is all there is."""
    short = update.final and (facts.order is None or update.deal_size < whole(facts.order, update))
    if short and (not listed or contradicted(update, facts.held)):
        return ReadTrades(update)
    return _told(facts, update, True)


def _unlisted(facts: Facts, now_ms: int) -> Step:
    """The exchange does not list the order, which proves nothing right after its submit."""
    submitted_ms = None if facts.order is None else facts.order.submitted_ms
    if now_ms - (submitted_ms or 0) >= LISTED_WITHIN_MS:
        return _read(facts, facts.claim, listed=False)
    return _pause(facts) if facts.is_claimed else Done()


def _told(facts: Facts, update: OrderUpdate, settles: bool) -> Step:
    """What a round of reads says of the order. If that `settles` nothing, several have to say the same."""
    if not facts.is_claimed:
        return Done()
    if not update.final:
        return Believe(update)
    if settles or facts.agreed + 1 >= READS_IN_DOUBT:
        return Done(update)
    return _pause(facts, facts.agreed + 1)


def _pause(facts: Facts, agreed: int | None = None) -> Pause:
    pause_s = min(FIRST_PAUSE_S * 2.0 ** min(facts.pauses, 10), LONGEST_PAUSE_S)
    return Pause(pause_s, facts.agreed if agreed is None else agreed)


def unaccounted(order: EntryOrder, positions: PositionBook, protections: Protections) -> int:
    """Contracts held on the order's side that no order of ours is known to have brought."""
    key = (order.symbol, order.request.side)
    held = positions.get(*key)
    if held is None:
        return 0
    ours = sum(each.remaining for each in protections.index.alive_on(*key) if each.entry_id)
    unprotected = 0 if order.request.protected else order.filled
    return max(held.size - ours - unprotected, 0)


class Book(Protocol):
    """Where it is recorded what becomes of orders. Nothing here blocks."""

    def believe(self, update: OrderUpdate) -> None:
        """Take in what is certain of an order."""
        ...

    def unaccounted(self, order: EntryOrder) -> Unaccounted:
        """What is held on the order's side that no order of ours is known to have brought."""
        ...

    def settled(self, client_order_id: str) -> None:
        """Nobody asks any more how the order of this id has ended."""
        ...


@frozen(kw_only=True)
class Endings:
    """Finds out how orders have ended."""

    _counters: Counters
    _exchange: ExchangeClient
    _now_ms: Callable[[], int]
    _store: Store
    _book: Book
    _observe_positions: Callable[[str], Awaitable[None]]

    async def settle_end(self, id: str, claim: OrderUpdate) -> None:
        """Find out how the order ended that `claim` says has ended, and have that taken in.

        `observe_positions` reads both sides of a symbol and takes in what is held. Raises ExchangeError.
        """

        def standing() -> tuple[EntryOrder | None, Unaccounted]:
            order = self._store.state.orders.get(id)
            return order, Unaccounted() if order is None else self._book.unaccounted(order)

        try:
            order, held = standing()
            facts = Facts(claim=claim, order=order, held=held)
            while not isinstance(step := next_step(facts, self._now_ms()), Done):
                answer = await self._performed(id, step, claim)
                order, held = standing()
                facts = evolve(after(facts, step, answer), order=order, held=held)
            if step.update is not None:
                self._book.believe(step.update)
        finally:
            self._book.settled(claim.client_order_id)

    async def _performed(self, id: str, step: Step, claim: OrderUpdate) -> Answer | None:
        """What came of a step."""
        match step:
            case Believe(update):
                self._book.believe(update)
                return None
            case Pause(seconds):
                await trio.sleep(seconds)
                return None
        try:
            if isinstance(step, ReadOrder):
                return await self._read_order(claim)
            await self._observe_positions(claim.symbol)
            traded = await self._exchange.traded_size(claim.symbol, claim.order_id)
        except ExchangeError as failure:
            self._counters.add("order_end_unconfirmed", id=id, why=failure)
            return Failed()
        if isinstance(step, ReadTrades) and traded > step.update.deal_size:
            log.warning("order_fills_exceed_order", id=id, traded=traded)
        return Traded(traded)

    async def _read_order(self, claim: OrderUpdate) -> Found | Absent:
        update: OrderUpdate | None
        try:
            update = await self._exchange.order(claim.symbol, claim.order_id)
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
            update = await self._exchange.find_order(claim.symbol, claim.client_order_id)
        return Absent() if update is None else Found(update)
