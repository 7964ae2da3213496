"""`examples/embedded.py` works: it watches, buys on the paper exchange, and leaves nothing behind."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import trio

EXAMPLE = Path(__file__).parents[2] / "examples" / "embedded.py"


@pytest.fixture
def example(monkeypatch, tmp_path):
    """The example's names, in a directory without a .env and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("BITMART_API_KEY", "BITMART_API_SECRET", "BITMART_API_MEMO", "BITMART_DEMO"):
        monkeypatch.delenv(name, raising=False)
    return runpy.run_path(str(EXAMPLE))


async def test_it_watches_buys_and_leaves_the_block_cleanly(example, capsys):
    with trio.fail_after(40):
        await example["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("BTCUSDT 1m close") for line in lines) == 5
    assert any(line.endswith(": filled, protection armed") for line in lines)
    assert lines[-1] == "everything is closed"
