"""What callers give for a field, checked and converted: over HTTP and from Python by one rule, with the same errors.

A class whose `field_transformer` is `checked` converts every field by its annotation: text is text, a whole number is
no flag, and a price may be a Decimal, a whole number, digits in quotes or a float, which means the digits it is shown
with. None means what the field has by default, an empty list is an empty object (PHP writes both as `[]`), and text
alone is a list of one. Nothing else is guessed. Errors are BadRequest with the path of the field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import msgspec

from .errors import BadRequest
from .identifiers import is_text

__all__ = [
    "check_nesting",
    "checked",
    "converted",
    "in_words",
    "inside",
    "located",
    "number",
    "side_word",
    "symbol_of",
    "text",
    "too_deep",
]

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
    "decimal": "a number with a fraction",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
SIDES = {
    "long": "long", "short": "short", "buy": "buy", "sell": "sell",
    "open_long": "long", "open_short": "short",
    "buy_open_long": "long", "sell_open_short": "short",
    "1": "long", "4": "short",
}  # fmt: skip
"""Words for the side of an entry, and the one of four that is meant. 1 and 4 are the exchange's codes."""


def checked(cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """For attrs's `field_transformer`: every field is converted by its annotation."""
    return [each.evolve(converter=_converter(cls, each.name, each.default)) for each in fields]


def _converter(cls: type, name: str, default: Any) -> Callable[[object], object]:
    def convert(value: object) -> object:
        if value is None and default not in (attrs.NOTHING, msgspec.UNSET):
            return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
        if name == "side":
            value = side_word(value)
        made = converted(value, _hints(cls)[name], f"$.{name}")
        return _in_capitals(made) if name == "symbol" else made

    return convert


def _in_capitals(symbols: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return symbols.upper() if isinstance(symbols, str) else tuple(map(str.upper, symbols))


@lru_cache
def _hints(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls)


def converted(value: object, hint: Any, path: str) -> Any:
    """`value` as the annotation `hint` has it. Raises BadRequest."""
    if value is msgspec.UNSET:
        return value
    kinds = get_args(hint) if NoneType in get_args(hint) or Decimal in get_args(hint) else (hint,)
    if value is None and NoneType in kinds:
        return None
    for each in kinds:
        if each is Decimal:
            return number(value, path)
        if get_origin(each) is Literal:
            return _one_of(value, get_args(each), path)
        if get_origin(each) is tuple and isinstance(value, str):
            value = (value,)
        if get_origin(each) is not None and issubclass(get_origin(each), Mapping):
            return _mapping(value, path)
        if isinstance(each, type) and attrs.has(each):
            return _object(value, each, path)
    return _of_kind(value, hint, path)


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Errors of what is read in the block are located below the field at `path`."""
    try:
        yield
    except BadRequest as error:
        raise BadRequest(error.message, path + (error.field or "$").removeprefix("$")) from None


def _object(value: object, kind: type[attrs.AttrsInstance], path: str) -> object:
    """An attrs class of an object with its fields, or as it is."""
    if isinstance(value, kind):
        return value
    given = _mapping(value, path)
    assert isinstance(given, Mapping), "else it is refused"
    known = [each.name for each in attrs.fields(kind)]
    for name in given:
        if name not in known:
            raise BadRequest(
                f"unknown field {name[:100]!r}; there are: {', '.join(known)}",
                f"{path}.{name[:100]}",
            )
    for each in attrs.fields(kind):
        if each.default is attrs.NOTHING and each.name not in given:
            raise BadRequest(f"Missing required field: {each.name}", f"{path}.{each.name}")
    with inside(path):
        return kind(**given)


def number(value: object, path: str) -> Decimal:
    """An exact number. Never NaN, never endless, never true. Raises BadRequest."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise _no_number(path)
    try:
        written = str(value)
    except ValueError:  # an int of thousands of digits
        raise _out_of_range(path) from None
    if isinstance(value, int) and not NUMBER.fullmatch(written):
        written = str(int(value))  # a named number says its name
    if not NUMBER.fullmatch(written):
        raise _no_number(path)
    try:
        exact = Decimal(written)
        fits = len(written) <= MAX_NUMBER_LENGTH and abs(exact.adjusted()) <= MAX_EXPONENT
    except InvalidOperation:
        fits = False
    if not fits:
        raise _out_of_range(path)
    return exact


def text(value: object, path: str) -> str:
    """Text that can be sent and kept. Raises BadRequest."""
    made: str = _of_kind(value, str, path)
    return made


def symbol_of(value: object, path: str = "$.symbol") -> str:
    """A symbol in capitals. Raises BadRequest."""
    return text(value, path).upper()


def side_word(value: object) -> object:
    """One of `long`, `short`, `buy`, `sell` for the words that mean them, in any case; anything else as it is."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(int(value))
    if not isinstance(value, str):
        return value
    return SIDES.get(value.strip().lower().replace("-", "_").replace(" ", "_"), value)


def in_words(error: str) -> str:
    """An error of msgspec in words for people."""
    match = EXPECTED.fullmatch(error)
    if match is None:
        return error[:1].lower() + error[1:]
    wanted = " or ".join(NOUNS.get(each, each) for each in match["wanted"].split(" | "))
    return f"must be {wanted}, not {NOUNS.get(match['got'], match['got'])}"


def located(error: str, path: str) -> BadRequest:
    """The error for something wrong inside the field at `path`, as msgspec says it."""
    match = LOCATED.fullmatch(error)
    if match is None:
        return BadRequest(in_words(error), path)
    return BadRequest(in_words(match["error"]), path + match["path"])


def check_nesting(value: object, path: str | None = None, left: int = MAX_DEPTH) -> None:
    """Raise BadRequest for what is nested too deep to be worked on."""
    if left == 0:
        raise too_deep(path)
    children: Iterable[object] = ()
    if isinstance(value, Mapping):
        children = value.values()
    elif isinstance(value, list | tuple):
        children = value
    for child in children:
        check_nesting(child, path, left - 1)


def too_deep(path: str | None = None) -> BadRequest:
    what = "the body is" if path is None else "is"
    return BadRequest(f"{what} nested more than {MAX_DEPTH} deep", path)


def _of_kind(value: object, hint: Any, path: str) -> Any:
    try:
        made = msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise located(str(error), path) from None
    for each in made if isinstance(made, tuple) else (made,):
        if isinstance(each, str) and not is_text(each):
            raise BadRequest("is no text that can be sent", path)
    return made


def _one_of(value: object, allowed: tuple[str, ...], path: str) -> object:
    if not isinstance(value, str) or value not in allowed:
        raise BadRequest(f"must be one of {', '.join(allowed)}", path)
    return value


def _mapping(value: object, path: str) -> object:
    if value == [] or value == ():
        return {}
    if not isinstance(value, Mapping):
        return _of_kind(value, dict[str, object], path)  # says what it is in place of an object
    for name in value:
        if not isinstance(name, str):
            raise BadRequest(f"must have names that are text, not {name!r:.40}", path)
    check_nesting(value, path)
    return value


def _no_number(path: str) -> BadRequest:
    return BadRequest('must be a number, such as 65000.5 or "65000.5"', path)


def _out_of_range(path: str) -> BadRequest:
    return BadRequest("is a number out of range", path)
