"""The Quart-Trio app: the access rule, the errors, and the endpoints, one module for each group of them.

Nothing that trades lives in here: the app may end, or a request may crash, and no order is the worse for it.
"""

from __future__ import annotations

from quart import Response, request, websocket
from quart_trio import QuartTrio
from werkzeug.routing import BaseConverter

from ..engine import Engine
from ..health_watch import HealthWatch
from . import (
    callbacks,
    events,
    fills,
    futures_orders,
    guide,
    halting,
    health,
    instruments,
    klines,
    metrics,
    openapi,
    orders,
    outages,
    outbox,
    page,
    positions,
    status,
    subscriptions,
    summary,
    trades,
)
from .access import AccessRule, Asker
from .bodies import MAX_BODY_BYTES
from .errors import add_error_handlers
from .tokens import is_shown_in_body

__all__ = ["make_app"]

READ_AT_MOST_BYTES = 16 * MAX_BODY_BYTES
"""A body that is somewhat too long is read to its end, so that its sender gets to see the answer."""
BODY_WITHIN_S = 10
GROUPS = (
    status,
    guide,
    subscriptions,
    orders,
    futures_orders,
    fills,
    trades,
    summary,
    positions,
    outbox,
    callbacks,
    events,
    klines,
    instruments,
    openapi,
    halting,
    health,
    outages,
    metrics,
    page,
)


class IdConverter(BaseConverter):
    """An id in a path: any text, slashes and line ends too, for ids are the user's own."""

    part_isolating = False
    regex = "(?s:.+)"
    weight = 300


def make_app(engine: Engine, watch: HealthWatch | None = None) -> QuartTrio:
    """The control API of `engine`, as an ASGI app. It needs no lifespan events.

    `watch` is what looks at its health, and runs; without one it is looked at when somebody asks.
    """
    app = QuartTrio(__name__, static_folder=None)
    app.extensions[health.WATCH] = watch or HealthWatch(engine)
    app.config["MAX_CONTENT_LENGTH"] = READ_AT_MOST_BYTES
    app.config["BODY_TIMEOUT"] = BODY_WITHIN_S
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = IdConverter
    rule = AccessRule.of(engine.settings)

    @app.before_request
    async def check_request() -> Response | None:
        asker = Asker.of(request)
        refused = rule.refusal(asker)
        if refused is not None and rule.token and await is_shown_in_body(rule, asker):
            return None
        return refused

    @app.before_websocket
    async def check_websocket() -> Response | None:
        return rule.refusal(Asker.of(websocket))

    add_error_handlers(app)
    for group in GROUPS:
        app.register_blueprint(group.endpoints(engine))
    return app
