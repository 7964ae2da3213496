"""The command `replay`: files in, trades out, with results that can be worked out by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bitmart_engine.cli import main

DIP = {
    "id": "dip",
    "symbol": "BTCUSDT",
    "side": "long",
    "entry_zone_min": "64950",
    "entry_zone_max": "64960",
    "size": 10,
    "stop_loss": "64900",
    "take_profit": "65100",
    "timeout_seconds": 3600,
}
RALLY = {
    **DIP,
    "id": "rally",
    "side": "short",
    "entry_zone_min": "65040",
    "entry_zone_max": "65050",
    "stop_loss": "65100",
    "take_profit": "64900",
}
FIRST = 1_704_153_600
"""2024-01-02 00:00:00 UTC, in s."""


def candles(*rows: str) -> str:
    """A file of one-minute candles: each row is open, high, low, close."""
    lines = [f"{FIRST + 60 * n},{row.replace(' ', ',')},1" for n, row in enumerate(rows)]
    return "\n".join(["time,open,high,low,close,volume", *lines]) + "\n"


QUIET = "65000 65000 65000 65000"
DOWN = "65000 65000 64940 64945"
UP = "64945 65120 64940 65110"


class Files:
    """A directory with the two files, and the command."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, rows: str, orders: object, *options: str) -> Any:
        candle_file, order_file = self.directory / "c.csv", self.directory / "o.jsonl"
        candle_file.write_text(rows)
        text = orders if isinstance(orders, str) else ""
        if isinstance(orders, list):
            text = "\n".join(map(json.dumps, orders))
        order_file.write_text(text)
        return CliRunner().invoke(
            main, ["replay", str(candle_file), "--orders", str(order_file), *options]
        )

    def report(self, rows: str, orders: object, *options: str) -> Any:
        result = self.run(rows, orders, "--json", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_an_entry_in_a_dip_and_its_target_come_out_as_worked_out_by_hand(files):
    (trade,) = files.report(candles(QUIET, DOWN, UP, QUIET), [DIP])["trades"]
    entry_fee = 10 * Decimal("0.001") * 64960 * Decimal("0.0002")
    exit_fee = 10 * Decimal("0.001") * 65100 * Decimal("0.0006")
    assert (trade["average_in"], trade["average_out"]) == ("64960", "65100")
    assert trade["gross"] == "1.4"
    assert Decimal(trade["fees"]) == entry_fee + exit_fee == Decimal("0.52052")
    assert Decimal(trade["net"]) == Decimal("0.87948")
    assert Decimal(trade["risk"]) == Decimal("0.6")
    assert Decimal(trade["r"]) == Decimal("1.4658")
    assert not trade["open"]
    assert (
        FIRST + 60 < trade["entry_ms"] / 1000 < FIRST + 120 < trade["exit_ms"] / 1000 < FIRST + 180
    )
