"""Callbacks and signals of one order or position: every body, where it went, and what came of it."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from attrs import frozen
from msgspec import Raw
from quart import Blueprint, Response

from ..engine import Engine
from ..notify.bodies import body_of_attempt
from ..notify.delivery import SIGNALS
from ..store import Telling
from .answers import answer
from .outbox import Notification, notification_view
from .pieces import Pieces, encoded_list
from .queries import limit_asked
from .wire import Answer, Count, about, list_of, named

__all__ = ["Callback", "CallbackList", "CallbackState", "endpoints"]


class CallbackState(Enum):
    """What came of a callback or a signal."""

    OWED = "owed"
    DELIVERED = "delivered"
    DEAD = "dead"


@frozen(kw_only=True, slots=False)
class Callback(Notification):
    """A callback or a signal that was sent, or is owed, and its answer."""

    state: Annotated[Any, named("CallbackState")]
    answer: Annotated[str | None, about("what the receiver said")]
    body: Annotated[Any, about("what is sent")]


@frozen(kw_only=True, slots=False)
class CallbackList(Answer):
    """The latest callbacks and signals of one order or position, in the order made."""

    id: str
    callbacks: Annotated[Pieces, list_of("Callback")]
    left_off: Annotated[Count, about("earlier ones that are not shown")]


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/callbacks/{id}."""
    routes = Blueprint("callbacks", __name__)

    def view(telling: Telling) -> Callback:
        notification, ended = telling.notification, telling.ended
        waiting = engine.still_owed(notification.id) if ended is None else None
        attempts = ended.attempts if ended else waiting.attempts if waiting else 0
        body = notification.body
        if notification.kind in SIGNALS:
            body = body_of_attempt(body, max(attempts - 1, 0))
        if ended is None:
            return notification_view(
                Callback,
                notification,
                CallbackState.OWED,
                waiting=waiting,
                answer=None,
                body=Raw(body),
            )
        return notification_view(
            Callback,
            notification,
            CallbackState.DELIVERED if ended.delivered else CallbackState.DEAD,
            at_ms=ended.at_ms,
            why=ended.why or None,
            attempts=attempts or None,
            answer=ended.answer or None,
            body=Raw(body),
        )

    @routes.get("/api/callbacks/<id:id>")
    async def of_one(id: str) -> Response:
        """The latest of them, in the order made, and how many earlier ones there are."""
        limit = limit_asked()
        found = await engine.told(id)
        left_off = max(len(found) - limit, 0)
        callbacks = await encoded_list(found[left_off:], view)
        return answer(CallbackList(id=id, callbacks=callbacks, left_off=left_off))

    return routes
