"""The README is true: its tables and diagrams are generated, its walk is run, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bitmart_engine.model.lifecycle import ENTRY_MOVES, PROTECTION_MOVES, mermaid
from bitmart_engine.paper import unknowns
from bitmart_engine.settings import describe_settings

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def settings_table() -> str:
    rows = [
        f"| `{variable}` | {f'`{default}`' if default else ''} | {purpose} |"
        for variable, default, purpose in describe_settings()
    ]
    return "\n".join(["| variable | default | what |", "|---|---|---|", *rows])


def unknowns_table() -> str:
    rows = [
        f"| {one.what[0].upper()}{one.what[1:]} | `{one.name}` | {one.default_text or 'none'} | {one.where} |"
        for one in unknowns()
    ]
    return "\n".join(["| unknown | parameter | default | fact sheet |", "|---|---|---|---|", *rows])


def env_example() -> str:
    lines = ["# Copy to .env and uncomment what you want to change. The values are the defaults."]
    for variable, default, purpose in describe_settings():
        lines += ["", f"# {purpose[0].upper()}{purpose[1:]}", f"#{variable}={default}"]
    return "\n".join(lines) + "\n"


GENERATED = {
    ("<!-- settings -->", "<!-- /settings -->"): settings_table(),
    ("<!-- unknowns -->", "<!-- /unknowns -->"): unknowns_table(),
    (
        "<!-- lifecycle: entry -->",
        "<!-- /lifecycle -->",
    ): f"```mermaid\n{mermaid(ENTRY_MOVES)}\n```",
    ("<!-- lifecycle: protection -->", "<!-- /lifecycle -->"): (
        f"```mermaid\n{mermaid(PROTECTION_MOVES)}\n```"
    ),
}


def regenerate() -> None:
    """Write the generated parts anew: `python -m tests.test_readme`."""
    text = README.read_text()
    for (begin, end), body in GENERATED.items():
        head, rest = text.split(begin, 1)
        tail = rest.split(end, 1)[1]
        text = f"{head}{begin}\n{body}\n{end}{tail}"
    README.write_text(text)
    (ROOT / ".env.example").write_text(env_example())


@pytest.mark.parametrize("marks", GENERATED, ids=lambda marks: marks[0])
def test_a_generated_part_of_the_readme_is_current(marks):
    begin, end = marks
    body = README.read_text().split(begin, 1)[1].split(end, 1)[0].strip()
    assert body == GENERATED[marks], "run `python -m tests.test_readme`"


def test_the_example_environment_has_every_variable_with_its_default():
    assert (ROOT / ".env.example").read_text() == env_example()


def test_every_dependency_is_named_in_the_readme_with_its_reason():
    text = README.read_text().split("## Dependencies")[1].split("\n## ")[0]
    named = set(re.findall(r"[a-z][a-z-]+", text))
    wanted = re.findall(r'^    "([a-z-]+)>=', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert len(wanted) > 10
    assert set(wanted) <= named


def test_every_test_file_that_the_readme_names_exists():
    names = re.findall(r"`(tests/[a-z_/]+(?:\.py)?)`", README.read_text())
    assert names
    for name in names:
        assert (ROOT / name).exists(), name


if __name__ == "__main__":
    regenerate()
