"""The benchmarks still run, with counts that say nothing about speed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]


def run(name: str, *arguments: str) -> str:
    """What the benchmark prints. Raises AssertionError with what went wrong."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_tick_becomes_an_order_and_a_close_in_the_engine_and_on_the_floor(tmp_path: Path) -> None:
    said = run("bench_order", "3", str(tmp_path), "0.01").splitlines()
    assert said[0].startswith("3 of each, ticks 0.01 s apart")
    subjects = ["floor", "engine", "in memory", "libraries"]
    for what, lines in (("order", said[1:6]), ("close", said[6:11])):
        names = [line.split(":")[0].strip() for line in lines]
        assert names == [f"tick to {what}", *subjects]
        assert all(line.count("p50") == 1 for line in lines[1:])
    assert "of the engine's p50" in said[11]


def test_klines_come_through_the_engine_and_to_a_bare_loop() -> None:
    said = run("bench_klines", "99")
    assert len(re.findall(r"through the engine [\d,]+/s", said)) == 7
    assert "ratio: " in said


def test_an_engine_that_owes_callbacks_is_started_and_stopped(tmp_path: Path) -> None:
    said = run("bench_outbox", str(tmp_path), "50")
    assert re.findall(r"(\d+) owed, (\w+): first answer", said) == [
        ("0", "refuses"),
        ("50", "refuses"),
        ("50", "hangs"),
    ]
    assert said.count("SIGTERM to the end") == 3


def test_armed_orders_are_timed_and_weighed() -> None:
    said = run("bench_armed", "1", "20")
    assert re.search(r"20 armed: +[\d.]+ KB an order", said)
    assert re.search(r"20 armed: +[\d.]+ us a tick, [\d.]+ of the first", said)


def test_what_holds_the_loop_is_measured_list_by_list(tmp_path: Path) -> None:
    said = run("bench_pauses", "30", "20", str(tmp_path))
    assert "30 finished, 20 armed" in said
    assert re.search(r"resident: \d+ MB", said)
    assert len(re.findall(r"^GET /\S+: .*(never held|held for over)", said, re.MULTILINE)) == 15
    assert re.search(r"collections by generation \[\d+, \d+, \d+\]", said)
