"""What the application is still owed, and what was given up: look at it, send it again."""

from __future__ import annotations

from enum import Enum

import msgspec
from quart import Blueprint, Response

from ..engine import Engine
from ..model.errors import Conflict, NotFound
from .answers import answer
from .bodies import no_body
from .queries import asked_for, page
from .views import View, notification_view

__all__ = ["endpoints"]

PARAMETERS = ("state", "limit", "after")


class OutboxState(Enum):
    """Where a notification stands. One that was delivered is here no more."""

    OWED = "owed"
    DEAD = "dead"


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/outbox, GET /api/outbox/{id}, POST /api/outbox/{id}/retry."""
    routes = Blueprint("outbox", __name__)

    def find(id: str) -> View | None:
        state = engine.state
        owed, letter = state.owed.get(id), state.dead.get(id)
        if owed is not None:
            return notification_view(
                owed, state=OutboxState.OWED.value, waiting=engine.still_owed(id)
            )
        if letter is None:
            return None
        return notification_view(
            letter.notification, state=OutboxState.DEAD.value, at_ms=letter.at_ms, why=letter.why
        )

    @routes.get("/api/outbox")
    async def listed() -> Response:
        """What is owed, then what was given up, each the newest first."""
        asked = asked_for(OutboxState, PARAMETERS)
        ids: list[str] = []
        for which, notifications in (
            (OutboxState.OWED, engine.state.owed),
            (OutboxState.DEAD, engine.state.dead),
        ):
            if not asked.states or which in asked.states:
                ids += reversed(list(notifications))
        found, after = await page(ids, find, asked)
        return answer(notifications=found, next=after)

    @routes.get("/api/outbox/<id:id>")
    async def one(id: str) -> Response:
        """One of them, with its body."""
        found, state = find(id), engine.state
        if found is None:
            raise NotFound(f"nothing that is owed or was given up has the id {id!r}")
        body = (state.owed.get(id) or state.dead[id].notification).body
        return answer(notification={**found, "body": msgspec.Raw(body)})

    @routes.post("/api/outbox/<id:id>/retry")
    async def retry(id: str) -> Response:
        await no_body()
        if id in engine.state.owed:
            raise Conflict("it is owed already, and will be sent")
        again = await engine.retry_notification(id)
        view = notification_view(again, state=OutboxState.OWED.value, waiting=engine.still_owed(id))
        return answer(id=id, notification=view)

    return routes
