"""GET /api/outages: when connections were down in the last seven days."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from quart import Blueprint, Response

from ..engine import Engine
from ..outages import Outage
from .answers import answer
from .wire import Answer, Count, Seconds, UnixMs, about

__all__ = ["OutagesOfConnections", "endpoints"]


@frozen(kw_only=True, slots=False)
class ConnectionOutages:
    """How often and for how long one connection was down; `engine` stands for the time in which no engine ran."""

    name: str
    count: Count
    sum_s: Seconds
    longest_s: Seconds
    down: Annotated[bool, about("whether it is down now")]


@frozen(kw_only=True, slots=False)
class OneOutage:
    """One connection that was down, and why; `ended_ms` is null while it is."""

    connection: str
    began_ms: UnixMs
    ended_ms: UnixMs | None
    lasted_s: Seconds
    why: str


@frozen(kw_only=True, slots=False)
class OutagesOfConnections(Answer):
    """When connections were down in the last seven days."""

    connections: Annotated[list[ConnectionOutages], about("those that were down, by name")]
    outages: Annotated[list[OneOutage], about("the latest first, at most a thousand that ended")]
    complete_since_ms: Annotated[UnixMs, about("none that ended after this is missing")]
    kept: Annotated[bool, about("whether they survive a restart")]


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/outages."""
    routes = Blueprint("outages", __name__)

    @routes.get("/api/outages")
    async def outages() -> Response:
        now_ms = engine.now_ms()
        report = engine.outages.report(now_ms)
        rows = [_row(each, now_ms) for each in report.outages]
        return answer(
            OutagesOfConnections(
                connections=_by_connection(rows),
                outages=rows,
                complete_since_ms=report.complete_since_ms,
                kept=report.kept,
            )
        )

    return routes


def _row(outage: Outage, now_ms: int) -> OneOutage:
    until_ms = now_ms if outage.ended_ms is None else outage.ended_ms
    return OneOutage(
        connection=outage.connection,
        began_ms=outage.began_ms,
        ended_ms=outage.ended_ms,
        lasted_s=max(0, until_ms - outage.began_ms) / 1000,
        why=outage.why,
    )


def _by_connection(rows: list[OneOutage]) -> list[ConnectionOutages]:
    found: dict[str, list[OneOutage]] = {}
    for each in rows:
        found.setdefault(each.connection, []).append(each)
    return [
        ConnectionOutages(
            name=name,
            count=len(all),
            sum_s=round(sum(each.lasted_s for each in all), 3),
            longest_s=max(each.lasted_s for each in all),
            down=any(each.ended_ms is None for each in all),
        )
        for name, all in sorted(found.items())
    ]
