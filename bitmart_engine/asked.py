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

__all__ = ["check_request", "kline_topics", "one_or_more", "timeframe_of", "unprotected"]


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


def one_or_more(given: str | Iterable[str]) -> list[str]:
    """A list, of which one text may stand alone."""
    return [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)


def kline_topics(symbol: str, timeframes: str | Iterable[str]) -> list[str]:
    """The channels of a symbol's klines; one timeframe may stand alone. Raises BadRequest."""
    frames = one_or_more(timeframes)
    topics = [kline_topic(symbol_of(symbol), timeframe_of(each)) for each in frames]
    return list(dict.fromkeys(topics))
