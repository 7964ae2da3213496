"""No receiver can make a POST cost more than it is worth: over real sockets on this machine."""

from contextlib import asynccontextmanager, suppress
from functools import partial

import httpx
import pytest
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.model.notifications import Notification
from bitmart_engine.notify import open_outbox
from bitmart_engine.notify.posting import HEAD_BYTES, PIECE_BYTES, Misbehaved, Posting
from bitmart_engine.settings import Settings
from bitmart_engine.world import World

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def receiving(talk):
    """A receiver that reads a request's beginning, then does what `talk(stream)` says. Yields its port."""

    async def answer(stream):
        with trio.move_on_after(30):
            try:
                await stream.receive_some(65_536)
                await talk(stream)
            except trio.BrokenResourceError:
                pass

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def post(port, body=b"{}", path="/hook"):
    request = httpx.Request(
        "POST",
        f"http://127.0.0.1:{port}{path}",
        headers={"Connection": "close"},
        content=body,
        extensions={"timeout": {"connect": 30}},
    )
    with trio.fail_after(30):
        return await Posting().handle_async_request(request)


def saying(*pieces, ends=True):
    async def talk(stream):
        for piece in pieces:
            await stream.send_all(piece)
        if not ends:
            await trio.sleep_forever()

    return talk


async def test_it_posts_and_reads_the_answer():
    got = []

    async def talk(stream):
        got.append("here")
        await stream.send_all(CONTINUE + OK)

    async with receiving(talk) as port:
        response = await post(port)
        assert response.status_code == 200
        assert await response.aread() == b"ok"
        await response.aclose()
    assert got == ["here"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((CONTINUE * 100_000,), "too many interim"),
        ((CONTINUE * 11, OK), "too many interim"),
        ((b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n" * 100_000,), "too many interim"),
        ((b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), "as HTTP does"),
        ((b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 100_000,), "too long|as HTTP does"),
        ((b"HTTP/1.1 200 OK\r\nX-Y: " + b"z" * 1_000_000,), "too long|as HTTP does"),
        ((b"x" * 1_000_000,), "too long|as HTTP does"),
        ((b"HTTP/1.1 200 OK\r\nX-",), "as HTTP does"),
        ((b"",), "as HTTP does"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "as HTTP does"),
        ((b"HTTP/1.1 999999 OK\r\n\r\n",), "as HTTP does"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",), "as HTTP does"),
    ],
)
async def test_an_answer_that_is_none_is_cut_off(said, why):
    async with receiving(saying(*said)) as port:
        with pytest.raises(Misbehaved, match=why):
            await post(port)


async def test_interim_responses_without_end_are_cut_off_after_a_piece():
    async def talk(stream):
        while True:
            await stream.send_all(CONTINUE)

    async with receiving(talk) as port:
        with pytest.raises(Misbehaved, match="too many interim"):
            await post(port)


async def test_a_head_is_read_in_pieces_and_no_more_of_it_than_is_allowed(monkeypatch):
    reads = []
    receive_some = trio.SocketStream.receive_some

    async def counted(self, most=None):
        piece = await receive_some(self, most)
        if most == PIECE_BYTES:
            reads.append(len(piece))
        return piece

    monkeypatch.setattr(trio.SocketStream, "receive_some", counted)
    async with receiving(saying(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000)) as port:
        with pytest.raises(Misbehaved):
            await post(port)
    assert max(reads) <= PIECE_BYTES
    assert sum(reads) <= HEAD_BYTES + PIECE_BYTES


async def test_a_body_without_end_ends_where_nobody_reads_on():
    async def talk(stream):
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"1\r\nx\r\n" * 100)

    async with receiving(talk) as port:
        response = await post(port)
        with pytest.raises(Misbehaved, match="too long"):
            await response.aread()
        await response.aclose()


async def test_a_receiver_that_answers_before_it_has_read_everything_is_heard():
    async def talk(stream):
        await stream.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await trio.sleep_forever()

    async with receiving(talk) as port:
        response = await post(port, b"x" * 10_000)
        assert response.status_code == 413
        await response.aclose()


async def test_nobody_there_is_not_connected():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(httpx.ConnectError):
        await post(port)


async def test_a_receiver_that_does_not_speak_tls_is_not_connected():
    async with receiving(saying(OK)) as port:
        request = httpx.Request("POST", f"https://127.0.0.1:{port}/", content=b"{}")
        with trio.fail_after(30), pytest.raises(httpx.ConnectError):
            await Posting().handle_async_request(request)


@pytest.mark.parametrize("how", ["never reads", "never answers", "drips"])
async def test_a_receiver_that_takes_its_time_is_left_at_the_timeout(how):
    async def answer(stream):
        if how == "never reads":
            await trio.sleep_forever()
        with suppress(trio.BrokenResourceError):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000:
                if how == "never answers":
                    await stream.receive_some(65_536)
                else:
                    await stream.send_all(bytes([byte]))
                await trio.sleep(0.01)

    async def durable():
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        async with open_outbox(
            Settings(callback_timeout_s=0.2),
            World(),
            Counters(),
            durable=durable,
            settled=lambda *_: None,
        ) as outbox:
            outbox.offer(
                Notification(
                    id="n1",
                    lane="a",
                    url=f"http://127.0.0.1:{port}/",
                    body=b"x" * 10_000_000,
                    kind="placed",
                    created_ms=0,
                )
            )
            with trio.fail_after(30):
                while not outbox.statistics().dead:
                    await trio.sleep(0.01)
            assert "no answer within 0.2 s" in outbox.dead_letters()[0][1]
        nursery.cancel_scope.cancel()
