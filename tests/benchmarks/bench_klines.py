"""How many klines a second come through the engine to one subscriber. Run by hand:

    python -m tests.benchmarks.bench_klines [klines]

The exchange (`counterpart`) is this process, and sends kline frames as fast as they are taken, of 99 channels on one
connection. In turns, in one run, they go to two processes: an engine (`open_engine`) with one subscriber,
`engine.events(Kline)`, and a bare loop around trio-websocket's `get_message`, which only receives. Both count, and say
when they have all; the engine's subscriber fails if it lost one.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import trio
from attrs import define
from trio_websocket import open_websocket_url

from bitmart_engine import Settings, open_engine
from bitmart_engine.logs import configure_logs
from bitmart_engine.model.events import Kline
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams.topics import kline_topic

from .counterpart import Counterpart, open_counterpart, push

SYMBOLS = [f"A{number}USDT" for number in range(11)]
TOPICS = [kline_topic(symbol, timeframe) for symbol in SYMBOLS for timeframe in Timeframe]
KLINES = 100_000
"""In one round."""
ROUNDS = 7
VARIANTS = 50
BAR_AT_S = 1_785_715_200


def main() -> None:
    match sys.argv[1:]:
        case ["--engine", where]:
            trio.run(subscribe, where)
        case ["--bare", where]:
            trio.run(receive, where)
        case arguments:
            with tempfile.TemporaryDirectory() as name:
                compare(int(arguments[0]) if arguments else KLINES, Path(name))


def compare(klines: int, directory: Path) -> None:
    blocks = blocks_of_frames()
    with ExitStack() as stack:
        bare, engine = (
            stack.enter_context(running(role, directory)) for role in ("bare", "engine")
        )
        ratios = []
        for number in range(ROUNDS + 1):
            per_s = [
                each.per_s(blocks, klines if number else klines // 10) for each in (bare, engine)
            ]
            if number:
                ratios.append(per_s[1] / per_s[0])
                print(
                    f"only received {per_s[0]:,.0f}/s | through the engine {per_s[1]:,.0f}/s | {ratios[-1]:.2f}"
                )
        print(f"ratio: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def blocks_of_frames() -> list[bytes]:
    """Blocks with a frame of every channel, the price of each a little different in every block."""
    steps = random.Random(5)
    return [
        b"".join(
            push(topic, {"symbol": topic.partition(":")[2], "items": [bar(steps)]})
            for topic in TOPICS
        )
        for _ in range(VARIANTS)
    ]


def bar(steps: random.Random) -> dict[str, object]:
    """A running bar as the exchange writes it."""
    close = 65_000 + steps.randint(-999, 999) / 10
    return {
        "o": "65000.1",
        "h": "65123.9",
        "l": "64871.2",
        "c": str(close),
        "v": str(steps.randint(1, 90_000)),
        "ts": BAR_AT_S,
    }


@define
class Subject:
    """A process that takes klines."""

    exchange: Counterpart
    process: subprocess.Popen[bytes]

    def per_s(self, blocks: list[bytes], klines: int) -> float:
        """Klines a second, from the first byte that is sent until the process says that it has them all."""
        assert self.process.stdin
        assert self.process.stdout
        count = max(1, klines // len(TOPICS))
        self.process.stdin.write(f"{count * len(TOPICS)}\n".encode())
        self.process.stdin.flush()
        client = self.exchange.wait_subscribed(*TOPICS)
        began = time.perf_counter()
        for number in range(count):
            client.send(blocks[number % len(blocks)])
        assert self.process.stdout.readline() == b"all\n"
        return count * len(TOPICS) / (time.perf_counter() - began)


@contextmanager
def running(role: str, directory: Path) -> Iterator[Subject]:
    log = directory / f"{role}.log"
    with (
        open_counterpart(*SYMBOLS) as exchange,
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.bench_klines", f"--{role}", exchange.where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        ) as process,
    ):
        try:
            exchange.wait_subscribed(*TOPICS)
            yield Subject(exchange, process)
        finally:
            process.kill()


async def subscribe(where: str) -> None:
    """An engine on which users subscribed to every channel, and a reader that counts."""
    configure_logs("info", as_json=True)
    settings = Settings(
        public_ws_uri=f"ws://{where}/api?protocol=1.1",
        rest_uri=f"http://{where}",
        mode="paper",
        state_dir=":memory:",
    )
    async with open_engine(settings) as engine:
        for symbol in SYMBOLS:
            await engine.subscribe_klines(symbol, [each.value for each in Timeframe])
        async with engine.events(Kline) as events:
            while True:
                left = int(await trio.to_thread.run_sync(sys.stdin.readline))
                async for event in events:
                    assert isinstance(event, Kline), event
                    left -= 1
                    if not left:
                        break
                print("all", flush=True)


async def receive(where: str) -> None:
    """What cannot be done without: the frames, unread."""
    async with open_websocket_url(f"ws://{where}/api?protocol=1.1") as websocket:
        for topic in TOPICS:
            await websocket.send_message(f'{{"action":"subscribe","args":["{topic}"]}}')
            await websocket.get_message()
        while True:
            left = int(await trio.to_thread.run_sync(sys.stdin.readline))
            while left:
                await websocket.get_message()
                left -= 1
            print("all", flush=True)


if __name__ == "__main__":
    main()
