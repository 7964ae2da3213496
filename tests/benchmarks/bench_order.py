"""From the tick that enters an entry zone to the arrival of the order at the exchange. Run by hand:

    python -m tests.benchmarks.bench_order [ticks] [directory]

The exchange (`counterpart`) is this process. Against it, in turns, in one run and by the same clock:

- the floor: a process of blocking sockets that reads the frame, parses it, signs the order and sends it;
- the engine: `open_engine` with as many armed orders as there are ticks, each with a zone of its own, and its journal
  in the directory (a temporary one by default), which should be on the disk that is asked about. The intent is
  committed there with `synchronous=FULL` before the order leaves, and that is in the time;
- the same with its journal in memory, which tells how much of it the commit is.

Between turns a row is committed with bare sqlite3 in the same directory, a few times: what the disk asks for a commit,
whoever makes it.

A tick is a `futures/trade` frame. Its time is from before the frame is sent until the last byte of the request was
read. The next tick comes when the order before has been answered, and cancelled, and some milliseconds have passed.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median

import trio
from attrs import define, field

from bitmart_engine import PlaceOrder, Settings, open_engine
from bitmart_engine.logs import configure_logs

from .counterpart import ACCOUNT, SUBMIT, Counterpart, open_counterpart, push

SYMBOL = "BTCUSDT"
TOPIC = f"futures/trade:{SYMBOL}"
START, STEP = 30_000, 10
"""The price before the first zone, and the distance between two zones."""
TICKS = 2000
ROUND = 100
"""Ticks in one turn."""
WARM_UP = 50
PAUSE_S = 0.01
COMMITS = 20
"""Bare ones after each turn."""


def main() -> None:
    match sys.argv[1:]:
        case ["--engine", where, state_dir, count]:
            trio.run(trade, where, state_dir, int(count))
        case ["--floor", where]:
            floor(where)
        case arguments:
            ticks = int(arguments[0]) if arguments else TICKS
            directory = arguments[1] if len(arguments) > 1 else None
            with tempfile.TemporaryDirectory(dir=directory) as name:
                compare(ticks, Path(name))


def compare(ticks: int, directory: Path) -> None:
    warm_up = min(WARM_UP, ticks)
    count = str(ticks + warm_up)
    with ExitStack() as stack:
        subjects = []
        for name, role, arguments in (
            ("floor", "--floor", []),
            ("engine", "--engine", [str(directory / "state"), count]),
            ("in memory", "--engine", [":memory:", count]),
        ):
            exchange = stack.enter_context(open_counterpart(SYMBOL))
            command = [role, exchange.where, *arguments]
            stack.enter_context(running(command, directory / f"{name}.log"))
            subjects.append(Subject(name, exchange))
        for each in subjects:
            each.enter(warm_up)
            each.times_us.clear()
        disk = stack.enter_context(closing(bare_sqlite(directory / "bare.sqlite3")))
        commits_us: list[float] = []
        while len(subjects[-1].times_us) < ticks:
            for each in subjects:
                each.enter(min(ROUND, ticks - len(each.times_us)))
            commits_us += [time_commit(disk) for _ in range(COMMITS)]
    report(*subjects, commits_us)


def report(floor: Subject, engine: Subject, in_memory: Subject, commits_us: list[float]) -> None:
    print(f"tick to order, {len(engine.times_us):,} ticks, microseconds:")
    for each in (floor, engine, in_memory):
        p50, p90, p99 = each.percentiles()
        of_floor = p50 / floor.percentiles()[0]
        print(
            f"{each.name:>10}: p50 {p50:6,.0f} | p90 {p90:6,.0f} | p99 {p99:6,.0f} | p50 is {of_floor:.2f} of the floor"
        )
    commit = engine.percentiles()[0] - in_memory.percentiles()[0]
    print(
        f"the commit is {commit:,.0f} of the engine's p50 ({commit / engine.percentiles()[0]:.0%});"
        f" one of bare sqlite3 on this disk takes {median(commits_us):,.0f}"
    )


def bare_sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, body TEXT)")
    return connection


def time_commit(connection: sqlite3.Connection) -> float:
    """Microseconds to commit a row that is as large as an intent, as rarely as a tick comes."""
    time.sleep(PAUSE_S)
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO journal (body) VALUES (?)", ("x" * 120,))
    connection.execute("COMMIT")
    return (time.perf_counter() - began) * 1e6


@define
class Subject:
    """Who is timed, on an exchange of its own."""

    name: str
    exchange: Counterpart
    times_us: list[float] = field(factory=list)
    _entered: int = 0
    _ids: set[str] = field(factory=set)

    def enter(self, count: int) -> None:
        """Send so many ticks, each into the next zone, and time the orders. Raises AssertionError for a wrong one."""
        client = self.exchange.wait_subscribed(TOPIC)
        for _ in range(count):
            self._entered += 1
            price = START + STEP * self._entered
            tick = push(TOPIC, [trade_row(self._entered, price)])
            time.sleep(PAUSE_S)
            sent_ns = time.perf_counter_ns()
            client.send(tick)
            arrival = self.exchange.arrivals.get(timeout=30)
            self.times_us.append((arrival.at_ns - sent_ns) / 1000)
            assert arrival.body["price"] == str(price), arrival.body
            self._ids.add(arrival.body["client_order_id"])
        assert len(self._ids) == self._entered
        assert self.exchange.arrivals.empty()

    def percentiles(self) -> tuple[float, float, float]:
        ordered = sorted(self.times_us)
        p50, p90, p99 = (ordered[len(ordered) * percent // 100] for percent in (50, 90, 99))
        return p50, p90, p99


def trade_row(number: int, price: int) -> dict[str, object]:
    return {
        "trade_id": 9_000_000 + number,
        "symbol": SYMBOL,
        "deal_price": str(price),
        "deal_vol": "12",
        "way": 1,
        "m": False,
        "created_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z",
    }


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    """A process that is ready, until the end of the block."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.bench_order", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            said = process.stdout.readline()
            assert said == b"ready\n", log.read_text()
            yield
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


