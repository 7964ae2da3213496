"""Tables of anything: aligned, unbroken, and never two different texts that look the same."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.remote.tables import Column, Screen, escaped, facts, printable, shortened, table

TERMINAL = Screen(terminal=True, columns=60, colours=True, now_ms=1_785_726_000_000)
NARROW = Screen(terminal=True, columns=40)
PIPE = Screen()
COLUMNS = (Column("ID", id=True), Column("SIZE", right=True), Column("WHY", spare=True))
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@given(st.text())
def test_whatever_is_shown_has_nothing_that_breaks_a_terminal(text: str) -> None:
    for shown in (escaped(text), printable(text)):
        assert all(each.isprintable() for each in shown)
        assert not any(unicodedata.category(each).startswith("M") for each in shown)
    assert escaped(text) == escaped(text).strip()


@given(st.lists(st.text(alphabet=" \\x20n\n\u3164\u0301é\u202ea'-"), unique=True))
def test_different_texts_look_different(texts: list[str]) -> None:
    assert len({escaped(each) for each in texts}) == len(texts)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("order-123", "order-123"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("a\\nb", r"a\\nb"),
        (" a b ", r"\x20a b\x20"),
        ("  ", r"\x20\x20"),
        ("e\u0301", r"e\u0301"),
        ("\u202etxt", r"\u202etxt"),
        ("\x9b1m", r"\x9b1m"),
        ("\u3164", r"\u3164"),
        ("\ud800", r"\ud800"),
        ("ордер-日本-🙂", "ордер-日本-🙂"),
    ],
)
def test_odd_ids(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_columns_are_aligned_whatever_is_in_them() -> None:
    lines = table(
        COLUMNS,
        [("日本", 7, "wide"), ("\x1b[31mred\n", "12.50", None), ("", True, False)],
        PIPE,
    )
    assert lines == [
        "ID" + " " * 14 + "SIZE  WHY",
        "日本" + " " * 15 + "7  wide",
        r"\x1b[31mred\n  12.50  -",
        "''" + " " * 15 + "yes  no",
    ]
    assert "\t" not in "".join(lines)


def test_no_rows_are_no_table() -> None:
    assert table(COLUMNS, [], PIPE) == []


@given(st.lists(st.text(alphabet="ab", max_size=60), min_size=1), st.integers(1, 30))
def test_shortened_ids_still_tell_rows_apart(ids: list[str], width: int) -> None:
    short = shortened(ids, width)
    assert len(set(short)) == len(set(ids))
    assert [short[ids.index(each)] for each in ids] == short
    assert max(map(len, short)) <= max(max(map(len, ids)), 3)


def test_long_ids_are_shortened_on_a_terminal_only() -> None:
    long = "btcusdt-long-" + "x" * 60
    rows = [(long + "-1", 1, "w"), (long + "-2", 2, "w")]
    assert long + "-1" in table(COLUMNS, rows, PIPE)[1]
    lines = table(COLUMNS, rows, NARROW)
    assert max(map(len, lines)) <= 40
    assert "…" in lines[1]
    assert lines[1].split()[0] != lines[2].split()[0]
    ascii_only = table(COLUMNS, rows, Screen(terminal=True, columns=40, encoding="ascii"))
    assert "..." in ascii_only[1]


def test_ids_that_differ_in_the_middle_stay_as_long_as_they_have_to() -> None:
    rows = [("a" * 30 + middle + "a" * 30, 1, "w") for middle in ("b", "c")]
    lines = table(COLUMNS, rows, NARROW)
    assert lines[1].split()[0] != lines[2].split()[0]


def test_what_has_no_room_is_left_out_and_said() -> None:
    lines = table(COLUMNS, [("id-1", 1, "because " * 10)], NARROW)
    assert lines[:2] == ["ID    SIZE", "id-1     1"]
    assert lines[2].startswith("(no room for WHY:")


def test_colours_are_for_terminals_and_change_no_width() -> None:
    rows = [("a", "waiting", ""), ("b", "filled", "")]
    coloured = table(COLUMNS, rows, TERMINAL)
    assert any("\x1b" in each for each in coloured)
    assert [COLOUR.sub("", each) for each in coloured] == table(COLUMNS, rows, PIPE)
    assert facts({"state": "not ready: x", "none": None}, TERMINAL) == [
        "\x1b[1mstate\x1b[0m  \x1b[31mnot ready\x1b[0m: x"
    ]
    assert facts({"state": "ready", "b": 1}, PIPE) == ["state  ready", "b      1"]
    assert facts({}, PIPE) == []


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("name", "value", "coloured"),
    [
        ("TERM", "xterm", True),
        ("TERM", "dumb", False),
        ("NO_COLOR", "1", False),
        ("NO_COLOR", "", True),
    ],
)
def test_what_a_stream_can_show(
    name: str, value: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "123")
    monkeypatch.setenv(name, value)
    screen = Screen.of(Tty(), 5)
    assert (screen.terminal, screen.columns, screen.colours) == (True, 123, coloured)
    piped = Screen.of(io.StringIO(), 5)
    assert (piped.terminal, piped.colours, piped.encoding) == (False, False, "utf-8")


def test_times_are_utc_short_on_a_terminal_and_iso_in_a_pipe() -> None:
    at = 1_785_725_999_123
    assert PIPE.time(at) == "2026-08-03T02:59:59.123Z"
    assert TERMINAL.time(at) == "08-03 02:59:59Z"
    assert NARROW.time(at) == "2026-08-03 02:59Z"
    assert PIPE.time(None) is None
    assert PIPE.time(10**30) == str(10**30)


def test_a_screen_without_the_characters_gets_escapes() -> None:
    [_, row] = table(COLUMNS[:1], [("é日",)], Screen(encoding="ascii"))
    assert row == r"\xe9\u65e5"
    assert Screen(encoding="latin-1").line("é\x1b日") == r"é\x1b\u65e5"
