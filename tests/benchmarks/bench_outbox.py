"""How an engine that owes many callbacks starts and ends, beside one that owes none. Run by hand:

    python -m tests.benchmarks.bench_outbox [directory [callbacks]]

The engine is `bitmart-engine serve --paper` as its own process, with a journal in the directory (a temporary one by
default) that holds a callback for each of 60,000 orders. Their receiver, on this machine, refuses connections or takes
them and says nothing. Timed are the first answer of the control API, the slowest answer within some seconds after it,
and the end after a SIGTERM.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import httpx
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.model.notifications import Notification
from bitmart_engine.store import Store, check_environment_mark, open_journal
from bitmart_engine.store.records import NotificationOwed

CALLBACKS = 60_000
WATCHED_S = 2.0
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    callbacks = int(sys.argv[2]) if len(sys.argv) > 2 else CALLBACKS
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        for number, (owed, hangs) in enumerate([(0, False), (callbacks, False), (callbacks, True)]):
            start_and_end(Path(name) / str(number), owed, hangs=hangs)


def start_and_end(directory: Path, owed: int, *, hangs: bool) -> None:
    with closing(socket.socket()) as receiver:
        receiver.bind(("127.0.0.1", 0))
        if hangs:
            receiver.listen(128)
        trio.run(owe, directory, owed, receiver.getsockname()[1])
        with closing(socket.socket()) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        began = time.perf_counter()
        process = serve(directory, port)
        try:
            answer(port)
            first_s, busy_s = time.perf_counter() - began, cpu_s(process.pid)
            slowest_s, until = 0.0, time.perf_counter() + WATCHED_S
            while time.perf_counter() < until:
                slowest_s = max(slowest_s, answer(port))
                time.sleep(0.05)
            asked = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            ended_s = time.perf_counter() - asked
        finally:
            process.kill()
    print(
        f"{owed} owed, {'hangs' if hangs else 'refuses'}: first answer {first_s:.2f} s ({busy_s:.2f} s of CPU),"
        f" slowest after it {slowest_s:.3f} s, SIGTERM to the end {ended_s:.2f} s"
    )


async def owe(directory: Path, callbacks: int, port: int) -> None:
    check_environment_mark(directory, "paper")
    now_ms = time.time_ns() // 1_000_000
    async with open_journal(directory, wall_ms=lambda: now_ms, counters=Counters()) as (
        journal,
        state,
    ):
        store = Store(journal, state)
        for number in range(callbacks):
            store.record(NotificationOwed(notification(number, now_ms, port)))
            if number % 2000 == 0:
                await store.durable()
        await store.durable()


def notification(number: int, now_ms: int, port: int) -> Notification:
    return Notification(
        id=f"n{number}",
        lane=f"order-{number}",
        url=f"http://127.0.0.1:{port}/hook",
        kind="placed",
        body=b'{"event":"placed","order_id":"order-%d","metadata":{}}' % number,
        created_ms=now_ms,
    )


def serve(directory: Path, port: int) -> subprocess.Popen[bytes]:
    ours = ("BITMART_", "CTRL_", "TRADING_", "CALLBACK_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "bitmart_engine", "serve", "--paper"),
            *("--paper-admin-port", "0", "--state-dir", str(directory), "--log-level", "error"),
        ],
        env={**env, "CTRL_ADDR": f"127.0.0.1:{port}", "PYTHONPATH": str(Path.cwd())},
        cwd=directory,
        stdout=subprocess.DEVNULL,
    )


def answer(port: int) -> float:
    """How long the control API takes to answer, from the first try on."""
    began = time.perf_counter()
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60, trust_env=False)
        except httpx.ConnectError:
            time.sleep(0.02)
        else:
            return time.perf_counter() - began


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
