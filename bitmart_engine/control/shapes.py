"""Words to describe JSON with: the shapes that bodies and answers are made of, as JSON Schema.

Decimals come back as text. An answer may gain fields: what is described is in it, and is what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
from msgspec import UNSET

__all__ = [
    "ANY_OBJECT",
    "COUNT",
    "DECIMAL",
    "FLAG",
    "MS",
    "SECONDS",
    "TEXT",
    "Schema",
    "answer_of",
    "body_of",
    "by_name",
    "listing",
    "maybe",
    "name_of",
    "named",
    "one_of",
    "record",
]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MS: Schema = {"type": "integer", "minimum": 0, "description": "unix ms"}
SECONDS: Schema = {"type": "number", "minimum": 0}
ANY_OBJECT: Schema = {"type": "object"}
DECIMAL: Schema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
SIDE: Schema = {
    "description": "long, short, buy or sell in any case, open_long, open_short, buy_open_long, sell_open_short, 1 or 4"
}
GIVEN_DECIMAL: Schema = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"},
    ]
}


def named(name: str) -> Schema:
    """A reference to one of `COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listing(schema: Schema) -> Schema:
    """A list of those."""
    return {"type": "array", "items": schema}


def by_name(schema: Schema) -> Schema:
    """An object that has those by whatever name."""
    return {"type": "object", "additionalProperties": schema}


def one_of(kind: type[Enum]) -> Schema:
    """The value of an enum."""
    return {"type": "string", "enum": [each.value for each in kind]}


def name_of(kind: type[Enum]) -> Schema:
    """The name of an enum's member, in lower case."""
    return {"type": "string", "enum": [each.name.lower() for each in kind]}


def record(optional: Mapping[str, Schema] | None = None, /, **fields: Schema) -> Schema:
    """An object with `fields`, and perhaps `optional` ones."""
    return {
        "type": "object",
        "properties": {**fields, **(optional or {})},
        "required": list(fields),
    }


def answer_of(optional: Mapping[str, Schema] | None = None, /, **fields: Schema) -> Schema:
    """`{"ok": true, ...}`."""
    return record(optional, ok={"const": True}, **fields)


def body_of(kind: type[attrs.AttrsInstance]) -> Schema:
    """What `bodies.decode` takes for an attrs class."""
    hints = get_type_hints(kind)
    fields = attrs.fields(kind)
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {
            each.name: SIDE if each.name == "side" else _given(hints[each.name], each.default)
            for each in fields
        },
        "required": [each.name for each in fields if each.default is attrs.NOTHING],
        "additionalProperties": False,
    }


def _given(hint: Any, default: object) -> Schema:
    kinds = get_args(hint) if NoneType in get_args(hint) or Decimal in get_args(hint) else (hint,)
    schema = next(_kind(each) for each in kinds if each is not NoneType)
    if schema == ANY_OBJECT:
        schema = {"anyOf": [ANY_OBJECT, {"type": "array", "maxItems": 0}]}  # PHP's empty one
    if default not in (attrs.NOTHING, UNSET):
        schema = maybe(schema)
    if isinstance(default, str | bool | Decimal):
        plainly = int(default) if isinstance(default, Decimal) else default
        return {**schema, "default": plainly}
    return schema


def _kind(hint: Any) -> Schema:
    if hint is Decimal:
        return GIVEN_DECIMAL
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    if get_origin(hint) is tuple:
        one = _kind(get_args(hint)[0])
        return {"anyOf": [listing(one), one]}
    simple = {str: "string", bool: "boolean", int: "integer"}
    return {"type": simple[hint]} if hint in simple else ANY_OBJECT
