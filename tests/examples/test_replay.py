"""The two files of `examples/replay` are played, and the page of the room shows what comes of them."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from bitmart_engine.cli import main

ROOT = Path(__file__).parents[2]
FILES = ROOT / "examples" / "replay"
PAGE = ROOT / "bitmart_engine" / "replay" / "README.md"


def test_the_example_is_played_with_the_result_that_the_page_shows():
    arguments = ["replay", str(FILES / "candles.csv"), "--orders", str(FILES / "orders.jsonl")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    shown = re.search(r"<!-- example -->\n```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown is not None
    assert result.stdout == shown[1]
