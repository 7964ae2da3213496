"""What holds the event loop of a big engine, and for how long: its start, its lists, the garbage collector.

    python -m tests.benchmarks.bench_pauses [finished] [armed] [directory]

The engine is `bitmart-engine serve` in a process of its own, on a paper exchange in another, with a journal of so many
finished orders and of so many that wait for their zones. Each list is asked for a few times; how long the loop was held
meanwhile is what the engine measures itself (`event_loop` in `/status`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from attrs import evolve

from bitmart_engine.store.database import Database
from bitmart_engine.store.opening import FILE_NAME
from bitmart_engine.store.records import EntryAccepted, ProtectionOpened, Record
from bitmart_engine.store.units import Unit
from tests.store.stories import entry, protection, whole_story

FINISHED, ARMED = 100_000, 10_000
UNITS_AT_ONCE = 2000
TIMES = 3
LISTS = (
    "/status",
    "/readyz",
    "/api/orders",
    "/api/orders?limit=1000",
    "/api/orders?state=waiting&limit=1000",
    "/api/orders?symbol=NOSUCHUSDT",
    "/api/orders/status",
    "/api/positions",
    "/api/protections?limit=1000",
    "/api/protections?symbol=NOSUCHUSDT",
    "/api/futures-orders?limit=1000",
    "/api/orders/order-5",
    "/api/outbox",
    "/openapi.json",
    "/help",
)


def main() -> None:
    finished = int(sys.argv[1]) if len(sys.argv) > 1 else FINISHED
    armed = int(sys.argv[2]) if len(sys.argv) > 2 else ARMED
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as name:
        directory = Path(name)
        write_journal(directory / FILE_NAME, finished, armed)
        size = (directory / FILE_NAME).stat().st_size / 1e6
        print(f"{finished:,} finished, {armed:,} armed, a journal of {size:,.0f} MB")
        with paper_exchange() as addresses:
            began = time.perf_counter()
            with engine(directory, addresses) as (process, http):
                listening = time.perf_counter() - began
                while http.get("/readyz").status_code != 200:
                    time.sleep(0.02)
                ready = time.perf_counter() - began
                print(
                    f"start: listens after {listening:.2f} s, ready after {ready:.2f} s, imports included"
                )
                print(f"resident: {resident_mb(process.pid):.0f} MB")
                before = loop(http)
                time.sleep(5)
                print(f"nothing asked for 5 s: {held(before, loop(http))}")
                for path in LISTS:
                    ask(http, path)
                said = loop(http)
                print(
                    f"in all: longest {said['longest_ms']} ms; collections by generation {said['collections']},"
                    f" longest {said['longest_collection_ms']} ms; resident {resident_mb(process.pid):.0f} MB"
                )


def write_journal(path: Path, finished: int, armed: int) -> None:
    """Orders of yesterday that ended, and orders that wait, far from the price."""
    at_ms = time.time_ns() // 1_000_000 - 86_400_000
    path.parent.mkdir(parents=True, exist_ok=True)
    database = Database.open(path)
    seq = 1
    units: list[Unit] = []

    def put(records: tuple[Record, ...]) -> None:
        nonlocal seq
        units.append(Unit.of(seq, at_ms, records))
        seq += len(records)

    def flush() -> None:
        database.commit(units)
        units.clear()
        while database.advance(UNITS_AT_ONCE):
            pass

    for number in range(finished):
        for records in whole_story(f"order-{number}", at_ms):
            put(records)
        if len(units) > UNITS_AT_ONCE:
            flush()
    for number in range(armed):
        id, far = f"armed-{number}", Decimal(1000 + number % 20_000)
        asked = entry(id, at_ms)
        request = evolve(
            asked.request,
            zone_min=far,
            zone_max=far + 1,
            stop_loss=far / 2,
            take_profit=far * 2,
            timeout_seconds=Decimal(864_000),
        )
        order = evolve(asked, request=request, deadline_ms=at_ms + 864_000_000)
        guard = evolve(protection(id, at_ms), stop_loss=far / 2, take_profit=far * 2)
        put((EntryAccepted(order), ProtectionOpened(guard)))
        if len(units) > UNITS_AT_ONCE:
            flush()
    flush()
    database.close()


@contextmanager
def process(*command: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "bitmart_engine", *command],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(timeout=20)


@contextmanager
def paper_exchange() -> Iterator[Mapping[str, str]]:
    ports = ("--admin-port", "0", "--ws-port", "0", "--rest-port", "0")
    with process("paper", *ports, env={}) as exchange:
        assert exchange.stdout is not None
        addresses = {}
        for line in exchange.stdout:
            name, _, value = line.strip().partition("=")
            if name.startswith("BITMART_"):
                addresses[name] = value
            if name == "BITMART_API_MEMO":
                break
        yield addresses


@contextmanager
def engine(
    directory: Path, addresses: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    env = {**addresses, "STATE_DIR": str(directory), "CTRL_ADDR": "127.0.0.1:0"}
    with process("serve", "--env-file", os.devnull, env=env) as running:
        assert running.stdout is not None
        found = next(
            filter(None, (re.search(r"control API +(http\S+)", line) for line in running.stdout))
        )
        with httpx.Client(base_url=found[1], timeout=60) as http:
            yield running, http


def loop(http: httpx.Client) -> dict[str, Any]:
    said: dict[str, Any] = http.get("/status").json()["event_loop"]
    return said


def ask(http: httpx.Client, path: str) -> None:
    before, took = loop(http), []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = http.get(path)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, f"{path}: {answer.text[:200]}"
    size = len(answer.content) / 1000
    print(
        f"GET {path}: {size:,.0f} KB in {min(took):.1f} to {max(took):.1f} ms; {held(before, loop(http))}"
    )


def held(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The longest bounds that passes took longer than between two looks, and how often."""
    longer = {
        int(bound): times - before["longer_than_ms"][bound]
        for bound, times in after["longer_than_ms"].items()
    }
    over = {bound: times for bound, times in longer.items() if times and bound >= 5}
    if not over:
        return f"never held for 5 ms ({longer[2]} times for 2)"
    return "held for over " + ", ".join(f"{bound} ms {times}x" for bound, times in over.items())


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 / 1024


if __name__ == "__main__":
    main()
