"""Where settings are read from: the process's environment, and a `.env` file that is read strictly.

A mistyped name is a setting that is silently not set: an engine without its key, or on the wrong exchange. A value
means what is written: nothing is expanded, and a quote counts only around the whole value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from attrs import frozen
from dotenv.parser import parse_stream

__all__ = ["NotMeant", "Origin", "check_names", "misspelt", "read_env_file", "shown_path"]

PREFIXES = ("ALERT_", "BITMART_", "CTRL_", "HEARTBEAT_", "TRADING_APP_")
"""Of names that are ours alone, in a file that is."""
ALSO_KNOWN = ("BITMART_ENGINE_URL",)
"""Read by the commands that ask a running engine."""
CLOSE = 0.8
"""How alike a name in `.env` is to the one that was meant."""
MISSPELT = 0.87
"""The same in the environment, where other programs' names are, too."""


@frozen
class Origin:
    """Where settings were read from."""

    env_file: Path | None = None
    """The `.env` that was read, absolute; None if there was none."""
    given: frozenset[str] = frozenset()
    """The variables that were set, in it or in the environment."""
    strange: tuple[str, ...] = ()
    """Variables of the environment that look like settings, and are none."""


class NotMeant(ValueError):
    """What is set cannot be meant: one line that never shows a value."""


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file, each as it is written. Empty if there is no such file.

    Raises NotMeant, OSError, UnicodeDecodeError.
    """
    try:
        file = path.open(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    with file:
        for each in parse_stream(file):
            blank = len(each.original.string) - len(each.original.string.lstrip("\n"))
            line = each.original.line + blank
            if each.error:
                raise NotMeant(
                    f"{path}, line {line}: must be NAME=value, or NAME='value' with the quote closed"
                )
            if each.key is None:
                continue
            if each.value is None:
                raise NotMeant(f"{path}, line {line}: {each.key} has no '='")
            if "\n" in each.value or "\r" in each.value:
                raise NotMeant(
                    f"{path}, line {line}: the quote of {each.key} is not closed on its line"
                )
            found[each.key] = each.value
    return found


def check_names(
    from_file: Mapping[str, str], environment: Iterable[str], known: Collection[str], path: Path
) -> tuple[str, ...]:
    """Refuse names that were meant to be other ones; returns those of the environment that look like ours and are not.

    In the file, a name with one of our prefixes has to be one of ours, and no name may be nearly one. In the
    environment, which belongs to all programs, only a misspelling is refused. Raises NotMeant.
    """
    ours = {*known, *ALSO_KNOWN}
    for name in from_file:
        if name in ours:
            continue
        close = get_close_matches(name.upper(), ours, 1, CLOSE)
        if close or name.upper().startswith(PREFIXES):
            hint = f"did you mean {close[0]}?" if close else ".env.example has every variable"
            raise NotMeant(f"{path}: unknown variable {name}; {hint}")
    strange = sorted(name for name in environment if name not in ours)
    for name in strange:
        meant = misspelt(name, ours)
        if meant is not None:
            raise NotMeant(f"unknown variable {name} in the environment; did you mean {meant}?")
    return tuple(name for name in strange if name.startswith(PREFIXES))


def misspelt(name: str, known: Collection[str]) -> str | None:
    """The name of ours that `name` is a misspelling of, a letter or two off; None if it is a name of its own."""
    for meant in get_close_matches(name, known, 3, MISSPELT):
        longer, shorter = sorted((name, meant), key=len, reverse=True)
        if not longer.startswith(shorter):  # BITMART_API_KEY_2 is a name of its own
            return meant
    return None


def shown_path(path: str | Path) -> str:
    """A path as text that can be sent and printed, whatever its bytes are; absolute."""
    text = str(Path(path).absolute())
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
