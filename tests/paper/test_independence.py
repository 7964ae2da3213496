"""The paper exchange checks the engine, so it must not share a mistake with it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bitmart_engine.paper

MODULES = sorted(Path(bitmart_engine.paper.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_of_the_engine_is_imported(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1
            assert not (node.module or "").startswith("bitmart_engine")
        elif isinstance(node, ast.Import):
            assert not any(name.name.startswith("bitmart_engine") for name in node.names)
