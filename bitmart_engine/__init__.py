"""A structured-concurrency trading engine for BitMart Futures V2.

async with open_engine(Settings.from_environment()) as engine:
    async with engine.klines("BTCUSDT", "1m") as klines:
        async for kline in klines:
            ...
"""

from importlib.metadata import version

from .engine import Engine, open_engine
from .model.errors import BadRequest, CallerError, Conflict, NotFound, Unavailable
from .model.events import BalanceUpdate, Kline, OrderUpdate, PositionUpdate, Tick, Trade
from .settings import SettingError, Settings
from .streams.bus import Lagged
from .trading.requests import MonitorPosition, PlaceOrder
from .world import World

__all__ = [
    "BadRequest",
    "BalanceUpdate",
    "CallerError",
    "Conflict",
    "Engine",
    "Kline",
    "Lagged",
    "MonitorPosition",
    "NotFound",
    "OrderUpdate",
    "PlaceOrder",
    "PositionUpdate",
    "SettingError",
    "Settings",
    "Tick",
    "Trade",
    "Unavailable",
    "World",
    "open_engine",
]

__version__ = version("bitmart-engine")
