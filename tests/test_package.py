"""What the package imports is declared; what it uses beyond documentation is bounded; its metadata is true."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = sorted((ROOT / "bitmart_engine").rglob("*.py"))
INSIDES = ("hypercorn", "quart.wrappers", "dotenv.parser", "wsproto.handshake", "wsproto.utilities")
"""Modules of others that their documentation does not speak of, and that the engine uses."""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> dict[str, str]:
    """What the package needs, or uses where it is there: by distribution, the versions that will do."""
    needs = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["alerts"]]
    found = (re.match(r"([\w.-]+)(.*)", each) for each in needs)
    return {plain(each[1]): each[2] for each in found}


def imported() -> Iterator[tuple[str, str]]:
    """(module, who imports it) of everything that is neither the package's own nor Python's."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top != "bitmart_engine":
                    yield name, str(path.relative_to(ROOT))


installed = cache(packages_distributions)


def distribution_of(module: str) -> str:
    """What has to be installed for an import of `module`."""
    (name,) = {plain(each) for each in installed()[module.partition(".")[0]]}
    return name


def test_everything_that_is_imported_is_declared():
    undeclared = {
        (name, where) for name, where in imported() if distribution_of(name) not in declared()
    }
    assert not undeclared


def test_everything_that_is_declared_is_imported():
    assert set(declared()) == {distribution_of(name) for name, _ in imported()}


@pytest.mark.parametrize("inside", INSIDES)
def test_what_is_used_beyond_its_documentation_is_bounded_from_above(inside):
    assert any(name == inside or name.startswith(f"{inside}.") for name, _ in imported()), (
        "not used any more"
    )
    assert "<" in declared()[distribution_of(inside)]


def test_every_bound_from_above_has_its_reason_beside_it():
    lines = re.findall(
        r'^    "[\w-]+>=[^"]*<[^"]*",.*$', (ROOT / "pyproject.toml").read_text(), re.M
    )
    assert len(lines) == sum("<" in versions for versions in declared().values())
    for line in lines:
        assert re.search(r"# \w.{20}", line), line


def test_the_licence_is_an_expression_with_its_file():
    assert PROJECT["license"] == "MIT"
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])
    assert not [each for each in PROJECT["classifiers"] if each.startswith("License ::")]


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "bitmart_engine/py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]
