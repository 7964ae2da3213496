"""Request bodies: JSON objects, decoded strictly into attrs classes, whose fields are `checked`.

A field that is unknown, given twice, missing or of the wrong type is refused by name: a mistyped `stop_los` must not
trade without a stop. Prices and sizes go from their digits to `Decimal`; no float is in between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any, TypeVar, get_args, get_type_hints

import attrs
import msgspec
from quart import request

from ..model.errors import BadRequest
from ..model.fields import check_nesting, inside, located, number, too_deep
from .errors import NotJson, TooLarge

__all__ = [
    "MAX_BODY_BYTES",
    "decode",
    "decode_parts",
    "no_body",
    "parse",
    "raw_body",
    "read_body",
    "unknown",
]

MAX_BODY_BYTES = 64 * 1024

T = TypeVar("T", bound=attrs.AttrsInstance)
Read = Callable[[bytes, str], Any]
"""Makes a value of a field's JSON; the second argument is the field's path, for errors."""


async def read_body(kind: type[T]) -> T:
    """The body of the present request as a `kind`. Raises BadRequest, NotJson, TooLarge."""
    raw = await raw_body()
    if not raw:
        raise BadRequest("a JSON body is needed; GET /help has an example")
    return decode(kind, raw)


async def no_body() -> None:
    """Check that the present request asks for nothing beyond its path: its body is empty, or `{}`."""
    raw = await raw_body()
    if raw:
        decode(_Nothing, raw)


async def raw_body(takes_text: Callable[[bytes], bool] = lambda raw: False) -> bytes:
    """The bytes of the present request's body, which says that it is JSON, or text where `takes_text` says so.

    Raises NotJson and TooLarge.
    """
    raw: bytes = await request.get_data(cache=False, as_text=False)  # type: ignore[assignment]
    if len(raw) > MAX_BODY_BYTES:
        raise TooLarge(f"the body has {len(raw)} bytes; at most {MAX_BODY_BYTES} are taken")
    raw = raw.strip()
    is_json = request.is_json or (request.mimetype == "text/plain" and takes_text(raw))
    if raw and not is_json:
        raise NotJson(
            f"the body is {request.mimetype or 'of no type'}; send JSON with the header"
            " 'Content-Type: application/json' (curl: -H 'Content-Type: application/json')"
        )
    return raw


@attrs.frozen
class _Nothing:
    """The body of a request that has none."""


def decode(kind: type[T], raw: bytes) -> T:
    """The JSON object `raw` as an attrs class. Raises BadRequest."""
    return decode_parts(kind, parse(raw))


def decode_parts(kind: type[T], parts: Mapping[str, msgspec.Raw]) -> T:
    """The fields of a JSON object as an attrs class. Raises BadRequest."""
    fields: Mapping[str, Read] = _readers(kind)
    for name in parts:
        if name not in fields:
            raise unknown("field", name, fields, f"$.{name[:100]}")
    for field in attrs.fields(kind):
        if field.default is attrs.NOTHING and field.name not in parts:
            raise BadRequest(f"Missing required field: {field.name}", f"$.{field.name}")
    return kind(**{name: fields[name](bytes(part), f"$.{name}") for name, part in parts.items()})


def unknown(noun: str, name: str, known: Iterable[str], path: str) -> BadRequest:
    """The error for a name that is none of `known`, with the one that was probably meant."""
    close = get_close_matches(name, known, 1)
    names = ", ".join(known) or "none"
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {names}"
    return BadRequest(f"unknown {noun} {name[:100]!r}; {hint}", path)


def parse(raw: bytes) -> Mapping[str, msgspec.Raw]:
    """The fields of the JSON object `raw`, each still as JSON. Raises BadRequest."""
    try:
        parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        check_nesting(json.loads(raw, object_pairs_hook=_unrepeated))
    except msgspec.ValidationError:
        raise BadRequest("the body must be a JSON object, such as {...}") from None
    except msgspec.DecodeError as error:
        why = str(error).removeprefix("JSON is malformed: ")
        raise BadRequest(f"the body is not JSON: {why}") from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise too_deep() from None
    except BadRequest:
        raise
    except ValueError as error:
        raise BadRequest(f"the body cannot be read: {error}") from None
    return parts


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequest("is given twice", f"$.{name[:100]}")
        found[name] = value
    return found


@lru_cache
def _readers(kind: type[attrs.AttrsInstance]) -> Mapping[str, Read]:
    """The reader of each field of an attrs class; the class itself checks what a value means."""
    hints = get_type_hints(kind)
    return {field.name: _reader(hints[field.name]) for field in attrs.fields(kind)}


def _reader(hint: Any) -> Read:
    for each in get_args(hint):
        if isinstance(each, type) and attrs.has(each):
            return partial(_object, each)
    return _number if Decimal in (get_args(hint) or (hint,)) else _anything


def _anything(raw: bytes, path: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise located(str(error), path) from None


def _object(kind: type[attrs.AttrsInstance], raw: bytes, path: str) -> Any:
    """An object inside the body, whose numbers are exact too; what null means, the class says."""
    if not raw.startswith(b"{"):
        return _anything(raw, path)
    with inside(path):
        return decode(kind, raw)


def _number(raw: bytes, path: str) -> Decimal | None:
    """An exact number from its digits, sent as one or as text; what null means, the class says."""
    if raw == b"null":
        return None
    written = msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
    return number(written, path)
