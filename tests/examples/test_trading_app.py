"""`examples/trading_app` takes all that the engine tells, and its README shows bodies as the engine sends them.

    python -m tests.examples.test_trading_app

captures the bodies anew and writes them into that README.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import runpy
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import define
from trio.testing import MockClock

from bitmart_engine.paper.memory import answer_of
from tests.support.stage import SUBMIT, Stage, ask_by_hand, open_theatre

FOLDER = Path(__file__).parents[2] / "examples" / "trading_app"
README = FOLDER / "README.md"
SECRET = "shared"
TOKEN = "token"
BASE = "http://127.0.0.1:9"
BODY = re.compile(r"(<!-- body: (.*?) -->\n```json\n)(.*?)(\n```)", re.DOTALL)


@define
class Receiver:
    """Takes the engine's requests to the example's app."""

    app: Any

    async def take(self, request: httpx.Request) -> httpx.Response:
        answer = await answer_of(self.app, request, await request.aread())
        content = answer.content
        return httpx.Response(answer.status_code, stream=httpx.ByteStream(content))


Heard = list[tuple[str, dict[str, Any]]]


async def play(heard: Heard) -> Any:
    """A run of everything that is told, on the mock clock; what the example's desk knows in the end."""
    example = runpy.run_path(str(FOLDER / "app.py"))
    desk = example["Desk"](lambda what, body: heard.append((what, body)))
    async with open_theatre(
        trading_app_base_uri=BASE,
        trading_app_shared_secret=SECRET,
        raw_events_uri=f"{BASE}/webhook",
        raw_events_token=TOKEN,
    ) as theatre:
        app = example["make_app"](desk, SECRET, TOKEN, theatre.paper.now_ms)
        theatre.network.receiver = Receiver(app)
        async with theatre.engine() as stage:
            await trade(stage)
            await stage.until(lambda: stage.engine.outbox().owed == 0, within=600)
            assert stage.engine.outbox().dead == 0
    return desk


async def trade(stage: Stage) -> None:
    """One order of each kind of end, and an order that the application sends itself."""
    url = f"{BASE}/callback"
    here = {"quantity": "0.01", "exchange_protection": False, "callback_url": url}
    await stage.bought("order-123", leverage=10, metadata={"plan": {"reason": "breakout"}}, **here)
    await stage.settle(1)
    stage.paper.refuse(SUBMIT, 40015)
    stage.move(64400)
    await stage.until(lambda: stage.guarded("order-123") == "closed")
    await stage.place("order-124", timeout_seconds=5, entry_zone_max=64995, callback_url=url)
    await stage.until(lambda: stage.state("order-124") == "expired")
    await stage.place("order-125", callback_url=url)
    await stage.until(stage.prices_come)
    stage.paper.refuse(SUBMIT, 42000)
    stage.move(65000)
    await stage.until(lambda: stage.state("order-125") == "rejected")
    own = {
        "symbol": "BTCUSDT",
        "client_order_id": "APP1",
        "side": 1,
        "type": "limit",
        "price": "60000",
        "size": 10,
    }
    assert (await ask_by_hand(stage.paper, SUBMIT, own))["code"] == 1000
    await stage.settle(5)
    stage.paper.cancel_by_hand("APP1")
    await stage.settle(5)


SHOWN = {
    "placed": ("callback", {"status": "placed"}),
    "filled": ("callback", {"status": "filled"}),
    "close_failed": ("callback", {"status": "close_failed"}),
    "closed": ("callback", {"status": "closed"}),
    "timeout": ("callback", {"status": "timeout"}),
    "failed": ("callback", {"status": "failed"}),
    "ENTRY SUBMITTED": ("order_signal", {"kind": "ENTRY", "status": "SUBMITTED"}),
    "STOP_LOSS FILLED": ("order_signal", {"kind": "STOP_LOSS", "status": "FILLED"}),
    "balance": ("balance_signal", {}),
    "frame": ("frame", {"group": "futures/order"}),
}
"""What the README shows: the first of what was heard that has these fields."""


def shown(heard: Heard) -> dict[str, dict[str, Any]]:
    return {
        name: next(body for what, body in heard if what == kind and fields.items() <= body.items())
        for name, (kind, fields) in SHOWN.items()
    }


def shape(value: Any) -> Any:
    """The fields of a body, and which kind each is."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return (
        "number"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else type(value).__name__
    )


async def test_it_takes_everything_the_engine_tells_and_knows_it(autojump_clock):
    heard: Heard = []
    desk = await play(heard)
    assert desk.statuses == {"order-123": "closed", "order-124": "timeout", "order-125": "failed"}
    assert desk.orders["APP1"] == "CANCELLED"
    assert set(desk.orders.values()) <= {"FILLED", "CANCELLED", "REJECTED"}
    assert desk.equity
    assert {what for what, _ in heard} == {"callback", "order_signal", "balance_signal", "frame"}


async def test_its_readme_shows_bodies_as_the_engine_sends_them(autojump_clock):
    heard: Heard = []
    await play(heard)
    written = {name: json.loads(body) for _, name, body, _ in BODY.findall(README.read_text())}
    sent = shown(heard)
    assert set(written) == set(sent)
    for name, body in sent.items():
        assert shape(written[name]) == shape(body), (
            f"{name}: run `python -m tests.examples.test_trading_app`"
        )


@pytest.fixture
def server():
    """The example as a reader starts it; its address, and its lines."""
    command = [sys.executable, str(FOLDER / "app.py"), "--port", "0", "--secret", SECRET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())["listening"], process.stdout
        finally:
            process.terminate()


def post(address: str, body: bytes, *, age_ms=0, secret=SECRET, key="k1") -> httpx.Response:
    timestamp = str(int(time.time() * 1000) - age_ms)
    signed = hmac.new(secret.encode(), f"{timestamp}\n".encode() + body, hashlib.sha256)
    headers = {
        "X-WS-Worker-Timestamp": timestamp,
        "X-WS-Worker-Signature": signed.hexdigest(),
        "Idempotency-Key": key,
    }
    return httpx.post(f"{address}/callback", content=body, headers=headers, trust_env=False)


def test_it_refuses_what_is_not_signed_now_and_takes_the_same_once(server):
    address, lines = server
    body = b'{"status": "placed", "order_id": "a"}'
    assert post(address, body, secret="other").status_code == 401
    assert post(address, body, age_ms=61_000).status_code == 401
    assert post(address, b"[]").status_code == 400
    assert post(address, body).status_code == 200
    assert post(address, body).status_code == 409
    assert json.loads(lines.readline()) == {"what": "callback", **json.loads(body)}


def capture() -> None:
    """Write the bodies of a run into the README."""
    heard: Heard = []
    trio.run(partial(play, heard), clock=MockClock(autojump_threshold=0))
    bodies = shown(heard)

    def written(match: re.Match[str]) -> str:
        return match[1] + json.dumps(bodies[match[2]], indent=2) + match[4]

    README.write_text(BODY.sub(written, README.read_text()))


if __name__ == "__main__":
    capture()
