"""POST /pause, POST /api/halt and POST /resume: whether entries go out, and the kill switch."""

from __future__ import annotations

from typing import Annotated, Literal

from attrs import frozen
from quart import Blueprint, Response

from ..engine import Engine
from ..model.fields import checked
from ..model.halting import HaltLevel
from .answers import answer
from .bodies import no_body, read_body
from .wire import Answer, Count, UnixMs, about

__all__ = ["HaltAsked", "HaltState", "Halted", "Paused", "endpoints", "halt_state"]

SAID = {
    HaltLevel.NO_NEW: "halted: no new entry goes out until POST /resume",
    HaltLevel.CANCEL: "halted: no new entry goes out until POST /resume, and every entry is cancelled",
    HaltLevel.FLATTEN: (
        "halted: no new entry goes out until POST /resume, every entry is cancelled, and every guarded position closed"
    ),
}


@frozen(kw_only=True, slots=False)
class Paused(Answer):
    """Whether entries are paused, and since when."""

    message: str
    paused: bool
    since_ms: UnixMs | None


@frozen(field_transformer=checked)
class HaltAsked:
    """How much is to be halted: nothing new, every entry order cancelled too, every position closed too."""

    level: Literal["no_new", "cancel", "flatten"]


@frozen(kw_only=True, slots=False)
class HaltState:
    """The kill switch was used: at which level, since when, and what is left to be done of it."""

    level: HaltLevel
    since_ms: UnixMs
    orders_left: Annotated[Count, about("entry orders that have not ended; 0 for no_new")]
    positions_left: Annotated[Count, about("positions that are not closed; 0 unless flatten")]


@frozen(kw_only=True, slots=False)
class Halted(Answer):
    """Trading is halted."""

    message: str
    halt: HaltState


def halt_state(engine: Engine) -> HaltState | None:
    """The kill switch as it stands; None while it is not in use."""
    halt = engine.state.halt
    if halt is None:
        return None
    orders, positions = engine.halt_leaves()
    return HaltState(
        level=halt.level, since_ms=halt.since_ms, orders_left=orders, positions_left=positions
    )


def endpoints(engine: Engine) -> Blueprint:
    """POST /pause, POST /api/halt, POST /resume."""
    routes = Blueprint("halting", __name__)

    @routes.post("/pause")
    async def pause() -> Response:
        await no_body()
        since_ms = await engine.pause()
        said = "entries are paused: orders wait, stops and targets are watched on"
        return answer(Paused(message=said, paused=True, since_ms=since_ms))

    @routes.post("/api/halt")
    async def halt() -> Response:
        asked = await read_body(HaltAsked)
        now = await engine.halt(HaltLevel(asked.level))
        orders, positions = engine.halt_leaves()
        state = HaltState(
            level=now.level, since_ms=now.since_ms, orders_left=orders, positions_left=positions
        )
        return answer(Halted(message=SAID[now.level], halt=state))

    @routes.post("/resume")
    async def resume() -> Response:
        await no_body()
        await engine.resume()
        return answer(Paused(message="entries go out again", paused=False, since_ms=None))

    return routes
