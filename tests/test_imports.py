"""Which room of the package may import which, and that no module imports one that imports it.

Imports for type checkers count too: what a module has to be told of is what its reader has to know.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "bitmart_engine"
PACKAGE = ROOT.name

TOOLS = {
    "causes",
    "clocks",
    "collecting",
    "counters",
    "environment",
    "housekeeping",
    "latency",
    "log_events",
    "logs",
    "outages",
    "setting_values",
    "loop_watch",
    "settings",
    "state_files",
    "version",
    "world",
}
"""Modules that every room but the model may use."""
ENGINE = {
    "asked",
    "bars",
    "engine",
    "feed",
    "guarding",
    "health",
    "health_watch",
    "keeping",
    "nearness",
    "outages_file",
    "running",
    "standing",
}
"""The engine as one thing, and what it is opened with."""
COMMANDS = {
    "checking",
    "cli",
    "doctor",
    "journal_cli",
    "on_paper",
    "options",
    "process",
    "replay_cli",
    "story",
    "systemd",
    "__main__",
}

ALLOWED = {
    "model": set[str](),
    "paper": set[str](),
    "remote": {"model"},
    "tools": {"model"},
    "exchange": {"model", "tools"},
    "notify": {"model", "tools"},
    "store": {"model", "tools"},
    "streams": {"model", "tools"},
    "trading": {"model", "tools", "exchange", "notify", "store", "streams"},
    "engine": {"model", "tools", "exchange", "notify", "store", "streams", "trading"},
    "control": {"model", "tools", "exchange", "notify", "store", "streams", "trading", "engine"},
    "alerts": {"model", "tools", "trading", "engine"},
    "replay": {"model", "tools", "trading", "engine", "control", "paper"},
    "package": {"model", "tools", "store", "streams", "engine", "control", "commands"},
    "commands": {
        *("model", "tools", "store", "engine", "control", "alerts", "paper", "remote", "replay"),
    },
}
"""By room, what it may import beside itself. Arrows point one way."""


def modules() -> dict[str, Path]:
    """By dotted name within the package, the modules; the package's own name is empty."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        .removesuffix("__init__")
        .rstrip("."): path
        for path in ROOT.rglob("*.py")
    }


MODULES = modules()


def imported(name: str, path: Path) -> Iterator[str]:
    """What a module imports of the package, wherever in it."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            if node.level:
                base = [*parts[: len(parts) - node.level + 1], *(node.module or "").split(".")]
            elif (node.module or "").split(".")[0] == PACKAGE:
                base = (node.module or "").split(".")[1:]
            else:
                continue
            target = ".".join(part for part in base if part)
            for each in node.names:
                inner = f"{target}.{each.name}".lstrip(".")
                yield inner if inner in MODULES else target


GRAPH = {name: set(imported(name, path)) - {name} for name, path in MODULES.items()}


def room(name: str) -> str:
    """The room that a module is in."""
    first = name.split(".")[0]
    for rooms, called in ((TOOLS, "tools"), (ENGINE, "engine"), (COMMANDS, "commands")):
        if first in rooms:
            return called
    return first or "package"


def test_every_module_is_in_a_room_of_the_table():
    assert {room(name) for name in MODULES} == set(ALLOWED)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_room_imports_only_what_the_table_allows(name):
    found = {room(each) for one, all in GRAPH.items() if room(one) == name for each in all}
    assert found - {name} <= ALLOWED[name]


def test_the_table_has_no_circle():
    left = dict(ALLOWED)
    while left:
        free = [name for name, needs in left.items() if not needs & set(left)]
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of imports, if there is one."""
    left = {name: set(needs) for name, needs in graph.items()}
    while True:
        free = {name for name, needs in left.items() if not needs & set(left)}
        if not free:
            return sorted(left)
        for name in free:
            del left[name]


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["a", "b", "c"]
    assert circle({"a": {"b"}, "b": set()}) == []


def test_no_module_imports_one_that_imports_it():
    assert circle(GRAPH) == []
