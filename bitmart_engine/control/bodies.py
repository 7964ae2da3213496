"""Request bodies: JSON objects, decoded strictly into attrs classes.

A field that is unknown, given twice, missing or of the wrong type is refused by name: a mistyped `stop_los` must not
trade without a stop. Prices and sizes go from their digits to `Decimal`; no float is in between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import lru_cache
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import attrs
import msgspec
from quart import request

from ..model.errors import BadRequest
from .errors import NotJson, TooLarge

__all__ = ["MAX_BODY_BYTES", "decode", "no_body", "read_body", "unknown"]

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_NUMBER_LENGTH = 40
MAX_EXPONENT = 30

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`")
LOCATED = re.compile(r"(?s)(?P<error>.*) - at `\$(?P<path>.*)`")
NOUNS = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number with a fraction",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}

T = TypeVar("T", bound=attrs.AttrsInstance)
Read = Callable[[bytes, str], Any]
"""Makes a value of a field's JSON; the second argument is the field's path, for errors."""


async def read_body(kind: type[T]) -> T:
    """The body of the present request as a `kind`. Raises BadRequest, NotJson, TooLarge."""
    raw = await _raw_body()
    if not raw:
        raise BadRequest("a JSON body is needed; GET /help has an example")
    return decode(kind, raw)


async def no_body() -> None:
    """Check that the present request asks for nothing beyond its path: its body is empty, or `{}`."""
    raw = await _raw_body()
    if raw:
        decode(_Nothing, raw)


async def _raw_body() -> bytes:
    raw: bytes = await request.get_data(cache=False, as_text=False)  # type: ignore[assignment]
    if len(raw) > MAX_BODY_BYTES:
        raise TooLarge(f"the body has {len(raw)} bytes; at most {MAX_BODY_BYTES} are taken")
    raw = raw.strip()
    if raw and not request.is_json:
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
    parts = _parse(raw)
    fields: Mapping[str, Read] = _readers(kind)
    for name in parts:
        if name not in fields:
            raise unknown("field", name, fields, f"$.{name[:100]}")
    for field in attrs.fields(kind):
        if field.default is attrs.NOTHING and field.name not in parts:
            raise BadRequest("is missing", f"$.{field.name}")
    return kind(**{name: fields[name](bytes(part), f"$.{name}") for name, part in parts.items()})


def unknown(noun: str, name: str, known: Iterable[str], path: str) -> BadRequest:
    """The error for a name that is none of `known`, with the one that was probably meant."""
    close = get_close_matches(name, known, 1)
    names = ", ".join(known) or "none"
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {names}"
    return BadRequest(f"unknown {noun} {name[:100]!r}; {hint}", path)


def _parse(raw: bytes) -> Mapping[str, msgspec.Raw]:
    """The fields of an object, each still as JSON."""
    try:
        parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        _check_nesting(json.loads(raw, object_pairs_hook=_unrepeated))
    except msgspec.ValidationError:
        raise BadRequest("the body must be a JSON object, such as {...}") from None
    except msgspec.DecodeError as error:
        why = str(error).removeprefix("JSON is malformed: ")
        raise BadRequest(f"the body is not JSON: {why}") from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise _too_deep() from None
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


def _check_nesting(value: object, left: int = MAX_DEPTH) -> None:
    if left == 0:
        raise _too_deep()
    children: Iterable[object] = ()
    if isinstance(value, dict):
        children = value.values()
    elif isinstance(value, list):
        children = value
    for child in children:
        _check_nesting(child, left - 1)


def _too_deep() -> BadRequest:
    return BadRequest(f"the body is nested more than {MAX_DEPTH} deep")


@lru_cache
def _readers(kind: type[attrs.AttrsInstance]) -> Mapping[str, Read]:
    """For every field of an attrs class, what reads it."""
    hints = get_type_hints(kind)
    return {field.name: _reader(hints[field.name]) for field in attrs.fields(kind)}


def _reader(hint: Any) -> Read:
    kinds = get_args(hint) if NoneType in get_args(hint) or Decimal in get_args(hint) else (hint,)
    if Decimal in kinds:
        return _optional(_number) if NoneType in kinds else _number
    for each in kinds:
        if get_origin(each) is Literal:
            return _typed(hint, f"must be one of {', '.join(get_args(each))}")
    return _typed(hint)


def _optional(read: Read) -> Read:
    return lambda raw, path: None if raw == b"null" else read(raw, path)


def _typed(hint: Any, allowed: str = "") -> Read:
    decoder = msgspec.json.Decoder(hint)

    def read(raw: bytes, path: str) -> Any:
        try:
            return decoder.decode(raw)
        except msgspec.DecodeError as error:
            located = LOCATED.fullmatch(str(error))
            text = located["error"] if located else str(error)
            inner = located["path"] if located else ""
            raise BadRequest(allowed or _in_words(text), path + inner) from None

    return read


def _number(raw: bytes, path: str) -> Decimal:
    """An exact number, sent as one or as text. Never NaN, never endless."""
    text = raw.decode()
    if text.startswith('"'):
        text = msgspec.json.decode(raw, type=str)
    if not NUMBER.fullmatch(text):
        raise BadRequest('must be a number, such as 65000.5 or "65000.5"', path)
    try:
        value = Decimal(text)
        fits = len(text) <= MAX_NUMBER_LENGTH and abs(value.adjusted()) <= MAX_EXPONENT
    except InvalidOperation:
        fits = False
    if not fits:
        raise BadRequest("is a number out of range", path)
    return value


def _in_words(error: str) -> str:
    """An error of msgspec in words for people."""
    match = EXPECTED.fullmatch(error)
    if match is None:
        return error[:1].lower() + error[1:]
    wanted = " or ".join(NOUNS.get(each, each) for each in match["wanted"].split(" | "))
    return f"must be {wanted}, not {NOUNS.get(match['got'], match['got'])}"
