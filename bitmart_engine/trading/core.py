"""The engine core: its monitors and everything in flight, opened and closed as one.

One tick or one event that cannot be dealt with ends nothing: it is counted and logged, and the exchange is compared
with soon. A monitor that crashes ends the engine, and housekeeping that crashes begins again (`housekeeping`).

The monitors are thin tasks around plain decisions: a tick goes to the protections first and to the entries second, an
order or position event to whom it concerns. What is in flight lives in a task of its own, which the end of the core
gives a bounded time: a close that is under way when the engine stops is not cut off in the middle.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from ..clocks import SteadyClock
from ..counters import Counters
from ..exchange.budget import Urgency
from ..exchange.client import ExchangeClient
from ..exchange.errors import ExchangeError
from ..exchange.turns import HeldBack
from ..housekeeping import supervised
from ..latency import Latencies
from ..logs import get_logger
from ..model.errors import BadRequest, Unavailable
from ..model.events import (
    BalanceUpdate,
    OrderUpdate,
    PositionUpdate,
    PrivateLost,
    PrivateReady,
    Tick,
)
from ..model.lifecycle import ProtectionState
from ..settings import IN_MEMORY, Settings
from ..store import Store, Unreadable
from ..streams.bus import Lagged, Listener
from ..streams.streams import Streams
from ..world import World
from .account.balance import BalanceBook
from .account.fills import FillBook
from .account.futures_orders import FuturesOrders
from .account.leverage import Leverage
from .account.positions import PositionBook
from .account.reconcile import (
    Action,
    Cover,
    Findings,
    Fired,
    Gone,
    Keeps,
    Snapshot,
    TakeIn,
    findings,
    reconcile,
)
from .account.snapshot import Snapshots
from .account.working import WorkingOrders
from .agreement import Agreement
from .backoff import Backoff
from .closes.closing import Closing
from .closes.unfilled import UnfilledEnds
from .entries.entries import Entries
from .entries.listing import read_listed
from .entries.placing import Ordering
from .entries.recording import Recording
from .entries.searching import Search
from .entries.submission import Submission
from .entries.tracking import Tracking
from .entries.withdrawing import Withdrawals
from .event_errors import EventErrors
from .halting import Halting
from .identity import new_engine_id
from .in_flight import InFlight, landing, run_in_flight
from .market.gaps import Gaps
from .market.instruments import Instruments
from .market.prices import Prices
from .order_news import OrderNews
from .promises import Promises
from .protections.exchange_stops import LOOK_AGAIN_S, Losses
from .protections.monitoring import Monitoring
from .protections.protections import Protections
from .recalled import clock_before
from .signals.foreign_signals import ForeignSignals
from .signals.notifications import Notifications
from .signals.raw_events import RawEvents
from .signals.signalling import Signalling
from .tasks import Tasks

__all__ = ["EngineCore", "open_trading"]

log = get_logger()

KEEP_WARM_EVERY_S = 20.0
TELL_HELD_BACK_EVERY_S = 60.0
REFRESH_EVERY_S = 60.0
REFRESH_BLIND_EVERY_S = 5.0
"""While the private stream is down, fills and closes are seen over REST only."""


class EngineCore:
    """The monitors, and what they share. Made by `open_trading`."""

    def __init__(
        self,
        *,
        settings: Settings,
        world: World,
        counters: Counters,
        store: Store,
        exchange: ExchangeClient,
        streams: Streams,
        latencies: Latencies,
        agreement: Agreement,
        in_flight: InFlight,
        ages_known: bool,
    ) -> None:
        """`ages_known`: whether times from before the start are by the clock of now."""
        self._streams = streams
        self.store = store
        self.counters = counters
        self.exchange = exchange
        self.agreement = agreement
        self.in_flight = in_flight
        self.now_ms = now_ms = world.wall_ms
        self.instruments = instruments = Instruments(exchange)
        self.leverage = leverage = Leverage(exchange)
        self.prices = prices = Prices(streams, exchange, settings.stale_after_s, counters)
        engine_id = new_engine_id(world.random, world.wall_ms())
        self.promises = promises = Promises(store, counters)
        notifications = Notifications(settings, world.wall_ms)
        self.errors = errors = EventErrors(counters, agreement)
        self.working = working = WorkingOrders()
        self.positions = positions = PositionBook(exchange.earliest_ms)
        order_news = OrderNews()
        signalling = Signalling(
            notifications=notifications, settings=settings, store=store, now_ms=now_ms
        )
        where = settings.state_dir
        self.fills = FillBook(
            counters=counters,
            errors=errors,
            exchange=exchange,
            store=store,
            directory=None if where == IN_MEMORY else Path(where),
            history_days=settings.history_days,
            run=world.run_blocking,
            instrument=instruments.known,
            now_ms=now_ms,
        )
        self.protections = Protections(
            agreement=agreement,
            counters=counters,
            errors=errors,
            exchange=exchange,
            latencies=latencies,
            in_flight=in_flight,
            came_to=self.fills.alive.came_to,
            notifications=notifications,
            order_news=order_news,
            positions=positions,
            prices=prices,
            signalling=signalling,
            store=store,
            working=working,
            now_ms=now_ms,
        )
        self.entries = Entries(
            agreement=agreement,
            counters=counters,
            errors=errors,
            exchange=exchange,
            latencies=latencies,
            in_flight=in_flight,
            instruments=instruments,
            order_news=order_news,
            positions=positions,
            prices=prices,
            store=store,
            working=working,
            ages_known=ages_known,
            now_ms=now_ms,
            recording=Recording(
                counters=counters,
                notifications=notifications,
                prices=prices,
                signalling=signalling,
                store=store,
                world=world,
                protections=self.protections,
            ),
            protections=self.protections,
        )
        self.ordering = Ordering(
            agreement=agreement,
            exchange=exchange,
            in_flight=in_flight,
            instruments=instruments,
            leverage=leverage,
            order_news=order_news,
            prices=prices,
            promises=promises,
            settings=settings,
            store=store,
            world=world,
            engine_id=engine_id,
            now_ms=now_ms,
            entries=self.entries,
        )
        self.halting = Halting(
            errors=errors,
            order_news=order_news,
            promises=promises,
            store=store,
            now_ms=now_ms,
            entries=self.entries,
            protections=self.protections,
        )
        self.monitoring = Monitoring(
            agreement=agreement,
            counters=counters,
            exchange=exchange,
            in_flight=in_flight,
            instruments=instruments,
            notifications=notifications,
            positions=positions,
            prices=prices,
            promises=promises,
            settings=settings,
            store=store,
            engine_id=engine_id,
            now_ms=now_ms,
            cancel_unwanted=self.protections.stop_cancels.cancel_unwanted,
            protections=self.protections,
        )
        self.tracking = Tracking(
            in_flight=in_flight,
            store=store,
            working=working,
            now_ms=now_ms,
            read=self._read,
            read_listed=self._read_listed,
        )
        self._submission = Submission(
            agreement=agreement,
            counters=counters,
            exchange=exchange,
            latencies=latencies,
            instruments=instruments,
            leverage=leverage,
            order_news=order_news,
            prices=prices,
            settings=settings,
            store=store,
            world=world,
            now_ms=now_ms,
            book=self.entries,
        )
        withdrawals = Withdrawals(
            counters=counters,
            exchange=exchange,
            order_news=order_news,
            store=store,
            world=world,
            read=self._submission.read,
        )
        closing = Closing(
            counters=counters,
            exchange=exchange,
            latencies=latencies,
            instruments=instruments,
            order_news=order_news,
            positions=positions,
            promises=promises,
            signalling=signalling,
            store=store,
            world=world,
            now_ms=now_ms,
            sharing=self.protections.sharing,
            stop_cancels=self.protections.stop_cancels,
            unfilled=UnfilledEnds(
                counters=counters, exchange=exchange, positions=positions, view=self.protections
            ),
            view=self.protections,
            read_entry=partial(self._submission.read, urgency=Urgency.CLOSE),
        )
        self.tasks = Tasks(
            store,
            in_flight,
            submit=self._submission.submit,
            withdraw=withdrawals.withdraw,
            close=closing.close,
        )
        self._search = Search(counters=counters, exchange=exchange, store=store)
        self._snapshots = Snapshots(
            counters=counters, exchange=exchange, store=store, now_ms=now_ms
        )
        self.gaps = Gaps(
            counters=counters,
            exchange=exchange,
            positions=positions,
            prices=prices,
            store=store,
            now_ms=now_ms,
            stops=self.protections,
        )
        self.futures_orders = FuturesOrders(
            counters=counters,
            errors=errors,
            exchange=exchange,
            store=store,
            signals=ForeignSignals(
                agreement=agreement,
                counters=counters,
                errors=errors,
                exchange=exchange,
                notifications=notifications,
                settings=settings,
                store=store,
                working=working,
                now_ms=now_ms,
            ),
            now_ms=now_ms,
        )
        self.balance = BalanceBook(
            counters=counters,
            errors=errors,
            exchange=exchange,
            notifications=notifications,
            settings=settings,
            store=store,
            now_ms=now_ms,
        )
        self.raw_events = RawEvents(
            counters=counters,
            errors=errors,
            notifications=notifications,
            store=store,
            now_ms=now_ms,
        )
        self.found: Findings | None = None
        """What the first comparison after the start found; None until there was one."""
        self._losses = Losses()
        self.latest: Findings | None = None
        self.not_resumed: dict[tuple[str, str], str] = {}
        """What of the journal could not be taken up at the start, by what it is and its id, and why."""
        self._lost_sight = trio.Event()
        self._told_held_back_at: dict[str, float] = {}
        exchange.observe_held_back(self._held_back)

    def on_tick(self, tick: Tick) -> None:
        """Protection first, then entries."""
        self.prices.note(tick)
        with self.errors.surviving("tick for protections", symbol=tick.symbol):
            self.protections.on_tick(tick)
        with self.errors.surviving("tick for entries", symbol=tick.symbol):
            self.entries.on_tick(tick)

    def on_event(self, event: OrderUpdate | PositionUpdate | BalanceUpdate) -> None:
        """What the exchange says of our orders, our positions and the balance."""
        with self.errors.surviving(type(event).__name__):
            self._on_event(event)

    def _on_event(self, event: OrderUpdate | PositionUpdate | BalanceUpdate) -> None:
        if isinstance(event, BalanceUpdate):
            self.balance.take(event)
            return
        if isinstance(event, PositionUpdate):
            before = self.positions.get(event.symbol, event.side)
            self.protections.on_position(event)
            if event.size > (0 if before is None else before.size):
                self.tracking.grown(event.symbol, event.side)
            return
        self.fills.take(event)  # first, for what it came to is told with what follows
        if not self.entries.on_update(event, pushed=True):
            self.protections.on_update(event)
        self.tracking.heard(event)  # last, for it may be what the order is tracked from
        self.futures_orders.take(event)

    async def _read_listed(self, ids: list[str]) -> None:
        with self.errors.surviving("look at orders", orders=len(ids)):
            left = await read_listed(
                ids,
                counters=self.counters,
                errors=self.errors,
                exchange=self.exchange,
                store=self.store,
                take=self.entries.on_update,
            )
            for id in left:
                self.in_flight.start(self._read, id)

    async def _read(self, id: str) -> bool:
        with self.errors.surviving("look at an order", id=id):
            return await self._submission.read(id)
        return False

    async def watch_prices(self) -> None:
        while True:
            self.on_tick(await self._streams.ticks.receive())

    async def watch_account(
        self, events: Listener[OrderUpdate | PositionUpdate | BalanceUpdate]
    ) -> None:
        async for event in events:
            assert not isinstance(event, Lagged), "a listener without a capacity misses nothing"
            self.on_event(event)

    def lose_sight(self, event: PrivateReady | PrivateLost) -> None:
        """The private stream came or went: what it did not tell is unknown, so until it is read nothing is opened."""
        self.agreement.reached = False
        self.agreement.seeing = isinstance(event, PrivateReady)
        self._lost_sight.set()
        self.fills.read_soon()

    async def keep_reconciled(self) -> None:
        """Agree with the exchange: now, whenever the private stream comes or goes, and regularly. Runs as a task.

        Only a comparison that began since then counts. A login comes after its subscriptions, so what a snapshot misses
        is pushed.
        """
        agreement = self.agreement
        while True:
            for pause_s in Backoff(0.5, 5.0):
                lost_sight = self._lost_sight = trio.Event()
                agreement.begin_comparison()
                agreed = await self.refresh() and await self._instruments_known()
                if agreed and not lost_sight.is_set():
                    break
                with trio.move_on_after(pause_s):
                    await lost_sight.wait()
            self._agreed()
            seeing = self._streams.statistics().authenticated
            every_s = REFRESH_EVERY_S if seeing else REFRESH_BLIND_EVERY_S
            if self._losses.in_doubt:
                every_s = LOOK_AGAIN_S
            await agreement.wait_due(every_s, lost_sight)

    async def _instruments_known(self) -> bool:
        """Whether every armed zone has its instrument, as far as the exchange still has it: an order needs its grid."""
        for symbol in self.entries.symbols():
            try:
                await self.instruments.get(symbol)
            except Unavailable as failure:
                self.agreement.why_not = failure.message
                return False
            except BadRequest as gone:
                self.counters.add("zone_symbol_not_traded", why=gone.message)
        return True

    def _held_back(self, held: HeldBack) -> None:
        """A close waits for its turn at the exchange: told for each that is being closed, once a minute at most."""
        now = trio.current_time()
        alive = self.store.state.protections.alive()
        closing = [each for each in alive if each.state is ProtectionState.CLOSING]
        before = self._told_held_back_at
        told_at = {each.id: before[each.id] for each in closing if each.id in before}
        self._told_held_back_at = told_at
        for each in closing:
            if now >= told_at.get(each.id, -math.inf) + TELL_HELD_BACK_EVERY_S:
                told_at[each.id] = now
                self.protections.close_failed(
                    each, f"waits for its turn at {held.path}: {held.why}"
                )

    def _agreed(self) -> None:
        self.agreement.why_not = ""
        if not self.agreement.reached:
            self.agreement.reached = True
            self.entries.recheck()

    async def keep_warm(self) -> None:
        """Keep a connection to the exchange open while anything is armed: an order must not wait for a handshake."""
        while True:
            await trio.sleep(KEEP_WARM_EVERY_S)
            if len(self.entries) or len(self.protections.index):
                try:
                    await self.exchange.server_time_ms()
                except ExchangeError as failure:
                    self.counters.add("idle_check_failed", why=failure)

    async def refresh(self) -> bool:
        """Compare with the exchange and do what follows. False if a query failed: then nothing follows."""
        try:
            if self.found is None or self.entries.to_be_searched:
                self.entries.searched(await self._search.find_further())
            if self.found is None:
                for protection, attempt, close in await self._search.find_closes():
                    self.protections.closed_before(protection.id, attempt, close)
            snapshot = await self._snapshots.take_snapshot()
            wanted = reconcile(self.store.state, snapshot)
        except (ExchangeError, Unreadable) as failure:
            self.counters.add("reconcile_failed", why=failure)
            self.agreement.why_not = str(failure)
            return False
        state = self.store.state
        actions = self._certain(wanted, plans_read=snapshot.plans is not None)
        found = findings(state, snapshot, actions)
        for action in actions:
            self._do(action)
        for update in [*snapshot.positions.values(), *self._flat(snapshot)]:
            self.protections.on_position(update, was_read=True)
        self.positions.was_read = True
        self.working.foreign = snapshot.foreign
        if actions or self.found is None:
            log.info(
                "reconciled",
                adopted=found.adopted,
                filled_while_away=found.filled_while_away,
                closed_while_away=found.closed_while_away,
                unknown=list(found.unknown),
                foreign_orders=found.foreign_orders,
                foreign_orders_at_least=found.foreign_orders_at_least,
                foreign_positions=dict(found.foreign_positions),
            )
        self.found = self.found or found
        self.latest = found
        self._resume_rest()
        self.halting.look()
        return True

    def _certain(self, actions: list[Action], *, plans_read: bool) -> list[Action]:
        """`actions` without the losses of stops that comparisons have not shown often enough."""
        if not plans_read:
            return actions
        losing = [
            each.id for each in actions if isinstance(each, Keeps) and self.protections.loses(each)
        ]
        doubted = self._losses.doubted(losing)
        return [each for each in actions if not (isinstance(each, Keeps) and each.id in doubted)]

    def _flat(self, snapshot: Snapshot) -> list[PositionUpdate]:
        """The sides that were held when last heard of, and that the snapshot does not list."""
        return [
            PositionUpdate(symbol=each.symbol, side=each.side, size=0)
            for each in self.positions.all()
            if (each.symbol, each.side) not in snapshot.positions
            and each.symbol not in snapshot.left_out
        ]

    def _do(self, action: Action) -> None:
        match action:
            case TakeIn(update=update):
                self.entries.on_update(update)
            case Fired(update=update):
                self.protections.on_fired(update)
            case Cover(id=id, size=size):
                self.protections.cover(id, size)
            case Gone(id=id):
                self.protections.confirm(id)
            case Keeps():
                self.protections.keeps(action)

    def resume(self) -> None:
        """Take up what the journal says was promised. Entries stay where they are until the exchange agrees.

        What cannot be taken up keeps nothing else from it: it is said, and tried again after every comparison.
        """
        self.not_resumed = {
            **{("protection", each.id): "" for each in self.store.state.protections.alive()},
            **{("order", each.id): "" for each in self.store.state.orders.alive()},
        }
        self._resume_rest()
        with self.errors.surviving("ended protections taken up"):
            self.protections.rearming.resume()

    def _resume_rest(self) -> None:
        for (what, id), why in list(self.not_resumed.items()):
            try:
                self._resume_one(what, id)
            except Exception as failure:
                if not why:
                    log.error("not_resumed", what=what, id=id, exc_info=failure)
                    self.counters.count("not_resumed")
                self.not_resumed[what, id] = repr(failure)
            else:
                del self.not_resumed[what, id]

    def _resume_one(self, what: str, id: str) -> None:
        state = self.store.state
        protection = state.protections.get(id) if what == "protection" else None
        if protection is not None:
            self.protections.resume(protection.id)
            self.tasks.resume_protection(protection.id)
        elif what == "order" and id in state.orders:
            self.entries.resume(id)
            self.tasks.resume_order(id)
            self.tracking.begin(state.orders[id])


@asynccontextmanager
async def open_trading(
    settings: Settings,
    world: World,
    counters: Counters,
    store: Store,
    exchange: ExchangeClient,
    streams: Streams,
    clock: SteadyClock,
    latencies: Latencies,
) -> AsyncIterator[EngineCore]:
    """An engine core that watches and acts as long as the block lasts."""
    async with trio.open_nursery() as monitors:
        agreement = Agreement(store)
        in_flight: InFlight = await monitors.start(run_in_flight, agreement, counters)
        core = EngineCore(
            settings=settings,
            world=world,
            counters=counters,
            store=store,
            exchange=exchange,
            streams=streams,
            latencies=latencies,
            agreement=agreement,
            in_flight=in_flight,
            ages_known=clock.comparable,
        )
        with (
            landing(in_flight),
            streams.bus.listen(OrderUpdate, PositionUpdate, BalanceUpdate) as account,
        ):
            monitors.start_soon(core.watch_prices)
            monitors.start_soon(core.watch_account, account)
            monitors.start_soon(core.prices.keep_fresh, core.gaps.look_back)
            monitors.start_soon(core.prices.settle_doubts)
            monitors.start_soon(core.entries.deadlines.run)
            monitors.start_soon(supervised, core.keep_warm, "keep_warm", counters)
            monitors.start_soon(supervised, core.tracking.run, "tracking", counters)
            for name, keep_fresh, symbols in (
                ("instruments", core.instruments.keep_fresh, core.prices.needed),
                ("leverage", core.leverage.keep_fresh, core.entries.leveraged),
            ):
                monitors.start_soon(supervised, partial(keep_fresh, symbols), name, counters)
            known = clock_before(store.state) if clock.comparable else None
            if known is not None:
                exchange.recall_clock(*known)
            if not settings.missing_credentials:
                core.resume()
                core.halting.look()
                monitors.start_soon(core.halting.run)
                agreement.seeing = streams.statistics().authenticated
                streams.bus.observe(core.lose_sight, PrivateReady, PrivateLost)
                monitors.start_soon(core.keep_reconciled)
                monitors.start_soon(supervised, core.futures_orders.run, "futures_orders", counters)
                monitors.start_soon(supervised, core.balance.run, "balance", counters)
                monitors.start_soon(supervised, core.fills.run, "fills", counters)
                if settings.raw_events_uri:
                    forward = partial(core.raw_events.run, streams.bus)
                    monitors.start_soon(supervised, forward, "raw_events", counters)
            try:
                yield core
            finally:
                agreement.opening = False
                in_flight.land.set()
                with trio.CancelScope(shield=True):
                    await in_flight.landed.wait()
                monitors.cancel_scope.cancel()
