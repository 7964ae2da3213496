"""Every schema of the contract by its name: what the control API takes, answers and sends.

Answers are described by the classes that they are made of. All that is an object, or a set of words, has a name of its
own, so that generated code has one too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..model.events import BalanceUpdate, Kline, OrderUpdate, PositionUpdate
from .answers import Error
from .callbacks import Callback
from .enums import ENUMS
from .errors import Crash
from .event_schema import EVENT, by_type
from .events import LEFT_OUT, Lagged, Message, Trading, Withdrawn
from .fills import AccountFill
from .futures_orders import FuturesOrder
from .health import NotReady
from .notices import NOTICES
from .operations import OPERATIONS
from .outbox import Notification
from .requested import BODIES
from .shapes import ANY_OBJECT, CONTRACTS, COUNT, DECIMAL, MS, Schema, by_name, named
from .trades import Trade
from .views import Order, Position

__all__ = ["COMPONENTS"]

IN_ANSWERS = (Order, Position, FuturesOrder, AccountFill, Trade, Notification, Callback)
"""What answers list in pieces."""
REFUSALS = (Error, Crash, NotReady)
EVENTS = (Message, Lagged, Withdrawn, Trading)
NORMALIZED = (Kline, OrderUpdate, PositionUpdate, BalanceUpdate)
"""Events of the exchange, which are shown by the names of their fields."""


UNITS: Mapping[str, Schema] = {"_ms": MS, "_s": COUNT, "size": CONTRACTS}
"""What whole numbers of these count, by the end of their names."""


def made_of(kinds: Iterable[type]) -> dict[str, Schema]:
    """The schemas of attrs classes, and of the classes that these refer to, by name."""
    template = named("{name}")["$ref"]
    _, made = msgspec.json.schema_components(kinds, ref_template=template)
    return {name: _described(each) for name, each in made.items() if "properties" in each}


def _described(made: Schema) -> Schema:
    """A class as it is sent: every field is there, but those that may be UNSET."""
    fields: dict[str, Schema] = made["properties"]
    return {
        "type": "object",
        "description": made["description"],
        "properties": {name: _field(each) for name, each in fields.items()},
        "required": [
            name for name, each in fields.items() if name in made["required"] or "default" in each
        ],
    }


def _field(made: Any) -> Any:
    if isinstance(made, list):
        return [_field(each) for each in made]
    if not isinstance(made, dict):
        return made
    if "$ref" in made:
        return {"$ref": made["$ref"]}
    if made.get("format") == "decimal":
        return DECIMAL
    return {name: _field(each) for name, each in made.items() if name != "default"}


def _normalized(schema: Schema) -> Schema:
    """An event of the exchange: without what is left out, and with the units of its whole numbers."""
    return {
        **schema,
        "properties": {
            name: _in_units(name, each)
            for name, each in schema["properties"].items()
            if name not in LEFT_OUT
        },
        "required": [each for each in schema["required"] if each not in LEFT_OUT],
    }


def _in_units(name: str, schema: Schema) -> Schema:
    if "anyOf" in schema:
        return {"anyOf": [_in_units(name, each) for each in schema["anyOf"]]}
    units = (unit for end, unit in UNITS.items() if name.endswith(end))
    return next(units, schema) if schema.get("type") == "integer" else schema


ANSWERS = [each.answer for each in OPERATIONS.values() if isinstance(each.answer, type)]
TOLD = made_of(EVENTS)

COMPONENTS: Mapping[str, Schema] = {
    **BODIES,
    **made_of([*ANSWERS, *IN_ANSWERS, *REFUSALS]),
    **{name: _normalized(each) for name, each in made_of(NORMALIZED).items()},
    "Event": EVENT,
    **by_type(TOLD.pop("Message")),
    **TOLD,
    **NOTICES,
    **ENUMS,
    "Metrics": {"type": "string", "description": "in the text format of Prometheus"},
    "Document": {**ANY_OBJECT, "description": "this document"},
    "ForeignPositions": {
        **by_name({"type": "integer"}),
        "description": "contracts that are nobody's here, by symbol",
    },
    "Metadata": {
        **ANY_OBJECT,
        "description": "of the application; it comes back with everything that is told",
    },
}
"""Every schema of the document, by its name."""
