"""Channel names and what they mean.

A topic is the name that BitMart subscribes by, `futures/klineBin1m:BTCUSDT` say. Names are case-sensitive (fact sheet
3.6). This module only translates; it knows nothing of connections, and never says whether the exchange has a channel.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from attrs import frozen

from ..model.timeframes import Timeframe

__all__ = [
    "ORDERS",
    "POSITIONS",
    "Kind",
    "Topic",
    "asset_topic",
    "is_private",
    "kline_topic",
    "parse",
    "trade_topic",
]

ORDERS = "futures/order"
POSITIONS = "futures/position"

ASSET = "futures/asset"
KLINE = "futures/klineBin"
TRADE = "futures/trade"

SUFFIXES = {
    Timeframe.M1: "1m",
    Timeframe.M5: "5m",
    Timeframe.M15: "15m",
    Timeframe.M30: "30m",
    Timeframe.H1: "1H",
    Timeframe.H2: "2H",
    Timeframe.H4: "4H",
    Timeframe.D1: "1D",
    Timeframe.W1: "1W",
}
"""Minutes in lower case, the rest in upper case; `klineBin1h` is refused."""

TIMEFRAMES = {KLINE + suffix: timeframe for timeframe, suffix in SUFFIXES.items()}

SPEED = re.compile(r"@\d+ms$")
"""A data frame may name a push speed that nobody subscribed to."""

PRIVATE = re.compile(r"futures/(order|position|asset|unicast)(:|$)")


class Kind(Enum):
    """What a channel carries."""

    KLINES = "klines"
    TRADES = "trades"
    ORDERS = "orders"
    POSITIONS = "positions"
    BALANCE = "balance"
    OTHER = "other"


@frozen
class Topic:
    """A channel and its meaning. `name` is what it is subscribed by; symbol and timeframe where it has one."""

    name: str
    kind: Kind
    symbol: str = ""
    timeframe: Timeframe | None = None


def kline_topic(symbol: str, timeframe: Timeframe) -> str:
    """The topic of a symbol's klines."""
    return f"{KLINE}{SUFFIXES[timeframe]}:{symbol}"


def trade_topic(symbol: str) -> str:
    """The topic of every trade of a symbol."""
    return f"{TRADE}:{symbol}"


def asset_topic(currency: str) -> str:
    """The topic of the account's balance in a currency."""
    return f"{ASSET}:{currency}"


def is_private(topic: str) -> bool:
    """Whether the topic needs a login, and so the private connection."""
    return PRIVATE.match(topic) is not None


@lru_cache(maxsize=10_000)
def parse(group: str) -> Topic:
    """What the `group` of a frame speaks of, without its push speed (`@100ms`)."""
    name = SPEED.sub("", group)
    channel, _, symbol = name.partition(":")
    if name == ORDERS:
        return Topic(name, Kind.ORDERS)
    if name == POSITIONS:
        return Topic(name, Kind.POSITIONS)
    if symbol and channel == ASSET:
        return Topic(name, Kind.BALANCE)
    if symbol and channel == TRADE:
        return Topic(name, Kind.TRADES, symbol)
    if symbol and channel in TIMEFRAMES:
        return Topic(name, Kind.KLINES, symbol, TIMEFRAMES[channel])
    return Topic(name, Kind.OTHER, symbol)
