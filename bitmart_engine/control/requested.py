"""Bodies of requests as JSON Schema, made from the attrs classes that read them: what is refused is not described."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
from msgspec import UNSET

from ..trading.requests import MonitorPosition, PlaceOrder, Risk
from .enums import choice
from .halting import HaltAsked
from .positions import Levels
from .shapes import Schema, listing, maybe, named
from .subscriptions import KlineView

__all__ = ["BODIES"]

EMPTY_LIST: Schema = {
    "type": "array",
    "items": {},
    "maxItems": 0,
    "description": "no metadata: an empty object, as PHP writes it",
}
GIVEN_DECIMAL: Schema = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"},
    ]
}
METADATA: Schema = {"anyOf": [named("Metadata"), EMPTY_LIST]}


def _body_of(kind: type[attrs.AttrsInstance]) -> Schema:
    """What `bodies.decode` takes for an attrs class."""
    hints = get_type_hints(kind)
    fields = attrs.fields(kind)
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {
            each.name: _given(each.name, hints[each.name], each.default) for each in fields
        },
        "required": [each.name for each in fields if each.default is attrs.NOTHING],
        "additionalProperties": False,
    }


def _given(name: str, hint: Any, default: object) -> Schema:
    """One field. Where it may be left out it may be null too, which is its default."""
    kinds = get_args(hint) if NoneType in get_args(hint) or Decimal in get_args(hint) else (hint,)
    schema = next(_kind(each) for each in kinds if each is not NoneType)
    if name == "side":
        schema = named("SideWord")
    if default not in (attrs.NOTHING, UNSET):
        schema = maybe(schema)
    if isinstance(default, str | bool | Decimal):
        plainly = int(default) if isinstance(default, Decimal) else default
        return {**schema, "default": plainly}
    return schema


def _kind(hint: Any) -> Schema:
    if hint is Decimal:
        return GIVEN_DECIMAL
    if isinstance(hint, type) and attrs.has(hint):
        return named(hint.__name__)
    if get_origin(hint) is Literal:
        return choice(*get_args(hint))
    if get_origin(hint) is tuple:
        one = _kind(get_args(hint)[0])
        return {"anyOf": [listing(one), one]}
    simple = {str: "string", bool: "boolean", int: "integer"}
    return {"type": simple[hint]} if hint in simple else METADATA


BODIES: Mapping[str, Schema] = {
    each.__name__: _body_of(each)
    for each in (PlaceOrder, MonitorPosition, Levels, KlineView, HaltAsked, Risk)
}
