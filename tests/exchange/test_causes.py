"""A call that fails says whether it was the name, TLS, the port, a reset or time."""

import socket
import struct
from functools import partial

import httpx
import pytest
import trio

from bitmart_engine.causes import Cause
from bitmart_engine.counters import Counters
from bitmart_engine.exchange import NotSent, OutcomeUnknown, open_exchange
from bitmart_engine.settings import Settings
from bitmart_engine.world import World

MODE = "/contract/private/get-position-mode"


class Nowhere(trio.abc.HostnameResolver):
    """Knows no name."""

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, sockaddr, flags):
        raise AssertionError("a client asks for addresses, never for names")


async def asked(uri, expected):
    """What a read of the account at `uri` raises."""
    settings = Settings(api_key="k", api_secret="s", api_memo="m", rest_uri=uri)
    with trio.fail_after(30):
        async with open_exchange(settings, World(), Counters()) as client:
            with pytest.raises(expected) as failure:
                await client.position_mode()
    return failure.value


async def asked_of(answer, expected, scheme="http"):
    """The same of a server on this machine; `answer` gets each connection."""
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        failure = await asked(f"{scheme}://127.0.0.1:{port}", expected)
        nursery.cancel_scope.cancel()
    return failure


async def test_a_port_where_nobody_listens_is_refused():
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        failure = await asked(f"http://127.0.0.1:{unused.getsockname()[1]}", NotSent)
    assert (failure.cause, str(failure)) == (
        Cause.REFUSED,
        "no connection to 127.0.0.1: connection refused",
    )


async def test_a_name_that_does_not_resolve_is_dns():
    trio.socket.set_custom_hostname_resolver(Nowhere())
    failure = await asked("http://exchange.test", NotSent)
    assert (failure.cause, str(failure)) == (
        Cause.DNS,
        "no connection to exchange.test: the host name does not resolve",
    )


async def test_a_server_that_speaks_no_tls_is_tls():
    async def answer(stream):
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    failure = await asked_of(answer, NotSent, "https")
    assert (failure.cause, "the TLS handshake failed" in str(failure)) == (Cause.TLS, True)


async def test_a_connection_that_is_reset_before_the_answer_is_reset():
    async def answer(stream):
        await stream.receive_some()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    failure = await asked_of(answer, OutcomeUnknown)
    assert (failure.cause, failure.why) == (
        Cause.RESET,
        "answer lost: the connection was reset",
    )


async def test_a_peer_that_closes_before_it_answers_has_hung_up():
    async def answer(stream):
        await stream.receive_some()

    failure = await asked_of(answer, OutcomeUnknown)
    assert (failure.cause, failure.why) == (
        Cause.HUNG_UP,
        "answer lost: the peer hung up without an answer",
    )


async def test_an_answer_that_does_not_come_is_a_read_timeout(fake, client, autojump_clock):
    async def answer(request):
        await request.extensions["trace"]("connection.connect_tcp.started", {})
        await request.extensions["trace"]("http11.send_request_headers.started", {})
        await trio.sleep_forever()

    fake.does(MODE, answer)
    with pytest.raises(OutcomeUnknown, match="no answer within 5 s") as failure:
        await client.position_mode()
    assert failure.value.cause is Cause.READ_TIMEOUT


async def test_a_connection_that_does_not_come_is_a_connect_timeout(fake, client, autojump_clock):
    async def answer(request):
        await request.extensions["trace"]("connection.connect_tcp.started", {})
        await trio.sleep_forever()

    fake.does(MODE, answer)
    with pytest.raises(NotSent, match="within 5 s") as failure:
        await client.position_mode()
    assert failure.value.cause is Cause.CONNECT_TIMEOUT


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        (httpx.ConnectTimeout, Cause.CONNECT_TIMEOUT),
        (httpx.PoolTimeout, Cause.POOL_TIMEOUT),
        (httpx.ReadTimeout, Cause.READ_TIMEOUT),
        (httpx.WriteTimeout, Cause.WRITE_TIMEOUT),
    ],
)
async def test_a_timeout_of_the_transport_says_which(fake, client, raised, cause):
    fake.does(MODE, raised("x"))
    with pytest.raises((NotSent, OutcomeUnknown)) as failure:
        await client.position_mode()
    assert failure.value.cause is cause
    assert cause.words in str(failure.value)
