"""Subscriptions of readers: klines of symbols, and the account's orders, positions and balance.

This is the readers' view only. What a monitor needs stays subscribed underneath, whatever is unsubscribed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from attrs import frozen
from msgspec import UNSET, UnsetType
from quart import Blueprint, Response

from ..engine import Engine
from ..model.errors import BadRequest
from ..model.fields import checked
from .answers import answer
from .bodies import no_body, read_body
from .wire import Answer, about

__all__ = ["KlineView", "KlinesSubscribed", "Subscribed", "endpoints"]


@frozen(field_transformer=checked)
class KlineView:
    """Klines of a symbol, or of several, by timeframe. `lenient` leaves symbols out that the exchange does not have."""

    symbol: tuple[str, ...]
    tfs: tuple[str, ...]
    lenient: bool = False


@frozen(kw_only=True, slots=False)
class Subscribed(Answer):
    """The channels that readers see, or see no more."""

    message: str
    channels: list[str]


@frozen(kw_only=True, slots=False)
class KlinesSubscribed(Subscribed):
    """The kline channels that readers see, or see no more."""

    refused: Annotated[
        Mapping[str, str] | UnsetType, about("why not, by symbol, where the request is lenient")
    ] = UNSET


def endpoints(engine: Engine) -> Blueprint:
    """POST /klines|orders|positions|balance/subscribe|unsubscribe, and /subscribe, /unsubscribe for klines."""
    routes = Blueprint("subscriptions", __name__)

    @routes.post("/klines/subscribe")
    @routes.post("/subscribe")
    async def subscribe_klines() -> Response:
        asked = await _klines_asked()
        lenient = asked.lenient or engine.settings.subscribe_lenient
        channels: list[str] = []
        refused: dict[str, str] = {}
        if not lenient:
            channels = await engine.subscribe_klines(asked.symbol, asked.tfs)
        for symbol in asked.symbol if lenient else ():
            try:
                channels += await engine.subscribe_klines(symbol, asked.tfs)
            except BadRequest as failure:
                if failure.field != "$.symbol":
                    raise
                refused[symbol] = failure.message
        return answer(
            KlinesSubscribed(
                message=_said("subscribed to", channels),
                channels=channels,
                refused=refused or UNSET,
            )
        )

    @routes.post("/klines/unsubscribe")
    @routes.post("/unsubscribe")
    async def unsubscribe_klines() -> Response:
        asked = await _klines_asked()
        channels = await engine.unsubscribe_klines(asked.symbol, asked.tfs)
        return _done("unsubscribed from", channels)

    @routes.post("/orders/subscribe")
    async def subscribe_orders() -> Response:
        await no_body()
        return _done("subscribed to", await engine.view_orders(subscribed=True))

    @routes.post("/orders/unsubscribe")
    async def unsubscribe_orders() -> Response:
        await no_body()
        return _done("unsubscribed from", await engine.view_orders(subscribed=False))

    @routes.post("/positions/subscribe")
    async def subscribe_positions() -> Response:
        await no_body()
        return _done("subscribed to", await engine.view_positions(subscribed=True))

    @routes.post("/positions/unsubscribe")
    async def unsubscribe_positions() -> Response:
        await no_body()
        return _done("unsubscribed from", await engine.view_positions(subscribed=False))

    @routes.post("/balance/subscribe")
    async def subscribe_balance() -> Response:
        await no_body()
        return _done("subscribed to", await engine.view_balance(subscribed=True))

    @routes.post("/balance/unsubscribe")
    async def unsubscribe_balance() -> Response:
        await no_body()
        return _done("unsubscribed from", await engine.view_balance(subscribed=False))

    return routes


async def _klines_asked() -> KlineView:
    asked = await read_body(KlineView)
    if not asked.tfs:
        raise BadRequest('give at least one timeframe, such as ["1m", "5m"]', "$.tfs")
    if not asked.symbol:
        raise BadRequest("give at least one symbol, such as BTCUSDT", "$.symbol")
    return asked


def _said(verb: str, channels: list[str]) -> str:
    return f"{verb} {', '.join(channels) or 'nothing'}"


def _done(verb: str, channels: list[str]) -> Response:
    return answer(Subscribed(message=_said(verb, channels), channels=channels))
