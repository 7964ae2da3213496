"""Agreeing with the exchange: compared now, whenever the private stream comes or goes, and regularly.

What the exchange has is read as one snapshot, what has to be done is decided in `reconcile`, and it is done here.
"""

from __future__ import annotations

import trio
from attrs import define, field

from ..counters import Counters
from ..exchange.errors import ExchangeError
from ..logs import get_logger
from ..model.errors import BadRequest, Unavailable
from ..model.events import PositionUpdate, PrivateLost, PrivateReady
from ..store import Store, Unreadable
from ..streams.streams import Streams
from .account.fills import FillBook
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
from .entries.entries import Entries
from .entries.searching import Search
from .halting import Halting
from .market.instruments import Instruments
from .protections.exchange_stops import LOOK_AGAIN_S, Losses
from .protections.protections import Protections
from .resuming import Resuming

__all__ = ["Comparing"]

log = get_logger()

REFRESH_EVERY_S = 60.0
REFRESH_BLIND_EVERY_S = 5.0
"""While the private stream is down, fills and closes are seen over REST only."""


@define(kw_only=True, eq=False, slots=False)
class Comparing:
    """Compares what the engine knows with what the exchange has, and does what follows."""

    _agreement: Agreement
    _counters: Counters
    _instruments: Instruments
    _positions: PositionBook
    _store: Store
    _streams: Streams
    _working: WorkingOrders
    _entries: Entries
    _fills: FillBook
    _halting: Halting
    _protections: Protections
    _resuming: Resuming
    _search: Search
    _snapshots: Snapshots
    found: Findings | None = field(init=False, default=None)
    """What the first comparison after the start found; None until there was one."""
    latest: Findings | None = field(init=False, default=None)
    _losses: Losses = field(init=False, factory=Losses)
    _lost_sight: trio.Event = field(init=False, factory=trio.Event)

    def lose_sight(self, event: PrivateReady | PrivateLost) -> None:
        """The private stream came or went: what it did not tell is unknown, so until it is read nothing is opened."""
        self._agreement.reached = False
        self._agreement.seeing = isinstance(event, PrivateReady)
        self._lost_sight.set()
        self._fills.read_soon()

    async def keep_reconciled(self) -> None:
        """Agree with the exchange: now, whenever the private stream comes or goes, and regularly. Runs as a task.

        Only a comparison that began since then counts. A login comes after its subscriptions, so what a snapshot misses
        is pushed.
        """
        agreement = self._agreement
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
        for symbol in self._entries.symbols():
            try:
                await self._instruments.get(symbol)
            except Unavailable as failure:
                self._agreement.why_not = failure.message
                return False
            except BadRequest as gone:
                self._counters.add("zone_symbol_not_traded", why=gone.message)
        return True

    def _agreed(self) -> None:
        self._agreement.why_not = ""
        if not self._agreement.reached:
            self._agreement.reached = True
            self._entries.recheck()

    async def refresh(self) -> bool:
        """Compare with the exchange and do what follows. False if a query failed: then nothing follows."""
        try:
            if self.found is None or self._entries.to_be_searched:
                self._entries.searched(await self._search.find_further())
            if self.found is None:
                for protection, attempt, close in await self._search.find_closes():
                    self._protections.closed_before(protection.id, attempt, close)
            snapshot = await self._snapshots.take_snapshot()
            wanted = reconcile(self._store.state, snapshot)
        except (ExchangeError, Unreadable) as failure:
            self._counters.add("reconcile_failed", why=failure)
            self._agreement.why_not = str(failure)
            return False
        state = self._store.state
        actions = self._certain(wanted, plans_read=snapshot.plans is not None)
        found = findings(state, snapshot, actions)
        for action in actions:
            self._do(action)
        for update in [*snapshot.positions.values(), *self._flat(snapshot)]:
            self._protections.on_position(update, was_read=True)
        self._positions.was_read = True
        self._working.foreign = snapshot.foreign
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
        self._resuming.resume_rest()
        self._halting.look()
        return True

    def _certain(self, actions: list[Action], *, plans_read: bool) -> list[Action]:
        """`actions` without the losses of stops that comparisons have not shown often enough."""
        if not plans_read:
            return actions
        losing = [
            each.id for each in actions if isinstance(each, Keeps) and self._protections.loses(each)
        ]
        doubted = self._losses.doubted(losing)
        return [each for each in actions if not (isinstance(each, Keeps) and each.id in doubted)]

    def _flat(self, snapshot: Snapshot) -> list[PositionUpdate]:
        """The sides that were held when last heard of, and that the snapshot does not list."""
        return [
            PositionUpdate(symbol=each.symbol, side=each.side, size=0)
            for each in self._positions.all()
            if (each.symbol, each.side) not in snapshot.positions
            and each.symbol not in snapshot.left_out
        ]

    def _do(self, action: Action) -> None:
        match action:
            case TakeIn(update=update):
                self._entries.on_update(update)
            case Fired(update=update):
                self._protections.on_fired(update)
            case Cover(id=id, size=size):
                self._protections.cover(id, size)
            case Gone(id=id):
                self._protections.confirm(id)
            case Keeps():
                self._protections.keeps(action)
