"""From a tick to the order that follows from it: one into an entry zone, and one to a stop. Run by hand:

    python -m tests.benchmarks.bench_order [pairs] [directory] [spacing]

The exchange (`counterpart`) is this process. Against it, in turns, in one run and by the same clock:

- the floor: a process of blocking sockets that reads the frame, parses it, signs the order and sends it;
- the engine: `open_engine` in a process of its own, with as many armed orders as there are pairs of ticks, each with a
  zone and a stop of its own, and its journal in the directory (a temporary one by default), which should be on the disk
  that is asked about. The intent is committed there with `synchronous=FULL` before an order leaves, and that is in the
  time;
- the same with its journal in memory, which tells how much of it the commit is;
- the libraries: trio-websocket and httpx, as a bot of a page would use them, which remembers nothing either.

The ticks of a subject come `spacing` seconds apart, 0.25 unless given, as prices come: between two the caches of the
processor forget, and the event loop sleeps. With 0.01 all stays hot, which flatters whoever does more. The subjects
take turns tick by tick, so that other load on the machine meets all of them.

A tick is a `futures/trade` frame. Its time is from before the frame is sent until the last byte of the request was
read. The first of a pair enters a zone: an order that opens, filled at once. The second touches its stop: an order that
closes. The exchange keeps that stop too, as by default, and is too slow to act on it.

Every few turns a row is committed with bare sqlite3 in the same directory: what the disk asks for a commit, whoever
makes it.
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
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median

import httpx
import trio
import trio_websocket
from attrs import define, field

from bitmart_engine import PlaceOrder, Settings, open_engine
from bitmart_engine.logs import configure_logs

from .counterpart import (
    ACCOUNT,
    CLOSES_LONG,
    OPENS_LONG,
    SUBMIT,
    Counterpart,
    open_counterpart,
    push,
)

SYMBOL = "BTCUSDT"
TOPIC = f"futures/trade:{SYMBOL}"
START, STEP = 30_000, 10
"""The price before the first zone, and the distance between two zones."""
STOP_BELOW, TARGET_ABOVE = 5, 50_000
"""How far from its zone an order has its stop and its target."""
PAIRS = 100
WARM_UP = 10
SPACING_S = 0.25
COMMIT_EVERY = 5
"""Pairs from one bare commit to the next."""


def main() -> None:
    match sys.argv[1:]:
        case ["--engine", where, state_dir, count]:
            trio.run(trade, where, state_dir, int(count))
        case ["--floor", where]:
            floor(where)
        case ["--libraries", where]:
            trio.run(libraries, where)
        case arguments:
            pairs = int(arguments[0]) if arguments else PAIRS
            directory = arguments[1] if len(arguments) > 1 else None
            spacing_s = float(arguments[2]) if len(arguments) > 2 else SPACING_S
            with tempfile.TemporaryDirectory(dir=directory) as name:
                compare(pairs, Path(name), spacing_s)


def compare(pairs: int, directory: Path, spacing_s: float) -> None:
    warm_up = min(WARM_UP, pairs)
    count = str(pairs + warm_up)
    with ExitStack() as stack:
        subjects = []
        for name, role, arguments in (
            ("floor", "--floor", []),
            ("engine", "--engine", [str(directory / "state"), count]),
            ("in memory", "--engine", [":memory:", count]),
            ("libraries", "--libraries", []),
        ):
            exchange = stack.enter_context(open_counterpart(SYMBOL))
            command = [role, exchange.where, *arguments]
            stack.enter_context(running(command, directory / f"{name}.log"))
            subjects.append(Subject(name, exchange))
        disk = stack.enter_context(closing(bare_sqlite(directory / "bare.sqlite3")))
        commits_us = []
        for number in range(1, pairs + warm_up + 1):
            for tick in (Subject.enter, Subject.stop):
                for each in subjects:
                    time.sleep(spacing_s / len(subjects))
                    tick(each, number)
            if number == warm_up:
                for each in subjects:
                    each.forget()
            if number % COMMIT_EVERY == 0 or not commits_us:
                commits_us.append(time_commit(disk, spacing_s))
    report(subjects, commits_us, spacing_s)


def report(subjects: list[Subject], commits_us: list[float], spacing_s: float) -> None:
    print(
        f"{len(subjects[0].orders_us):,} of each, ticks {spacing_s:g} s apart, microseconds (floors):"
    )
    for what, times in (
        ("order", [each.orders_us for each in subjects]),
        ("close", [each.closes_us for each in subjects]),
    ):
        print(f"tick to {what}:")
        floors = percentiles(times[0])
        for each, mine in zip(subjects, times, strict=True):
            said = (
                f"{name} {value:7,.0f} ({value / of:5.2f})"
                for name, value, of in zip(
                    ("p50", "p90", "p99"), percentiles(mine), floors, strict=True
                )
            )
            print(f"{each.name:>10}: {' | '.join(said)}")
    whole, rest = (median(each.orders_us) for each in subjects[1:3])
    print(
        f"the commit is {whole - rest:,.0f} of the engine's p50 to an order"
        f" ({(whole - rest) / whole:.0%}); one of bare sqlite3 on this disk takes"
        f" {median(commits_us):,.0f}"
    )


def percentiles(times_us: list[float]) -> tuple[float, float, float]:
    ordered = sorted(times_us)
    p50, p90, p99 = (ordered[len(ordered) * percent // 100] for percent in (50, 90, 99))
    return p50, p90, p99


def bare_sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, body TEXT)")
    return connection


def time_commit(connection: sqlite3.Connection, spacing_s: float) -> float:
    """Microseconds to commit a row that is as large as an intent, as rarely as a tick comes."""
    time.sleep(spacing_s)
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
    orders_us: list[float] = field(factory=list)
    closes_us: list[float] = field(factory=list)
    _ticks: int = 0
    _ids: set[str] = field(factory=set)

    def enter(self, number: int) -> None:
        """Send a tick into the zone of this number, and time the order. Raises AssertionError for a wrong one."""
        price = START + STEP * number
        took_us, body = self._time(price)
        assert (body["side"], body["price"]) == (OPENS_LONG, str(price)), body
        self.orders_us.append(took_us)

    def stop(self, number: int) -> None:
        """Send a tick to the stop of the order of this number, and time the close. Raises AssertionError."""
        took_us, body = self._time(START + STEP * number - STOP_BELOW)
        assert (body["side"], body["type"]) == (CLOSES_LONG, "market"), body
        self.closes_us.append(took_us)

    def forget(self) -> None:
        """What was timed so far was to warm up."""
        self.orders_us.clear()
        self.closes_us.clear()

    def _time(self, price: int) -> tuple[float, dict[str, object]]:
        client = self.exchange.wait_subscribed(TOPIC)
        self._ticks += 1
        assert self.exchange.arrivals.empty(), "no tick leads to two orders"
        tick = push(TOPIC, [trade_row(self._ticks, price)])
        sent_ns = time.perf_counter_ns()
        client.send(tick)
        arrival = self.exchange.arrivals.get(timeout=30)
        self._ids.add(arrival.body["client_order_id"])
        assert len(self._ids) == self._ticks
        return (arrival.at_ns - sent_ns) / 1000, arrival.body


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
    """Ten contracts, long, in a zone that only one tick of this number enters, with a stop that the next touches."""
    low = Decimal(START + STEP * number)
    return PlaceOrder(
        id=f"order-{number}",
        symbol=SYMBOL,
        side="long",
        entry_zone_min=low,
        entry_zone_max=low + 1,
        size=10,
        post_only=False,
        stop_loss=low - STOP_BELOW,
        take_profit=low + TARGET_ABOVE,
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
    number, before = 0, Decimal(START)
    while True:
        data = ticks.recv(4096)
        if not data:
            return
        number += 1
        price = price_of(data[4:] if data[1] == 126 else data[2:])
        order = entry(number, price) if price > before else close(number)
        head, body = signed(order)
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        orders.sendall(
            f"POST {SUBMIT} HTTP/1.1\r\nHost: {where}\r\n{lines}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        before = price
        assert b'"code": 1000' in orders.recv(4096)


def price_of(frame: bytes | str) -> Decimal:
    [last] = json.loads(frame)["data"]
    return Decimal(last["deal_price"])


def entry(number: int, price: Decimal) -> dict[str, object]:
    """The same order as the engine's but for its id."""
    return {
        "symbol": SYMBOL,
        "side": OPENS_LONG,
        "type": "limit",
        "size": 10,
        "client_order_id": f"e{number:031}",
        "price": str(price),
        "open_type": "isolated",
        "preset_stop_loss_price": str(price - STOP_BELOW),
        "preset_take_profit_price": str(price + TARGET_ABOVE),
    }


