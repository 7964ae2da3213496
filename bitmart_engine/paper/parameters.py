"""The parameters for what no source establishes, as a list: for people who look for one, and to set one by its name.

Where they are and what they decide is in `config.py`; this module only reads it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any

import attrs
from attrs import frozen

from .config import PaperConfig


@frozen
class Unknown:
    """A parameter: `where` are sections of the fact sheet, `choices` is what may be given for it, in words."""

    name: str
    where: str
    what: str
    default: object
    choices: str
    kinds: tuple[Any, ...]

    @property
    def default_text(self) -> str:
        return _text(self.default)

    def parsed(self, text: str) -> object:
        """The value that a text means (ValueError). Whether the config takes it is for the config to say."""
        for kind in self.kinds:
            try:
                return _read(kind, text)
            except ValueError:
                continue
        raise ValueError(text)


def unknowns() -> Iterator[Unknown]:
    """All of them, in the order of `PaperConfig`."""
    hints = typing.get_type_hints(PaperConfig)
    for one in attrs.fields(PaperConfig):
        if "where" in one.metadata:
            where, what = one.metadata["where"], one.metadata["what"]
            kinds = _kinds(hints[one.name])
            choices = " or ".join(_in_words(kind) for kind in kinds)
            yield Unknown(one.name, where, what, one.default, choices, kinds)


def set_parameters(config: PaperConfig, given: Mapping[str, str]) -> PaperConfig:
    """The config with parameters changed, by name and as text (ValueError names the one that is wrong)."""
    known = {one.name: one for one in unknowns()}
    for name, text in given.items():
        if name not in known:
            raise ValueError(f"unknown parameter {name!r}; there are {', '.join(known)}")
        try:
            changed: dict[str, Any] = {name: known[name].parsed(text)}
            config = attrs.evolve(config, **changed)
        except ValueError:
            raise ValueError(f"{name} must be {known[name].choices}, not {text!r}") from None
    return config


def in_force(config: PaperConfig) -> dict[str, str]:
    """The parameters that differ from their defaults, as text."""
    values = {one.name: getattr(config, one.name) for one in unknowns()}
    return {
        one.name: _text(values[one.name]) for one in unknowns() if values[one.name] != one.default
    }


def _kinds(hint: Any) -> tuple[Any, ...]:
    """What a value may be: types, and the values of a choice."""
    if typing.get_origin(hint) is tuple:
        return (tuple,)
    return typing.get_args(hint) or (hint,)


def _read(kind: Any, text: str) -> object:
    if kind is bool:
        return _flag(text)
    if kind in (int, float, str):
        return kind(text)
    if kind is tuple:
        return tuple(part for part in text.split(",") if part)
    if text == _text(None if kind is NoneType else kind):
        return None if kind is NoneType else kind
    raise ValueError(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _text(value: object) -> str:
    """A value as it may be given."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ",".join(value)
    return "none" if value is None else str(value)


IN_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "names with commas between",
    NoneType: "none",
}


def _in_words(kind: Any) -> str:
    return IN_WORDS.get(kind) or str(kind)
