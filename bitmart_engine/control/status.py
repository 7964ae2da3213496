"""GET /status: the engine at a glance, and what it consists of."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from attrs import fields, frozen
from quart import Blueprint, Response

from ..engine import BALANCE, Engine
from ..exchange import ExchangeStatistics
from ..exchange.clock import SKEW_WARNED_MS
from ..latency import LatencyStatistics
from ..loop_watch import LoopStatistics
from ..model.decimals import plain
from ..model.events import OrderUpdate, Tick
from ..streams.statistics import ConnectionStatistics
from ..streams.topics import ORDERS, POSITIONS
from ..trading.account.balance import KnownBalance
from ..trading.limits import Limits
from ..version import VERSION
from .answers import answer
from .halting import HaltState, halt_state
from .orders import is_monitored, is_pending
from .pieces import count
from .positions import held
from .views import Held
from .wire import (
    Answer,
    Contracts,
    Count,
    DecimalText,
    ForeignPositions,
    Milliseconds,
    OrderSideName,
    Seconds,
    UnixMs,
    about,
    named,
    view_of,
)

__all__ = ["Status", "endpoints", "limits_of"]


@frozen(kw_only=True, slots=False)
class Balance:
    """The account, in units of its currency, and how and when it was last heard of."""

    currency: str
    available: DecimalText
    frozen: DecimalText | None
    position_deposit: DecimalText | None
    source: str
    at_ms: UnixMs


@frozen(kw_only=True, slots=False)
class ForeignOrder:
    """A working order at the exchange that is not the engine's."""

    order_id: str
    symbol: str
    side: OrderSideName | None
    type: str | None
    price: DecimalText | None
    size: Contracts | None
    filled_size: Contracts


@frozen(kw_only=True, slots=False)
class Findings:
    """What the last comparison with the exchange found."""

    at_ms: UnixMs
    adopted: Count
    filled_while_away: Count
    closed_while_away: Count
    unknown: tuple[str, ...]
    foreign_orders: Count
    foreign_positions: ForeignPositions


@frozen(kw_only=True, slots=False)
class JournalStatus:
    """Where the journal is, and what is wrong with it."""

    state_dir: str
    trouble: str | None


@frozen(kw_only=True, slots=False)
class Connection:
    """One WebSocket connection."""

    name: str
    state: str
    since: UnixMs
    reconnects: Count
    last_error: str | None
    channels: Count
    last_message_age_s: Seconds | None


@frozen(kw_only=True, slots=False)
class Price:
    """The last price of a symbol."""

    last: DecimalText
    age_s: Seconds
    stale: bool


@frozen(kw_only=True, slots=False)
class RequestBudget:
    """How much of an endpoint's request limit is used."""

    used: Count
    limit: Count
    window_s: Seconds
    waiting: Count
    paused_for_s: Seconds


@frozen(kw_only=True, slots=False)
class ExchangeStatus:
    """How far the clocks are apart, and the request limits of the endpoints that were asked."""

    clock_offset_ms: float | None
    clock_skewed: bool
    request_window_s: Annotated[
        float | None,
        about(
            "how old a signed submit may surely be, as it was measured, s; null while that is not known or not used"
        ),
    ]
    endpoints: dict[str, RequestBudget]


@frozen(kw_only=True, slots=False)
class EventLoop:
    """How long the event loop was held since the start: while it is, no price is read and no order sent."""

    passes: Annotated[Count, about("over the tasks that had something to do")]
    longer_than_ms: Annotated[
        dict[str, Count], about("by a bound in ms: how many passes took longer")
    ]
    longest_ms: Milliseconds
    longest_lately_ms: Annotated[Milliseconds, about("of the last minute or two")]
    collections: Annotated[list[Count], about("of the garbage collector, by generation")]
    longest_collection_ms: Milliseconds


@frozen(kw_only=True, slots=False)
class Latency:
    """How long something took: how often since the start, and of the last thousand times in ms."""

    count: Count
    p50_ms: Milliseconds | None
    p99_ms: Milliseconds | None
    longest_ms: Milliseconds | None


@frozen(kw_only=True, slots=False)
class OutboxCounts:
    """How many notifications are owed, being sent, delivered since the start, given up."""

    owed: Count
    in_flight: Count
    delivered: Count
    dead: Count


@frozen(kw_only=True, slots=False)
class Limit:
    """A limit that is set, by the name of its setting, and what is used of it; null: that is not known yet."""

    name: str
    limit: DecimalText
    used: DecimalText | None


@frozen(kw_only=True, slots=False)
class Status(Answer):
    """The engine at a glance."""

    is_running: bool
    mode: Annotated[str, named("Mode")]
    version: str
    uptime_s: float
    not_ready: list[str]
    missing_credentials: tuple[str, ...]
    paused_ms: UnixMs | None
    halt: HaltState | None
    limits: list[Limit]
    public_ws_connected: bool
    private_ws_connected: bool
    authenticated: bool
    kline_channels: list[str]
    order_subscribed: bool
    position_subscribed: bool
    balance_subscribed: bool
    balance: Balance | None
    positions: list[Held] | None
    foreign_positions: ForeignPositions | None
    foreign_orders: list[ForeignOrder] | None
    pending_orders: Count
    monitored_positions: Count
    unguarded: list[str]
    recovery: Findings | None
    journal: JournalStatus
    connections: list[Connection]
    refused_channels: Mapping[str, str]
    prices: dict[str, Price]
    stale: list[str]
    exchange: ExchangeStatus
    outbox: OutboxCounts
    event_loop: EventLoop | None
    latency: Annotated[
        dict[str, Latency],
        about(
            "tick_to_entry and tick_to_close: from the price until the order goes to the connection;"
            " journal_commit; request_submit, _cancel, _setting, _account, _market: to the exchange"
        ),
    ]
    dropped: Mapping[str, Count]


