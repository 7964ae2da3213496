"""A receiver of the engine's callbacks, as an application would have one. Needs nothing but Python.

    python examples/callback_receiver.py [--port 8099] [--secret SHARED_SECRET]

It prints every callback as one line of JSON. With a secret (or TRADING_APP_SHARED_SECRET in the environment) it checks
the signature and refuses what is wrong, or older or newer than a minute, with 401. A callback may come twice: the
second time its Idempotency-Key is known, and it is acknowledged without being printed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST_BODY = 64 * 1024
LARGEST_SKEW_MS = 60_000


def refusal(secret: str, timestamp: str, signature: str, body: bytes, now_ms: int) -> str | None:
    """Why a request is not to be believed; None if it is signed with `secret` and of this minute."""
    if not timestamp.isdigit() or abs(now_ms - int(timestamp)) > LARGEST_SKEW_MS:
        return "X-WS-Worker-Timestamp is not within a minute of now"
    expected = hmac.new(secret.encode(), timestamp.encode() + b"\n" + body, hashlib.sha256)
    if not hmac.compare_digest(expected.hexdigest().encode(), signature.encode()):
        return "X-WS-Worker-Signature does not match"
    return None


class Receiver(ThreadingHTTPServer):
    """The server, with what it knows: the secret, and the keys of what it has taken already."""

    daemon_threads = True

    def __init__(self, port: int, secret: str) -> None:
        super().__init__(("127.0.0.1", port), Callback)
        self.secret = secret
        self.taken: set[str] = set()


class Callback(BaseHTTPRequestHandler):
    """One request to the receiver."""

    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LONGEST_BODY:
            self.close_connection = True
            return self.answer(413, "too large")
        body = self.rfile.read(length)
        if self.server.secret:
            why = refusal(
                self.server.secret,
                self.headers.get("X-WS-Worker-Timestamp", ""),
                self.headers.get("X-WS-Worker-Signature", ""),
                body,
                int(time.time() * 1000),
            )
            if why:
                return self.answer(401, why)
        try:
            event = json.loads(body)
        except ValueError:
            return self.answer(400, "not JSON")
        key = self.headers.get("Idempotency-Key", "")
        if not key or key not in self.server.taken:
            self.server.taken.add(key)
            print(json.dumps(event), flush=True)
        return self.answer(200, "")

    def answer(self, status: int, error: str) -> None:
        body = json.dumps({"ok": not error, **({"error": error} if error else {})}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the callbacks are what is printed."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the engine's callbacks.")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--secret", default=os.environ.get("TRADING_APP_SHARED_SECRET", ""))
    chosen = parser.parse_args()
    with Receiver(chosen.port, chosen.secret) as receiver, contextlib.suppress(KeyboardInterrupt):
        receiver.serve_forever()


if __name__ == "__main__":
    main()
