"""Requests over connections that are kept open: in one piece, once, and never on a connection that is spent."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial

import h11
import httpx
import pytest
import trio

from bitmart_engine.exchange.transport import KEPT_S, KeptConnections, encoded, request_of
from bitmart_engine.world import dial_tcp

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def request(uri="http://exchange.test", body=b'{"a":1}', **headers):
    return httpx.Request(
        "POST",
        f"{uri}/contract/private/submit-order?x=1",
        headers={"X-BM-KEY": "k", **headers},
        content=body,
        extensions={"timeout": {"connect": 1}},
    )


class Server:
    """Answers each piece that it receives with what it is told to. It keeps the pieces, by connection."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.pieces = []
        self.uri = ""

    async def serve(self, stream):
        self.pieces.append(mine := [])
        async for piece in stream:
            mine.append(bytes(piece))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await stream.send_all(answer)
            if b"close" in answer:
                await stream.aclose()
                return

    @asynccontextmanager
    async def client(self):
        async with trio.open_nursery() as nursery:
            [listener] = await nursery.start(
                partial(trio.serve_tcp, self.serve, 0, host="127.0.0.1")
            )
            self.uri = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            async with KeptConnections(dial_tcp) as kept:
                yield kept
            nursery.cancel_scope.cancel()

    async def ask(self, kept, **more):
        response = await kept.handle_async_request(request(self.uri, **more))
        try:
            return response.status_code, b"".join([part async for part in response.aiter_bytes()])
        finally:
            await response.aclose()


@pytest.mark.parametrize("body", [b"", b'{"a":1}'])
def test_a_request_is_what_h11_would_send(body):
    asked = request(body=body)
    http = h11.Connection(h11.CLIENT)
    head = http.send(
        h11.Request(method="POST", target=asked.url.raw_path, headers=asked.headers.raw)
    )
    assert encoded(asked) == head + http.send(h11.Data(data=body)) + http.send(h11.EndOfMessage())


@pytest.mark.parametrize(
    "uri",
    ["https://exchange.test", "http://exchange.test:8443", "http://[::1]:80", "https://龙.test"],
)
@pytest.mark.parametrize(("method", "body"), [("POST", b'{"a":1}'), ("GET", None)])
def test_a_request_is_the_one_that_httpx_makes(uri, method, body):
    headers, extensions = [(b"X-BM-KEY", b"k"), (b"Accept", b"a/b")], {"timeout": {"connect": 1}}
    url = httpx.URL(f"{uri}/contract/private/submit-order?x=龙 1")
    made = request_of(method, url, headers, body, extensions)
    known = httpx.Request(method, url, headers=headers, content=body, extensions=extensions)
    assert encoded(made) == encoded(known)
    assert (made.url, made.content, made.extensions) == (url, body or b"", extensions)


@pytest.mark.parametrize("value", ["a\r\nX-BM-SIGN: b", "a\nb", "a\rb"])
def test_a_header_with_a_line_break_never_leaves(value):
    with pytest.raises(httpx.LocalProtocolError):
        encoded(request(**{"X-Other": value}))


async def test_a_request_leaves_in_one_piece_and_the_next_uses_the_same_connection():
    server = Server(OK)
    async with server.client() as kept:
        assert await server.ask(kept) == (200, b"{}")
        assert await server.ask(kept) == (200, b"{}")
    assert [len(pieces) for pieces in server.pieces] == [2]
    assert server.pieces[0][0] == encoded(request(server.uri))


async def test_requests_at_one_time_have_a_connection_each():
    server = Server(OK)
    async with server.client() as kept:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(server.ask, kept)
        assert len(server.pieces) == 3
        await server.ask(kept)
    assert len(server.pieces) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nX-Note: close\r\n\r\n{}",
    ],
)
async def test_a_connection_that_the_exchange_ends_is_not_used_again(answer):
    server = Server(answer, OK)
    async with server.client() as kept:
        assert await server.ask(kept) == (200, b"{}")
        assert await server.ask(kept) == (200, b"{}")
    assert [len(pieces) for pieces in server.pieces] == [1, 1]


async def test_an_idle_connection_that_was_hung_up_is_noticed_before_it_is_used():
    server = Server(OK)
    async with server.client() as kept:
        await server.ask(kept)
        [idle] = next(iter(kept._idle.values()))
        server.answers = [b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", OK]
        await idle.stream.send_all(b"x")  # has it say so now, and not after its own time
        with trio.fail_after(5):
            while idle.is_good:
                await trio.sleep(0.001)
        assert await server.ask(kept) == (200, b"{}")
    assert len(server.pieces) == 2


async def test_a_connection_that_was_idle_for_too_long_is_not_used_again(autojump_clock):
    server = Server(OK)
    async with server.client() as kept:
        await server.ask(kept)
        autojump_clock.jump(KEPT_S - 1)
        await server.ask(kept)
        assert len(server.pieces) == 1
        autojump_clock.jump(KEPT_S)
        await server.ask(kept)
    assert len(server.pieces) == 2


async def test_an_answer_that_is_not_read_to_its_end_costs_the_connection():
    server = Server(OK)
    async with server.client() as kept:
        response = await kept.handle_async_request(request(server.uri))
        await response.aclose()
        await response.aclose()
        await server.ask(kept)
    assert len(server.pieces) == 2


async def test_a_cancelled_request_costs_the_connection(autojump_clock):
    server = Server(b"HTTP/1.1 200 OK\r\n", OK)
    async with server.client() as kept:
        with trio.move_on_after(1):
            await server.ask(kept)
        assert await server.ask(kept) == (200, b"{}")
    assert len(server.pieces) == 2


async def test_an_informational_answer_is_passed_over_and_garbage_is_a_protocol_error():
    server = Server(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"garbage\r\n\r\n")
    async with server.client() as kept:
        assert await server.ask(kept) == (200, b"{}")
        with pytest.raises(httpx.RemoteProtocolError):
            await server.ask(kept)
