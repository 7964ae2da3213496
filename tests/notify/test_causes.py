"""A delivery that fails says whether it was the name, TLS, the port, a reset or time."""

import socket
import struct
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import trio
from structlog.testing import capture_logs

from bitmart_engine.causes import Cause
from bitmart_engine.model.notifications import Notification
from bitmart_engine.notify.delivery import Delivery, Verdict
from bitmart_engine.notify.posting import Posting
from bitmart_engine.settings import Settings


async def here(host, port):
    await trio.lowlevel.checkpoint()
    return ["127.0.0.1"]


async def attempt(port, scheme="http"):
    """What an attempt at a port of this machine comes to."""
    note = Notification(
        id="n1",
        lane="a",
        url=f"{scheme}://app.test:{port}/",
        body=b"{}",
        created_ms=0,
        kind="placed",
    )
    with trio.fail_after(30):
        return await Delivery(Settings(), lambda: 0, Posting(), here).attempt(note)


@asynccontextmanager
async def receiving(answer):
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def test_a_receiver_that_is_not_running_refuses_the_connection():
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        outcome = await attempt(unused.getsockname()[1])
    assert (outcome.verdict, outcome.cause) == (Verdict.AGAIN, Cause.REFUSED)
    assert outcome.why == "no connection: connection refused"


async def test_a_receiver_that_speaks_no_tls_is_told_apart():
    async def answer(stream):
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with receiving(answer) as port:
        outcome = await attempt(port, "https")
    assert (outcome.cause, outcome.why) == (
        Cause.TLS,
        "no connection: the TLS handshake failed",
    )


async def test_a_receiver_that_resets_the_connection_is_told_apart():
    async def answer(stream):
        await stream.receive_some()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with receiving(answer) as port:
        outcome = await attempt(port)
    assert (outcome.cause, outcome.why) == (
        Cause.RESET,
        "no answer: the connection was reset",
    )


@pytest.mark.parametrize(
    ("names", "answer", "cause"),
    [
        (OSError("no"), 200, "dns"),
        (["10.0.0.1"], httpx.ConnectTimeout("x"), "connect_timeout"),
        (["10.0.0.1"], httpx.ReadTimeout("x"), "read_timeout"),
    ],
)
async def test_the_log_line_of_a_failed_delivery_has_its_cause(
    box, autojump_clock, names, answer, cause
):
    box.names["app.test"] = names
    box.receiver.answers["app.test"] = [answer, 200]
    with capture_logs() as lines:
        async with box.open() as outbox:
            outbox.offer(box.note("n1"))
            await trio.sleep(0.5)
            box.names["app.test"] = ["10.0.0.1"]
            await outbox.wait_idle()
    assert [line["cause"] for line in lines] == [cause]
