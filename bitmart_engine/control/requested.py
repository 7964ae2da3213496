"""Bodies of requests as JSON Schema, made from the attrs classes that read them: what is refused is not described."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs

from ..trading.requests import MonitorPosition, PlaceOrder
from .enums import choice
from .positions import Levels
from .shapes import Schema, listing, maybe, named
from .subscriptions import KlineView

__all__ = ["BODIES"]

GIVEN_DECIMAL: Schema = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"},
    ]
}


def _body_of(kind: type[attrs.AttrsInstance]) -> Schema:
    """What `bodies.decode` takes for an attrs class."""
    hints = get_type_hints(kind)
    fields = attrs.fields(kind)
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {each.name: _given(hints[each.name], each.default) for each in fields},
        "required": [each.name for each in fields if each.default is attrs.NOTHING],
        "additionalProperties": False,
    }


def _given(hint: Any, default: object) -> Schema:
    kinds = get_args(hint) if NoneType in get_args(hint) or Decimal in get_args(hint) else (hint,)
    schema = next(_kind(each) for each in kinds if each is not NoneType)
    if NoneType in kinds:
        schema = maybe(schema)
    if isinstance(default, str | bool | Decimal):
        plainly = int(default) if isinstance(default, Decimal) else default
        if "$ref" in schema:
            schema = {"allOf": [schema]}  # what stands beside a reference is often overlooked
        return {**schema, "default": plainly}
    return schema


def _kind(hint: Any) -> Schema:
    if hint is Decimal:
        return GIVEN_DECIMAL
    if get_origin(hint) is Literal:
        return choice(*get_args(hint))
    if get_origin(hint) is tuple:
        return listing(_kind(get_args(hint)[0]))
    simple = {str: "string", bool: "boolean", int: "integer"}
    return {"type": simple[hint]} if hint in simple else named("Metadata")


BODIES: Mapping[str, Schema] = {
    each.__name__: _body_of(each) for each in (PlaceOrder, MonitorPosition, Levels, KlineView)
}
