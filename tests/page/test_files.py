"""The files of the live page, read as text: no browser is needed for these."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import bitmart_engine

PAGE = Path(bitmart_engine.__file__).parent / "page"
MODULES = sorted(each for each in PAGE.rglob("*.js") if "vendor" not in each.parts)
MOST_LINES = 300
FREE_PREFIXES = re.compile("theme_|mode_|will_halt_|[vhcspklqomwx]_")
"""Words that are looked up by what the engine says."""


def _words(name: str) -> Mapping[str, str]:
    text = (PAGE / "words" / f"{name}.js").read_text()
    return dict(re.findall(r'(?m)^  (\w+): "((?:[^"\\]|\\.)*)",$', text))


def test_every_module_of_the_page_has_at_most_300_lines_and_says_what_it_is_for() -> None:
    assert MODULES
    for module in MODULES:
        lines = module.read_text().splitlines()
        assert len(lines) <= MOST_LINES, module
        assert lines[0].startswith("//"), f"{module} does not begin with what it is for"


@pytest.mark.parametrize("part", ["", "_said"])
def test_both_languages_have_the_same_words_with_the_same_names_in_braces(part: str) -> None:
    english, french = _words(f"english{part}"), _words(f"french{part}")
    assert english
    assert set(english) == set(french)
    for key, text in english.items():
        names = [sorted(set(re.findall(r"\{\w+\}", each))) for each in (text, french[key])]
        assert names[0] == names[1], key


def test_every_word_is_used_and_every_word_used_is_there() -> None:
    code = "".join(each.read_text() for each in MODULES if each.parent.name != "words")
    known = {**_words("english"), **_words("english_said")}
    used = set(re.findall(r'\bt\("(\w+)"', code))
    assert used <= set(known)
    unused = {each for each in known if f'"{each}"' not in code and f"{each}:" not in code}
    assert {each for each in unused if not FREE_PREFIXES.match(each)} == set()


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_text_as_code_or_markup() -> None:
    for file in [*MODULES, PAGE / "index.html", PAGE / "style.css"]:
        text = file.read_text()
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|dangerously|\beval\(", text)
        found = re.findall(r"(?:from|import|src=|url\()\s*[\"']?(?:https?:)?//\S+", text)
        assert not found, (file, found)
