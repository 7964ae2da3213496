"""GET /api/klines/{symbol}/{tf}: the last klines, from memory or from the exchange's history."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from quart import Blueprint, Response

from ..engine import Engine
from ..model.errors import BadRequest, NotFound
from .answers import answer
from .events import shown
from .pieces import Pieces, encoded_list
from .queries import limit_asked
from .wire import Answer, list_of

__all__ = ["KlineList", "endpoints"]

IN_THE_PATH = {"$.symbol": "symbol", "$.tfs": "tf"}


@frozen(kw_only=True, slots=False)
class KlineList(Answer):
    """The last klines of a channel, the newest last."""

    klines: Annotated[Pieces, list_of("Kline")]


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/klines/{symbol}/{tf}."""
    routes = Blueprint("klines", __name__)

    @routes.get("/api/klines/<symbol>/<tf>")
    async def last(symbol: str, tf: str) -> Response:
        limit = limit_asked()
        try:
            klines = await engine.recent_klines(symbol.upper(), tf, limit)
        except BadRequest as error:
            raise NotFound(error.message, IN_THE_PATH.get(error.field or "", error.field)) from None
        return answer(KlineList(klines=await encoded_list(klines, shown)))

    return routes