def close(number: int) -> dict[str, object]:
    """The same order as the engine's but for its id."""
    return {
        "symbol": SYMBOL,
        "side": CLOSES_LONG,
        "type": "market",
        "size": 10,
        "client_order_id": f"c{number:031}",
    }


def signed(order: dict[str, object]) -> tuple[dict[str, str], bytes]:
    """The headers and the body of the request that sends an order, as long as the engine's."""
    body = json.dumps(order, separators=(",", ":")).encode()
    at_ms = time.time_ns() // 1_000_000
    text = f"{at_ms}#{ACCOUNT.api_memo}#".encode() + body
    headers = {
        "User-Agent": "bitmart-engine/0.1.0",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "X-BM-KEY": ACCOUNT.api_key,
        "X-BM-SIGN": hmac.digest(ACCOUNT.api_secret.encode(), text, "sha256").hex(),
        "X-BM-TIMESTAMP": str(at_ms),
        "Content-Type": "application/json",
    }
    return headers, body


# The libraries


async def libraries(where: str) -> None:
    """The same with trio-websocket and httpx."""
    async with (
        httpx.AsyncClient(base_url=f"http://{where}") as client,
        trio_websocket.open_websocket_url(f"ws://{where}/api?protocol=1.1") as ticks,
    ):
        await ticks.send_message(json.dumps({"action": "subscribe", "args": [TOPIC]}))
        assert '"success": true' in await ticks.get_message()
        print("ready", flush=True)
        number, before = 0, Decimal(START)
        with suppress(trio_websocket.ConnectionClosed):
            while True:
                price = price_of(await ticks.get_message())
                number += 1
                order = entry(number, price) if price > before else close(number)
                headers, body = signed(order)
                answer = await client.post(SUBMIT, content=body, headers=headers)
                before = price
                assert answer.json()["code"] == 1000


if __name__ == "__main__":
    main()
