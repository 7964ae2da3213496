"""Types of an answer's fields: how each is written in JSON, and what the contract says of it.

msgspec encodes answers, and makes their schemas of these types. Decimals are text on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, TypeVar

import attrs
from attrs import frozen
from msgspec import Meta, UnsetType

from ..model.decimals import plain

__all__ = [
    "Answer",
    "Contracts",
    "Count",
    "DecimalText",
    "Duplicate",
    "ForeignPositions",
    "Metadata",
    "Milliseconds",
    "Next",
    "OrderSideName",
    "Refusal",
    "Seconds",
    "UnixMs",
    "about",
    "always",
    "list_of",
    "map_of",
    "named",
    "view_of",
]

T = TypeVar("T", bound=attrs.AttrsInstance)


def about(description: str) -> Meta:
    """The description of a field in the contract."""
    return Meta(description=description)


def always(value: str | bool) -> Meta:
    """A field with this value and no other."""
    return Meta(extra_json_schema={"const": value})


def named(name: str) -> Meta:
    """A field whose schema is the contract's `name`."""
    return Meta(extra_json_schema=_reference(name))


def list_of(name: str) -> Meta:
    """A field that is a list of the contract's `name`, encoded piece by piece."""
    return Meta(extra_json_schema={"type": "array", "items": _reference(name)})


def map_of(name: str) -> Meta:
    """A field that is an object of the contract's `name` by id, encoded piece by piece."""
    return Meta(extra_json_schema={"type": "object", "additionalProperties": _reference(name)})


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


DecimalText = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Contracts = Annotated[int, Meta(ge=0, description="whole contracts")]
Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[float, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
UnixMs = Annotated[int, Meta(ge=0, description="unix ms")]
Metadata = Annotated[Mapping[str, Any], named("Metadata")]
ForeignPositions = Annotated[Mapping[str, int], named("ForeignPositions")]
OrderSideName = Annotated[str, named("OrderSide")]
Duplicate = Annotated[bool | UnsetType, about("the same was asked for before")]
Next = Annotated[str | None, about("the `after` of the next page; null: this is the last one")]


@frozen(kw_only=True, slots=False)
class Answer:
    """A success. Fields are sent in their order; one that is UNSET is left out."""

    ok: Annotated[bool, always(True)] = True


@frozen(kw_only=True, slots=False)
class Refusal:
    """Why something was not done."""

    ok: Annotated[bool, always(False)] = False
    error: str


def view_of(kind: type[T], source: object, /, **given: object) -> T:
    """A `kind` whose fields are `given`, or else those of `source` by the same names; decimals become plain text."""
    for name in _needed(kind):
        value = given[name] if name in given else getattr(source, name)
        given[name] = plain(value) if isinstance(value, Decimal) else value
    return kind(**given)


@cache
def _needed(kind: type[attrs.AttrsInstance]) -> tuple[str, ...]:
    return tuple(each.name for each in attrs.fields(kind) if each.default is attrs.NOTHING)