# The engine


async def trade(where: str, state_dir: str, count: int) -> None:
    """An engine with `count` armed orders, until the parent closes our input."""
    configure_logs("info", as_json=True)
    settings = Settings(
        public_ws_uri=f"ws://{where}/api?protocol=1.1",
        private_ws_uri=f"ws://{where}/user?protocol=1.1",
        rest_uri=f"http://{where}",
        api_key=ACCOUNT.api_key,
        api_secret=ACCOUNT.api_secret,
        api_memo=ACCOUNT.api_memo,
        mode="paper",
        state_dir=state_dir,
    )
    async with open_engine(settings) as engine:
        with trio.fail_after(30):
            while engine.not_ready():
                await trio.sleep(0.01)
        for number in range(1, count + 1):
            await engine.place_order(order(number))
        print("ready", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


def order(number: int) -> PlaceOrder:
    """Ten contracts, long, in a zone that only the tick of this number enters."""
    low = Decimal(START + STEP * number)
    return PlaceOrder(
        id=f"order-{number}",
        symbol=SYMBOL,
        side="long",
        entry_zone_min=low,
        entry_zone_max=low + 1,
        size=10,
        post_only=False,
        stop_loss=low - 5000,
        take_profit=low + 50_000,
        timeout_seconds=Decimal(86_400),
    )


# The floor


def floor(where: str) -> None:
    """As little as can be done in plain Python: one order for each tick, and nothing remembered."""
    host, _, port = where.partition(":")
    ticks = socket.create_connection((host, int(port)))
    orders = socket.create_connection((host, int(port)))
    for each in (ticks, orders):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ticks.sendall(
        f"GET /api?protocol=1.1 HTTP/1.1\r\nHost: {where}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert ticks.recv(4096).startswith(b"HTTP/1.1 101")
    said = json.dumps({"action": "subscribe", "args": [TOPIC]}).encode()
    ticks.sendall(bytes([0x81, 0x80 | len(said), 0, 0, 0, 0]) + said)
    answer = ticks.recv(4096)
    assert b'"success": true' in answer
    print("ready", flush=True)
    number = 0
    while True:
        data = ticks.recv(4096)
        if not data:
            return
        number += 1
        said = data[4:] if data[1] == 126 else data[2:]
        [last] = json.loads(said)["data"]
        assert Decimal(last["deal_price"]) > START
        orders.sendall(signed_order(where, number, last["deal_price"]))
        assert b'"code": 1000' in orders.recv(4096)


def signed_order(where: str, number: int, price: str) -> bytes:
    """The same request as the engine's, byte for byte but for its id."""
    body = json.dumps(
        {
            "symbol": SYMBOL,
            "side": 1,
            "type": "limit",
            "size": 10,
            "client_order_id": f"e{number:031}",
            "price": price,
            "open_type": "isolated",
            "preset_stop_loss_price": str(Decimal(price) - 5000),
            "preset_take_profit_price": str(Decimal(price) + 50_000),
        },
        separators=(",", ":"),
    ).encode()
    at_ms = time.time_ns() // 1_000_000
    text = f"{at_ms}#{ACCOUNT.api_memo}#".encode() + body
    sign = hmac.digest(ACCOUNT.api_secret.encode(), text, "sha256").hex()
    head = (
        f"POST {SUBMIT} HTTP/1.1\r\nHost: {where}\r\nUser-Agent: bitmart-engine/0.1.0\r\n"
        f"Accept: application/json\r\nAccept-Encoding: gzip\r\nX-BM-KEY: {ACCOUNT.api_key}\r\n"
        f"X-BM-SIGN: {sign}\r\nX-BM-TIMESTAMP: {at_ms}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    main()
