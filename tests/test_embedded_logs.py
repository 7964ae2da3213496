"""An engine in another program logs where that program says, and nowhere on its stdout unless it says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

EMBEDDED = """
import logging, sys, trio
{first}
from bitmart_engine import PlaceOrder, open_paper_engine

async def main():
    async with open_paper_engine() as (engine, exchange):
        await engine.wait_ready()
        async with engine.klines("BTCUSDT", "1m") as klines:
            kline = await anext(klines)
        await engine.place_order(PlaceOrder(id="a", symbol="BTCUSDT", side="long", size=1, type="market",
            entry_zone_min=kline.close * 9 / 10, entry_zone_max=kline.close * 11 / 10, stop_loss=kline.close * 8 / 10))
        await engine.wait_order_ended("a")
        exchange.drop_connections()
        await trio.sleep(0.5)

trio.run(main)
"""


def embedded(first: str = "") -> subprocess.CompletedProcess[str]:
    """What a program prints that has an engine in it, trades, and loses its connections. `first` is done before."""
    script = EMBEDDED.replace("{first}", first)
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_an_embedded_engine_writes_nothing_to_stdout():
    done = embedded()
    assert done.stdout == ""
    assert "engine_running" not in done.stderr


def test_an_embedded_engine_logs_through_the_standard_library_once_that_is_configured():
    done = embedded("logging.basicConfig(level='INFO', stream=sys.stderr)")
    assert done.stdout == ""
    assert "INFO:bitmart_engine:event='engine_running' mode='paper'" in done.stderr


def test_an_embedded_engine_logs_through_structlog_once_that_is_configured():
    done = embedded("import structlog; structlog.configure()")
    assert "engine_running" in done.stdout


def test_an_embedded_engine_logs_as_the_command_does_where_that_is_asked_for():
    done = embedded("import bitmart_engine; bitmart_engine.configure_logs('info', as_json=True)")
    assert done.stdout == ""
    assert '"event": "engine_running"' in done.stderr


def test_no_module_logs_past_the_rule():
    for path in (ROOT / "bitmart_engine").rglob("*.py"):
        if path.name != "logs.py":
            assert "structlog" not in path.read_text(), path
