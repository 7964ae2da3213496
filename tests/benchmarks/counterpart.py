"""The exchange's end of the benchmarks: as much of BitMart as an engine needs, over plain blocking sockets.

It is there to be timed against, so it does little and does it at once: a thread for each connection, and the time of
what is sent and of what arrives from one clock, taken right before a frame is sent and right after the last byte of a
request was read. What it says of contracts comes from the paper exchange; signatures are checked, after the time was
taken. Every order fills at once and whole: answered, then pushed, then shown by the lists. It keeps what an order
brings along as its stop and its target, and never acts on them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from attrs import evolve

from bitmart_engine.paper import ManualMarket, PaperConfig, PaperExchange
from bitmart_engine.paper.rest_public import PublicDesk
from bitmart_engine.paper.signing import signature

SUBMIT = "/contract/private/submit-order"
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ACCOUNT = PaperConfig()
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
OPENS_LONG, CLOSES_LONG = 1, 3


class Arrival(NamedTuple):
    """A submit-order request: when its last byte was there, and its body."""

    at_ns: int
    body: dict[str, Any]


class HungUp(Exception):
    """The client has left."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def frame(text: str, opcode: int = TEXT) -> bytes:
    """A WebSocket frame as a server sends it."""
    body = text.encode()
    size = bytes([len(body)]) if len(body) < 126 else b"\x7e" + len(body).to_bytes(2)
    return bytes([0x80 | opcode]) + size + body


def push(topic: str, data: object) -> bytes:
    """A frame with data of a topic."""
    return frame(json.dumps({"group": topic, "data": data}, separators=(",", ":")))


class Client:
    """A connected client, read by one thread; frames may be sent by any."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._buffer = bytearray()
        self._sending = threading.Lock()

    def send(self, data: bytes) -> None:
        with self._sending:
            self._sock.sendall(data)

    def line_end(self) -> bytes:
        """Everything up to an empty line."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        return self.exactly(self._buffer.index(b"\r\n\r\n") + 4)

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def frame(self) -> tuple[int, bytes]:
        """The next WebSocket frame of the client: its opcode, and what was masked in it."""
        opcode, size = self.exactly(2)
        size &= 0x7F
        if size >= 126:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8))
        mask, body = self.exactly(4), self.exactly(size)
        return opcode & 0x0F, bytes(byte ^ mask[n % 4] for n, byte in enumerate(body))

    def _more(self) -> None:
        part = self._sock.recv(65_536)
        if not part:
            raise HungUp
        self._buffer += part


