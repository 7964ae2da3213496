"""The front door of the REST server: records requests, makes them go wrong when told to, and lets pushes out.

It wraps the ASGI app. A request's pushes wait at its `Gate` until its reply is out (or lost), so that a client
learns of an order by the reply first, as far as the exchange can do anything about it.
"""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl

import trio
from attrs import define

from .codes import Refusal
from .delays import Delays
from .faults import Claim, Faults, PathFault
from .hub import Gate, Hub
from .wire import NOT_JSON, encode

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

KEPT_REQUESTS = 10_000
GATEWAY_PAGES = {
    403: "Error 1010: The owner of this website has banned your access",
    502: "502: Bad gateway",
    503: "503: Service temporarily unavailable",
    520: "520: Web server is returning an unknown error",
    522: "522: Connection timed out",
    524: "524: A timeout occurred",
}
current_gate: ContextVar[Gate | None] = ContextVar("current_gate", default=None)


class LostReply(ConnectionResetError):
    """The connection was closed before the reply was sent. In memory, where nothing can be closed, it is raised."""


@define
class RequestRecord:
    """A request that arrived. `status` is None until, and unless, a reply was sent."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    at_ms: int
    status: int | None = None


class FaultFront:
    """An ASGI app around another one."""

    def __init__(
        self,
        app: App,
        hub: Hub,
        faults: Faults,
        delays: Delays,
        now_ms: Callable[[], int],
        *,
        push_before_reply: bool,
    ) -> None:
        self._app = app
        self._hub = hub
        self._faults = faults
        self._delays = delays
        self._now_ms = now_ms
        self._push_before_reply = push_before_reply
        self.requests: deque[RequestRecord] = deque(maxlen=KEPT_REQUESTS)
        self.hang_up: Callable[[Scope], None] = lambda scope: None
        """Closes the connection a request came by; set by whoever serves sockets."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await read_body(receive)
        record = RequestRecord(
            scope["method"],
            scope["path"],
            dict(parse_qsl(scope["query_string"].decode(errors="replace"), keep_blank_values=True)),
            parsed(body),
            self._now_ms(),
        )
        self.requests.append(record)

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                claim = self._faults.claim(record.path)
                if claim is not None:
                    message = {**message, "headers": claimed(message["headers"], claim)}
            await send(message)

        fault = self._faults.take(record.path)
        if fault is None and self._delays.reply:
            seconds = self._delays.reply / 1000
            fault = PathFault(record.path, "delay", 1, after=True, seconds=seconds)
        if fault is None:
            await self._handle(scope, body, recorded)
        else:
            await self._mishandle(fault, scope, body, recorded)

    async def _handle(self, scope: Scope, body: bytes, send: Send) -> None:
        gate = None if self._push_before_reply else Gate()
        token = current_gate.set(gate)
        try:
            if self._faults.oddities.answers:
                await self._answer_oddly(scope, body, send)
            else:
                await self._app(scope, only(body), send)
        finally:
            current_gate.reset(token)
            if gate is not None:
                gate.is_open = True
            self._hub.flush()

    async def _answer_oddly(self, scope: Scope, body: bytes, send: Send) -> None:
        """Handle a request whose answer may be altered on its way out."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, only(body), keep)
        start, content = answer
        said = self._faults.oddities.answer(scope["path"], content["body"])
        length = (b"content-length", str(len(said)).encode())
        headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
        await send({**start, "headers": [*headers, length]})
        await send({**content, "body": said})

    async def _mishandle(self, fault: PathFault, scope: Scope, body: bytes, send: Send) -> None:
        reply: list[Message] = []

        async def keep(message: Message) -> None:
            reply.append(message)

        if fault.kind == "delay" and not fault.after:
            await trio.sleep(fault.seconds)
        if fault.after or fault.kind == "delay":
            await self._handle(scope, body, keep)
        match fault.kind:
            case "lose_reply":
                self.hang_up(scope)
                raise LostReply(f"the reply of {fault.path} was lost on purpose")
            case "fail":
                reply = plain_reply(fault.status, fault.body)
            case "refuse":
                refusal = Refusal(fault.code)
                envelope = {"code": refusal.code, "message": refusal.message, "data": None}
                text = encode({**envelope, "trace": str(uuid.UUID(int=len(self.requests)))})
                reply = plain_reply(refusal.status, text)
            case "gateway":
                reply = gateway_reply(fault.status)
            case "delay" if fault.after:
                await trio.sleep(fault.seconds)
        for message in reply:
            await send(message)


def plain_reply(status: int, body: str | None) -> list[Message]:
    """A reply that no app made; JSON if its text looks like it."""
    text = body if body is not None else f"{status}"
    kind = b"application/json" if text.startswith("{") else b"text/html"
    headers = [(b"content-type", kind), (b"content-length", str(len(text.encode())).encode())]
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": text.encode(), "more_body": False},
    ]


def gateway_reply(status: int) -> list[Message]:
    """A page of the gateway in front of the exchange, for people: HTML, and no word of the exchange's."""
    title = GATEWAY_PAGES[status]
    page = (
        '<!DOCTYPE html>\n<html lang="en-US">\n'
        f"<head><title>{title} | api-cloud-v2.bitmart.com</title></head>\n"
        f"<body><h1>{title}</h1><p>Cloudflare Ray ID: <strong>{'0' * 16}</strong></p></body>\n"
        "</html>\n"
    )
    start, content = plain_reply(status, page)
    headers = [(b"server", b"cloudflare"), (b"cf-ray", b"0" * 16 + b"-FRA")]
    start["headers"] = [
        (name, b"text/html; charset=UTF-8" if name == b"content-type" else value)
        for name, value in start["headers"]
    ] + headers
    return [start, content]


def claimed(headers: list[tuple[bytes, bytes]], claim: Claim) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, with those of the rate limit as they are claimed."""
    said = {name.encode(): value.encode() for name, value in claim.headers().items()}
    return [pair for pair in headers if pair[0] not in said] + list(said.items())


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def only(body: bytes) -> Receive:
    """A `receive` that hands out a body and then nothing, ever.

    So an app never hears that its client is gone: a request that arrived is taken.
    """
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not pending:
            await trio.sleep_forever()
        return pending.pop()

    return receive


def parsed(body: bytes) -> Any:
    """A body as JSON, or as its text where it is none; None when empty."""
    if not body:
        return None
    try:
        return json.loads(body)
    except NOT_JSON:
        return body.decode(errors="replace")
