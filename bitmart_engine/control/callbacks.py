"""What was sent, or is owed, of one order or position: every body, where it went, and what came of it."""

from __future__ import annotations

from enum import Enum

import msgspec
from quart import Blueprint, Response

from ..engine import Engine
from ..notify.bodies import body_of_attempt
from ..notify.delivery import SIGNALS
from ..store import Telling
from .answers import answer
from .queries import limit_asked
from .views import View, notification_view

__all__ = ["CallbackState", "endpoints"]


class CallbackState(Enum):
    """What came of a callback or a signal."""

    OWED = "owed"
    DELIVERED = "delivered"
    DEAD = "dead"


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/callbacks/{id}."""
    routes = Blueprint("callbacks", __name__)

    def view(telling: Telling) -> View:
        notification, ended = telling.notification, telling.ended
        if ended is None:
            waiting = engine.still_owed(notification.id)
            attempts = waiting.attempts if waiting is not None else 0
            shown = notification_view(notification, state=CallbackState.OWED.value, waiting=waiting)
            response = None
        else:
            state = CallbackState.DELIVERED if ended.delivered else CallbackState.DEAD
            attempts = ended.attempts
            shown = notification_view(
                notification, state=state.value, at_ms=ended.at_ms, why=ended.why or None
            )
            shown = {**shown, "attempts": attempts or None}
            response = ended.answer or None
        body = notification.body
        if notification.kind in SIGNALS:
            body = body_of_attempt(body, max(attempts - 1, 0))
        return {**shown, "answer": response, "body": msgspec.Raw(body)}

    @routes.get("/api/callbacks/<id:id>")
    async def of_one(id: str) -> Response:
        """The latest of them, in the order made, and how many earlier ones there are."""
        limit = limit_asked()
        found = await engine.told(id)
        left_off = max(len(found) - limit, 0)
        return answer(id=id, callbacks=[view(each) for each in found[left_off:]], left_off=left_off)

    return routes
