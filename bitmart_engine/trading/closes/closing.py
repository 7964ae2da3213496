"""Closing what a protection covers: one task from the trigger until the position is gone.

What to do next is decided in `close_plan`; here it is done, and what came of it recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from ...counters import Counters
from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError, Meaning, NotSent, OutcomeUnknown, Refused
from ...exchange.orders import SubmitOrder
from ...latency import Latencies
from ...logs import get_logger
from ...model.orders import EntryOrder
from ...model.positions import Close, Protection
from ...store import Store
from ...store.records import CloseIntended, CloseObserved
from ...world import World
from ..account.positions import PositionBook
from ..account.reconcile import is_young
from ..entries.withdrawing import asked_away
from ..identity import close_client_order_id
from ..market.instruments import Instruments
from ..order_news import OrderNews
from ..promises import Promises
from ..protections.shared_positions import SharedPositions
from ..signals.signalling import Signalling
from .attribution import fired_news
from .cancel_exchange_stops import ExchangeStopCancels, find_fired
from .close_plan import Facts, next_step
from .close_progress import Progress, learn
from .close_steps import (
    Acted,
    Again,
    Answer,
    AskAgain,
    Asked,
    AwaitClose,
    AwaitEntry,
    AwaitFired,
    AwaitSettled,
    AwaitStop,
    CancelStops,
    CountLeft,
    Cover,
    End,
    Fail,
    Failed,
    FindClose,
    FindFired,
    Found,
    LearnHeld,
    LearnShared,
    Left,
    LostAnswer,
    News,
    NotTaken,
    Pause,
    ReadClose,
    ReadFired,
    ReadHeld,
    ReadRefused,
    Refusing,
    Send,
    SettleClose,
    SettleFired,
    Shared,
    Step,
    Stop,
    TakeAway,
    Taken,
    WithdrawRest,
)
from .settling import wait_settled
from .sizing import largest, learn_limits
from .unfilled import UnfilledEnds
from .view import ClosesView

__all__ = ["Closing"]

log = get_logger()

LEARNT_WITHIN_S = 10.0
"""How long a close waits to learn who shares the position."""

ReadEntry = Callable[[str], Awaitable[object]]
"""Reads an entry order at the exchange, by its id, and takes in what is said of it; what fails is counted."""


@frozen(kw_only=True)
class Closing:
    """Closes what protections cover."""

    _counters: Counters
    _exchange: ExchangeClient
    _instruments: Instruments
    _latencies: Latencies
    _now_ms: Callable[[], int]
    _order_news: OrderNews
    _positions: PositionBook
    _promises: Promises
    _signalling: Signalling
    _store: Store
    _world: World
    _sharing: SharedPositions
    _stop_cancels: ExchangeStopCancels
    _unfilled: UnfilledEnds
    _view: ClosesView
    _read_entry: ReadEntry

    async def close(self, id: str) -> None:
        """Close what protection `id` covers, until it is gone."""
        progress = Progress()
        while True:
            facts, now = self._known(id, progress), trio.current_time()
            step = next_step(facts, now)
            if isinstance(step, Stop):
                return
            if isinstance(step, End):
                self._world.reached("position closed")
                self._view.gone(id)
                return
            try:
                answer = await self._do(step, facts)
            except ExchangeError as failure:
                answer = Failed(failure)
            progress = learn(progress, step, answer, now)

    def _known(self, id: str, progress: Progress) -> Facts:
        """What is known of a close by now."""
        protection = self._store.state.protections[id]
        side = self._view.evidence.on(protection.symbol, protection.side)
        return Facts(
            progress=progress,
            protection=protection,
            held=self._held(protection),
            largest=largest(protection, self._instruments),
            young=is_young(protection, self._now_ms()),
            told_flat=side.told_flat,
            explained=side.explained,
            gone=self._view.is_gone(protection),
            all_acted=self._view.all_acted_there(id),
            fires_there=self._sharing.fires_there_too(protection),
            alone=self._sharing.is_alone(protection),
            entry_open=self._entry_open(protection) is not None,
            claims=self._view.claims.keys(),
        )

    def _held(self, protection: Protection) -> int | None:
        held = self._positions.get(protection.symbol, protection.side)
        return None if held is None else held.size

    def _entry_open(self, protection: Protection) -> EntryOrder | None:
        """The entry order that may still fill under the protection."""
        entry = self._store.state.orders.get(protection.entry_id or "")
        return entry if entry is not None and entry.state.at_exchange else None

    async def _do(self, step: Step, facts: Facts) -> Answer:
        """Do one step. Raises ExchangeError where that says no more than that it failed."""
        protection = facts.protection
        id, symbol = protection.id, protection.symbol
        wait_news = self._order_news.wait_news
        match step:
            case FindClose():
                return Found(await self._found(protection))
            case AwaitStop(s) | AwaitFired(s):
                return News(await wait_news(fired_news(id), s))
            case LearnHeld(s):
                with trio.move_on_after(s):
                    await self._view.learn_position(symbol)
            case SettleFired(order_id):
                await self._settle_fired(order_id, protection)
            case ReadFired(order_ids):
                for order_id in order_ids:
                    await self._read_fired(order_id, protection)
            case LearnShared():
                if self._held(protection) is None or not self._sharing.is_known(protection):
                    await self._learn_position(protection)
                return Shared(self._sharing.is_shared(self._store.state.protections[id]))
            case CancelStops():
                return Acted(await self._stop_cancels.cancel_before_close(id))
            case ReadHeld():
                await self._read_held(facts)
            case FindFired():
                await find_fired(protection, self._exchange, self._view)
            case AskAgain(s):
                await trio.sleep(s)
                await self._view.observe_positions(symbol, Urgency.CLOSE)
                held = self._positions.get(symbol, protection.side)
                if held is None or not held.size:
                    return Asked(None)
                return Asked(self._view.evidence.on(symbol, protection.side).is_another(held))
            case Send(size):
                return await self._send(protection, size)
            case ReadRefused(none=none):
                await self._view.observe_positions(symbol, Urgency.CLOSE)
                if none and self._held(protection) == 0:
                    self._view.evidence.on(symbol, protection.side).refused()
            case WithdrawRest():
                entry = self._entry_open(protection)
                if entry is not None:
                    self._store.record(*asked_away(entry, self._now_ms()))
            case SettleClose():
                await self._settle_close(protection, facts.progress.before)
            case AwaitClose(s):
                return News(await wait_news(_sent(protection).client_order_id, s))
            case ReadClose():
                await self._read_close(protection)
            case AwaitEntry(s):
                entry = self._entry_open(protection)
                if entry is not None:
                    self._store.record(*asked_away(entry, self._now_ms()))
                    await wait_news(entry.client_order_id, s)
            case CountLeft():
                await self._view.observe_positions(symbol, Urgency.CLOSE)
                others = self._view.index.alive_on(symbol, protection.side)
                covered = sum(each.remaining for each in others if each.id != id)
                return Left((self._held(protection) or 0) - covered)
            case Cover(size):
                self._view.cover(id, size)
            case Pause(s):
                await trio.sleep(s)
            case TakeAway():
                await self._stop_cancels.cancel_after_close(id)
            case AwaitSettled():
                await wait_settled(self._store.state.protections[id], self._order_news, self._view)
            case Fail(failure, tell):
                return await self._fail(failure, tell, protection)
            case Again() | End() | Stop():
                pass
        return None

    async def _found(self, protection: Protection) -> bool:
        """Whether the closing order, of whose end nothing is known, is at the exchange. Raises ExchangeError."""
        update = await self._exchange.find_order(
            protection.symbol,
            _sent(protection).client_order_id,
            type="market",
            urgency=Urgency.CLOSE,
        )
        if update is None:
            return False
        self._view.on_update(update)
        return True

    async def _learn_position(self, protection: Protection) -> None:
        """Try to read what is held. What cannot be read soon is not waited for: somebody may share it then."""
        entry = self._entry_open(protection)
        with trio.move_on_after(LEARNT_WITHIN_S) as late:
            if entry is not None and entry.exchange_order_id:
                # What it filled unheard would be taken for contracts of others, or for ours that are held still.
                await self._read_entry(entry.id)
            await self._view.learn_position(protection.symbol)
        if late.cancelled_caught:
            why = NotSent(f"not answered within {LEARNT_WITHIN_S:g} s")
            self._view.could_not_read(protection.symbol, why)

    async def _settle_fired(self, order_id: str, protection: Protection) -> None:
        claim = self._view.claims[order_id]
        filled = next(each.filled for each in protection.fired if each.order_id == order_id)
        size = claim.size or protection.remaining
        update = await self._unfilled.settled_end(claim, size, None, filled)
        self._view.claims.pop(order_id, None)
        self._view.on_fired(update, settled=True)

    async def _read_fired(self, order_id: str, protection: Protection) -> None:
        try:
            ask = self._exchange.order_or_past
            self._view.on_fired(await ask(protection.symbol, order_id, urgency=Urgency.CLOSE))
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
            self._counters.add("exchange_stop_order_not_readable", id=protection.id)

    async def _read_held(self, facts: Facts) -> None:
        """The stream may not have told of the last fill or close yet. Raises ExchangeError where nothing is known to be
        held: where something is, that is closed."""
        try:
            await self._view.observe_positions(facts.protection.symbol, Urgency.CLOSE)
        except ExchangeError:
            if not facts.held:
                raise

    async def _send(self, protection: Protection, size: int) -> Answer:
        """Send a closing order.

        One that was sent before, and of which nothing is known, may be under way still: that it is refused now says
        nothing of that, so it goes out under the same id until the exchange has it.
        """
        earlier = protection.close
        attempt = 1 if earlier is None else earlier.attempt + earlier.final
        under_way = earlier is not None and not earlier.final
        client_order_id = close_client_order_id(protection.id, attempt, protection.engine_id)
        self._store.record(
            CloseIntended(
                protection.id,
                Close(
                    attempt=attempt,
                    client_order_id=client_order_id,
                    size=size,
                    intended_ms=self._now_ms(),
                ),
            )
        )
        await self._promises.keep_if_possible()
        self._world.reached("close journalled")
        order = SubmitOrder(
            symbol=protection.symbol,
            side=protection.side.closing,
            size=size,
            client_order_id=client_order_id,
            type="market",
        )
        try:
            exchange_order_id = await self._exchange.submit_order(
                order, leaving=lambda: self._latencies.close.end(protection.id, trio.current_time())
            )
        except OutcomeUnknown as failure:
            return LostAnswer(failure)
        except ExchangeError as failure:
            if isinstance(failure, Refused) and failure.meaning is Meaning.DUPLICATE_ID:
                return LostAnswer(failure)
            if not under_way:
                self._store.record(CloseObserved(protection.id, client_order_id, "", 0, None, True))
            return NotTaken(failure)
        self._world.reached("close submitted")
        taken = CloseObserved(protection.id, client_order_id, exchange_order_id, 0, None, False)
        self._store.record(
            taken, *self._signalling.close_told(self._store.state.protections[protection.id], taken)
        )
        return Taken()

    async def _settle_close(self, protection: Protection, before: int | None) -> None:
        sent = _sent(protection)
        claim = self._view.claims[sent.exchange_order_id]
        update = await self._unfilled.settled_end(claim, sent.size, before, sent.filled)
        self._view.claims.pop(claim.order_id, None)
        self._view.on_update(update, settled=True)

    async def _read_close(self, protection: Protection) -> None:
        order_id = _sent(protection).exchange_order_id
        try:
            ask = self._exchange.order_or_past
            self._view.on_update(await ask(protection.symbol, order_id, urgency=Urgency.CLOSE))
        except Refused as refusal:
            if refusal.meaning is not Meaning.NO_SUCH_ORDER:
                raise
            self._counters.add("close_order_not_readable", id=protection.id)

    async def _fail(self, failure: Exception, tell: bool, protection: Protection) -> Answer:
        """An attempt has failed. It goes on being tried."""
        log.error("close_failed", id=protection.id, why=failure)
        self._counters.count("close_failed")
        if tell:
            self._view.close_failed(protection, str(failure))
        now = self._store.state.protections[protection.id]
        return Refusing(await learn_limits(now, self._instruments, failure))


def _sent(protection: Protection) -> Close:
    assert protection.close is not None, "a closing order was sent"
    return protection.close
