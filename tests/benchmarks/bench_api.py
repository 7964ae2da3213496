"""How many orders a second the control API takes, each promised durably. Run by hand:

    python -m tests.benchmarks.bench_api [directory]

The engine runs as its own process, as `bitmart-engine serve` with its journal in the directory (a temporary one by
default), which should be on the disk that is asked about. Eight keep-alive connections send place-orders whose zones
are far from the price, each as soon as the one before was accepted. Beside it, in the same run and in turns, the same
requests go to a bare Quart-Trio endpoint under the same server, which only parses the body. The client, and the paper
exchange that has nothing to do, are this process; how busy it and the server were with it is said, for the client must
not be what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import trio
from attrs import frozen

from bitmart_engine.paper import ManualMarket, open_paper_exchange

ROUNDS = 5
CONNECTIONS = 8
WARM_UP = 400
REQUESTS = 4000
"""In each round."""
TICKS = os.sysconf("SC_CLK_TCK")


@frozen
class Timed:
    """One round: requests a second, and the share of a processor that the server and this process took."""

    per_s: float
    server: float
    client: float

    def __str__(self) -> str:
        return f"{self.per_s:,.0f}/s (server {self.server:.0%} busy, client {self.client:.0%})"


@frozen
class Server:
    """A process that serves."""

    host: str
    port: int
    pid: int
    path: str

    def busy_s(self) -> float:
        """Seconds that a processor was busy with it so far, all threads together."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS


def main() -> None:
    if sys.argv[1:] == ["--bare"]:
        trio.run(serve_bare)
        return
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        trio.run(compare, Path(name))


async def compare(directory: Path) -> None:
    async with open_bare() as bare, open_real(directory) as engine:
        ratios = []
        for number in range(ROUNDS + 1):
            count = REQUESTS if number else WARM_UP
            parsed = await timed(bare, number, count)
            accepted = await timed(engine, number, count)
            if number:
                ratios.append(accepted.per_s / parsed.per_s)
                print(f"only parsed {parsed} | accepted durably {accepted} | {ratios[-1]:.2f}")
        print(f"ratio: {sum(ratios) / ROUNDS:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


async def timed(server: Server, round: int, count: int) -> Timed:
    """`count` requests over all connections; every one has to be accepted."""
    server_s, client_s, began = server.busy_s(), time.process_time(), time.perf_counter()
    async with trio.open_nursery() as nursery:
        for connection in range(CONNECTIONS):
            prefix = f"{round}-{connection}"
            nursery.start_soon(ask, server, prefix, count // CONNECTIONS)
    took = time.perf_counter() - began
    return Timed(
        count // CONNECTIONS * CONNECTIONS / took,
        (server.busy_s() - server_s) / took,
        (time.process_time() - client_s) / took,
    )


async def ask(server: Server, prefix: str, count: int) -> None:
    """One keep-alive connection: a request, its answer, the next request. Bare bytes, for a client must be fast."""
    requests = [request(server, f"{prefix}-{number}") for number in range(count)]
    stream = await trio.open_tcp_stream(server.host, server.port)
    async with stream:
        for each in requests:
            await stream.send_all(each)
            answer = b""
            while b"\r\n\r\n" not in answer or not answer.endswith(b"}\n"):
                part = await stream.receive_some(65_536)
                assert part, "the server hung up"
                answer += part
            assert answer.startswith(b"HTTP/1.1 200"), answer


def request(server: Server, id: str) -> bytes:
    body = json.dumps(
        {
            "id": f"order-{id}",
            "symbol": "BTCUSDT",
            "side": "long",
            "entry_zone_min": 30000,
            "entry_zone_max": 30500,
            "quantity": 0.01,
            "leverage": 10,
            "stop_loss": 29000,
            "take_profit": 38000,
            "timeout_seconds": 86400,
            "metadata": {"bot": "grid", "leg": 3},
        }
    ).encode()
    head = (
        f"POST {server.path} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


# The engine


@asynccontextmanager
async def open_real(directory: Path) -> AsyncIterator[Server]:
    async with open_paper_exchange(market=ManualMarket()) as paper:
        environment = {
            **os.environ,
            "PYTHONPATH": os.getcwd(),
            "BITMART_PUBLIC_WS_URI": paper.public_ws_uri,
            "BITMART_PRIVATE_WS_URI": paper.private_ws_uri,
            "BITMART_REST_URI": paper.rest_uri,
            "BITMART_API_KEY": paper.config.api_key,
            "BITMART_API_SECRET": paper.config.api_secret,
            "BITMART_API_MEMO": paper.config.api_memo,
            "CTRL_ADDR": "127.0.0.1:0",
        }
        command = [
            "-m",
            "bitmart_engine",
            "serve",
            "--log-json",
            "--state-dir",
            str(directory / "s"),
        ]
        log = os.open(directory / "log", os.O_CREAT | os.O_WRONLY)
        try:
            async with running(command, "/api/place-order", environment, log) as server:
                yield server
        finally:
            os.close(log)


# Beside it


async def serve_bare() -> None:
    """A Quart-Trio app that parses a JSON body, served as the engine's is."""
    from hypercorn.config import Config
    from hypercorn.trio import serve
    from quart import request
    from quart_trio import QuartTrio

    app = QuartTrio(__name__, static_folder=None)

    @app.post("/parse")
    async def parse() -> dict[str, object]:
        return {"ok": True, "id": (await request.get_json())["id"]}

    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = config.errorlog = None
    config.include_server_header = False
    async with trio.open_nursery() as nursery:
        [address] = await nursery.start(serve, app, config)
        print(f"control API     {address}\nstop            a signal", flush=True)


@asynccontextmanager
async def open_bare() -> AsyncIterator[Server]:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = ["-m", "tests.benchmarks.bench_api", "--bare"]
    async with running(command, "/parse", environment, subprocess.DEVNULL) as server:
        yield server


@asynccontextmanager
async def running(
    command: list[str], path: str, environment: dict[str, str], log: int
) -> AsyncIterator[Server]:
    """A process that says where it serves, until the end of the block."""
    process = await trio.lowlevel.open_process(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=log, env=environment
    )
    assert process.stdout
    try:
        said = b""
        with trio.fail_after(30):
            while b"\nstop " not in said:
                part = await process.stdout.receive_some()
                assert part, said.decode()
                said += part
        [line] = [each for each in said.decode().splitlines() if each.startswith("control API")]
        where = urlsplit(line.split()[2])
        assert where.hostname
        assert where.port
        yield Server(where.hostname, where.port, process.pid, path)
    finally:
        process.terminate()
        with trio.move_on_after(10, shield=True) as late:
            await process.wait()
        if late.cancelled_caught:
            process.kill()


if __name__ == "__main__":
    main()
