"""Positions: guard them, look at them, move or drop their stop and target, close them now."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

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
from .queries import shelf_page
from .tokens import read_sent
from .views import View, held_view, protection_view

__all__ = ["endpoints", "held"]


@frozen(field_transformer=checked)
class Levels:
    """Where to move a stop and a target. What is left out stays; null is refused, for it might mean either."""

    stop_loss: Decimal | UnsetType = UNSET
    take_profit: Decimal | UnsetType = UNSET


def endpoints(engine: Engine) -> Blueprint:
    """POST /api/monitor-position, GET /api/positions, and what can be done to one of them."""
    routes = Blueprint("positions", __name__)
    rule = AccessRule.of(engine.settings)

    @routes.post("/api/monitor-position")
    async def monitor() -> Response:
        asked = await read_sent(MonitorPosition, rule)
        monitored = await engine.monitor_position(asked)
        more: dict[str, object] = {"duplicate": True} if monitored.duplicate else {}
        protection = monitored.protection
        what = "known already" if monitored.duplicate else "accepted"
        return _as_it_stands(
            protection,
            message=f"position {what}, {protection.state.value}",
            position_id=protection.id,
            **more,
        )

    @routes.get("/api/positions")
    async def listed() -> Response:
        """The guarded positions, and what the exchange holds, of whomever it is."""
        found, after = await shelf_page(engine.state.protections, ProtectionState)
        return answer(
            positions=[protection_view(each) for each in found],
            held=held(engine),
            next=after,
        )

    @routes.get("/api/positions/<id:id>")
    async def one(id: str) -> Response:
        protection = engine.state.protections.get(id)
        if protection is None:
            raise NotFound(f"no position has the id {id!r}")
        return answer(position=protection_view(protection))

    @routes.patch("/api/positions/<id:id>")
    async def move(id: str) -> Response:
        levels = await read_body(Levels)
        return _as_it_stands(
            await engine.change_protection(
                id, stop_loss=_given(levels.stop_loss), take_profit=_given(levels.take_profit)
            )
        )

    @routes.delete("/api/positions/<id:id>")
    async def drop(id: str) -> Response:
        await no_body()
        released = await engine.release_protection(id)
        return _as_it_stands(released, exchange_protection_removed=not released.kept_at_exchange)

    @routes.post("/api/positions/<id:id>/close")
    async def close(id: str) -> Response:
        await no_body()
        return _as_it_stands(await engine.close_position(id))

    return routes


def held(engine: Engine) -> list[View] | None:
    """What the exchange holds, of whomever it is, and how much of it protections cover; None while nobody knows."""
    if not engine.positions_known:
        return None
    covered: Counter[tuple[str, PositionSide]] = Counter()
    for each in engine.state.protections.alive():
        covered[each.symbol, each.side] += each.remaining
    return [
        held_view(each, covered[each.symbol, each.side]) for each in engine.positions() if each.size
    ]


def _as_it_stands(protection: Protection, **more: object) -> Response:
    return answer(
        id=protection.id,
        status=protection.state.value,
        **more,
        position=protection_view(protection),
    )


def _given(level: Decimal | UnsetType) -> Decimal | None:
    return None if isinstance(level, UnsetType) else level
