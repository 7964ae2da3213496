"""Whether the engine lives, whether it can be trusted with an order, and its end."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from quart import Blueprint, Response

from ..engine import Engine
from ..logs import get_logger
from .answers import answer, refused
from .bodies import no_body
from .errors import RETRY_AFTER_S
from .pieces import Pieces, encoded_list
from .views import protection_view
from .wire import Answer, Refusal, always, list_of

__all__ = ["Alive", "NotReady", "Readiness", "Stopping", "endpoints"]

log = get_logger()


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


def endpoints(engine: Engine) -> Blueprint:
    """GET /healthz, GET /readyz, POST /stop."""
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
