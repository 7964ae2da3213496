"""How the text of a setting becomes its value, or a SettingError that says what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from .log_events import SENTENCES
from .model.networks import Network, NotPrivate, private_network

__all__ = [
    "OFF",
    "SettingError",
    "as_address",
    "as_events",
    "as_flag",
    "as_header_value",
    "as_hosts",
    "as_hour",
    "as_limit",
    "as_networks",
    "as_number",
    "as_path",
    "as_path_or_off",
    "as_quantity_unit",
    "as_text",
    "as_uri",
    "as_words",
]

OFF = "off"
"""In place of a path: what would go there is not sent."""
LEVELS = frozenset({"warning", "error", "critical"})


class SettingError(ValueError):
    """One setting cannot be used. A `value` of None is not shown."""

    def __init__(self, variable: str, value: object, allowed: str) -> None:
        shown = "" if value is None else f"={value!s}"
        super().__init__(f"{variable}{shown}: {allowed}" if variable else allowed)
        self.variable = variable


def as_number(
    kind: type[int] | type[float], least: float, most: float
) -> Callable[[str, object], Any]:
    def convert(variable: str, value: object) -> int | float:
        noun = "a whole number" if kind is int else "a number"
        allowed = f"must be {noun} from {least:g} to {most:g}"
        try:
            number = kind(str(value))
        except ValueError:
            raise SettingError(variable, value, allowed) from None
        if not least <= number <= most:
            raise SettingError(variable, value, allowed)
        return number

    return convert


def as_limit(
    kind: type[int] | type[Decimal], least: int
) -> Callable[[str, object], int | Decimal | None]:
    """A number of at least `least`, without an end; empty: None."""

    def convert(variable: str, value: object) -> int | Decimal | None:
        if value is None or not str(value).strip():
            return None
        noun = "a whole number" if kind is int else "a number"
        try:
            number = kind(str(value).strip())
        except (ValueError, InvalidOperation):
            number = None
        if number is None or not (Decimal(number).is_finite() and number >= least):
            raise SettingError(variable, value, f"must be {noun} of at least {least}, or empty")
        return number

    return convert


def as_hour(variable: str, value: object) -> int | None:
    if value is None or not str(value).strip():
        return None
    hour: int = as_number(int, 0, 23)(variable, value)
    return hour


def as_text(variable: str, value: object) -> str:
    return str(value).strip()


def as_header_value(variable: str, value: object) -> str:
    text = str(value).strip()
    if not (text.isascii() and text.isprintable()):
        raise SettingError(variable, None, "must be printable ASCII: it is sent in an HTTP header")
    return text


def as_flag(variable: str, value: object) -> bool:
    try:
        return {
            "1": True,
            "true": True,
            "yes": True,
            "0": False,
            "false": False,
            "no": False,
            "": False,
        }[str(value).strip().lower()]
    except KeyError:
        raise SettingError(variable, value, "must be 1 or 0") from None


def as_uri(*schemes: str, optional: bool = False) -> Callable[[str, object], str]:
    def convert(variable: str, value: object) -> str:
        text = str(value).strip()
        if optional and not text:
            return ""
        allowed = f"must be a {' or '.join(schemes)} address such as {schemes[0]}://host/path"
        if "@" in text:  # wherever it is: what is before it may be a password
            raise SettingError(
                variable, "***", f"{allowed}, without a user name or a password in it"
            )
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise SettingError(variable, value, allowed) from None
        if parts.scheme not in schemes or not parts.hostname:
            raise SettingError(variable, value, allowed)
        return text

    return convert


def as_path(variable: str, value: object) -> str:
    text = str(value).strip()
    if not text.startswith("/"):
        raise SettingError(variable, value, "must be a path that starts with /")
    return text


def as_path_or_off(variable: str, value: object) -> str:
    text = str(value).strip()
    if text.lower() == OFF:
        return OFF
    if not text.startswith("/"):
        raise SettingError(variable, value, "must be a path that starts with /, or `off`")
    return text


def as_address(variable: str, value: object) -> str:
    text = str(value).strip()
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise SettingError(variable, value, "must be HOST:PORT, such as 127.0.0.1:8089")
    return text


def as_hosts(variable: str, value: object) -> tuple[str, ...]:
    if isinstance(value, (tuple, list, frozenset, set)):
        return tuple(str(each).lower() for each in value)
    hosts = tuple(part.strip().lower() for part in str(value).split(",") if part.strip())
    if any("/" in host or "@" in host or _has_port(host) for host in hosts):
        allowed = "must be host names without ports, separated by commas"
        raise SettingError(variable, "***" if "@" in str(value) else value, allowed)
    return hosts


def as_networks(variable: str, value: object) -> tuple[Network, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (tuple, list, frozenset, set)):
        raise SettingError(variable, value, "must be networks such as 172.16.0.0/12, with commas")
    try:
        return tuple(private_network(str(each)) for each in parts if str(each).strip())
    except NotPrivate as error:
        raise SettingError(variable, value, str(error)) from None


def as_quantity_unit(variable: str, value: object) -> str:
    text = str(value).strip().lower()
    if text not in ("base", "contracts"):
        raise SettingError(variable, value, "must be base or contracts")
    return text


def _has_port(host: str) -> bool:
    """Whether it is `name:port`. An IPv6 address has more than one colon."""
    return host.count(":") == 1 or "]:" in host


def as_words(variable: str, value: object) -> tuple[str, ...]:
    """Words separated by white space."""
    if isinstance(value, (tuple, list, frozenset, set)):
        return tuple(str(each) for each in value)
    return tuple(str(value).split())


def as_events(variable: str, value: object) -> frozenset[str]:
    """Levels and ids of events, separated by commas."""
    given = value if isinstance(value, (tuple, list, frozenset, set)) else str(value).split(",")
    chosen = frozenset(str(each).strip() for each in given) - {""}
    for each in sorted(chosen - LEVELS - SENTENCES.keys()):
        meant = get_close_matches(each, [*LEVELS, *SENTENCES], 1)
        hint = f"; did you mean {meant[0]}?" if meant else ""
        allowed = "must be levels (warning, error, critical) and ids of events, with commas"
        raise SettingError(variable, each, allowed + hint)
    return chosen