class Counterpart:
    """An exchange for one client. Made by `open_counterpart`."""

    def __init__(self, listener: socket.socket, symbols: Iterable[str]) -> None:
        self.arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        host, port = listener.getsockname()
        self.where = f"{host}:{port}"
        self._listener = listener
        self._subscribed: dict[str, Client] = {}
        self._news = threading.Condition()
        self._orders: dict[str, dict[str, Any]] = {}
        self._held: dict[str, dict[str, Any]] = {}
        """By symbol the order that opened its long position."""
        listed = evolve(
            ACCOUNT, symbols=tuple(evolve(ACCOUNT.symbols[0], symbol=each) for each in symbols)
        )
        paper = PaperExchange(listed, ManualMarket(), now_ms)
        self._public = PublicDesk(listed, paper.instruments, paper.candles, {}, now_ms).routes
        self._private: dict[str, Callable[[dict[str, Any]], object]] = {
            SUBMIT: self._submit,
            "/contract/private/order": lambda asked: self._orders[asked["order_id"]],
            "/contract/private/get-position-mode": lambda asked: {"position_mode": "hedge_mode"},
            "/contract/private/position-v2": lambda asked: self._positions(),
            "/contract/private/current-plan-order": lambda asked: self._plans(),
            "/contract/private/cancel-plan-order": lambda asked: {},
        }

    # What the benchmark does

    def wait_subscribed(self, *topics: str, within_s: float = 60) -> Client:
        """The client that carries the last of these topics, once all of them are subscribed."""
        with self._news:
            if not self._news.wait_for(lambda: set(topics) <= self._subscribed.keys(), within_s):
                raise TimeoutError(f"not subscribed: {set(topics) - self._subscribed.keys()}")
            return self._subscribed[topics[-1]]

    # Connections

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        client = Client(sock)
        with suppress(HungUp, OSError), sock:
            while True:
                head = client.line_end()
                first, *lines = head.decode().split("\r\n")
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in lines if line)
                }
                if headers.get("upgrade", "").lower() == "websocket":
                    self._shake_hands(client, headers["sec-websocket-key"])
                    self._converse(client)
                    return
                body = client.exactly(int(headers.get("content-length", 0)))
                self._answer(client, time.perf_counter_ns(), first.split()[1], headers, body)

    # REST

    def _answer(
        self, client: Client, at_ns: int, target: str, headers: dict[str, str], body: bytes
    ) -> None:
        parts = urlsplit(target)
        if parts.path in self._public:
            data = self._public[parts.path](dict(parse_qsl(parts.query)))
        elif body and not self._is_signed(headers, body):
            client.send(response({"code": 30005, "message": "wrong signature"}))
            return
        else:
            asked = json.loads(body) if body else dict(parse_qsl(parts.query))
            data = self._private.get(parts.path, lambda asked: [])(asked)
        client.send(response({"code": 1000, "message": "Ok", "trace": "t", "data": data}))
        if parts.path == SUBMIT:
            self.arrivals.put(Arrival(at_ns, asked))
            self._tell_of(self._orders[data["order_id"]])

    def _is_signed(self, headers: dict[str, str], body: bytes) -> bool:
        right = signature(
            ACCOUNT.api_secret, ACCOUNT.api_memo, headers["x-bm-timestamp"], body.decode()
        )
        return headers["x-bm-key"] == ACCOUNT.api_key and headers["x-bm-sign"] == right

    def _submit(self, body: dict[str, Any]) -> dict[str, Any]:
        order_id = str(3_000_000_000_000_000 + len(self._orders))
        opens = body["side"] == OPENS_LONG
        price = body["price"] if opens else self._held[body["symbol"]]["price"]
        order = self._orders[order_id] = {
            **body,
            "order_id": order_id,
            "price": price,
            "size": str(body["size"]),
            "state": 4,
            "deal_size": str(body["size"]),
            "deal_avg_price": price,
            "position_mode": "hedge_mode",
            "create_time": now_ms(),
            "update_time": now_ms(),
        }
        if opens:
            self._held[body["symbol"]] = order
        else:
            del self._held[body["symbol"]]
        return {"order_id": order_id, "price": price}

    def _tell_of(self, order: dict[str, Any]) -> None:
        """The order has filled, and so the position has changed; told to whoever listens."""
        client = self._subscribed.get("futures/order")
        if client is not None:
            client.send(push("futures/order", [{"action": 3, "order": order}]))
            held = order if order["side"] == OPENS_LONG else {**order, "size": "0"}
            client.send(push("futures/position", [pushed_position(held)]))

    def _positions(self) -> list[dict[str, Any]]:
        return [listed_position(order) for order in self._held.values()]

    def _plans(self) -> list[dict[str, Any]]:
        return [
            {
                "order_id": f"{order['order_id']}{number}",
                "client_order_id": "",
                "symbol": order["symbol"],
                "side": CLOSES_LONG,
                "type": kind,
                "trigger_price": order[f"preset_{kind}_price"],
                "size": order["size"],
                "plan_category": 1,
                "create_time": order["create_time"],
            }
            for order in self._held.values()
            for number, kind in enumerate(("stop_loss", "take_profit"))
        ]

    # WebSocket

    def _shake_hands(self, client: Client, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET_GUID).digest())
        client.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def _converse(self, client: Client) -> None:
        while True:
            opcode, said = client.frame()
            if opcode == CLOSE:
                client.send(bytes([0x88, len(said)]) + said)
                return
            if opcode == PING:
                client.send(frame(said.decode(), PONG))
            elif opcode == TEXT:
                self._hear(client, json.loads(said))

    def _hear(self, client: Client, said: dict[str, Any]) -> None:
        match said["action"]:
            case "ping":
                client.send(frame('{"group":"System","data":"pong+0a1b"}'))
            case "access":
                client.send(frame('{"action":"access","success":true}'))
            case action:
                for topic in said["args"]:
                    answer = {"action": action, "group": topic, "success": True, "request": said}
                    client.send(frame(json.dumps(answer)))
                with self._news:
                    if action == "subscribe":
                        self._subscribed.update(dict.fromkeys(said["args"], client))
                    else:
                        for topic in said["args"]:
                            self._subscribed.pop(topic, None)
                    self._news.notify_all()


def pushed_position(order: dict[str, Any]) -> dict[str, Any]:
    """The position that an order has opened, or of size 0, as the stream tells it."""
    return {
        "symbol": order["symbol"],
        "hold_volume": order["size"],
        "position_type": 1,
        "open_type": 1,
        "hold_avg_price": order["price"],
        "open_avg_price": order["price"],
        "create_time": order["create_time"],
        "update_time": order["update_time"],
        "position_mode": "hedge_mode",
    }


def listed_position(order: dict[str, Any]) -> dict[str, Any]:
    """The same as REST lists it."""
    return {
        "symbol": order["symbol"],
        "position_side": "long",
        "current_amount": order["size"],
        "entry_price": order["price"],
        "leverage": "10",
        "open_type": "isolated",
        "open_timestamp": order["create_time"],
        "timestamp": order["update_time"],
    }


def response(answer: object) -> bytes:
    """An answer over HTTP. It says that a client may ask as often as it likes: the limit is not what is measured."""
    body = json.dumps(answer).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "X-BM-RateLimit-Remaining: 1\r\nX-BM-RateLimit-Limit: 10000\r\nX-BM-RateLimit-Reset: 2\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def open_counterpart(*symbols: str) -> Iterator[Counterpart]:
    """An exchange on a free port that lists these symbols, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        counterpart = Counterpart(listener, symbols)
        threading.Thread(target=counterpart.serve, daemon=True).start()
        try:
            yield counterpart
        finally:
            listener.shutdown(socket.SHUT_RDWR)
