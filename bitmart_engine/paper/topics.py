"""The topics there are, and which of them are one stream under several names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .candles import CHANNELS
from .config import PaperConfig
from .orderbook import DEPTHS

ORDERS, POSITIONS, UNICAST = "futures/order", "futures/position", "futures/unicast"
ASSETS = tuple(f"futures/asset:{currency}" for currency in ("USDT", "BTC", "ETH", "USDC"))
SPEEDS = ("", "@100ms", "@200ms")
"""What the client may ask for; the exchange sends once a second whatever it asks."""

EXTRA_BINS = {"6H": 360, "12H": 720}
SNAPSHOTS = ("futures/depthIncrease", "futures/fundingRate")
"""Topics that begin with a snapshot, and of which one may be requested."""


def private_topics(config: PaperConfig) -> frozenset[str]:
    """What needs a login."""
    topics = {ORDERS, POSITIONS, *ASSETS}
    return frozenset(topics | {UNICAST} if config.unicast else topics)


def kline_channels(config: PaperConfig) -> dict[str, int]:
    """The minutes of a bar, by the name of its channel."""
    extra = {f"klineBin{name}": EXTRA_BINS[name] for name in config.extra_kline_bins}
    return {**CHANNELS, **extra}


def mark_price_channel(channel: str) -> str:
    """The channel of the mark price's bars beside one of klines."""
    return f"markPriceK{channel.removeprefix('k')}"


def public_topics(config: PaperConfig, symbols: Iterable[str]) -> frozenset[str]:
    """What anybody may subscribe. The v2 books are acknowledged and stay silent, as in the probes."""
    klines = kline_channels(config)
    channels = [*klines, *map(mark_price_channel, klines), "ticker", "trade", "fundingRate"]
    sized = ("depth", "depthAll", "depthIncrease", "v2/depthAll", "v2/depthIncrease")
    fast = [f"{name}{depth}" for name in sized for depth in DEPTHS] + ["bookticker"]
    topics = {"futures/ticker"}
    for symbol in symbols:
        topics |= {f"futures/{channel}:{symbol}" for channel in channels}
        topics |= {name for one in fast for name in names_of(f"futures/{one}:{symbol}")}
    return frozenset(topics)


def names_of(topic: str) -> Iterator[str]:
    """A topic with every speed that it can be asked for with."""
    return (f"{topic}{speed}" for speed in SPEEDS)


def plain(topic: str) -> str:
    """A topic without its speed."""
    return topic.partition("@")[0]
