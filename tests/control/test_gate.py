"""What holds connections, or sends nonsense, keeps nobody out and takes nothing from the exchange's sockets."""

from __future__ import annotations

import errno
import gc
import json
import logging
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import structlog
import trio

from bitmart_engine.control.connection import Connection, raw_refusal
from bitmart_engine.control.gate import Gate, Room, room_within_limits

from .conftest import Desk

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
READ = b"GET /events?types=entry HTTP/1.1\r\nHost: localhost\r\n\r\n"
HANDSHAKE = {
    "Host": "localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def dial(desk: Desk) -> trio.SocketStream:
    url = httpx.URL(desk.address)
    return await trio.open_tcp_stream(url.host, url.port or 0)


async def everything(stream: trio.SocketStream) -> bytes:
    """What is sent until the connection is closed."""
    got = b""
    with trio.fail_after(10):
        try:
            while part := await stream.receive_some(65536):
                got += part
        except trio.BrokenResourceError:
            pass
    return got


def body_of(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head.lower()
    found: dict[str, Any] = json.loads(body)
    return found


def handshake(**changes: str) -> bytes:
    headers = {**HANDSHAKE, **changes}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(["GET /events HTTP/1.1", *lines, "", ""]).encode("latin-1")


async def test_silent_connections_keep_nobody_out(desk: Desk) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(300):
            await stack.enter_async_context(await dial(desk))
        assert (await desk.get("/healthz"))["ok"]
        counts = desk.engine.dropped()
        assert counts["control_connection_given_up"] >= 300 - 32


async def test_half_sent_requests_keep_nobody_out(desk: Desk) -> None:
    async with AsyncExitStack() as stack:
        for number in range(100):
            stream = await stack.enter_async_context(await dial(desk))
            body = b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"
            await stream.send_all(body if number % 2 else GET[:30])
        for _ in range(10):
            async with httpx.AsyncClient() as other:
                assert (await other.get(f"{desk.address}/healthz")).is_success
    assert not desk.engine.stopping


async def test_leaked_readers_of_events_leave_room_for_questions(desk: Desk) -> None:
    async with AsyncExitStack() as stack:
        answers = []
        for _ in range(60):
            stream = await stack.enter_async_context(await dial(desk))
            await stream.send_all(READ)
            answer = await stream.receive_some(65536)
            if answer.startswith(b"HTTP/1.1 503"):
                while b"}\n" not in answer:
                    answer += await stream.receive_some(65536)
            answers.append(answer)
        taken = [each for each in answers if each.startswith(b"HTTP/1.1 200")]
        refused = [each for each in answers if each.startswith(b"HTTP/1.1 503")]
        assert (len(taken), len(taken) + len(refused)) == (24, 60)
        assert "readers of events" in body_of(refused[0])["error"]
        assert b"retry-after" in refused[0].lower()
        assert (await desk.get("/status"))["ok"]


async def test_a_peer_that_hangs_up_gives_its_descriptor_back_at_once(desk: Desk) -> None:
    def of_the_peer() -> int:
        return sum(
            isinstance(each, Connection) and each.socket.fileno() >= 0 for each in gc.get_objects()
        )

    with trio.fail_after(5):
        before = of_the_peer()
        for _ in range(20):
            async with await dial(desk) as stream:
                await stream.send_all(GET)
                await stream.receive_some(65536)
        while of_the_peer() > before:
            await trio.sleep(0.01)


async def test_headers_that_do_not_come_to_their_end_are_answered_and_closed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitmart_engine.control.connection.HEAD_WITHIN_S", 0.05)
    async with await dial(desk) as stream:
        await stream.send_all(GET[:-4])
        answer = await everything(stream)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert body_of(answer)["ok"] is False


async def test_headers_may_come_byte_by_byte(desk: Desk) -> None:
    async with await dial(desk) as stream:
        for _ in range(2):
            for byte in b"\r\n" + GET:
                await stream.send_all(bytes([byte]))
            answer = b""
            with trio.fail_after(5):
                while not answer.endswith(b"}\n"):
                    answer += await stream.receive_some(100)
            assert answer.startswith(b"HTTP/1.1 200")


async def test_requests_sent_at_once_are_answered_one_after_the_other(desk: Desk) -> None:
    async with await dial(desk) as stream:
        await stream.send_all(GET * 3)
        answer = b""
        with trio.fail_after(5):
            while answer.count(b"HTTP/1.1 200") < 3:
                answer += await stream.receive_some(1000)


@pytest.mark.parametrize("cut", range(1, len(GET) + 4, 3))
async def test_requests_may_be_cut_anywhere(desk: Desk, cut: int) -> None:
    post = (
        b"POST /orders/subscribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    )
    said = post + b"Content-Length: 2\r\n\r\n{}" + GET + GET
    async with await dial(desk) as stream:
        await stream.send_all(said[: -cut - 10])
        await trio.sleep(0.02)
        for part in (said[-cut - 10 : -cut], said[-cut:]):
            await stream.send_all(part)
            await trio.sleep(0.01)
        answer = b""
        with trio.fail_after(5):
            while answer.count(b"HTTP/1.1 200") < 3:
                part = await stream.receive_some(1000)
                assert part, answer
                answer += part


async def test_a_body_may_wait_until_it_is_asked_for(desk: Desk) -> None:
    head = (
        b"POST /orders/subscribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    )
    async with await dial(desk) as stream:
        await stream.send_all(head + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        with trio.fail_after(5):
            assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 100")
            await stream.send_all(b"{}")
            assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\x00\xff\r\n\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 403),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: odd\r\n\r\n", 501),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET ?x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (handshake(Connection="Upgrade, \xff"), 400),
        (handshake(**{"Sec-WebSocket-Protocol": "\xe9"}), 400),
        (handshake(**{"Sec-WebSocket-Version": "12"}), 400),
        (handshake(**{"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=x"}), 400),
        (handshake(**{"Sec-WebSocket-Extensions": "\xff"}), 400),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_answered_in_json_and_makes_no_traceback(
    desk: Desk, said: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.DEBUG):
        async with await dial(desk) as stream:
            await stream.send_all(said)
            answer = b""
            with trio.fail_after(5):
                while b"}\n" not in answer:
                    part = await stream.receive_some(65536)
                    assert part, answer
                    answer += part
    assert int(answer[9:12]) == status, answer
    assert body_of(answer)["ok"] is False
    assert body_of(answer)["error"]
    assert [each for each in logs if "exc_info" in each] == []
    assert [each for each in caplog.records if each.exc_info] == []
    assert (await desk.get("/healthz"))["ok"]


async def test_an_upgrade_to_http2_is_not_made(desk: Desk) -> None:
    upgrade = b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: !!\r\n\r\n"
    async with await dial(desk) as stream:
        await stream.send_all(GET[:-2] + upgrade)
        assert (await stream.receive_some(65536)).startswith(b"HTTP/1.1 200")


@asynccontextmanager
async def socket_of_events(desk: Desk, **changes: str) -> AsyncIterator[trio.SocketStream]:
    async with await dial(desk) as stream:
        await stream.send_all(handshake(**changes))
        assert (await stream.receive_some(65536)).startswith(b"HTTP/1.1 101")
        yield stream


async def test_a_frame_without_end_is_cut_off_after_what_a_reader_may_send(desk: Desk) -> None:
    sent = 0
    async with socket_of_events(desk) as stream:
        await stream.send_all(b"\x82\xff" + (2**40).to_bytes(8, "big") + b"mask")
        with trio.fail_after(10), suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x" * 65536)
                sent += 65536
    assert sent < 20_000_000  # what the kernel takes before it says that nobody listens
    assert desk.engine.dropped()["control_reader_flooded"] == 1


@pytest.mark.parametrize(
    ("bits", "frame"),
    [("99", b"\xc2\x84maskxxxx"), ("15", b"\xc2\x84maskxxxx"), ("15", b"\xff\x84maskxxxx")],
)
async def test_frames_that_cannot_be_read_end_the_connection_and_make_no_traceback(
    desk: Desk, bits: str, frame: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    extensions = f"permessage-deflate; client_max_window_bits={bits}"
    with structlog.testing.capture_logs() as logs:
        async with socket_of_events(desk, **{"Sec-WebSocket-Extensions": extensions}) as stream:
            await stream.send_all(frame)
            await everything(stream)
    assert [each for each in logs if "exc_info" in each] == []
    assert [each for each in caplog.records if each.exc_info] == []


async def test_a_message_that_is_too_long_is_told_so(desk: Desk) -> None:
    async with socket_of_events(desk) as stream:
        await stream.send_all(b"\x82\xfe" + (5000).to_bytes(2, "big") + b"mask" + b"x" * 5000)
        with trio.fail_after(5):
            assert (await stream.receive_some(100))[:4] == b"\x88\x02\x03\xf1"  # close, 1009


async def test_a_reader_may_ping_for_as_long_as_it_likes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitmart_engine.control.connection.READER_BYTES_A_SECOND", 1e9)
    async with socket_of_events(desk) as stream:
        for _ in range(2000):
            await stream.send_all(b"\x89\x84maskxxxx")
            with trio.fail_after(5):
                assert await stream.receive_some(100)


async def test_a_peer_that_reads_nothing_is_hung_up_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitmart_engine.control.connection.SENT_WITHIN_S", 0.05)
    async with await dial(desk) as stream:
        for _ in range(2000):
            with trio.move_on_after(0.5) as full:
                try:
                    await stream.send_all(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
                except trio.BrokenResourceError:
                    break
            if full.cancelled_caught:
                break
        await desk.until(lambda: "control_peer_not_reading" in desk.engine.dropped())


# The gate alone


@asynccontextmanager
async def gate(room: Room, refuse: str | None = None, **more: Any) -> AsyncIterator[Any]:
    """A gate on loopback, whose connections are answered with a greeting once they ask for it."""
    counted: list[str] = []
    one = Gate(lambda peer: refuse, counted.append, room)

    async def talk(connection: Connection) -> None:
        with suppress(trio.ClosedResourceError):
            await connection.stream.receive_some(1)
            connection.asked = True
            await connection.stream.send_all(b"hello")
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(one.accept, listener, talk, nursery)
        yield one, listener.socket.getsockname(), counted
        nursery.cancel_scope.cancel()


async def test_who_is_not_from_here_is_told_so_unread(desk: Desk) -> None:
    async with gate(Room(), "set CTRL_TOKEN") as (_, address, counted):
        async with await trio.open_tcp_stream(*address) as stream:
            answer = await everything_after_eof(stream)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert body_of(answer) == {"ok": False, "error": "set CTRL_TOKEN"}
        assert counted == ["control_connection_not_allowed"]


async def everything_after_eof(stream: trio.SocketStream) -> bytes:
    await stream.send_eof()
    return await everything(stream)


async def test_where_everybody_is_asking_the_next_is_told_to_come_again() -> None:
    async with gate(Room(per_peer=3)) as (one, address, _), AsyncExitStack() as stack:
        for _ in range(3):
            stream = await stack.enter_async_context(await trio.open_tcp_stream(*address))
            await stream.send_all(b"?")
            assert await stream.receive_some(10) == b"hello"
        async with await trio.open_tcp_stream(*address) as late:
            answer = await everything_after_eof(late)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in answer
        assert len(one.connections) == 3


async def test_the_one_that_waits_longest_makes_room() -> None:
    async with gate(Room(total=2)) as (_, address, _), AsyncExitStack() as stack:
        first, second, third = [
            await stack.enter_async_context(await trio.open_tcp_stream(*address)) for _ in range(3)
        ]
        assert await everything(first) == b""
        for each in (second, third):
            await each.send_all(b"?")
            assert await each.receive_some(10) == b"hello"


async def test_out_of_descriptors_is_one_line_a_second_and_passes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Starved:
        tries = 0

        async def accept(self) -> trio.SocketStream:
            await trio.lowlevel.checkpoint()
            self.tries += 1
            raise OSError(errno.EMFILE, "Too many open files")

    starved = Starved()
    one = Gate(lambda peer: None, lambda reason: None, Room())
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.accept, starved, None, nursery)  # type: ignore[arg-type]
            await trio.sleep(10)
            nursery.cancel_scope.cancel()
    assert 5 <= len(logs) <= 10
    assert logs[0]["why"] == {"Too many open files": 1}
    assert starved.tries < 30


@pytest.mark.parametrize(("allowed", "total"), [(1 << 20, 256), (1024, 256), (300, 108), (64, 8)])
def test_few_descriptors_are_few_connections(
    allowed: int, total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (allowed, allowed))
    room = room_within_limits()
    assert room.total == total
    assert room.readers < room.total
    assert room.per_peer <= 32


def test_a_refusal_without_the_app_is_one_of_ours() -> None:
    assert body_of(raw_refusal(431))["error"].startswith("the headers are too long")
    assert body_of(raw_refusal(418))["ok"] is False
