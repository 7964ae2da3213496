"""The network between an engine, the exchange and the receiver of callbacks: what comes late, in part, or never.

Each connection keeps its order and has a pace of its own, so that two connections overtake each other. A connection
can be cut at any byte, or go half-open: then nothing gets through any more, and nobody is told. A request that has
left is under way, whatever becomes of who sent it.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import httpx
import trio
from attrs import Factory, define, field

from bitmart_engine.notify.posting import Posting
from bitmart_engine.paper import PaperExchange
from bitmart_engine.paper.memory import answer_of

from .trace import Trace

if TYPE_CHECKING:
    from .doorway import Doorway

__all__ = ["Conditions", "Network", "Sender"]

MAINTENANCE = b'{"code":30016,"message":"Service is under maintenance, please try later"}'
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
HTML = {"content-type": "text/html"}
JSON = {"content-type": "application/json"}


class Sender(Protocol):
    """A process, as far as the network knows it."""

    @property
    def name(self) -> str: ...
    @property
    def alive(self) -> bool: ...
    @property
    def forgotten(self) -> bool: ...


async def _never() -> None:
    """For whoever is dead: nothing returns any more."""
    await trio.sleep_forever()


@define
class Conditions:
    """How the network is at the moment."""

    slow_s: float = 0.0
    """How much longer than usual something may be under way."""
    unreachable: bool = False
    """Nothing gets through to the exchange, and nobody is told."""
    refusing: bool = False
    """Connections to the exchange are refused."""
    maintenance: bool = False
    """Every request is answered that the exchange is under maintenance."""
    mishaps: Mapping[str, float] = Factory(dict)
    """How likely it is that a request to the exchange meets each kind of mishap."""
    receiver_mishaps: Mapping[str, float] = Factory(dict)


MISHAPS = (
    "reply lost",
    "reply never comes",
    "request lost",
    "connection refused",
    "502 before",
    "502 after",
    "429",
    "request late",
    "request very late",
    "reply late",
)
"""What can befall a request."""


class _Wire:
    """One direction of a connection: bytes, and the time at which each of them arrives."""

    def __init__(self, delay_s: Callable[[], float]) -> None:
        self._delay_s = delay_s
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._last_at = 0.0
        self._waiting: trio.CancelScope | None = None
        """Of who waits for something to arrive, which it does at its deadline."""
        self.stalled = False
        self.broken = False

    def put(self, data: bytes) -> None:
        """Send `data`; nothing of it means the end."""
        self._last_at = max(self._last_at, trio.current_time() + self._delay_s())
        self._under_way.append((self._last_at, data))
        if self._waiting is not None:
            self._waiting.deadline = self._next_at()

    def break_off(self) -> None:
        self.broken = True
        if self._waiting is not None:
            self._waiting.cancel()

    def stall(self) -> None:
        """Nothing arrives any more."""
        self.stalled = True
        if self._waiting is not None:
            self._waiting.deadline = math.inf

    async def take(self, most: int) -> bytes:
        """What has arrived. Waits for it in one step: there are more of these than of anything else in a run."""
        while not self.broken and self._next_at() > trio.current_time():
            with trio.CancelScope(deadline=self._next_at()) as self._waiting:
                await trio.sleep_forever()
            self._waiting = None
        if self.broken:
            raise trio.BrokenResourceError("connection reset")
        return self._arrived(most)

    def _next_at(self) -> float:
        return self._under_way[0][0] if self._under_way and not self.stalled else math.inf

    def _arrived(self, most: int) -> bytes:
        now = trio.current_time()
        parts: list[bytes] = []
        size = 0
        while self._under_way and self._under_way[0][0] <= now and size < most:
            at, data = self._under_way[0]
            if not data:  # the end stays, for whoever asks again
                break
            self._under_way.popleft()
            if size + len(data) > most:
                self._under_way.appendleft((at, data[most - size :]))
                data = data[: most - size]
            parts.append(data)
            size += len(data)
        return b"".join(parts)


class _End(trio.abc.Stream):
    """One end of a connection."""

    def __init__(self, line: _Line, out: _Wire, into: _Wire, sender: Sender | None) -> None:
        self._line = line
        self._out = out
        self._into = into
        self._sender = sender
        self._closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if self._sender is not None and not self._sender.alive:
            await _never()
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        if self._out.broken:
            raise trio.BrokenResourceError("connection reset")
        self._line.send(self._out, bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint_if_cancelled()
        data = await self._into.take(max_bytes or 65536)
        if self._sender is not None and not self._sender.alive:
            await _never()
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        return data

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            if self._sender is None or self._sender.alive:
                self._out.put(b"")
                self._line.closed_by_one()
            self._into.break_off()
        await trio.lowlevel.checkpoint()


class _Line:
    """A connection from a process to the exchange."""

    def __init__(self, number: int, sender: Sender, delay_s: Callable[[], float]) -> None:
        self.number = number
        self.sender = sender
        up, down = _Wire(delay_s), _Wire(delay_s)
        self._wires = (up, down)
        self.ours = _End(self, up, down, sender)
        self.theirs = _End(self, down, up, None)
        self.bytes_left: int | None = None
        """After how many more bytes the connection is cut; None while it is not going to be."""
        self.is_open = True

    def send(self, wire: _Wire, data: bytes) -> None:
        if self.bytes_left is None:
            wire.put(data)
            return
        whole = data[: self.bytes_left]
        self.bytes_left -= len(whole)
        if whole:
            wire.put(whole)
        if not self.bytes_left:
            self.cut()

    def cut(self) -> None:
        """Both ends learn of it."""
        self.is_open = False
        for wire in self._wires:
            wire.break_off()

    def go_half_open(self) -> None:
        """Nothing gets through any more; nobody learns of it."""
        for wire in self._wires:
            wire.stall()

    def closed_by_one(self) -> None:
        self.is_open = False


@define(eq=False)
class Network:
    """All connections and requests of a run. `rng` decides what befalls each of them."""

    paper: PaperExchange
    receive: Callable[[httpx.Request, bytes], int]
    """Takes a callback; returns the status of the answer, 0 for none."""
    nursery: trio.Nursery
    rng: random.Random
    trace: Trace
    served: Callable[[Sender, str, bytes, int, bytes], None]
    """Told of every request that the exchange took: by whom, its path, body, the status and the answer."""
    before: Callable[[str, bytes], None]
    """Called just before the exchange takes a request: what happens at the same moment."""
    now: Conditions = field(factory=Conditions)
    lines: list[_Line] = field(factory=list)
    dialled: int = 0
    heard: Callable[[str, float, bytes], None] = lambda path, asked_at, answer: None
    left: Callable[[str, bytes], None] = lambda path, body: None
    """Told of every request when it leaves the engine, whether or not it arrives."""
    """Told of every answer of the exchange that arrives: its path, when it was asked for, and what it says."""

    said: Callable[[str, bytes], bytes] = lambda path, answer: answer
    """An answer of the exchange as it leaves, where what happened is told late."""
    doorway: Doorway | None = None
    """Where the application listens; None where callbacks are carried there whole."""

    # WebSockets

    async def dial(self, sender: Sender, host: str, port: int, tls: bool) -> trio.abc.Stream:
        """A connection to the exchange. Raises OSError."""
        await trio.sleep(self._delay_s())
        if not sender.alive or self.now.unreachable:
            await _never()
        if self.now.refusing:
            self.trace.fault("dial refused", sender.name)
            raise OSError("connection refused")
        self.dialled += 1
        pace_s = self.rng.uniform(0.002, 0.06)
        line = _Line(self.dialled, sender, lambda: pace_s + self._slowness_s())
        self.lines = [each for each in self.lines if each.is_open]
        self.lines.append(line)
        self.nursery.start_soon(self.paper.serve_ws_stream, line.theirs)
        self.trace("network", "dialled", line.number, "by", sender.name)
        return line.ours

    def cut_some(self) -> None:
        """Cut one of the connections there are, after so many more bytes."""
        there = self._alive()
        if there:
            line = self.rng.choice(there)
            line.bytes_left = self.rng.choice((0, 1, self.rng.randint(2, 600)))
            self.trace.fault("connection cut", line.number, "after bytes:", line.bytes_left)
            if not line.bytes_left:
                line.cut()

    def half_open_some(self) -> None:
        """Let nothing more through on one of the connections."""
        there = self._alive()
        if there:
            line = self.rng.choice(there)
            line.go_half_open()
            self.trace.fault("connection half-open", line.number)

    def stall_all(self) -> None:
        """The way to the exchange is broken: nothing gets through on any connection, now or later."""
        self.now.unreachable = True
        for line in self._alive():
            line.go_half_open()

    def lose(self, sender: Sender, *, told: bool) -> None:
        """A process is gone; the exchange is `told` so (its kernel lives), or not (the machine is gone)."""
        for line in self.lines:
            if line.sender is sender and line.is_open:
                if told:
                    line.cut()
                else:
                    line.go_half_open()

    def _alive(self) -> list[_Line]:
        return [line for line in self.lines if line.is_open and line.sender.alive]

    # Requests

    def transport(self, sender: Sender) -> httpx.AsyncBaseTransport:
        """What a process sends its requests over."""
        return _Transport(self, sender, _ToTheApplication(self, sender))

    async def dial_application(self, sender: Sender) -> trio.abc.Stream:
        """A connection to the application, in the worlds in which it has a door. Raises OSError."""
        door = self.doorway
        assert door is not None, "somebody listens there"
        await trio.sleep(self._delay_s())
        mishaps = dict(self.now.receiver_mishaps)
        refusal = mishaps.pop("connection refused", 0.0)
        if not sender.alive or door.dead == "silent":
            await _never()
        if door.dead or self.rng.random() < refusal:
            self.trace.fault("callback: connection refused")
            raise OSError("connection refused")
        self.dialled += 1
        pace_s = self.rng.uniform(0.002, 0.06)
        line = _Line(self.dialled, sender, lambda: pace_s)
        self.lines = [each for each in self.lines if each.is_open]
        self.lines.append(line)
        self.nursery.start_soon(door.serve, line.theirs, sender.name, mishaps)
        return line.ours

    async def request(self, sender: Sender, request: httpx.Request) -> httpx.Response:
        """Carry a request to where it goes, and its answer back."""
        body = await request.aread()
        if not sender.alive:
            await _never()
        answer, answered = trio.open_memory_channel[httpx.Response | httpx.TransportError](1)
        if request.url.host == "exchange":
            self.nursery.start_soon(self._to_exchange, sender, request, body, answer)
        else:
            self.nursery.start_soon(self._to_receiver, request, body, answer)
        timeout_s = request.extensions["timeout"]["read"]
        result: httpx.Response | httpx.TransportError
        result = httpx.ReadTimeout("no answer in time", request=request)
        with trio.move_on_after(timeout_s):
            result = await answered.receive()
        if not sender.alive:
            await _never()
        if isinstance(result, httpx.TransportError):
            raise result
        return result

    async def _to_exchange(
        self,
        sender: Sender,
        request: httpx.Request,
        body: bytes,
        answer: trio.MemorySendChannel[httpx.Response | httpx.TransportError],
    ) -> None:
        path, asked_at = request.url.path, trio.current_time()
        self.left(path, body)
        mishap = self._drawn(self.now.mishaps)
        if mishap is not None:
            self.trace.fault(mishap, request.method, path)
        await trio.sleep(self._delay_s())
        if mishap == "connection refused" or self.now.refusing:
            answer.send_nowait(httpx.ConnectError("connection refused", request=request))
            return
        if mishap == "request lost" or self.now.unreachable:
            return
        if mishap == "request late":
            await trio.sleep(self.rng.uniform(0.3, 3))
        if mishap == "request very late":  # whoever sent it has given it up by then
            await trio.sleep(self.rng.uniform(8, 40))
        if sender.forgotten:
            return
        made_up = self._made_up(mishap)
        if made_up is None or mishap == "502 after":
            reply = await self._served(sender, request, body)
        else:
            reply = made_up
        if mishap == "502 after":
            assert made_up is not None
            reply = made_up
        if mishap == "reply lost":
            answer.send_nowait(httpx.ReadError("connection reset", request=request))
            return
        if mishap == "reply late":
            await trio.sleep(self.rng.uniform(0.3, 12))
        await trio.sleep(self._delay_s())
        if mishap != "reply never comes" and not self.now.unreachable:
            answer.send_nowait(reply)
            if made_up is None:
                self.heard(path, asked_at, reply.content)

    async def _served(self, sender: Sender, request: httpx.Request, body: bytes) -> httpx.Response:
        path = request.url.path
        self.before(path, body)
        reply = await answer_of(self.paper.rest_app, request, body)
        content = self.said(path, reply.content)
        if content != reply.content:
            headers = {name: each for name, each in reply.headers.items() if "length" not in name}
            reply = httpx.Response(reply.status_code, headers=headers, content=content)
        self.trace(
            "exchange", request.method, request.url.raw_path.decode(), body.decode(),
            "->", reply.status_code, content.decode(),
        )  # fmt: skip
        self.served(sender, path, body, reply.status_code, content)
        return reply

    def _made_up(self, mishap: str | None) -> httpx.Response | None:
        """What somebody in between answers."""
        if mishap in ("502 before", "502 after"):
            return httpx.Response(502, headers=HTML, stream=httpx.ByteStream(PAGE))
        if mishap == "429":
            return httpx.Response(429, headers=HTML, stream=httpx.ByteStream(b"slow down"))
        if self.now.maintenance:
            self.trace.fault("maintenance")
            return httpx.Response(503, headers=JSON, stream=httpx.ByteStream(MAINTENANCE))
        return None

    async def _to_receiver(
        self,
        request: httpx.Request,
        body: bytes,
        answer: trio.MemorySendChannel[httpx.Response | httpx.TransportError],
    ) -> None:
        mishap = self._drawn(self.now.receiver_mishaps)
        if mishap is not None:
            self.trace.fault(f"callback: {mishap}")
        await trio.sleep(self._delay_s())
        if mishap == "connection refused":
            answer.send_nowait(httpx.ConnectError("connection refused", request=request))
            return
        status = self.receive(request, body) if mishap != "500" else 500
        await trio.sleep(self._delay_s())
        if mishap == "reply late":
            await trio.sleep(self.rng.uniform(1, 6))
        if mishap == "reply lost" or not status:
            answer.send_nowait(httpx.ReadError("connection reset", request=request))
        elif mishap != "reply never comes":
            answer.send_nowait(httpx.Response(status, stream=httpx.ByteStream(b"{}")))

    # Chance

    def _delay_s(self) -> float:
        return self.rng.uniform(0.002, 0.05) + self._slowness_s()

    def _slowness_s(self) -> float:
        return self.rng.uniform(0, self.now.slow_s) if self.now.slow_s else 0.0

    def _drawn(self, mishaps: Mapping[str, float]) -> str | None:
        if not mishaps:
            return None
        chance = self.rng.random()
        for kind, likely in mishaps.items():
            chance -= likely
            if chance < 0:
                return kind
        return None


class _ToTheApplication(Posting):  # type: ignore[misc]  # final, but for who opens the connection
    """What sends callbacks, with connections of the simulated network in place of sockets."""

    def __init__(self, network: Network, sender: Sender) -> None:
        self._network = network
        self._sender = sender

    async def _connect(self, request: httpx.Request) -> trio.abc.Stream:
        try:
            return await self._network.dial_application(self._sender)
        except OSError as failure:
            raise httpx.ConnectError("not connected", request=request) from failure


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, network: Network, sender: Sender, calls: _ToTheApplication) -> None:
        self._network = network
        self._sender = sender
        self._calls = calls

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._network.doorway is not None and request.url.host != "exchange":
            return await self._calls.handle_async_request(request)
        return await self._network.request(self._sender, request)
