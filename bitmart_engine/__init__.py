"""A structured-concurrency trading engine for BitMart Futures V2.

async with open_engine(Settings.from_environment()) as engine:
    async with engine.klines("BTCUSDT", "1m") as klines:
        async for kline in klines:
            ...

What is named here is the public API; the table of README.md beside this file says what each name is for. Everything
else may change between two releases. The control API and the paper exchange are imported when they are first asked for:
a program that needs neither does not load a web framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .engine import Engine, open_engine
from .guarding import Unguarded
from .health import Fact, HealthLevel
from .logs import configure_logs
from .loop_watch import LoopWatch
from .model.errors import BadRequest, CallerError, Conflict, NotFound, Unavailable
from .model.events import (
    BalanceUpdate,
    Event,
    Fill,
    Kline,
    OrderState,
    OrderUpdate,
    PositionUpdate,
    PrivateReady,
    Tick,
    Trade,
)
from .model.fills import AccountFill, Liquidity, Whose
from .model.halting import Halt, HaltLevel
from .model.instruments import Instrument
from .model.lifecycle import EntryState, ProtectionState
from .model.notifications import Notification
from .model.orders import EntryOrder
from .model.positions import CloseReason, Protection
from .model.sides import OrderSide, PositionSide
from .model.timeframes import Timeframe
from .model.trades import Trade as AccountTrade
from .model.trades import TradeState
from .running import (
    ExchangeStatistics,
    Findings,
    KnownBalance,
    LatencyStatistics,
    Limits,
    LoopStatistics,
    Monitored,
    MonitorPosition,
    OutboxStatistics,
    Placed,
    PlaceOrder,
    Risk,
    Stake,
    StreamsStatistics,
    Waiting,
)
from .settings import SettingError, Settings
from .store import JournalError, State, Telling
from .streams.bus import Lagged, Listener
from .version import VERSION
from .world import World

if TYPE_CHECKING:
    from .control import AddressUnavailable, make_app, serve_control
    from .on_paper import PaperEngine, open_paper_engine

__all__ = [
    "AccountFill",
    "AccountTrade",
    "AddressUnavailable",
    "BadRequest",
    "BalanceUpdate",
    "CallerError",
    "CloseReason",
    "Conflict",
    "Engine",
    "EntryOrder",
    "EntryState",
    "Event",
    "ExchangeStatistics",
    "Fact",
    "Fill",
    "Findings",
    "Halt",
    "HaltLevel",
    "HealthLevel",
    "Instrument",
    "JournalError",
    "Kline",
    "KnownBalance",
    "Lagged",
    "LatencyStatistics",
    "Limits",
    "Liquidity",
    "Listener",
    "LoopStatistics",
    "LoopWatch",
    "MonitorPosition",
    "Monitored",
    "NotFound",
    "Notification",
    "OrderSide",
    "OrderState",
    "OrderUpdate",
    "OutboxStatistics",
    "PaperEngine",
    "PlaceOrder",
    "Placed",
    "PositionSide",
    "PositionUpdate",
    "PrivateReady",
    "Protection",
    "ProtectionState",
    "Risk",
    "SettingError",
    "Settings",
    "Stake",
    "State",
    "StreamsStatistics",
    "Telling",
    "Tick",
    "Timeframe",
    "Trade",
    "TradeState",
    "Unavailable",
    "Unguarded",
    "Waiting",
    "Whose",
    "World",
    "configure_logs",
    "make_app",
    "open_engine",
    "open_paper_engine",
    "serve_control",
]

__version__ = VERSION

_WHEN_ASKED_FOR = {
    "AddressUnavailable": "control",
    "PaperEngine": "on_paper",
    "make_app": "control",
    "open_paper_engine": "on_paper",
    "serve_control": "control",
}


def __getattr__(name: str) -> object:
    if name not in _WHEN_ASKED_FOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHEN_ASKED_FOR[name]}", __name__), name)
