"""Whether the engine lives, whether it can be trusted with an order, what is wrong with it, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from attrs import frozen
from quart import Blueprint, Response, current_app

from ..engine import Engine
from ..health import HealthLevel, Report
from ..health_watch import HealthWatch
from ..keeping import Keeper, Naked
from ..logs import get_logger
from ..model.sides import PositionSide
from .answers import answer, refused
from .bodies import no_body
from .errors import RETRY_AFTER_S
from .pieces import Pieces, encoded_list
from .views import protection_view
from .wire import (
    Answer,
    Contracts,
    Count,
    Refusal,
    Seconds,
    UnixMs,
    about,
    always,
    list_of,
    view_of,
)

__all__ = ["WATCH", "Alive", "Health", "NotReady", "Readiness", "Stopping", "endpoints"]

log = get_logger()

WATCH = "health_watch"
"""Where the app has what looks at the engine."""


@frozen(kw_only=True, slots=False)
class Alive(Answer):
    """The engine lives."""


@frozen(kw_only=True, slots=False)
class Readiness(Answer):
    """An order can be trusted to the engine."""

    ready: Annotated[bool, always(True)] = True


@frozen(kw_only=True, slots=False)
class NotReady(Refusal):
    """What is missing before an order can be trusted to the engine."""

    ready: Annotated[bool, always(False)] = False
    missing: list[str]


@frozen(kw_only=True, slots=False)
class Stopping(Answer):
    """The end of the engine, and the protections that nobody keeps until it is back."""

    message: str
    unprotected: Annotated[Pieces, list_of("Position")]


@frozen(kw_only=True, slots=False)
class Trouble:
    """Something wrong: its stable id, what it is of, and since when it is so."""

    id: str
    level: HealthLevel
    subject: str
    what: str
    since_ms: UnixMs


@frozen(kw_only=True, slots=False)
class KeptStops:
    """Contracts with a promised stop, by who keeps it now."""

    both: Contracts
    engine: Contracts
    exchange: Contracts
    nobody: Contracts


@frozen(kw_only=True, slots=False)
class NakedTime:
    """Seconds since the start in which contracts with a promised stop were kept by nobody."""

    now_s: float
    longest_s: float
    sum_s: float


@frozen(kw_only=True, slots=False)
class KeptSeconds:
    """By keeper, for how many seconds since the start any contract with a promised stop was kept so."""

    both: Seconds
    engine: Seconds
    exchange: Seconds
    nobody: Seconds


@frozen(kw_only=True, slots=False)
class StopsOfPosition:
    """One position that has, or had since the start, a promised stop: who keeps it now, and who did for how long."""

    symbol: str
    side: PositionSide
    contracts: KeptStops
    seconds: KeptSeconds
    naked: NakedTime


@frozen(kw_only=True, slots=False)
class Health(Answer):
    """How the engine is, as it was looked at a moment ago."""

    level: HealthLevel
    troubles: list[Trouble]
    stops_kept: KeptStops
    naked: NakedTime
    seconds_kept: KeptSeconds
    unwatched: Annotated[Count, about("protections whose stop is kept by nobody")]
    positions: Annotated[list[StopsOfPosition], about("by symbol")]
    looked_ms: UnixMs
    age_s: Seconds


def health_of(report: Report, now_ms: int) -> Health:
    """A report as it is answered."""
    kept = report.kept
    return Health(
        level=report.level,
        troubles=[view_of(Trouble, each) for each in report.troubles],
        stops_kept=_contracts(kept.contracts),
        naked=_naked(kept.naked),
        seconds_kept=_seconds(kept.seconds),
        unwatched=kept.unwatched,
        positions=[
            StopsOfPosition(
                symbol=each.symbol,
                side=each.side,
                contracts=_contracts(each.contracts),
                seconds=_seconds(each.seconds),
                naked=_naked(each.naked),
            )
            for each in kept.positions
        ],
        looked_ms=report.at_ms,
        age_s=max(0.0, (now_ms - report.at_ms) / 1000),
    )


def _contracts(contracts: Mapping[Keeper, int]) -> KeptStops:
    return KeptStops(**{who.value: size for who, size in contracts.items()})


def _seconds(seconds: Mapping[Keeper, float]) -> KeptSeconds:
    return KeptSeconds(**{who.value: round(lasts_s, 3) for who, lasts_s in seconds.items()})


def _naked(naked: Naked) -> NakedTime:
    return NakedTime(
        now_s=round(naked.now_s, 3),
        longest_s=round(naked.longest_s, 3),
        sum_s=round(naked.sum_s, 3),
    )


def endpoints(engine: Engine) -> Blueprint:
    """GET /healthz, GET /readyz, GET /api/health, POST /stop."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    async def alive() -> Response:
        return answer(Alive())

    @routes.get("/readyz")
    async def ready() -> Response:
        missing = engine.not_ready()
        if not missing:
            return answer(Readiness())
        why = NotReady(error=f"not ready: {'; '.join(missing)}", missing=missing)
        return refused(503, why, {"Retry-After": str(RETRY_AFTER_S)})

    @routes.get("/api/health")
    async def troubles() -> Response:
        watch: HealthWatch = current_app.extensions[WATCH]
        return answer(health_of(await watch.latest(), engine.now_ms()))

    @routes.post("/stop")
    async def stop() -> Response:
        await no_body()
        unprotected, known = engine.unprotected(), engine.positions_known
        log.info("stop_requested", unprotected=len(unprotected))
        engine.stop()
        return answer(
            Stopping(
                message=_farewell(len(unprotected), known=known or engine.without_account),
                unprotected=await encoded_list(unprotected, protection_view),
            )
        )

    return routes


def _farewell(unprotected: int, *, known: bool) -> str:
    said = ["stopping"]
    if unprotected:
        said.append(f"nobody keeps the stop of {unprotected} position(s) until the engine is back")
    if not known:
        said.append("what is held was not known yet, so there may be more without a stop")
    return "; ".join(said)
