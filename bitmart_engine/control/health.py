"""Whether the engine lives, whether it can be trusted with an order, and its end."""

from __future__ import annotations

from quart import Blueprint, Response

from ..engine import Engine
from ..logs import get_logger
from .answers import answer, refusal
from .bodies import no_body
from .errors import RETRY_AFTER_S
from .views import protection_view

__all__ = ["endpoints"]

log = get_logger()


def endpoints(engine: Engine) -> Blueprint:
    """GET /healthz, GET /readyz, POST /stop."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    async def alive() -> Response:
        return answer()

    @routes.get("/readyz")
    async def ready() -> Response:
        missing = engine.not_ready()
        if not missing:
            return answer(ready=True)
        return refusal(
            503,
            f"not ready: {'; '.join(missing)}",
            headers={"Retry-After": str(RETRY_AFTER_S)},
            ready=False,
            missing=missing,
        )

    @routes.post("/stop")
    async def stop() -> Response:
        await no_body()
        unprotected, known = engine.unprotected(), engine.positions_known
        log.info("stop_requested", unprotected=len(unprotected))
        engine.stop()
        return answer(
            message=_farewell(len(unprotected), known=known or engine.without_account),
            unprotected=[protection_view(each) for each in unprotected],
        )

    return routes


def _farewell(unprotected: int, *, known: bool) -> str:
    said = ["stopping"]
    if unprotected:
        said.append(f"nobody keeps the stop of {unprotected} position(s) until the engine is back")
    if not known:
        said.append("what is held was not known yet, so there may be more without a stop")
    return "; ".join(said)
