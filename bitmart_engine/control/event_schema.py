"""The messages of GET /events as JSON Schema: one schema for each type of event."""

from __future__ import annotations

from collections.abc import Mapping

from ..feed import Happening
from .shapes import Schema, always, named

__all__ = ["EVENT", "by_type"]

SHOWN_BY_TYPE: Mapping[Happening, tuple[str, ...]] = {
    Happening.KLINE: ("Kline",),
    Happening.ORDER: ("OrderUpdate",),
    Happening.POSITION: ("PositionUpdate",),
    Happening.BALANCE: ("BalanceUpdate",),
    Happening.FILL: ("AccountFill",),
    Happening.ENTRY: ("Order", "Withdrawn"),
    Happening.PROTECTION: ("Position", "Withdrawn"),
    Happening.TRADING: ("Trading",),
}
WITHOUT_SYMBOL = (Happening.BALANCE, Happening.TRADING)


def by_type(message: Schema) -> Mapping[str, Schema]:
    """The schema of `events.Message` for every type: what its symbol and its data are then."""
    return {_name(type): _event(message, type) for type in Happening}


def _event(message: Schema, type: Happening) -> Schema:
    shown = [named(each) for each in SHOWN_BY_TYPE[type]]
    fields = {
        **message["properties"],
        "type": always(type.value),
        "symbol": {"type": "null" if type in WITHOUT_SYMBOL else "string"},
        "data": shown[0] if len(shown) == 1 else {"anyOf": shown},
    }
    return {"type": "object", "properties": fields, "required": message["required"]}


def _name(type: Happening) -> str:
    return f"{type.value.capitalize()}Event"


EVENT: Schema = {
    "description": "what one message of the event stream says",
    "oneOf": [*(named(_name(each)) for each in Happening), named("Lagged")],
    "discriminator": {
        "propertyName": "type",
        "mapping": {
            **{each.value: named(_name(each))["$ref"] for each in Happening},
            "lagged": named("Lagged")["$ref"],
        },
    },
}
