"""Errors as JSON: on every path, unknown ones too, and never a traceback."""

from __future__ import annotations

import secrets
from typing import Annotated

import trio
from attrs import frozen
from quart import Request, Response, Websocket, has_request_context, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from ..exchange.errors import ExchangeError
from ..logs import get_logger
from ..model.errors import BadRequest, CallerError, Conflict, Unavailable
from ..model.errors import NotFound as NothingThere
from ..store import JournalUnavailable
from .answers import refusal, refused
from .wire import Refusal, about

__all__ = ["Crash", "NotJson", "TooLarge", "add_error_handlers"]

log = get_logger()

RETRY_AFTER_S = 5


@frozen(kw_only=True, slots=False)
class Crash(Refusal):
    """A fault of the engine."""

    error_id: Annotated[str, about("as in the log")]


class NotJson(CallerError):
    """The body is of another type."""


class TooLarge(CallerError):
    """The body is longer than any request needs."""


STATUSES: tuple[tuple[type[CallerError], int], ...] = (
    (BadRequest, 400),
    (NothingThere, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (NotJson, 415),
)


def add_error_handlers(app: QuartTrio) -> None:
    """Answer every error of `app` in JSON."""
    app.register_error_handler(CallerError, _caller)
    app.register_error_handler(ExchangeError, _exchange)
    app.register_error_handler(JournalUnavailable, _journal)
    app.register_error_handler(trio.ClosedResourceError, _stopping)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _crash)


async def _caller(error: CallerError) -> Response:
    if isinstance(error, Unavailable):
        return _unavailable(error.message, error.field, error.retry_after_s)
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    return refusal(status, str(error), error.field)


async def _exchange(error: ExchangeError) -> Response:
    return _unavailable(f"the exchange did not answer as it should: {error}")


async def _journal(error: JournalUnavailable) -> Response:
    """The request may still be promised, once it is on disk: the same request again finds out."""
    return _unavailable(f"nothing can be promised now: {error}")


async def _stopping(error: trio.ClosedResourceError) -> Response:
    return _unavailable("the engine is stopping")


def _unavailable(
    error: str, field: str | None = None, retry_after_s: int = RETRY_AFTER_S
) -> Response:
    return refusal(503, error, field, headers={"Retry-After": str(retry_after_s)})


async def _http(error: HTTPException) -> Response:
    """Refusals of the web framework."""
    asked = _asked()
    if isinstance(error, NotFound):
        return refusal(404, f"there is no {asked.method} {asked.path[:200]}; see GET /help")
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        text = f"{asked.method} is not possible here; {allowed} is"
        return refusal(405, text, headers={"Allow": allowed})
    return refusal(error.code or 500, (error.description or error.name).lower())


async def _crash(error: Exception) -> Response:
    error_id = secrets.token_hex(6)
    asked = _asked()
    log.error(
        "control_request_crashed",
        error_id=error_id,
        method=asked.method,
        path=asked.path,
        exc_info=error,
    )
    error_text = f"this is a fault of the engine; its log has it as {error_id}"
    return refused(500, Crash(error=error_text, error_id=error_id))


def _asked() -> Request | Websocket:
    """The request, or the handshake of a WebSocket, that is being answered."""
    return request if has_request_context() else websocket
