"""A small exchange on in-memory streams, written from the protocol's description and not from the code under test.

It records what it was told and when, and misbehaves on request. It checks logins with its own arithmetic.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import trio
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from bitmart_engine.settings import Settings
from bitmart_engine.world import World

KEY, SECRET, MEMO = "key-of-tests", "secret-of-tests", "memo-of-tests"
WALL_START_MS = 1_785_726_000_000


def wall_ms() -> int:
    return WALL_START_MS + int(trio.current_time() * 1000)


def settings(**changes: Any) -> Settings:
    return Settings(
        **{
            "public_ws_uri": "ws://exchange.test/api?protocol=1.1",
            "private_ws_uri": "ws://exchange.test/user?protocol=1.1",
            **changes,
        }
    )


def with_account(**changes: Any) -> Settings:
    return settings(api_key=KEY, api_secret=SECRET, api_memo=MEMO, **changes)


class ClientEnd(trio.abc.Stream):
    """The client's end of a connection. It knows whether it was closed, and can get stuck in the middle of a send."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.closed = False
        self.stuck = False
        self.sent_after_stuck = 0
        self.broken = False
        self.greeting = b""

    async def send_all(self, data: Any) -> None:
        self.greeting = self.greeting or bytes(data)
        if self.broken:
            raise trio.BrokenResourceError
        if self.stuck:
            self.sent_after_stuck += 1
            await self.stream.send_all(bytes(data)[: len(data) // 2])
            await trio.sleep_forever()
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> Any:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        self.closed = True
        await self.stream.aclose()


class Session:
    """One connection, as the exchange sees it."""

    def __init__(self, client: ClientEnd, stream: trio.abc.Stream) -> None:
        self.client = client
        self.stream = stream
        self.opened_at = trio.current_time()
        self.path = ""
        self.headers: dict[str, str] = {}
        self.frames: list[tuple[float, str]] = []
        self.topics: set[str] = set()
        self.logged_in = False
        self.websocket: WebSocketConnection | None = None
        self.close_code: int | None = None
        self.over = trio.Event()

    @property
    def private(self) -> bool:
        return self.path.startswith("/user")

    def said(self, action: str) -> list[tuple[float, list[str]]]:
        """(time, args) of every frame with this action."""
        parsed = [(at, json.loads(text)) for at, text in self.frames]
        return [(at, frame.get("args", [])) for at, frame in parsed if frame["action"] == action]

    async def push(self, group: str, data: Any) -> None:
        await self.send(json.dumps({"group": group, "data": data}))

    async def send(self, message: str | bytes) -> None:
        assert self.websocket is not None
        await self.websocket.send_message(message)

    async def close(self, code: int, reason: str | None = None) -> None:
        """Close as a WebSocket server does."""
        assert self.websocket is not None
        with trio.move_on_after(1):
            await self.websocket.aclose(code, reason)

    async def drop(self) -> None:
        """Hang up without a word."""
        await self.stream.aclose()


class FakeExchange:
    """Answers as BitMart does, unless told otherwise."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.dialled_at: list[float] = []
        self.addresses: list[tuple[str, int, bool]] = []
        self.sessions: list[Session] = []
        self.dial_error: OSError | None = None
        self.dial_hangs = False
        self.handshake_hangs = False
        self.handshake_garbage: bytes | None = None
        self.hangs_up_in_handshake = False
        self.rejects_with: int | None = None
        self.login_error: str | None = None
        self.ignores_login = False
        self.answers_pings = True
        self.answers_after_s = 0.0
        """How long it takes over each answer."""
        self.refuses: dict[str, str] = {}
        self.ignores: dict[str, int] = {}
        """Topic -> how many more times a subscription to it gets no answer."""
        self.drops_on: Callable[[Session, dict[str, Any]], bool] = lambda session, frame: False
        self.answer = lambda text: text
        """What becomes of an answer's text on its way."""

    @property
    def world(self) -> World:
        return World(wall_ms=wall_ms, dial=self.dial, random=Random(7))

    @property
    def open_sockets(self) -> int:
        return sum(not session.client.closed for session in self.sessions)

    @property
    def last(self) -> Session:
        return self.sessions[-1]

    def public(self) -> Session:
        """The newest public session."""
        return [each for each in self.sessions if not each.private][-1]

    def private(self) -> Session:
        """The newest private session."""
        return [each for each in self.sessions if each.private][-1]

    async def dial(self, host: str, port: int, tls: bool) -> trio.abc.Stream:
        self.dialled_at.append(trio.current_time())
        self.addresses.append((host, port, tls))
        await trio.lowlevel.checkpoint()
        if self.dial_error:
            raise self.dial_error
        if self.dial_hangs:
            await trio.sleep_forever()
        near, far = memory_stream_pair()
        session = Session(ClientEnd(near), far)
        self.sessions.append(session)
        self.nursery.start_soon(self._serve, session)
        return session.client

    async def _serve(self, session: Session) -> None:
        try:
            async with trio.open_nursery() as nursery:
                if await self._shake_hands(nursery, session):
                    await self._converse(session)
                nursery.cancel_scope.cancel()
        finally:
            session.over.set()

    async def _shake_hands(self, nursery: trio.Nursery, session: Session) -> bool:
        if self.hangs_up_in_handshake:
            await session.stream.receive_some()
            await session.stream.aclose()
            return False
        if self.handshake_garbage is not None:
            await session.stream.receive_some()
            await session.stream.send_all(self.handshake_garbage)
            self.handshake_hangs = True
        if self.handshake_hangs:
            while await session.stream.receive_some():
                pass
            return False
        request = await wrap_server_stream(nursery, session.stream)
        session.path = request.path
        session.headers = {k.decode().lower(): v.decode() for k, v in request.headers}
        if self.rejects_with:
            await request.reject(self.rejects_with, body=b"no")
            return False
        session.websocket = await request.accept()
        return True

    async def _converse(self, session: Session) -> None:
        assert session.websocket is not None
        try:
            while True:
                text = await session.websocket.get_message()
                assert isinstance(text, str)
                session.frames.append((trio.current_time(), text))
                frame = json.loads(text)
                if self.drops_on(session, frame):
                    await session.drop()
                    return
                for answer in self._answers(session, frame):
                    await trio.sleep(self.answers_after_s)
                    await session.send(self.answer(json.dumps(answer)))
                if frame["action"] == "access" and not session.logged_in and not self.ignores_login:
                    await session.websocket.aclose(1000)
                    return
        except ConnectionClosed as closed:
            session.close_code = closed.reason.code if closed.reason else None

    def _answers(self, session: Session, frame: dict[str, Any]) -> list[dict[str, Any]]:
        action, args = frame["action"], frame.get("args", [])
        if action == "ping":
            return [{"group": "System", "data": "pong+0a1b"}] if self.answers_pings else []
        if action == "access":
            return self._login(session, args)
        answers = []
        for topic in args:
            answer = {"action": action, "group": topic, "success": True, "request": frame}
            if action == "unsubscribe":
                session.topics.discard(topic)
                if topic in self.refuses:
                    answer |= {"success": False, "error": self.refuses[topic]}
            elif topic in self.refuses:
                answer |= {"success": False, "error": self.refuses[topic]}
            elif session.private and not session.logged_in:
                answer |= {"success": False, "error": f"{topic} need authenication"}
            elif self.ignores.get(topic, 0):
                self.ignores[topic] -= 1
                continue
            else:
                session.topics.add(topic)
            answers.append(answer)
        return answers

    def _login(self, session: Session, args: list[str]) -> list[dict[str, Any]]:
        if self.ignores_login:
            return []
        key, stamp, signature, device = args
        text = stamp + "#" + MEMO + "#bitmart.WebSocket"
        right = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        fresh = abs(wall_ms() - int(stamp)) <= 60_000
        error = self.login_error
        if error is None and not (key == KEY and signature == right and fresh and device == "web"):
            error = "access failed: openapi auth failed"
        if error is not None:
            return [{"action": "access", "success": False, "error": error}]
        session.logged_in = True
        return [{"action": "access", "success": True}]


def deflated(text: str) -> bytes:
    """Raw deflate, as BitMart's binary frames."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text.encode()) + packer.flush()


def bar(
    close: str, high: str | None = None, low: str | None = None, ts: int = WALL_START_MS // 1000
) -> dict[str, Any]:
    """A kline on the wire."""
    return {"o": close, "h": high or close, "l": low or close, "c": close, "v": "12", "ts": ts}
