"""One connection to the control API, between its socket and Hypercorn: what a peer may send, and for how long.

Hypercorn reads and writes a `Connection` as if it were the socket's stream. A head is passed on once it is whole; what
Hypercorn would choke on is answered here. A peer that hangs up is noticed at once, one that neither sends nor reads is
hung up on. It is the peer's fault, and counted, never a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec
import trio
from attrs import define, field
from attrs import validators as must

__all__ = ["Connection", "raw_refusal"]

MAX_HEAD_BYTES = 16 * 1024
HEAD_WITHIN_S = 10.0
"""From the first byte of a request to the end of its headers."""
SENT_WITHIN_S = 20.0
"""How long a peer may take to read `PIECE_BYTES` of an answer, or of a stream."""
PIECE_BYTES = 16 * 1024
LINGER_S = 1.0
"""How long a peer that is refused is listened to: a socket that is closed with something unread loses the answer."""
READER_BYTES = 4096
"""What a reader of a WebSocket may send in one message, and twice that at once in all its messages and pings."""
READER_BYTES_A_SECOND = 64

REQUEST_LINE = re.compile(rb"[A-Za-z]+ [^ ]+ HTTP/")
HEAD_END = re.compile(rb"\n\r?\n")
HTTP2 = b"PRI * HTTP/2"
UPGRADE_TO_HTTP2 = re.compile(rb"(?im)^(upgrade[ \t]*:[ \t]*)h2c")
NOT_ASCII = re.compile(rb"(?im)^(connection|upgrade|sec-websocket-[a-z]+)[ \t]*:.*[\x80-\xff]")
OWN_REFUSAL = re.compile(rb"HTTP/1\.1 ([45][0-9][0-9]) .*\r\ncontent-length: 0\r\n", re.S | re.I)
"""An answer that Hypercorn or h11 made by itself: ours all have a body."""
WHAT_IS_WRONG = {
    400: "the request is not HTTP as it should be",
    408: "the request did not come to its end in time",
    431: f"the headers are too long; at most {MAX_HEAD_BYTES} bytes are taken",
    501: "the transfer encoding is not known here",
}


def raw_refusal(
    status: int, error: str | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """A whole HTTP answer, for where there is no app to make one; the connection is closed after it."""
    known = HTTPStatus(status)
    body = {"ok": False, "error": error or WHAT_IS_WRONG.get(status, known.phrase.lower())}
    content = msgspec.json.encode(body) + b"\n"
    fields = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "connection": "close",
        **(headers or {}),
    }
    lines = [f"HTTP/1.1 {status} {known.phrase}", *(f"{name}: {fields[name]}" for name in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


@define(eq=False)
class Connection:
    """A stream for Hypercorn's TCPServer. `since` is when it began to wait for a request, on Trio's clock."""

    stream: trio.SocketStream = field(validator=must.instance_of(trio.SocketStream))
    peer: str
    count: Callable[[str], None]
    """Counts what was refused or given up, by event."""
    since: float = field(factory=trio.current_time)
    asked: bool = False
    """Whether a request has come whole and is being answered. What has not may have to make room for others."""
    reads_events: bool = False
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    """Cancelled, or given a deadline, once the peer has gone."""
    _answering: int = 0
    _head_passed: bool = False
    _between: bool = True
    """Whether all that was passed on ended with a head's end: then what comes next begins another."""
    _upgraded: bool = False
    _refused: bool = False
    _allowance: float = 2 * READER_BYTES
    _allowed_at: float = field(factory=trio.current_time)
    _sending: trio.Lock = field(factory=trio.Lock)

    # What the app says of it

    def begin(self, *, websocket: bool) -> None:
        """A request's head has come, and is being acted on."""
        self._answering += 1
        self._head_passed = False
        self._upgraded = websocket
        self.asked = websocket

    def received(self) -> None:
        """The request has come whole."""
        self.asked = True

    def ending(self) -> None:
        """The last piece of the answer goes out: what comes from here on is another request."""
        self._answering -= 1

    def ended(self) -> None:
        """The answer is out, or was given up."""
        if not self._answering:
            self.asked = self.reads_events = False
            self.since = trio.current_time()

    def hang_up(self) -> None:
        """Close the socket now, also under a send that is shielded."""
        self.stream.socket.close()
        self.scope.cancel()

    # What Hypercorn reads and writes

    @property
    def socket(self) -> trio.socket.SocketType:
        return self.stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What the peer sends; b"" once it has hung up, was refused, or was too slow."""
        if self._refused:
            return await self._gone()
        if self._upgraded:
            return await self._said_by_a_reader()
        data = await self._read(max_bytes)
        begins = self._between or data.startswith(HTTP2[:3]) or REQUEST_LINE.match(data)
        if self._head_passed or self._answering or not begins:
            self._between = False  # a body, or with it a part of the next request
            return data or await self._gone()
        return await self._whole_head(data, max_bytes)

    async def send_all(self, data: bytes) -> None:
        """Send in pieces, each within its time; a peer that does not read is hung up on."""
        own = None if self._upgraded else OWN_REFUSAL.match(data)
        if own is not None:
            await self._refuse(int(own[1]))
            return
        async with self._sending:
            await self._send(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        if self._refused:
            await self._linger()
        await self.stream.aclose()

    # Inside

    async def _read(self, max_bytes: int | None = None) -> bytes:
        try:
            return bytes(await self.stream.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self._gone()
            raise

    async def _whole_head(self, data: bytes, max_bytes: int | None) -> bytes:
        """`data` and what follows it up to the end of a request's headers, if they can be passed on."""
        head = bytearray(data.lstrip(b"\r\n") if data else b"")
        ended_at = 0
        with trio.move_on_after(HEAD_WITHIN_S) as time:
            while data and not HEAD_END.search(head, ended_at) and len(head) <= MAX_HEAD_BYTES:
                ended_at = max(0, len(head) - 3)
                data = await self._read(max_bytes)
                head += data if head else data.lstrip(b"\r\n")
        if time.cancelled_caught:
            return await self._refuse(408)
        if not head:
            return await self._gone()
        if head.startswith(HTTP2):
            return await self._refuse(505, "HTTP/1.1 is spoken here, not HTTP/2")
        if NOT_ASCII.search(head):
            return await self._refuse(400)
        end = HEAD_END.search(head)
        self._head_passed = end is not None
        self._between = end is not None and end.end() == len(head)
        return UPGRADE_TO_HTTP2.sub(rb"\1none", bytes(head))

    async def _said_by_a_reader(self) -> bytes:
        data = await self._read(READER_BYTES)
        now = trio.current_time()
        regained = (now - self._allowed_at) * READER_BYTES_A_SECOND
        self._allowance = min(self._allowance + regained, 2 * READER_BYTES) - len(data)
        self._allowed_at = now
        if self._allowance < 0:
            self.count("control_reader_flooded")
            return await self._gone()
        return data or await self._gone()

    async def _gone(self) -> bytes:
        """Have Hypercorn end the connection: at once, or, if it is answering, after what a last answer may take."""
        wait_s = LINGER_S if self._answering else 0
        self.scope.deadline = min(self.scope.deadline, trio.current_time() + wait_s)
        return b""

    async def _refuse(self, status: int, error: str | None = None) -> bytes:
        """Answer a peer that sent what cannot be answered by the app, and be done with it."""
        if not self._refused:
            self._refused = True
            self.count("control_request_refused_unread")
            async with self._sending:
                await self._send(raw_refusal(status, error))
        return await self._gone()

    async def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            with trio.move_on_after(SENT_WITHIN_S) as time:
                await self.stream.send_all(rest[:PIECE_BYTES])
            if time.cancelled_caught:
                self.count("control_peer_not_reading")
                self.hang_up()
                raise trio.BrokenResourceError("the peer does not read")
            rest = rest[PIECE_BYTES:]

    async def _linger(self) -> None:
        """Let the peer read what was said last."""
        with trio.move_on_after(LINGER_S, shield=True):
            try:
                await self.stream.send_eof()
                while await self.stream.receive_some(PIECE_BYTES):
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                pass
