"""JSON Schema in short words: for bodies, events and notifications; answers are made of their classes.

Decimals come back as text. An answer may gain fields: what is described is in it, and is what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "ANY_OBJECT",
    "CONTRACTS",
    "COUNT",
    "DECIMAL",
    "FLAG",
    "MS",
    "SECONDS",
    "TEXT",
    "Schema",
    "always",
    "answer_of",
    "by_name",
    "listing",
    "maybe",
    "named",
    "record",
]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
CONTRACTS: Schema = {"type": "integer", "minimum": 0, "description": "whole contracts"}
MS: Schema = {"type": "integer", "minimum": 0, "description": "unix ms"}
SECONDS: Schema = {"type": "number", "minimum": 0}
ANY_OBJECT: Schema = {"type": "object"}
DECIMAL: Schema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}


def named(name: str) -> Schema:
    """A reference to one of `COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def always(value: str | bool) -> Schema:
    """That value and no other."""
    return {"type": "boolean" if isinstance(value, bool) else "string", "const": value}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listing(schema: Schema) -> Schema:
    """A list of those."""
    return {"type": "array", "items": schema}


def by_name(schema: Schema) -> Schema:
    """An object that has those by whatever name."""
    return {"type": "object", "additionalProperties": schema}


def record(optional: Mapping[str, Schema] | None = None, /, **fields: Schema) -> Schema:
    """An object with `fields`, and perhaps `optional` ones."""
    return {
        "type": "object",
        "properties": {**fields, **(optional or {})},
        "required": list(fields),
    }


def answer_of(optional: Mapping[str, Schema] | None = None, /, **fields: Schema) -> Schema:
    """`{"ok": true, ...}`."""
    return record(optional, ok=always(True), **fields)
