"""Protections: monitor a position, look at its protection, move or drop stop and target, close it now.

`/api/protections` and `/api/positions` are the same: what the latter calls `positions` are protections, and `held` are
the positions at the exchange.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Annotated

import trio
from attrs import frozen
from msgspec import UNSET, UnsetType
from quart import Blueprint, Response

from ..engine import Engine
from ..model.errors import NotFound
from ..model.fields import checked
from ..model.lifecycle import ProtectionState
from ..model.positions import Protection
from ..model.sides import PositionSide
from ..trading.requests import MonitorPosition
from .access import AccessRule
from .answers import answer
from .bodies import no_body, read_body
from .pieces import Pieces, encoded_list, unhurried
from .queries import archive_page
from .tokens import read_sent
from .views import Held, Position, held_view, protection_view
from .wire import Answer, Duplicate, Next, about, list_of

__all__ = [
    "HeldOrUnknown",
    "OnePosition",
    "PositionChanged",
    "PositionList",
    "PositionMonitored",
    "PositionReleased",
    "endpoints",
    "held",
]

HeldOrUnknown = Annotated[
    list[Held] | None, about("what the exchange holds, of whomever it is; null: not known yet")
]


@frozen(field_transformer=checked)
class Levels:
    """Where to move a stop and a target. What is left out stays; null is refused, for it might mean either."""

    stop_loss: Decimal | UnsetType = UNSET
    take_profit: Decimal | UnsetType = UNSET


@frozen(kw_only=True, slots=False)
class PositionList(Answer):
    """A page of protections, newest first, and the positions at the exchange."""

    positions: Annotated[Pieces, list_of("Position")]
    held: HeldOrUnknown
    next: Next


@frozen(kw_only=True, slots=False)
class OnePosition(Answer):
    """One protection."""

    position: Position


@frozen(kw_only=True, slots=False)
class PositionChanged(Answer):
    """A protection as it stands after what was asked."""

    id: str
    status: ProtectionState
    position: Position


@frozen(kw_only=True, slots=False)
class PositionMonitored(Answer):
    """A protection that is kept, whatever happens to the engine."""

    id: str
    status: ProtectionState
    message: str
    position_id: Annotated[str, about("the same as `id`")]
    duplicate: Duplicate = UNSET
    position: Position


@frozen(kw_only=True, slots=False)
class PositionReleased(Answer):
    """A protection that was dropped; the position stays."""

    id: str
    status: ProtectionState
    exchange_protection_removed: bool | UnsetType = UNSET
    position: Position


def endpoints(engine: Engine) -> Blueprint:
    """POST /api/monitor-position, GET /api/protections, and what can be done to one of them."""
    routes = Blueprint("positions", __name__)
    rule = AccessRule.of(engine.settings)

    @routes.post("/api/monitor-position")
    async def monitor() -> Response:
        asked = await read_sent(MonitorPosition, rule)
        monitored = await engine.monitor_position(asked)
        protection = monitored.protection
        what = "known already" if monitored.duplicate else "accepted"
        return answer(
            PositionMonitored(
                id=protection.id,
                status=protection.state,
                message=f"position {what}, {protection.state.value}",
                position_id=protection.id,
                duplicate=monitored.duplicate or UNSET,
                position=protection_view(protection),
            )
        )

    @routes.get("/api/protections")
    @routes.get("/api/positions")
    async def listed() -> Response:
        """The protections, and what the exchange holds, of whomever it is."""
        found, after = await archive_page(engine.state.protections, ProtectionState)
        return answer(
            PositionList(
                positions=await encoded_list(found, protection_view),
                held=await held(engine),
                next=after,
            )
        )

    @routes.get("/api/protections/<id:id>")
    @routes.get("/api/positions/<id:id>")
    async def one(id: str) -> Response:
        protection = engine.state.protections.get(id)
        if protection is None:
            raise NotFound(f"no position has the id {id!r}")
        return answer(OnePosition(position=protection_view(protection)))

    @routes.patch("/api/protections/<id:id>")
    @routes.patch("/api/positions/<id:id>")
    async def move(id: str) -> Response:
        levels = await read_body(Levels)
        return _as_it_stands(
            await engine.change_protection(
                id, stop_loss=_given(levels.stop_loss), take_profit=_given(levels.take_profit)
            )
        )

    @routes.delete("/api/protections/<id:id>")
    @routes.delete("/api/positions/<id:id>")
    async def drop(id: str) -> Response:
        await no_body()
        released = await engine.release_protection(id)
        return answer(
            PositionReleased(
                id=released.id,
                status=released.state,
                exchange_protection_removed=not released.kept_at_exchange,
                position=protection_view(released),
            )
        )

    @routes.post("/api/protections/<id:id>/close")
    @routes.post("/api/positions/<id:id>/close")
    async def close(id: str) -> Response:
        await no_body()
        return _as_it_stands(await engine.close_position(id))

    return routes


async def held(engine: Engine) -> list[Held] | None:
    """What the exchange holds, of whomever it is, and how much of it protections cover; None while nobody knows.

    A checkpoint now and then.
    """
    if not engine.positions_known:
        return None
    await trio.lowlevel.checkpoint()
    positions = engine.positions()
    covered: Counter[tuple[str, PositionSide]] = Counter()
    async for each in unhurried(engine.state.protections.alive(), 500):
        covered[each.symbol, each.side] += each.remaining
    return [held_view(each, covered[each.symbol, each.side]) for each in positions if each.size]


def _as_it_stands(protection: Protection) -> Response:
    return answer(
        PositionChanged(
            id=protection.id, status=protection.state, position=protection_view(protection)
        )
    )


def _given(level: Decimal | UnsetType) -> Decimal | None:
    return None if isinstance(level, UnsetType) else level
