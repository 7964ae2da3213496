"""GET /api/summary: what happened since a time, in a few numbers."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from quart import Blueprint, Response, current_app, request

from ..engine import Engine
from ..health_watch import HealthWatch
from ..model.decimals import plain
from ..model.lifecycle import EntryState
from ..model.orders import EntryOrder
from ..model.summary import TradeSums, summed
from ..model.trades import Trade, rounded
from ..store.archive import Archive
from .answers import answer
from .health import WATCH
from .pieces import unhurried
from .queries import MAX_LIMIT, check_parameters, since_asked
from .wire import Answer, Count, DecimalText, Seconds, UnixMs, about, view_of

__all__ = ["Summary", "endpoints"]


@frozen(kw_only=True, slots=False)
class OrdersEnded:
    """Entry orders that ended since then, by how they stand, and those that are under way now."""

    filled: Count
    cancelled: Count
    expired: Count
    rejected: Count
    under_way: Count


@frozen(kw_only=True, slots=False)
class TradesClosed:
    """Trades that were closed since then. Sums are over those whose result is known; `unknown` are the others."""

    closed: Count
    won: Count
    lost: Count
    even: Count
    unknown: Count
    gross_pnl: DecimalText
    fees: DecimalText
    realised_pnl: Annotated[DecimalText, about("after fees, without funding")]
    r: Annotated[DecimalText, about("the sum over `r_known` of them")]
    r_known: Count


@frozen(kw_only=True, slots=False)
class Summary(Answer):
    """What happened since a time."""

    since_ms: UnixMs
    at_ms: UnixMs
    orders: OrdersEnded
    trades: TradesClosed
    connection_drops: Annotated[
        Count, about("outages that began since then; of seven days at most")
    ]
    close_failures: Annotated[Count, about("closes that did not go through, since the start")]
    longest_naked_s: Annotated[
        Seconds,
        about("how long contracts with a promised stop were kept by nobody, since the start"),
    ]
    started_ms: Annotated[UnixMs, about("the start; numbers of since the start go back no further")]


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/summary."""
    routes = Blueprint("summary", __name__)

    @routes.get("/api/summary")
    async def summary() -> Response:
        check_parameters(request.args, ("since",))
        since_ms, now_ms = since_asked(), engine.now_ms()
        sums = summed(await _trades(engine, since_ms), since_ms)
        watch: HealthWatch = current_app.extensions[WATCH]
        outages = engine.outages.report(now_ms).outages
        return answer(
            Summary(
                since_ms=since_ms,
                at_ms=now_ms,
                orders=await _orders(engine.state.orders, since_ms),
                trades=_shown(sums),
                connection_drops=sum(each.began_ms >= since_ms for each in outages),
                close_failures=engine.dropped().get("close_failed", 0),
                longest_naked_s=round((await watch.latest()).kept.naked.longest_s, 3),
                started_ms=engine.started_ms,
            )
        )

    return routes


async def _trades(engine: Engine, since_ms: int) -> list[Trade]:
    found: list[Trade] = []
    after: str | None = None
    while True:
        page = await engine.trades(since_ms=since_ms, after=after, limit=MAX_LIMIT)
        found += page
        if len(page) < MAX_LIMIT:
            return found
        after = page[-1].id


async def _orders(orders: Archive[EntryOrder], since_ms: int) -> OrdersEnded:
    """Counted by their ids and states: what is on disk only is not read."""
    ended = orders.ended_since(since_ms)
    counts = dict.fromkeys(("filled", "cancelled", "expired", "rejected"), 0)
    for state in counts:
        async for id in unhurried(orders.candidates(ended, {state}, "")):
            if not orders.is_in_memory(id) or orders[id].state is EntryState(state):
                counts[state] += 1
    return OrdersEnded(**counts, under_way=len(orders.alive()))


def _shown(sums: TradeSums) -> TradesClosed:
    money = ("gross_pnl", "fees", "realised_pnl", "r")
    return view_of(
        TradesClosed, sums, **{each: plain(rounded(getattr(sums, each))) for each in money}
    )
