"""The engine core put together: every part is made once, and is given what it needs by name.

Those that follow the records hear of each in the order in which they are made here: what is watched, what is tracked,
then what is started.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..counters import Counters
from ..exchange.budget import Urgency
from ..exchange.client import ExchangeClient
from ..latency import Latencies
from ..settings import IN_MEMORY, Settings
from ..store import Store
from ..streams.streams import Streams
from ..world import World
from .account.balance import BalanceBook
from .account.fills import FillBook
from .account.futures_orders import FuturesOrders
from .account.leverage import Leverage
from .account.positions import PositionBook
from .account.snapshot import Snapshots
from .account.working import WorkingOrders
from .agreement import Agreement
from .closes.closing import Closing
from .closes.held_back import HeldBackCloses
from .closes.unfilled import UnfilledEnds
from .comparing import Comparing
from .core import EngineCore
from .entries.entries import Entries
from .entries.placing import Ordering
from .entries.reading import OrderReading
from .entries.recording import Recording
from .entries.searching import Search
from .entries.submission import Submission
from .entries.tracking import Tracking
from .entries.withdrawing import Withdrawals
from .event_errors import EventErrors
from .halting import Halting
from .identity import new_engine_id
from .in_flight import InFlight
from .limiting import Limiting
from .limits import Limits
from .market.gaps import Gaps
from .market.instruments import Instruments
from .market.prices import Prices
from .order_news import OrderNews
from .promises import Promises
from .protections.monitoring import Monitoring
from .protections.protections import Protections
from .resuming import Resuming
from .signals.foreign_signals import ForeignSignals
from .signals.notifications import Notifications
from .signals.raw_events import RawEvents
from .signals.signalling import Signalling
from .tasks import Tasks

__all__ = ["assembled"]


def assembled(
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
) -> EngineCore:
    """The core. `ages_known`: whether times from before the start are by the clock of now."""
    now_ms = world.wall_ms
    instruments = Instruments(exchange)
    leverage = Leverage(exchange)
    prices = Prices(streams, exchange, settings.stale_after_s, counters)
    engine_id = new_engine_id(world.random, world.wall_ms())
    promises = Promises(store, counters)
    notifications = Notifications(settings, world.wall_ms)
    errors = EventErrors(counters, agreement)
    working = WorkingOrders()
    positions = PositionBook(exchange.earliest_ms)
    order_news = OrderNews()
    signalling = Signalling(
        notifications=notifications, settings=settings, store=store, now_ms=now_ms
    )
    where = settings.state_dir
    fills = FillBook(
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
    protections = Protections(
        agreement=agreement,
        counters=counters,
        errors=errors,
        exchange=exchange,
        latencies=latencies,
        in_flight=in_flight,
        came_to=fills.alive.came_to,
        notifications=notifications,
        order_news=order_news,
        positions=positions,
        prices=prices,
        signalling=signalling,
        store=store,
        working=working,
        now_ms=now_ms,
    )
    limiting = Limiting(
        limits=Limits(
            positions=settings.max_positions,
            notional=settings.max_notional,
            risk=settings.max_risk,
            orders_per_minute=settings.max_orders_per_minute,
        ),
        counters=counters,
        instruments=instruments,
        prices=prices,
        store=store,
    )
    entries = Entries(
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
        limiting=limiting,
        recording=Recording(
            counters=counters,
            notifications=notifications,
            prices=prices,
            signalling=signalling,
            store=store,
            world=world,
            protections=protections,
        ),
        protections=protections,
    )
    ordering = Ordering(
        agreement=agreement,
        exchange=exchange,
        in_flight=in_flight,
        limiting=limiting,
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
        entries=entries,
    )
    halting = Halting(
        errors=errors,
        order_news=order_news,
        promises=promises,
        store=store,
        now_ms=now_ms,
        entries=entries,
        protections=protections,
    )
    monitoring = Monitoring(
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
        cancel_unwanted=protections.stop_cancels.cancel_unwanted,
        protections=protections,
    )
    submission = Submission(
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
        book=entries,
    )
    reading = OrderReading(
        counters=counters,
        errors=errors,
        exchange=exchange,
        in_flight=in_flight,
        store=store,
        read_one=submission.read,
        take=entries.on_update,
    )
    tracking = Tracking(
        in_flight=in_flight,
        store=store,
        working=working,
        now_ms=now_ms,
        read=reading.read,
        read_listed=reading.read_listed,
    )
    withdrawals = Withdrawals(
        counters=counters,
        exchange=exchange,
        order_news=order_news,
        store=store,
        world=world,
        read=submission.read,
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
        sharing=protections.sharing,
        stop_cancels=protections.stop_cancels,
        unfilled=UnfilledEnds(
            counters=counters, exchange=exchange, positions=positions, view=protections
        ),
        view=protections,
        read_entry=partial(submission.read, urgency=Urgency.CLOSE),
    )
    tasks = Tasks(
        store,
        in_flight,
        submit=submission.submit,
        withdraw=withdrawals.withdraw,
        close=closing.close,
    )
    search = Search(counters=counters, exchange=exchange, store=store)
    snapshots = Snapshots(counters=counters, exchange=exchange, store=store, now_ms=now_ms)
    gaps = Gaps(
        counters=counters,
        exchange=exchange,
        positions=positions,
        prices=prices,
        store=store,
        now_ms=now_ms,
        stops=protections,
    )
    futures_orders = FuturesOrders(
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
    balance = BalanceBook(
        counters=counters,
        errors=errors,
        exchange=exchange,
        notifications=notifications,
        settings=settings,
        store=store,
        now_ms=now_ms,
    )
    raw_events = RawEvents(
        counters=counters,
        errors=errors,
        notifications=notifications,
        store=store,
        now_ms=now_ms,
    )
    resuming = Resuming(
        counters=counters,
        errors=errors,
        store=store,
        entries=entries,
        protections=protections,
        tasks=tasks,
        tracking=tracking,
    )
    held_back = HeldBackCloses(store=store, protections=protections)
    exchange.observe_held_back(held_back.tell)
    return EngineCore(
        agreement=agreement,
        counters=counters,
        errors=errors,
        exchange=exchange,
        in_flight=in_flight,
        instruments=instruments,
        leverage=leverage,
        positions=positions,
        prices=prices,
        promises=promises,
        store=store,
        streams=streams,
        working=working,
        balance=balance,
        comparing=Comparing(
            agreement=agreement,
            counters=counters,
            instruments=instruments,
            positions=positions,
            store=store,
            streams=streams,
            working=working,
            entries=entries,
            fills=fills,
            halting=halting,
            protections=protections,
            resuming=resuming,
            search=search,
            snapshots=snapshots,
        ),
        entries=entries,
        fills=fills,
        futures_orders=futures_orders,
        gaps=gaps,
        halting=halting,
        limiting=limiting,
        monitoring=monitoring,
        ordering=ordering,
        protections=protections,
        raw_events=raw_events,
        resuming=resuming,
        tracking=tracking,
    )
