"""How a running engine stands: what it answers about itself, its account and what is wrong, changing nothing."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from .asked import unprotected
from .counters import Counters
from .exchange import ExchangeStatistics
from .exchange.client import ExchangeClient
from .guarding import unguarded
from .health import Fact, HealthLevel
from .latency import Latencies, LatencyStatistics
from .loop_watch import LoopStatistics
from .model.errors import BadRequest, Conflict, NotFound, Unavailable
from .model.events import OrderUpdate, PositionUpdate, Tick
from .model.fills import AccountFill
from .model.positions import Protection
from .model.trades import Trade
from .nearness import nothing_near
from .notify.outbox import Outbox, OutboxStatistics, Waiting
from .settings import Settings
from .store import JournalError, State, Store, Telling
from .streams.statistics import StreamsStatistics
from .streams.streams import Streams
from .trading.account.balance import KnownBalance
from .trading.account.reconcile import Findings
from .trading.account.trades import trade_found
from .trading.core import EngineCore
from .world import World

__all__ = ["Standing"]

AMBER, RED = HealthLevel.AMBER, HealthLevel.RED


class Standing:
    """The half of `Engine` that only looks. `Engine` gives it what it looks at."""

    settings: Settings
    counters: Counters
    _started: float
    _stopping: trio.Event
    _core: EngineCore
    _exchange: ExchangeClient
    _latencies: Latencies
    _outbox: Outbox
    _store: Store
    _streams: Streams
    _world: World

    @property
    def uptime_s(self) -> float:
        """Seconds since the engine started, by a clock that nobody sets."""
        return trio.current_time() - self._started

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    @property
    def state(self) -> State:
        """Orders and protections, to be read only."""
        return self._store.state

    @property
    def without_account(self) -> bool:
        """Whether the engine has no credentials, and shows prices only."""
        return bool(self.settings.missing_credentials)

    @property
    def positions_known(self) -> bool:
        """Whether the exchange has been asked what it holds, and has answered, since the start.

        Until then `positions`, `foreign_positions` and `foreign_orders` are what was heard by chance: no proof.
        """
        return self._core.comparing.latest is not None

    def positions(self) -> list[PositionUpdate]:
        """What the exchange holds for the account, of whomever it is."""
        return self._core.positions.all()

    def balance(self) -> KnownBalance | None:
        """The account's USDT, as last heard of; None until then."""
        return self._core.balance.known

    async def fills(
        self,
        *,
        symbol: str = "",
        since_ms: int = 0,
        after: str | None = None,
        limit: int = 100,
    ) -> list[AccountFill]:
        """What the account's orders matched, whosever they are: the newest first, older than the fill `after`.

        Pushes are in it within moments, and what they missed once the exchange's list was read. Raises Conflict without
        credentials, BadRequest for an `after` that is no fill, and Unavailable while the fills cannot be read.
        """
        self._need_credentials()
        found = await self._core.fills.page(
            symbol=symbol, since_ms=since_ms, after=after, limit=limit
        )
        if found is None:
            raise BadRequest(f"no fill has the id {(after or '')[:100]!r}", "after")
        return found

    async def trades(
        self,
        *,
        symbol: str = "",
        since_ms: int = 0,
        after: str | None = None,
        limit: int = 100,
    ) -> list[Trade]:
        """What entries and monitored positions came to, of which a fill since then is known: the latest begun first.

        Raises what `fills` raises; `after` is the id of a trade.
        """
        self._need_credentials()
        found = await self._core.fills.trades(
            symbol=symbol, since_ms=since_ms, after=after, limit=limit
        )
        if found is None:
            raise BadRequest(f"no trade has the id {(after or '')[:100]!r}", "after")
        trades = []
        for id, fills in found:
            trades.append(trade_found(id, fills, self.state, self._core.instruments.known))
            await trio.lowlevel.checkpoint()
        return trades

    @property
    def fills_read_until_ms(self) -> int | None:
        """Up to when the exchange's own list of fills was read since the start; None: not yet."""
        return self._core.fills.read_until_ms

    def prices(self) -> Mapping[str, tuple[Tick, float, bool]]:
        """For every streamed symbol: its last tick, that tick's age in seconds, and whether it is stale."""
        return self._core.prices.statistics()

    def stale(self) -> list[str]:
        """The symbols that something armed needs and the stream does not price now."""
        return self._core.prices.stale()

    def unpriced(self) -> frozenset[str]:
        """The symbols that something armed needs, and of which no price is known now, not over REST either."""
        return self._core.prices.unpriced()

    def now_ms(self) -> int:
        """The time of the engine's clock, ms since 1970."""
        return self._world.wall_ms()

    def streams(self) -> StreamsStatistics:
        """The connections."""
        return self._streams.statistics()

    def latencies(self) -> Mapping[str, LatencyStatistics]:
        """How long what matters takes: `tick_to_entry`, `tick_to_close`, `journal_commit`, `request_submit`,
        `request_cancel`, `request_setting`, `request_account`, `request_market`."""
        return self._latencies.statistics()

    def unanswered(self) -> Mapping[str, int]:
        """How many requests to the exchange were not answered since the start, by the same kinds: `submit`, ..."""
        return dict(self._latencies.unanswered)

    def found(self) -> Findings | None:
        """What the first comparison with the exchange found after the start; None until there was one."""
        return self._core.comparing.found

    def foreign_positions(self) -> Mapping[str, int]:
        """Contracts held beyond what the protections cover, by `SYMBOL side`, when last compared."""
        return self._core.comparing.latest.foreign_positions if self._core.comparing.latest else {}

    def foreign_orders(self) -> tuple[OrderUpdate, ...]:
        """Working orders at the exchange that are not the engine's, when last compared. They are left alone."""
        return self._core.working.foreign

    def trouble(self) -> str | None:
        """Why no promise can be given now; None while they can."""
        return self._store.trouble

    def unguarded(self) -> list[str]:
        """What is promised and not kept, because the engine runs without credentials."""
        return unguarded(self.settings, self.state)

    def unprotected(self) -> list[Protection]:
        """The protections over something held that nobody keeps while the engine is down."""
        return unprotected(self.state)

    def event_loop(self) -> LoopStatistics | None:
        """How long the event loop was held since the start; None where the `World` has no `loop_watch`."""
        watch = self._world.loop_watch
        return watch.statistics() if watch else None

    async def nothing_near(self) -> bool:
        """Whether no price is near anything armed, and nothing on its way: a moment for what holds the loop."""
        last = {symbol: tick.last for symbol, (tick, _, _) in self.prices().items()}
        return await nothing_near(self.state, last)

    def exchange(self) -> ExchangeStatistics:
        """How much of each request limit is used, what waits for its turn, and how far the clocks are apart."""
        return self._exchange.statistics()

    def outbox(self) -> OutboxStatistics:
        """What the application is still owed."""
        return self._outbox.statistics()

    def still_owed(self, id: str) -> Waiting | None:
        """Why a notification is still owed; None if it is not."""
        return self._outbox.waiting(id)

    async def told(self, id: str) -> list[Telling]:
        """What was sent, or is owed, of an order or a position, in the order made; not what is forgotten by now.

        Raises NotFound where nothing is known of such an id, and Unavailable while the journal cannot be read.
        """
        state = self.state
        protection = state.protections.get(id)
        lanes = {id, (protection.entry_id if protection else None) or id}
        try:
            found = await self._store.told(lanes)
        except JournalError as failure:
            raise Unavailable(f"the journal cannot be read: {failure}") from None
        if not found and protection is None and id not in state.orders:
            raise NotFound(
                f"no order and no position has the id {id!r}, and nothing was sent of it"
            )
        return found

    def dropped(self) -> Mapping[str, int]:
        """What was dropped, merged, retried or given up: how often, by the id of the event (see `log_events`)."""
        return self.counters.counts()

    def count(self, event: str, **fields: object) -> None:
        """Count one more of what was dropped, refused or given up; `fields` are logged with it."""
        self.counters.add(event, **fields)

    def not_ready(self) -> list[str]:
        """What is missing before the engine can be trusted with an order; empty if nothing is."""
        return [each.what for each in self.missing()]

    def missing(self) -> list[Fact]:
        """The same, each with its id, its level and what it is of."""
        missing = []
        streams, agreement = self._streams.statistics(), self._core.agreement
        if self._store.trouble is not None:
            missing.append(Fact("journal_trouble", RED, self._store.trouble))
        if self._stopping.is_set():
            missing.append(Fact("stopping", AMBER, "the engine is stopping"))
        for (what, id), why in sorted(self._core.resuming.not_resumed.items()):
            said = f"{what} {id!r} of before the start could not be taken up: {why}"
            missing.append(Fact("not_resumed", RED, said, f"{what} {id}"))
        if left := self.unguarded():
            said = f"unguarded: {len(left)} promised and not kept without credentials"
            missing.append(Fact("unguarded", RED, said))
        if self.settings.missing_credentials:
            said = f"not set: {', '.join(self.settings.missing_credentials)}"
            missing.append(Fact("no_credentials", AMBER, said))
        elif not streams.authenticated:
            missing.append(Fact("not_logged_in", AMBER, "not logged in"))
        elif any(each.state != "up" for each in streams.connections if each.name == "private"):
            said = "orders and positions not subscribed yet"
            missing.append(Fact("account_not_subscribed", AMBER, said))
        elif not agreement.reached:
            missing.append(Fact("account_not_read", AMBER, "orders and positions not read yet"))
            if agreement.why_not:
                said = agreement.why_not
                missing.append(Fact("account_not_read", AMBER, said, "why"))
        missing += [
            Fact("exchange_held_back", AMBER, said, said.split(":")[0])
            for said in self._core.exchange.held_back()
        ]
        if any(each.state != "up" for each in streams.connections if each.name != "private"):
            missing.append(Fact("public_connection_down", AMBER, "a public connection is down"))
        return missing

    @property
    def ticks_taken(self) -> int:
        """How many ticks the trading core has taken from where they wait."""
        return self._streams.ticks.taken

    @property
    def ticks_waiting(self) -> int:
        """Of how many symbols a tick waits to be taken."""
        return len(self._streams.ticks)

    def _need_credentials(self) -> None:
        missing = self.settings.missing_credentials
        if missing:
            raise Conflict(f"this needs API credentials; not set: {', '.join(missing)}")
