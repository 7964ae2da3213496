"""Enums of the contract: each is a schema with a name of its own, of which a generator makes one enum.

Without a name of its own a generator invents one for each place (`Type1`, `OrderStatusType0`), which changes whenever
a field is added. `x-enum-varnames` has the names of the members, where a value alone would make a poor one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from ..feed import Happening
from ..health import HealthLevel
from ..model.events import OrderState
from ..model.fields import SIDES
from ..model.fills import Liquidity, Whose
from ..model.futures_orders import FuturesStatus
from ..model.halting import HaltLevel
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import OrderType
from ..model.positions import CloseReason
from ..model.sides import OrderSide, PositionSide
from ..model.timeframes import Timeframe
from ..model.trades import TradeState
from ..trading.signals.signal_forms import Status
from .callbacks import CallbackState
from .outbox import OutboxState
from .shapes import Schema, named

__all__ = ["ENUMS", "choice", "name_of", "one_of"]

BY_VALUE: Mapping[type[Enum], tuple[str, str]] = {
    EntryState: ("EntryState", "where an entry order stands"),
    ProtectionState: ("ProtectionState", "where a protection stands"),
    PositionSide: ("PositionSide", "of a position"),
    OrderType: ("OrderType", "how an entry order goes out"),
    CloseReason: ("CloseReason", "why a position is gone, or is being closed"),
    FuturesStatus: (
        "FuturesStatus",
        "how an order of the account stands; what filled in part and was then cancelled is filled",
    ),
    Whose: ("Whose", "what kind of order it was that filled; by_hand: sent by somebody else"),
    Liquidity: ("Liquidity", "whether the order had waited in the book, or took what waited there"),
    TradeState: ("TradeState", "whether all is closed that was opened, as far as is known"),
    CallbackState: ("CallbackState", "what came of a callback or a signal"),
    OutboxState: ("OutboxState", "where a notification stands; a delivered one is not shown"),
    Happening: ("EventType", "of an event of GET /events"),
    Timeframe: ("Timeframe", "how long a kline is"),
    HaltLevel: ("HaltLevel", "what is halted; each level includes those before it"),
    HealthLevel: ("HealthLevel", "red: a stop or a promise may be at risk; amber: nothing held is"),
    Status: ("SignalStatus", "what became of the order that a signal tells of"),
}
"""Enums whose values are sent."""

BY_NAME: Mapping[type[Enum], tuple[str, str]] = {
    OrderSide: ("OrderSide", "of an order at the exchange: codes 1 to 4 in this sequence"),
    OrderState: ("OrderState", "of an order at the exchange; finish: filled, cancelled or expired"),
}
"""Enums whose members' names are sent, in lower case: their values are the exchange's codes."""

CHOICES: Mapping[str, tuple[Sequence[str], str]] = {
    "Mode": (("live", "demo", "paper"), "the exchange that is traded on"),
    "OpenType": (("isolated", "cross"), "margin mode"),
    "ClosedBy": (("engine", "exchange"), "who closed a position"),
    "ClosedReason": (
        (
            *("stop_loss", "take_profit", "manual", "liquidation", "adl"),
            *("closed_elsewhere", "unknown"),
        ),
        "why it is gone; a level also where the exchange's own stop did it, see `closed_by`",
    ),
    "TradingState": (("running", "paused", "halted"), "whether entries go out"),
    "SignalKind": (("ENTRY", "STOP_LOSS", "TAKE_PROFIT"), "what an order is for"),
    "SignalSide": (("LONG", "SHORT"), "of a position"),
}
"""Sets of words that have no enum class."""


def _enum(values: Sequence[str], names: Sequence[str], description: str) -> Schema:
    return {
        "type": "string",
        "description": description,
        "enum": list(values),
        "x-enum-varnames": [each.upper() for each in names],
    }


ENUMS: Mapping[str, Schema] = {
    **{
        name: _enum([each.value for each in kind], [each.name for each in kind], description)
        for kind, (name, description) in BY_VALUE.items()
    },
    **{
        name: _enum([each.name.lower() for each in kind], [each.name for each in kind], description)
        for kind, (name, description) in BY_NAME.items()
    },
    **{name: _enum(values, values, description) for name, (values, description) in CHOICES.items()},
    "SideWord": _enum(
        list(SIDES),
        [f"CODE_{each}" if each.isdigit() else each for each in SIDES],
        "of the position: buy is long, sell is short, 1 and 4 are the exchange's codes; in any case",
    ),
    "OrderSideCode": _enum(
        [str(each.value) for each in OrderSide],
        [each.name for each in OrderSide],
        "of an order at the exchange, as BitMart's code",
    ),
}
"""The schemas of all of them, by name."""


def one_of(kind: type[Enum]) -> Schema:
    """The value of an enum."""
    return named(BY_VALUE[kind][0])


def name_of(kind: type[Enum]) -> Schema:
    """The name of an enum's member, in lower case."""
    return named(BY_NAME[kind][0])


def choice(*values: str) -> Schema:
    """One of `values`: by its name, where there is an enum of exactly these."""
    for name, schema in ENUMS.items():
        if schema["enum"] == list(values):
            return named(name)
    return {"type": "string", "enum": list(values)}
