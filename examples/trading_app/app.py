"""An application that is told by the engine: callbacks, order signals, balance signals and BitMart's own frames.

    python examples/trading_app/app.py [--port 8099] [--secret SHARED_SECRET] [--webhook-token TOKEN]

It needs what the engine needs, and prints one line of JSON for everything it takes. What comes when, how it is signed
and how to answer is in README.md beside this file. With a secret (or TRADING_APP_SHARED_SECRET in the environment)
whatever is unsigned, or signed more than a minute ago, is refused with 401.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable
from typing import Any

import trio
from attrs import define, field
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, request
from quart_trio import QuartTrio

LARGEST_SKEW_MS = 60_000
LONGEST_BODY = 256 * 1024


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def why_not(secret: str, timestamp: str, signature: str, body: bytes, now_ms: int) -> str:
    """Why a request is not to be believed; empty if it is signed with `secret`, over this body, within a minute."""
    if not (timestamp.isascii() and timestamp.isdigit()):
        return "X-WS-Worker-Timestamp is missing"
    if abs(now_ms - int(timestamp)) > LARGEST_SKEW_MS:
        return "X-WS-Worker-Timestamp is not within a minute of now"
    expected = hmac.new(secret.encode(), timestamp.encode() + b"\n" + body, hashlib.sha256)
    if not hmac.compare_digest(expected.hexdigest().encode(), signature.encode()):
        return "X-WS-Worker-Signature does not match"
    return ""


@define
class Desk:
    """What the application knows from what it was told. A real one keeps this in its database."""

    say: Callable[[str, dict[str, Any]], None]
    taken: set[str] = field(factory=set)
    """Idempotency keys: what comes a second time changes nothing."""
    statuses: dict[str, str] = field(factory=dict)
    """The latest word about each order and each position of ours, by its id."""
    orders: dict[str, str] = field(factory=dict)
    """The latest status of every order of the account, by its client order id."""
    equity: str = ""

    def callback(self, body: dict[str, Any]) -> None:
        """News of an order that was placed with `callback_url`, or of its position."""
        id = str(body.get("position_id") or body.get("order_id"))
        self.statuses[id] = str(body.get("status"))
        self.say("callback", body)

    def order_signal(self, body: dict[str, Any]) -> None:
        """News of any order of the account that has a client order id."""
        self.orders[str(body.get("client_order_id"))] = str(body.get("status"))
        self.say("order_signal", body)

    def balance_signal(self, body: dict[str, Any]) -> None:
        self.equity = str(body.get("equity"))
        self.say("balance_signal", body)

    def frame(self, body: dict[str, Any]) -> None:
        """A frame of BitMart's private stream, as it came."""
        self.say("frame", body)


Take = Callable[[dict[str, Any]], None]


def make_app(
    desk: Desk, secret: str = "", webhook_token: str = "", now_ms: Callable[[], int] = wall_ms
) -> QuartTrio:
    """The receiver. Each route takes what it can read, and answers at once: what takes long is done afterwards."""
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY

    def answer(status: int, error: str = "") -> Response:
        body = {"ok": not error, **({"error": error} if error else {})}
        return Response(json.dumps(body), status, content_type="application/json")

    async def receive(take: Take, status: int) -> Response:
        body = bytes(await request.get_data(cache=False, as_text=False))
        headers = request.headers
        if secret and (
            why := why_not(
                secret,
                headers.get("X-WS-Worker-Timestamp", ""),
                headers.get("X-WS-Worker-Signature", ""),
                body,
                now_ms(),
            )
        ):
            return answer(401, why)
        try:
            said = json.loads(body)
        except ValueError:
            return answer(400, "not JSON")
        if not isinstance(said, dict):
            return answer(400, "not an object")
        key = headers.get("Idempotency-Key", "")
        if key in desk.taken:
            return answer(409, "known already")
        take(said)  # if this fails, the key is not known, and the engine sends it again
        desk.taken.add(key)
        desk.taken.discard("")
        return answer(status)

    @app.post("/callback")
    async def callback() -> Response:
        return await receive(desk.callback, 200)

    @app.post("/api/ws-worker/orders")
    async def order_signal() -> Response:
        return await receive(desk.order_signal, 202)

    @app.post("/api/ws-worker/balance")
    async def balance_signal() -> Response:
        return await receive(desk.balance_signal, 202)

    @app.post("/webhook")
    async def webhook() -> Response:
        given = request.headers.get("X-Webhook-Token", "")
        if webhook_token and not hmac.compare_digest(given.encode(), webhook_token.encode()):
            return answer(401, "X-Webhook-Token is wrong")
        return await receive(desk.frame, 200)

    return app


async def run(app: QuartTrio, port: int) -> None:
    """Serve until cancelled; says where."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = config.errorlog = None
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(serve, app, config)
        print(json.dumps({"listening": address}), flush=True)


def print_line(what: str, body: dict[str, Any]) -> None:
    print(json.dumps({"what": what, **body}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print what the engine tells.")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--secret", default=os.environ.get("TRADING_APP_SHARED_SECRET", ""))
    parser.add_argument("--webhook-token", default=os.environ.get("RAW_EVENTS_TOKEN", ""))
    chosen = parser.parse_args()
    app = make_app(Desk(print_line), chosen.secret, chosen.webhook_token)
    trio.run(run, app, chosen.port)


if __name__ == "__main__":
    main()
