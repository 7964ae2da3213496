"""What the WebSocket answers to a client's frame: login, subscriptions, pings, and the ways to be wrong.

Synchronous; the socket itself is in `ws.py`. Answers are queued on the connection; the return value says whether
the connection may stay.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import trio
from attrs import frozen

from .config import PaperConfig
from .faults import Faults
from .hub import Connection, Hub
from .instruments import digits
from .signing import LOGIN_TEXT, same, signature
from .topics import SNAPSHOTS, private_topics, public_topics
from .wire import NOT_JSON, Json, encode

LOGIN_MAX_AGE_MS = 60_000
KEPT_FRAMES = 10_000


@frozen
class FrameRecord:
    """A frame that a client sent. Connections are numbered from 1 as they open."""

    connection: int
    private: bool
    text: str
    at_ms: int


class WsSession:
    """The exchange's side of every WebSocket conversation."""

    def __init__(
        self,
        config: PaperConfig,
        symbols: Iterable[str],
        hub: Hub,
        faults: Faults,
        now_ms: Callable[[], int],
        rng: random.Random,
        snapshot: Callable[[str], object],
    ) -> None:
        self._config = config
        self._hub = hub
        self._faults = faults
        self._now_ms = now_ms
        self._rng = rng
        self._snapshot = snapshot
        self.heard: deque[FrameRecord] = deque(maxlen=KEPT_FRAMES)
        self._public_topics = public_topics(config, symbols)
        self._private_topics = private_topics(config)

    def hear(self, connection: Connection, text: str) -> bool:
        """Answer one frame; False when the connection is to be closed afterwards."""
        record = FrameRecord(connection.number, connection.private, text, self._now_ms())
        self.heard.append(record)
        request = parse(text)
        if request is None:
            error = f"Invalid message: message must be JSON: {text}"
            connection.send(encode({"success": False, "error": error}))
            return True
        action = request.get("action", "")
        match action:
            case "ping":
                connection.send(self._pong())
            case "subscribe":
                for topic in topics_of(request):
                    self._subscribe(connection, topic, request)
            case "unsubscribe":
                for topic in topics_of(request):
                    self._hub.unsubscribe(connection, topic)
                    acknowledge(connection, request, topic)
            case "request":
                for topic in topics_of(request):
                    self._request(connection, topic, request)
            case "access" if connection.private:
                return self._login(connection, request)
            case _:
                for topic in topics_of(request) or [""]:
                    error = f"Invalid action [{action}] for group [{topic}]"
                    acknowledge(connection, request, topic, error)
        return True

    def _pong(self) -> str:
        pong = uuid.UUID(int=self._rng.getrandbits(128), version=4)
        match self._config.pong:
            case "text":
                return "pong"
            case "action":
                return encode({"action": "pong"})
        return encode({"group": "System", "data": f"pong+{pong}"})

    def _subscribe(self, connection: Connection, topic: str, request: Json) -> None:
        if topic in self._private_topics and not connection.logged_in:
            error = f"{topic} need authenication"
            frame = {"action": "subscribe", "group": topic, "success": False, "error": error}
            connection.send(encode(frame))
            return
        known = self._private_topics if connection.private else self._public_topics
        if topic not in known or self._faults.refuses_channel(topic):
            acknowledge(connection, request, topic, f"Invalid channel: not found {topic}")
            return
        self._hub.subscribe(connection, topic)
        self._faults.resubscribed(connection.number, topic)
        acknowledge(connection, request, topic)
        if not connection.private or self._config.snapshot_on_subscribe:
            self._show(connection, topic)

    def _request(self, connection: Connection, topic: str, request: Json) -> None:
        if topic not in self._public_topics or not topic.startswith(SNAPSHOTS):
            acknowledge(connection, request, topic, f"Invalid channel: not found {topic}")
            return
        self._show(connection, topic)

    def _show(self, connection: Connection, topic: str) -> None:
        """The present state of a topic, if it has one to show."""
        data = self._snapshot(topic)
        if data is not None:
            connection.send(encode({"group": topic, "data": data}))

    def _login(self, connection: Connection, request: Json) -> bool:
        args = [str(arg) for arg in topics_of(request)]
        key = args[0] if args else ""
        again = connection.logged_in and self._config.second_login == "refused"
        if not again and self._faults.takes_login() and self._is_signed(args):
            connection.logged_in = True
            if self._config.session_expiry_s is not None:
                connection.expires_at = trio.current_time() + self._config.session_expiry_s
            connection.send(encode({"action": "access", "success": True}))
            return True
        error = f"access failed: openapi auth: apiKey {key[:4]}**** failed: openapi auth failed"
        connection.send(encode({"action": "access", "success": False, "error": error}))
        connection.close_code = self._config.login_close_code
        return again

    def _is_signed(self, args: list[str]) -> bool:
        if len(args) != 4:
            return False
        key, timestamp, sign, _device = args
        at_ms = digits(timestamp)
        if at_ms is None or self._now_ms() - at_ms > LOGIN_MAX_AGE_MS:
            return False
        config = self._config
        expected = signature(config.api_secret, config.api_memo, timestamp, LOGIN_TEXT)
        return same(key, config.api_key) and same(sign, expected)


def parse(text: str) -> Json | None:
    """The request in a frame, or None when it is not a JSON object."""
    try:
        request: Any = json.loads(text)
    except NOT_JSON:
        return None
    return request if isinstance(request, dict) else None


def topics_of(request: Json) -> list[str]:
    """What a request is about: its `args`, as text."""
    args = request.get("args")
    return [str(arg) for arg in args] if isinstance(args, list) else []


def acknowledge(
    connection: Connection, request: Json, topic: str, error: str | None = None
) -> None:
    """One acknowledgement for one topic, with the whole request echoed."""
    frame: Json = {"action": request.get("action", ""), "group": topic, "success": error is None}
    if error is not None:
        frame["error"] = error
    frame["request"] = request
    connection.send(encode(frame))