def limits_of(engine: Engine) -> list[Limit]:
    """The limits that are set, by their settings, and what is used of each."""
    limits, used = engine.limits(), engine.at_stake()
    return [
        Limit(
            name=f"MAX_{each.name.upper()}",
            limit=plain(Decimal(value)),
            used=None if used is None else plain(Decimal(getattr(used, each.name))),
        )
        for each in fields(Limits)
        if (value := getattr(limits, each.name)) is not None
    ]


def endpoints(engine: Engine) -> Blueprint:
    """GET /status."""
    routes = Blueprint("status", __name__)

    @routes.get("/status")
    async def status() -> Response:
        streams, outbox, state = engine.streams(), engine.outbox(), engine.state
        known, found = engine.positions_known, engine.found()
        return answer(
            Status(
                is_running=not engine.stopping,
                mode=engine.settings.mode,
                version=VERSION,
                uptime_s=round(engine.uptime_s, 3),
                not_ready=engine.not_ready(),
                missing_credentials=engine.settings.missing_credentials,
                paused_ms=state.paused_ms,
                halt=halt_state(engine),
                limits=limits_of(engine),
                public_ws_connected=streams.public_connected,
                private_ws_connected=streams.private_connected,
                authenticated=streams.authenticated,
                kline_channels=sorted(state.viewed - {ORDERS, POSITIONS, BALANCE}),
                order_subscribed=ORDERS in state.viewed,
                position_subscribed=POSITIONS in state.viewed,
                balance_subscribed=BALANCE in state.viewed,
                balance=_balance(engine.balance()),
                positions=await held(engine),
                foreign_positions=engine.foreign_positions() if known else None,
                foreign_orders=list(map(_foreign_order, engine.foreign_orders()))
                if known
                else None,
                pending_orders=await count(state.orders.alive(), is_pending),
                monitored_positions=await count(state.protections.alive(), is_monitored),
                unguarded=engine.unguarded(),
                recovery=view_of(Findings, found) if found else None,
                journal=JournalStatus(
                    state_dir=engine.settings.state_shown, trouble=engine.trouble()
                ),
                connections=[_connection(each) for each in streams.connections],
                refused_channels=streams.refused,
                prices={symbol: _price(*seen) for symbol, seen in engine.prices().items()},
                stale=engine.stale(),
                exchange=_exchange(engine.exchange()),
                outbox=view_of(OutboxCounts, outbox, dead=len(state.dead)),
                event_loop=_event_loop(engine.event_loop()),
                latency={name: _latency(each) for name, each in engine.latencies().items()},
                dropped=engine.dropped(),
            )
        )

    return routes


def _balance(known: KnownBalance | None) -> Balance | None:
    if known is None:
        return None
    return view_of(Balance, known.balance, source=known.source, at_ms=known.at_ms)


def _connection(connection: ConnectionStatistics) -> Connection:
    age_s = connection.last_message_age_s
    return view_of(
        Connection,
        connection,
        since=connection.since_ms,
        last_message_age_s=None if age_s is None else round(age_s, 3),
    )


def _price(tick: Tick, age_s: float, stale: bool) -> Price:
    return Price(last=plain(tick.last), age_s=round(age_s, 3), stale=stale)


def _foreign_order(order: OrderUpdate) -> ForeignOrder:
    side = order.side.name.lower() if order.side else None
    return view_of(ForeignOrder, order, side=side, filled_size=order.deal_size)


def _event_loop(loop: LoopStatistics | None) -> EventLoop | None:
    if loop is None:
        return None
    return view_of(
        EventLoop,
        loop,
        collections=list(loop.collections),
        longer_than_ms={str(bound): times for bound, times in loop.longer_than_ms.items()},
        longest_ms=round(loop.longest_ms, 1),
        longest_lately_ms=round(loop.longest_lately_ms, 1),
        longest_collection_ms=round(loop.longest_collection_ms, 1),
    )


def _latency(took: LatencyStatistics) -> Latency:
    return Latency(
        count=took.count,
        p50_ms=_ms(took.p50_s),
        p99_ms=_ms(took.p99_s),
        longest_ms=_ms(took.longest_s),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _exchange(exchange: ExchangeStatistics) -> ExchangeStatus:
    offset_ms = exchange.clock_offset_ms
    return ExchangeStatus(
        clock_offset_ms=offset_ms,
        clock_skewed=offset_ms is not None and abs(offset_ms) > SKEW_WARNED_MS,
        request_window_s=exchange.request_window_s,
        endpoints={
            path: view_of(RequestBudget, each, paused_for_s=round(each.paused_for_s, 3))
            for path, each in exchange.endpoints.items()
        },
    )
