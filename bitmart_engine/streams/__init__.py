"""BitMart's WebSockets: what arrives is decoded once, normalized once, and fanned out.

`open_streams` opens the room; everything else here is its furniture. Nothing in this package places an order, reads an
account over REST, or decides anything about a price.
"""

from .bus import Bus, Lagged, Listener
from .statistics import ConnectionStatistics, StreamsStatistics
from .streams import Streams, open_streams
from .ticks import TickMailbox, TickMaker
from .topics import ORDERS, POSITIONS, asset_topic, kline_topic, trade_topic

__all__ = [
    "ORDERS",
    "POSITIONS",
    "Bus",
    "ConnectionStatistics",
    "Lagged",
    "Listener",
    "Streams",
    "StreamsStatistics",
    "TickMailbox",
    "TickMaker",
    "asset_topic",
    "kline_topic",
    "open_streams",
    "trade_topic",
]
