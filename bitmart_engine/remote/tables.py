"""Aligned text for a terminal or a pipe, out of values that may be anything.

Whatever is shown goes through `escaped`: a control character, a character that is not seen, or one that changes its
neighbours is written as an escape, so that no text breaks the terminal and two different texts never look the same.
On a terminal a table is made to fit: long ids lose their middle, then columns marked `spare` are left out, and the last
line says so. In a pipe everything is there, in plain text without tabs.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

import click
from attrs import frozen

__all__ = ["Column", "Screen", "escaped", "facts", "printable", "shortened", "table"]

GAP = "  "
SHORTEST_ID = 20
BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters, for Unicode; nothing is seen of them."""

COLOURS = {
    **dict.fromkeys(("filled", "armed", "up", "yes", "ready", "delivered"), "green"),
    **dict.fromkeys(("waiting", "pending_fill", "open", "partially_filled", "owed"), "cyan"),
    **dict.fromkeys(("submitting", "closing", "connecting"), "yellow"),
    **dict.fromkeys(("unknown", "rejected", "down", "dead", "stale", "not ready", "no"), "red"),
}
"""Of words that stand alone in a cell, or at the beginning of a fact."""


@frozen(kw_only=True)
class Screen:
    """Where text goes. `now_ms` decides how much of a date has to be shown."""

    terminal: bool = False
    columns: int = 80
    colours: bool = False
    encoding: str = "utf-8"
    now_ms: int = 0

    @classmethod
    def of(cls, stream: TextIO, now_ms: int) -> Screen:
        """What `stream` can show. Colours are for terminals, unless NO_COLOR is set or TERM is dumb."""
        terminal = stream.isatty()
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(
            terminal=terminal,
            columns=shutil.get_terminal_size().columns,
            colours=terminal and not plain,
            encoding=getattr(stream, "encoding", None) or "utf-8",
            now_ms=now_ms,
        )

    def time(self, ms: int | None) -> str | None:
        """A unix time, in UTC: short on a terminal, ISO in a pipe."""
        if ms is None:
            return None
        try:
            at = datetime.fromtimestamp(ms / 1000, UTC)
        except (OverflowError, OSError, ValueError):
            return str(ms)
        if not self.terminal:
            return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        this_year = at.year == datetime.fromtimestamp(self.now_ms / 1000, UTC).year
        return at.strftime("%m-%d %H:%M:%SZ" if this_year else "%Y-%m-%d %H:%MZ")

    def styled(self, text: str, word: str) -> str:
        """`text` in the colour of `word`, if it has one."""
        colour = COLOURS.get(word) if self.colours else None
        return click.style(text, fg=colour) if colour else text

    def heading(self, text: str) -> str:
        return click.style(text, bold=True) if self.colours else text

    def line(self, text: str) -> str:
        """A sentence, so that it breaks nothing."""
        return self.encodable(printable(text))

    def encodable(self, text: str) -> str:
        """`text`, with escapes for what the screen has no characters for."""
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)


@frozen
class Column:
    """One column. `id` may lose its middle on a terminal, `spare` may be left out there."""

    name: str
    right: bool = False
    id: bool = False
    spare: bool = False


def escaped(text: str) -> str:
    """`text` as it can be shown anywhere. Two different texts give two that look different."""
    core = text.strip(" ")
    shown = "".join(each if each != "\\" and _is_seen(each) else _escape(each) for each in core)
    before, _, after = text.partition(core) if core else (text, "", "")
    return _spaces(before) + shown + _spaces(after)


def printable(text: str) -> str:
    """A sentence for people, with escapes only for what would break the terminal."""
    return "".join(each if _is_seen(each) else _escape(each) for each in text)


def shortened(texts: Sequence[str], width: int, ellipsis: str = "…") -> list[str]:
    """`texts` without their middles, `width` characters long; longer if different ones would look the same."""
    different = set(texts)
    longest = max(map(len, different), default=0)
    while width < longest:
        short = {each: _cut(each, width, ellipsis) for each in different}
        if len(set(short.values())) == len(different):
            return [short[each] for each in texts]
        width += 1 + width // 8
    return list(texts)


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]], screen: Screen) -> list[str]:
    """The lines of a table, headings first; none if it has no rows."""
    cells = [[_cell(each) for each in row] for row in rows]
    if not cells:
        return []
    laid = [_Laid.of(*each) for each in zip(columns, zip(*cells, strict=True), strict=True)]
    left_out = _fit(laid, screen) if screen.terminal else []
    heading = (each.placed(each.column.name, each.column.name) for each in laid)
    lines = [screen.heading(GAP.join(heading).rstrip())]
    for number in range(len(cells)):
        texts = ((each, each.texts[number]) for each in laid)
        row = (each.placed(text, screen.styled(text, text)) for each, text in texts)
        lines.append(GAP.join(row).rstrip())
    if left_out:
        lines.append(f"(no room for {', '.join(left_out)}: widen the terminal, or use --json)")
    return [screen.encodable(each) for each in lines]


def facts(pairs: Mapping[str, object] | Iterable[tuple[str, object]], screen: Screen) -> list[str]:
    """Lines of a name and what is known about it; None is left out."""
    known = [
        (name, _cell(value))
        for name, value in (pairs.items() if isinstance(pairs, Mapping) else pairs)
        if value is not None
    ]
    wide = max((_width(name) for name, _ in known), default=0)
    return [
        screen.encodable(
            screen.heading(name) + " " * (wide - _width(name)) + GAP + _fact(text, screen)
        )
        for name, text in known
    ]


def _fact(text: str, screen: Screen) -> str:
    word = re.split("[,;:]", text, maxsplit=1)[0]
    return screen.styled(word, word) + text[len(word) :]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escaped(str(value)) or "''"


@frozen
class _Laid:
    """A column with its texts, laid out."""

    column: Column
    texts: Sequence[str]
    width: int

    @classmethod
    def of(cls, column: Column, texts: Sequence[str]) -> _Laid:
        return cls(column, texts, max(map(_width, [column.name, *texts])))

    def placed(self, text: str, styled: str) -> str:
        """`styled`, which takes the room of `text`, with spaces to the width of the column."""
        padding = " " * (self.width - _width(text))
        return padding + styled if self.column.right else styled + padding


def _fit(laid: list[_Laid], screen: Screen) -> list[str]:
    """Make a table as narrow as the terminal, as far as it can be. Returns the names of what was left out."""

    def excess() -> int:
        return sum(each.width + len(GAP) for each in laid) - len(GAP) - screen.columns

    ellipsis = "…" if screen.encodable("…") == "…" else "..."
    for place, each in enumerate(laid):
        if each.column.id and excess() > 0:
            width = max(each.width - excess(), SHORTEST_ID)
            laid[place] = _Laid.of(each.column, shortened(each.texts, width, ellipsis))
    left_out: list[str] = []
    for each in reversed(laid[:]):
        if each.column.spare and excess() > 0:
            laid.remove(each)
            left_out.insert(0, each.column.name)
    return left_out


def _width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _is_seen(char: str) -> bool:
    """Whether a character is seen, and leaves the ones around it alone."""
    return (
        char.isprintable()
        and char not in BLANK_LETTERS
        and not unicodedata.category(char).startswith("M")
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _spaces(text: str) -> str:
    return text.replace(" ", r"\x20")


def _cut(text: str, width: int, ellipsis: str) -> str:
    if len(text) <= width:
        return text
    kept = max(width - len(ellipsis), 2)
    head = (kept + 1) // 2
    return text[:head] + ellipsis + text[len(text) - (kept - head) :]
