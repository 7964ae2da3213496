"""What a running engine is asked, beyond requests that check themselves; and what it answers of its state alone."""

from __future__ import annotations

from collections.abc import Iterable

from .model.errors import BadRequest
from .model.fields import symbol_of, text
from .model.positions import Protection
from .model.timeframes import Timeframe
from .store import State
from .streams.topics import kline_topic
from .trading.requests import MonitorPosition, PlaceOrder

__all__ = ["check_request", "kline_topics", "timeframe_of", "unprotected"]


def unprotected(state: State) -> list[Protection]:
    """The protections over something held that have no stop at the exchange."""
    return [
        each
        for each in state.protections.alive()
        if each.covered and each.exchange_stop_loss is None
    ]


def check_request(asked: object, kind: type[PlaceOrder] | type[MonitorPosition]) -> None:
    """Raise BadRequest for what is no such request at all; its fields checked themselves when it was made."""
    if not isinstance(asked, kind):
        raise BadRequest(f"must be a {kind.__name__}, not {type(asked).__name__}")


def timeframe_of(given: str) -> Timeframe:
    """The timeframe that is meant. Raises BadRequest."""
    try:
        return Timeframe.parse(text(given, "$.tfs"))
    except ValueError as error:
        raise BadRequest(str(error), "$.tfs") from None


def kline_topics(symbol: str, timeframes: Iterable[str]) -> list[str]:
    """The channels of a symbol's klines; one timeframe may stand alone. Raises BadRequest."""
    frames = [timeframes] if isinstance(timeframes, str) else timeframes
    topics = [kline_topic(symbol_of(symbol), timeframe_of(each)) for each in frames]
    return list(dict.fromkeys(topics))
