"""Notifications that are owed, or were given up: look at them, send them again."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, TypeVar

from attrs import evolve, frozen
from msgspec import UNSET, Raw
from quart import Blueprint, Response

from ..engine import Engine
from ..model.errors import Conflict, NotFound
from ..model.notifications import Notification as NotificationKept
from ..model.urls import shown_url
from ..notify.outbox import Waiting
from .answers import answer
from .bodies import no_body
from .pieces import Pieces, encoded_list
from .queries import asked_for, page
from .wire import Answer, Count, Next, UnixMs, about, list_of, named, view_of

__all__ = [
    "Notification",
    "NotificationList",
    "NotificationRetried",
    "OneNotification",
    "OutboxState",
    "endpoints",
    "notification_view",
]

PARAMETERS = ("state", "limit", "after")


class OutboxState(Enum):
    """Where a notification stands. One that was delivered is here no more."""

    OWED = "owed"
    DEAD = "dead"


@frozen(kw_only=True, slots=False)
class Notification:
    """A callback or a signal that is owed, or was given up at `at_ms`, and why.

    `lane` is the order, or position, that it speaks of; `attempts` are those since the engine started.
    """

    id: Annotated[str, about("the `Idempotency-Key` that it is sent with")]
    state: Annotated[Any, named("OutboxState")]
    lane: str
    kind: str
    url: str
    created_ms: UnixMs
    at_ms: UnixMs | None
    why: str | None
    attempts: Count | None
    next_attempt_ms: UnixMs | None
    body: Annotated[Any, about("what is sent, shown where one notification is asked for")] = UNSET


@frozen(kw_only=True, slots=False)
class NotificationList(Answer):
    """A page of notifications: those owed, then those given up, each the newest first."""

    notifications: Annotated[Pieces, list_of("Notification")]
    next: Next


@frozen(kw_only=True, slots=False)
class OneNotification(Answer):
    """One notification, with its body."""

    notification: Notification


@frozen(kw_only=True, slots=False)
class NotificationRetried(Answer):
    """A notification that is owed again."""

    id: str
    notification: Notification


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/outbox, GET /api/outbox/{id}, POST /api/outbox/{id}/retry."""
    routes = Blueprint("outbox", __name__)

    def owed(notification: NotificationKept) -> Notification:
        waiting = engine.still_owed(notification.id)
        return notification_view(Notification, notification, OutboxState.OWED, waiting=waiting)

    def find(id: str) -> Notification | None:
        state = engine.state
        if (notification := state.owed.get(id)) is not None:
            return owed(notification)
        if (letter := state.dead.get(id)) is None:
            return None
        return notification_view(
            Notification,
            letter.notification,
            OutboxState.DEAD,
            at_ms=letter.at_ms,
            why=letter.why,
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
        shown = await encoded_list(found, lambda each: each)
        return answer(NotificationList(notifications=shown, next=after))

    @routes.get("/api/outbox/<id:id>")
    async def one(id: str) -> Response:
        """One of them, with its body."""
        found, state = find(id), engine.state
        if found is None:
            raise NotFound(f"nothing that is owed or was given up has the id {id!r}")
        body = (state.owed.get(id) or state.dead[id].notification).body
        return answer(OneNotification(notification=evolve(found, body=Raw(body))))

    @routes.post("/api/outbox/<id:id>/retry")
    async def retry(id: str) -> Response:
        await no_body()
        if id in engine.state.owed:
            raise Conflict("it is owed already, and will be sent")
        again = await engine.retry_notification(id)
        return answer(NotificationRetried(id=id, notification=owed(again)))

    return routes


N = TypeVar("N", bound=Notification)


def notification_view(
    kind: type[N],
    notification: NotificationKept,
    state: Enum,
    *,
    at_ms: int | None = None,
    why: str | None = None,
    attempts: int | None = None,
    waiting: Waiting | None = None,
    **more: object,
) -> N:
    """A notification as a `kind`, which may show `more`; `waiting` says of one that is owed how it stands."""
    return view_of(
        kind,
        notification,
        state=state,
        url=shown_url(notification.url),
        at_ms=at_ms,
        why=waiting.why if waiting else why,
        attempts=waiting.attempts if waiting else attempts,
        next_attempt_ms=waiting.next_attempt_ms if waiting else None,
        **more,
    )
